#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "topics/ids.hpp"
#include "topics/result.hpp"

/// What handlers and the broker's guard say to each other. Lines of text towards the guard, since
/// it is C inside the broker's only thread; JSON from it.
///
///     kick <device>             its session is cut; it may come back
///     set <device> <cred>...    1 to 4 credentials, `s:` SHA-256 of a secret, `c:` of a
///                               certificate; replaces; a session by another one is cut
///     drop <device>             unknown from now on, its session is cut
///     begin <token>             a snapshot of all devices begins
///     end <token>               what was not set since is dropped
///     tell <token>              the guard answers when all before it is in force
namespace klyuchnik::topics {

std::string guard_control_topic();
/// What every guard says: `kl/v1/sys/guard/+`.
std::string guard_reports_filter();

/// Of which a device may have up to kCredentialsMax at once.
struct GuardCredential {
    enum class Kind : std::uint8_t { secret, certificate };
    Kind kind = Kind::secret;
    std::string sha256;  ///< 64 hexadecimal digits.
};
inline constexpr std::size_t kCredentialsMax = 4;
/// A control payload may be as large as any other; lines that do not fit go into the next one.
inline constexpr std::size_t kGuardPayloadBytesMax = 120 * 1024;

std::string guard_set_line(const DeviceId& device, const std::vector<GuardCredential>& known);
std::string guard_drop_line(const DeviceId& device);
std::string guard_kick_line(const DeviceId& device);
std::string guard_begin_line(std::string_view token);
std::string guard_end_line(std::string_view token);
std::string guard_tell_line(std::string_view token);

struct GuardReport {
    std::string boot;          ///< Another one after each start of the broker.
    std::int64_t devices = 0;  ///< How many it knows.
    bool presence = false;     ///< Retained: said once at the start, heard by whoever comes later.
    std::optional<std::string> told;  ///< The token of a `tell`.
    std::optional<DeviceId> flood;    ///< This device sends more than its share,
    std::int64_t dropped = 0;  ///< so many of its messages were dropped since the last report,
    bool cut = false;          ///< and it was cut off for a while.
};
Decoded<GuardReport> decode_guard_report(std::string_view payload);

}  // namespace klyuchnik::topics
