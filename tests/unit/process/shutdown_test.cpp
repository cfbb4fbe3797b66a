#include "process/shutdown.hpp"

#include <csignal>
#include <cstdlib>
#include <thread>

#include <gtest/gtest.h>
#include <poll.h>

namespace klyuchnik::process {
namespace {

using namespace std::chrono_literals;

/// The wish to stop is of the process and final, so each claim runs in a child of its own.
class ShutdownTest : public testing::Test {
 protected:
    ShutdownTest() { testing::FLAGS_gtest_death_test_style = "threadsafe"; }
};

bool readable(int fd) {
    pollfd descriptor{fd, POLLIN, 0};
    return ::poll(&descriptor, 1, 0) == 1;
}

TEST_F(ShutdownTest, ASignalWakesThoseWhoWait) {
    for (const int number : {SIGINT, SIGTERM})
        EXPECT_EXIT(
            {
                Shutdown::install();
                const bool before = Shutdown::requested() || readable(Shutdown::fd());
                std::thread sender{[number] { ::kill(::getpid(), number); }};
                const bool woken = Shutdown::wait_for(1h);
                sender.join();
                std::_Exit(
                    !before && woken && Shutdown::requested() && readable(Shutdown::fd()) ? 0 : 1);
            },
            testing::ExitedWithCode(0), "");
}

TEST_F(ShutdownTest, WaitingEndsAtTheTimeout) {
    EXPECT_EXIT(
        {
            const bool without_handlers = Shutdown::wait_for(1ms);
            Shutdown::install();
            std::_Exit(without_handlers || Shutdown::wait_for(1ms) ? 1 : 0);
        },
        testing::ExitedWithCode(0), "");
}

TEST_F(ShutdownTest, ARequestFromInsideCounts) {
    EXPECT_EXIT(
        {
            Shutdown::request();
            Shutdown::install();
            std::_Exit(Shutdown::wait_for(0ms) && readable(Shutdown::fd()) ? 0 : 1);
        },
        testing::ExitedWithCode(0), "");
}

TEST_F(ShutdownTest, ASecondSignalOfTheSameKindEndsAtOnce) {
    EXPECT_EXIT(
        {
            Shutdown::install();
            ::raise(SIGINT);
            ::raise(SIGINT);
            std::_Exit(1);
        },
        testing::ExitedWithCode(130), "");
}

TEST_F(ShutdownTest, CtrlCFollowedByTermStaysOrderly) {
    EXPECT_EXIT(
        {
            Shutdown::install();
            ::raise(SIGINT);
            ::raise(SIGTERM);
            ::raise(SIGPIPE);
            std::_Exit(Shutdown::requested() ? 0 : 1);
        },
        testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace klyuchnik::process
