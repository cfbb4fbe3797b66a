#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>

namespace klyuchnik::bridge {

/// What was refused in passing ("busy", "unavailable") is answered at once, so that trying again
/// without a pause would spend all tries in a moment.
inline constexpr std::array<std::chrono::milliseconds, 2> kRetryPauses{
    std::chrono::milliseconds{500}, std::chrono::milliseconds{1000}};

/// How long to wait after `tried` tries (from 1) that failed in passing. None: no further try,
/// since all are spent or the pause would reach the deadline. Pure.
constexpr std::optional<std::chrono::milliseconds> pause_before_next(
    std::size_t tried, std::chrono::steady_clock::time_point now,
    std::chrono::steady_clock::time_point deadline) {
    if (tried < 1 || tried > kRetryPauses.size()) return std::nullopt;
    const std::chrono::milliseconds pause = kRetryPauses[tried - 1];
    if (now + pause >= deadline) return std::nullopt;
    return pause;
}

}  // namespace klyuchnik::bridge
