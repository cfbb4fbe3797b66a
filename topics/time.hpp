#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// Times. Everything is UTC; a site's time zone is applied by PostgreSQL and only where calendars
/// matter.
namespace klyuchnik::topics {

/// A point in time, as precise as PostgreSQL keeps it.
using Instant = std::chrono::sys_time<std::chrono::microseconds>;

constexpr Instant from_unix_seconds(std::int64_t seconds) {
    return Instant{std::chrono::seconds{seconds}};
}
constexpr std::int64_t unix_seconds(Instant at) {
    return std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count();
}
constexpr Instant from_unix_micros(std::int64_t micros) {
    return Instant{std::chrono::microseconds{micros}};
}
constexpr std::int64_t unix_micros(Instant at) {
    return at.time_since_epoch().count();
}

/// "2026-01-31T07:05:09.120000Z": RFC 3339, always with six digits so that texts sort as times do.
std::string rfc3339(Instant at);

}  // namespace klyuchnik::topics
