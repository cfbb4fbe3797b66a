// One log for every program: text for people, or JSON lines for machines, on stderr.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <fmt/core.h>

namespace klyuchnik::process {

/// How the log looks; filled from --log-json and --log-level (see log_options in settings.hpp).
struct LogSettings {
    bool json = false;           ///< One JSON object a line: time, level, program, message.
    std::string level = "info";  ///< debug, info, warn, error or off.
    std::string program;         ///< Name in every line.
};

/// Lines wait in a queue of this many for the one thread that writes them. When it is full (a
/// reader of our stderr that stands still) the oldest waiting line is given up, nobody is held up,
/// and the next line that is written is preceded by one that says how many were lost.
inline constexpr std::size_t kLogQueueMax = 8192;

/// Longer messages are cut, and the line says how many bytes are missing.
inline constexpr std::size_t kLogMessageMax = 8192;

/// Keys that warn_every() remembers at once. Beyond, keys share one entry until others have run
/// out.
inline constexpr std::size_t kWarnKeysMax = 256;

/// Starts the writing thread. Before it, and after stop_log(), lines are written by the caller, as
/// text, at once. Call it once in main(), before other threads. Throws std::invalid_argument for an
/// unknown level.
void start_log(const LogSettings& settings);

/// Writes what waits, ends the thread. Last thing in main(). Harmless when the log was not started.
void stop_log();

/// Lines given up since the start because the queue was full.
std::uint64_t log_lines_lost();

/// `untrusted` as one line of harmless text: control characters (CR, LF, ESC of terminal sequences,
/// C1), line separators, direction overrides and bytes that are not UTF-8 are written as \n, \x1b,
/// \u202e, \xff, ... Every log line passes through it; use it yourself for what you print by other
/// ways.
std::string one_line(std::string_view untrusted);

/// Log lines in fmt style, checked by the compiler: log::info("cabinet {} is {}", id, state).
///
/// Thread-safe, and safe on the network thread: nothing waits for the disk or the terminal. One
/// call is one line, whatever bytes the arguments hold. Names of people, card numbers, passwords
/// and tokens do not belong in it.
namespace log {

enum class Level : int { debug, info, warn, error };

/// Whether a line of this level would be written, for arguments that are expensive to make.
bool enabled(Level level) noexcept;

namespace detail {
void write(Level level, fmt::string_view format, fmt::format_args args) noexcept;
/// How many lines of `key` were held back since the last written one, or -1 when this one is to be
/// held back.
std::int64_t admit(std::string_view key, std::chrono::milliseconds interval) noexcept;
void write_admitted(std::int64_t held_back, fmt::string_view format,
                    fmt::format_args args) noexcept;
}  // namespace detail

template <class... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
    if (enabled(Level::debug)) detail::write(Level::debug, format, fmt::make_format_args(args...));
}

template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
    if (enabled(Level::info)) detail::write(Level::info, format, fmt::make_format_args(args...));
}

template <class... Args>
void warn(fmt::format_string<Args...> format, Args&&... args) {
    if (enabled(Level::warn)) detail::write(Level::warn, format, fmt::make_format_args(args...));
}

template <class... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
    if (enabled(Level::error)) detail::write(Level::error, format, fmt::make_format_args(args...));
}

/// A warning that a flood may cause: at most one line per `key` and `interval`; the next one
/// written says how many were held back. `key` names the kind of event ("bad batch"), or kind and
/// device; memory is bounded by kWarnKeysMax.
template <class... Args>
void warn_every(std::string_view key, std::chrono::milliseconds interval,
                fmt::format_string<Args...> format, Args&&... args) {
    if (!enabled(Level::warn)) return;
    if (const std::int64_t held_back = detail::admit(key, interval); held_back >= 0)
        detail::write_admitted(held_back, format, fmt::make_format_args(args...));
}

}  // namespace log
}  // namespace klyuchnik::process
