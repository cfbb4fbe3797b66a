#include "broker/guard/left_sessions.h"

#include <array>
#include <cstring>
#include <memory>
#include <string>

#include <gtest/gtest.h>

namespace {

struct LeftSessions : testing::Test {
    std::unique_ptr<kl_left_sessions> table{new kl_left_sessions{}};
    std::array<char, 2> sessions{};

    static kl_credential credential(unsigned char byte, kl_credential_kind kind = KL_SECRET) {
        kl_credential made{static_cast<std::uint8_t>(kind), {}};
        std::memset(made.hash, byte, sizeof made.hash);
        return made;
    }
    static std::string name(int number) { return "kc-left" + std::to_string(number); }
    void remember(const std::string& device, unsigned char byte, const void* session) {
        const kl_credential used = credential(byte);
        kl_left_remember(table.get(), device.c_str(), &used, session);
    }
    bool has(const std::string& device, const kl_credential& shown, const void* session) const {
        return kl_left_is_remembered(table.get(), device.c_str(), &shown, session);
    }
};

TEST_F(LeftSessions, AreRememberedAsTheyWereAndNotOtherwise) {
    EXPECT_FALSE(has("kc-anna", credential(1), &sessions[0]));
    remember("kc-anna", 1, &sessions[0]);
    EXPECT_TRUE(has("kc-anna", credential(1), &sessions[0]));
    EXPECT_FALSE(has("kc-anna", credential(1), &sessions[1]));
    EXPECT_FALSE(has("kc-anna", credential(2), &sessions[0]));
    EXPECT_FALSE(has("kc-anna", credential(1, KL_CERTIFICATE), &sessions[0]));
    EXPECT_FALSE(has("kc-boris", credential(1), &sessions[0]));
}

TEST_F(LeftSessions, TheLastOfADeviceTakesThePlaceOfTheOneBefore) {
    remember("kc-anna", 1, &sessions[0]);
    remember("kc-anna", 2, &sessions[1]);
    EXPECT_FALSE(has("kc-anna", credential(1), &sessions[0]));
    EXPECT_TRUE(has("kc-anna", credential(2), &sessions[1]));
    EXPECT_EQ(table->count, 1U);
}

TEST_F(LeftSessions, OfAllDevicesThereCanBeAreRemembered) {
    for (int i = 0; i < KL_DEVICES_MAX; ++i) remember(name(i), 1, &sessions[0]);
    for (int i = 0; i < KL_DEVICES_MAX; ++i) {
        ASSERT_TRUE(has(name(i), credential(1), &sessions[0])) << i;
    }
}

TEST_F(LeftSessions, OneTooManyTakesThePlaceOfTheFirst) {
    constexpr int kMore = 1000;
    for (int i = 0; i < 2 * KL_DEVICES_MAX + kMore; ++i) remember(name(i), 1, &sessions[0]);
    for (int i = 0; i < KL_DEVICES_MAX + kMore; ++i) {
        ASSERT_FALSE(has(name(i), credential(1), &sessions[0])) << i;
    }
    for (int i = KL_DEVICES_MAX + kMore; i < 2 * KL_DEVICES_MAX + kMore; ++i) {
        ASSERT_TRUE(has(name(i), credential(1), &sessions[0])) << i;
    }
    EXPECT_EQ(table->count, static_cast<std::uint32_t>(KL_DEVICES_MAX));
}

}  // namespace
