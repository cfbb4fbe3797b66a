#include "bridge/rest/retries.hpp"

#include <gtest/gtest.h>

namespace klyuchnik::bridge {
namespace {

using namespace std::chrono_literals;

TEST(Retries, PauseMoreAndMoreAndEnd) {
    const std::chrono::steady_clock::time_point now{100s};
    EXPECT_EQ(pause_before_next(1, now, now + 90s), 500ms);
    EXPECT_EQ(pause_before_next(2, now, now + 90s), 1000ms);
    EXPECT_EQ(pause_before_next(3, now, now + 90s), std::nullopt);
    EXPECT_EQ(pause_before_next(0, now, now + 90s), std::nullopt);
}

TEST(Retries, NeverPauseBeyondTheDeadline) {
    const std::chrono::steady_clock::time_point now{100s};
    EXPECT_EQ(pause_before_next(1, now, now + 501ms), 500ms);
    EXPECT_EQ(pause_before_next(1, now, now + 500ms), std::nullopt);
    EXPECT_EQ(pause_before_next(2, now, now + 900ms), std::nullopt);
    EXPECT_EQ(pause_before_next(1, now, now - 1s), std::nullopt);
}

}  // namespace
}  // namespace klyuchnik::bridge
