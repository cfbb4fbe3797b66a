#include "process/clock.hpp"

#include <gtest/gtest.h>

namespace klyuchnik::process {
namespace {

using namespace std::chrono_literals;

TEST(ManualClock, StandsStillUntilItIsMoved) {
    ManualClock clock{Instant{100s}};
    EXPECT_EQ(clock.now(), Instant{100s});
    clock.advance(1500us);
    EXPECT_EQ(clock.now(), Instant{100s + 1500us});
    clock.set(Instant{5s});
    EXPECT_EQ(clock.now(), Instant{5s});
}

TEST(SystemClock, IsInThisCentury) {
    const Instant now = SystemClock{}.now();
    EXPECT_GT(now, Instant{std::chrono::sys_days{std::chrono::year{2024} / 1 / 1}});
    EXPECT_LT(now, Instant{std::chrono::sys_days{std::chrono::year{2100} / 1 / 1}});
}

}  // namespace
}  // namespace klyuchnik::process
