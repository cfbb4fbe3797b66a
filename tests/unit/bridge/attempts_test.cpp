#include "bridge/rest/attempts.hpp"

#include <gtest/gtest.h>

namespace klyuchnik::bridge {
namespace {

using namespace std::chrono_literals;

constexpr AttemptRules kRules{3, 1s, 8s, 100s};

struct Fixture : testing::Test {
    process::ManualClock clock{topics::from_unix_seconds(1'000'000)};
    Attempts attempts{kRules, clock, 100};
};
using AttemptsTest = Fixture;

TEST_F(AttemptsTest, LetsTheFirstOnesThroughAndThenDoublesThePauseUpToItsMost) {
    for (int i = 0; i < 3; ++i) EXPECT_EQ(attempts.begin("eve"), 0s);
    for (const auto pause : {1s, 2s, 4s, 8s, 8s, 8s}) {
        EXPECT_EQ(attempts.begin("eve"), pause);
        clock.advance(pause);
        EXPECT_EQ(attempts.begin("eve"), 0s);
    }
}

TEST_F(AttemptsTest, DoesNotCountAnAttemptThatHadToWait) {
    for (int i = 0; i < 3; ++i) attempts.begin("eve");
    for (int i = 0; i < 1000; ++i) EXPECT_EQ(attempts.begin("eve"), 1s);
    clock.advance(1s);
    EXPECT_EQ(attempts.begin("eve"), 0s);
}

TEST_F(AttemptsTest, CountsAnAttemptWhenItBeginsSoThatManyAtOnceAreNotAllFree) {
    int free = 0;
    for (int i = 0; i < 50; ++i) free += attempts.begin("eve") == 0s ? 1 : 0;
    EXPECT_EQ(free, 3);
}

TEST_F(AttemptsTest, KeepsGuessersApart) {
    for (int i = 0; i < 10; ++i) attempts.begin("eve");
    EXPECT_EQ(attempts.begin("anna"), 0s);
}

TEST_F(AttemptsTest, ForgivesAfterSuccess) {
    for (int i = 0; i < 3; ++i) attempts.begin("anna");
    attempts.succeeded("anna");
    EXPECT_EQ(attempts.begin("anna"), 0s);
    EXPECT_EQ(attempts.size(), 1U);
}

TEST_F(AttemptsTest, ForgivesAfterALongQuietTime) {
    for (int i = 0; i < 10; ++i) attempts.begin("eve");
    clock.advance(101s);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(attempts.begin("eve"), 0s);
}

TEST_F(AttemptsTest, TakesBackAnAttemptThatWasNeitherRightNorWrong) {
    for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(attempts.begin("anna"), 0s);
        attempts.withdraw("anna");
    }
}

TEST_F(AttemptsTest, NeverRemembersMoreThanItsLimitAndForgetsTheQuietestFirst) {
    for (int i = 0; i < 3; ++i) attempts.begin("old");
    clock.advance(1s);
    for (int i = 0; i < 10'000; ++i) {
        attempts.begin("flood" + std::to_string(i));
        ASSERT_LE(attempts.size(), 100U);
    }
    clock.advance(1ms);
    for (int i = 0; i < 4; ++i) attempts.begin("loud");
    clock.advance(500ms);
    for (int i = 0; i < 50; ++i) attempts.begin("more" + std::to_string(i));
    EXPECT_GT(attempts.begin("loud"), 0s);
}

TEST(GuessingTest, SlowsByPairByThingAndByAddress) {
    process::ManualClock clock{topics::from_unix_seconds(1'000'000)};
    Guessing guessing{clock};
    for (int i = 0; i < kPairAttempts.free; ++i) EXPECT_EQ(guessing.begin("anna", "a"), 0s);
    EXPECT_EQ(guessing.begin("anna", "a"), 1s);
    EXPECT_EQ(guessing.begin("anna", "b"), 0s);
    EXPECT_EQ(guessing.begin("boris", "a"), 0s);
    for (int i = kPairAttempts.free + 1; i < kAddressAttempts.free; ++i) {
        EXPECT_EQ(guessing.begin("thing" + std::to_string(i), "a"), 0s);
    }
    EXPECT_EQ(guessing.begin("clara", "a"), 1s) << "this address tried too many things";
    for (int i = kPairAttempts.free + 1; i < kThingAttempts.free; ++i) {
        EXPECT_EQ(guessing.begin("anna", "from" + std::to_string(i)), 0s);
    }
    EXPECT_EQ(guessing.begin("anna", "new"), 1s) << "this thing was tried from too many places";
}

TEST(GuessingTest, WhatWasRightOrNotDecidedCountsNowhere) {
    process::ManualClock clock{topics::from_unix_seconds(1'000'000)};
    Guessing guessing{clock};
    for (int i = 0; i < 200; ++i) {
        EXPECT_EQ(guessing.begin("anna", "a"), 0s);
        guessing.withdraw("anna", "a");
        EXPECT_EQ(guessing.begin("anna", "a"), 0s);
        guessing.succeeded("anna", "a");
    }
}

}  // namespace
}  // namespace klyuchnik::bridge
