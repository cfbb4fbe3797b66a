// Named places where a fault test may kill the process.
#pragma once

#include <string_view>

namespace klyuchnik::process {

/// Kills the process here (SIGKILL, nothing is flushed or closed) when the environment variable
/// KLYUCHNIK_CRASH_AT is `name`, or, for `name:n`, at the n-th pass (1 = the first). Otherwise it
/// costs one relaxed atomic load, so it may stand in the hottest loop. One line on stderr says
/// which point was reached: a fault test uses it to prove that the fault really happened.
///
/// Thread-safe. The variable is read once, at the first pass; setting it later has no effect. A
/// value that is not `name` or `name:n` with n from 1 up arms nothing.
void crash_point(std::string_view name);

/// Logs a warning when KLYUCHNIK_CRASH_AT is set (an error when it cannot be understood). Every
/// main() calls it after start_log(), so that nobody runs an armed process without knowing.
void announce_crash_points();

}  // namespace klyuchnik::process
