#include "process/crash_point.hpp"

#include <csignal>
#include <cstdlib>

#include <gtest/gtest.h>

#include "process/log.hpp"

namespace klyuchnik::process {
namespace {

/// The variable is read once per process, so each claim runs in a child of its own.
class CrashPoint : public testing::Test {
 protected:
    CrashPoint() { testing::FLAGS_gtest_death_test_style = "threadsafe"; }
};

void arm(const char* value) {
    ::setenv("KLYUCHNIK_CRASH_AT", value, 1);
}

[[noreturn]] void survive() {
    std::_Exit(7);
}

TEST_F(CrashPoint, KillsTheProcessAtItsNameAndSaysSo) {
    EXPECT_EXIT(
        {
            arm("after-commit");
            crash_point("before-commit");
            crash_point("after-commit");
            survive();
        },
        testing::KilledBySignal(SIGKILL), "crash point after-commit reached");
}

TEST_F(CrashPoint, CountsPasses) {
    EXPECT_EXIT(
        {
            arm("here:3");
            crash_point("here");
            crash_point("here");
            survive();
        },
        testing::ExitedWithCode(7), "");
    EXPECT_EXIT(
        {
            arm("here:3");
            for (int i = 0; i < 3; ++i) crash_point("here");
            survive();
        },
        testing::KilledBySignal(SIGKILL), "crash point here:3 reached");
}

TEST_F(CrashPoint, DoesNothingWhenNotSetOrSetWrongly) {
    EXPECT_EXIT(
        {
            ::unsetenv("KLYUCHNIK_CRASH_AT");
            announce_crash_points();
            crash_point("here");
            survive();
        },
        testing::ExitedWithCode(7), "^$");
    EXPECT_EXIT(
        {
            arm("here:never");
            announce_crash_points();
            crash_point("here");
            survive();
        },
        testing::ExitedWithCode(7), "is not a name or name:n");
}

TEST_F(CrashPoint, IsAnnounced) {
    EXPECT_EXIT(
        {
            arm("here:2");
            announce_crash_points();
            survive();
        },
        testing::ExitedWithCode(7), "KLYUCHNIK_CRASH_AT=here:2: this process will kill itself");
}

}  // namespace
}  // namespace klyuchnik::process
