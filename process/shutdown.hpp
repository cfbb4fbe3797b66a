// Leaving politely: SIGTERM and SIGINT mean "stop taking, finish, leave".
#pragma once

#include <chrono>

namespace klyuchnik::process {

/// The process-wide wish to stop.
///
/// The first SIGTERM or SIGINT only sets the wish; main() sees it, stops the parts in order and
/// returns 0. A second signal *of the same kind* ends the process at once with status 130, for the
/// person who presses Ctrl-C twice. (Of the same kind, because Ctrl-C in a terminal reaches the
/// whole process group, and the script that started us then sends its own SIGTERM: that must not
/// cut off an orderly end.)
///
/// All functions are thread-safe; request() and requested() are also async-signal-safe.
class Shutdown {
 public:
    /// Installs the signal handlers and ignores SIGPIPE (Paho writes to sockets that the broker has
    /// closed). Call first thing in main(). Throws std::system_error when the kernel refuses.
    static void install();

    /// True once a signal came or request() was called. Never becomes false again.
    static bool requested() noexcept;

    /// Asks for the end from inside, as a signal would.
    static void request() noexcept;

    /// Blocks until the end is requested or `timeout` has passed; true if requested.
    static bool wait_for(std::chrono::milliseconds timeout);

    /// A descriptor for poll(): readable from the moment the end is requested, for ever. Never read
    /// from it. -1 before install().
    static int fd() noexcept;
};

}  // namespace klyuchnik::process
