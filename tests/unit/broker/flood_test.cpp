// How much a device may send, on a clock that the test sets.
#include "broker/guard/flood.h"

#include <cstdint>

#include <gtest/gtest.h>

namespace {

constexpr std::uint64_t kSecond = 1000;

/// A share of 10 messages and 1000 bytes a second, 40 and 4000 at once, cut after 100.
class Flood : public testing::Test {
 protected:
    kl_flood_verdict send(std::size_t bytes = 1) {
        return kl_flood_take(&limits_, &flood_, now_, bytes);
    }
    /// How many of `count` are allowed.
    int allowed_of(int count, std::size_t bytes = 1) {
        int allowed = 0;
        for (int i = 0; i < count; ++i) allowed += send(bytes).allowed ? 1 : 0;
        return allowed;
    }

    kl_flood_limits limits_{10, 40, 1000, 4000, 100, 30};
    kl_flood flood_{};
    std::uint64_t now_ = 5'000'000;
};

TEST_F(Flood, AHonestDeviceNeverLosesAnything) {
    for (int second = 0; second < 3600; ++second) {
        EXPECT_EQ(allowed_of(10, 100), 10) << second;
        now_ += kSecond;
    }
}

TEST_F(Flood, ABurstIsAllowedOnceAndThenTheShare) {
    EXPECT_EQ(allowed_of(50), 40);
    now_ += kSecond;
    EXPECT_EQ(allowed_of(50), 10);
    now_ += kSecond / 2;
    EXPECT_EQ(allowed_of(50), 5);
}

TEST_F(Flood, ASilenceFillsTheBucketAndNoMore) {
    EXPECT_EQ(allowed_of(40), 40);
    now_ += 24 * 3600 * kSecond;
    EXPECT_EQ(allowed_of(60), 40);
    now_ += UINT64_MAX / 4;
    EXPECT_EQ(allowed_of(60), 40);
}

TEST_F(Flood, BytesCountAsWell) {
    EXPECT_TRUE(send(3000).allowed);
    EXPECT_FALSE(send(3000).allowed) << "1000 are left";
    EXPECT_TRUE(send(1000).allowed);
    now_ += 2 * kSecond;
    EXPECT_TRUE(send(2000).allowed);
    EXPECT_FALSE(send(1).allowed);
}

TEST_F(Flood, WhatIsDroppedCostsNothing) {
    (void)allowed_of(40);
    (void)allowed_of(50);
    now_ += kSecond;
    EXPECT_EQ(allowed_of(10), 10);
}

TEST_F(Flood, TheFirstDropIsReportedAtOnceAndThenEveryFiveSeconds) {
    (void)allowed_of(40);
    EXPECT_EQ(send().report, 1U);
    for (int i = 0; i < 20; ++i) EXPECT_EQ(send().report, 0U);
    now_ += KL_REPORT_MS - 1;
    (void)allowed_of(40);
    EXPECT_EQ(allowed_of(1), 0);
    now_ += 1;
    EXPECT_EQ(send().report, 22U) << "what was not reported before, and this one";
}

TEST_F(Flood, ADeviceIsCutAfterSoManyDropsInTheWindow) {
    (void)allowed_of(40);
    for (int i = 0; i < 100; ++i) ASSERT_FALSE(send().cut) << i;
    EXPECT_FALSE(kl_flood_is_out(&flood_, now_));
    const kl_flood_verdict last = send();
    EXPECT_TRUE(last.cut);
    EXPECT_FALSE(last.allowed);
    EXPECT_EQ(last.report, 100U) << "a cut is reported at once";
    EXPECT_TRUE(kl_flood_is_out(&flood_, now_));
    EXPECT_TRUE(kl_flood_is_out(&flood_, now_ + 30 * kSecond - 1));
    EXPECT_FALSE(kl_flood_is_out(&flood_, now_ + 30 * kSecond));
}

TEST_F(Flood, ADeviceSlightlyAboveItsShareIsSlowedButNotCut) {
    (void)allowed_of(40);
    // 19 messages a second: 9 dropped each second, 90 in each window.
    for (int second = 0; second < 600; ++second) {
        now_ += kSecond;
        for (int i = 0; i < 19; ++i) ASSERT_FALSE(send().cut) << second;
    }
}

TEST_F(Flood, ComingBackGivesNothingBack) {
    (void)allowed_of(40);
    for (int i = 0; i < 101; ++i) (void)send();
    now_ += 30 * kSecond;
    EXPECT_EQ(allowed_of(50), 40);
    EXPECT_FALSE(send().cut) << "the count of drops begins anew";
}

TEST_F(Flood, AClockThatGoesBackwardsAddsNothing) {
    (void)allowed_of(40);
    now_ -= 1000 * kSecond;
    EXPECT_EQ(allowed_of(10), 0);
    now_ += 1001 * kSecond;
    EXPECT_EQ(allowed_of(20), 10);
}

TEST_F(Flood, TheLargestLimitsDoNotOverflow) {
    limits_ = {KL_RATE_MAX, KL_RATE_MAX, KL_BYTE_RATE_MAX, KL_BYTE_RATE_MAX, 0, KL_CUT_SECONDS_MAX};
    EXPECT_TRUE(send(KL_BYTE_RATE_MAX).allowed);
    EXPECT_TRUE(send(1).cut) << "cut_after 0";
    now_ += kSecond;
    EXPECT_TRUE(send(KL_BYTE_RATE_MAX).allowed);
    now_ += UINT64_MAX / 2;
    EXPECT_TRUE(send(KL_BYTE_RATE_MAX).allowed);
    EXPECT_FALSE(send(1).allowed);
}

TEST_F(Flood, DefaultsLetTheLargestPacketThrough) {
    limits_ = kl_flood_defaults();
    EXPECT_EQ(allowed_of(31, 132'096), 31);
    EXPECT_EQ(limits_.rate, 100U);
    EXPECT_EQ(limits_.burst, 400U);
}

}  // namespace
