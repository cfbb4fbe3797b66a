#include "handlers/devices/firmware_rules.hpp"

#include <array>
#include <map>

#include <gtest/gtest.h>
#include <sodium.h>

#include "topics/sha256.hpp"

namespace klyuchnik::test {
namespace {

using namespace std::chrono_literals;
using db::OfferState;
using db::Rollout;
using db::RolloutDevice;
using handlers::devices::hex_of_base64;
using handlers::devices::is_signed_by;
using handlers::devices::kOfferAnswered;
using handlers::devices::kOffersAtOnceMax;
using handlers::devices::RolloutStep;
using handlers::devices::step_rollout;
using topics::DeviceId;
using topics::Instant;

const Instant kNow = topics::from_unix_seconds(1'763'690'000);
const Rollout kSix{topics::RolloutId{1}, "1.5.0", 6, 0, true};

/// Nothing is over yet.
RolloutStep step_of(const Rollout& rollout, const std::vector<RolloutDevice>& devices, Instant now,
                    db::RolloutSoFar so_far = {}) {
    for (const RolloutDevice& one : devices) {
        if (one.offered && (!so_far.last_offer || *one.offered > *so_far.last_offer)) {
            so_far.last_offer = one.offered;
        }
    }
    return step_rollout(rollout, so_far, devices, now);
}
RolloutDevice device(const std::string& id, OfferState state, const std::string& firmware = "1.4.2",
                     bool online = true) {
    RolloutDevice one;
    one.device = *DeviceId::parse(id);
    one.state = state;
    one.firmware = firmware;
    one.online = online;
    if (state == OfferState::offered) one.offered = kNow - 1min;
    return one;
}
std::vector<std::string> offered(const RolloutStep& step) {
    std::vector<std::string> ids;
    for (const RolloutDevice& one : step.offer) ids.push_back(one.device.text());
    return ids;
}

}  // namespace

TEST(Rollouts, OfferTheFirstAtOnceAndTheNextOnlyWhenItsTurnHasCome) {
    std::vector devices{device("kc-aaaa", OfferState::waiting),
                        device("kc-bbbb", OfferState::waiting)};
    EXPECT_EQ(offered(step_of(kSix, devices, kNow)), std::vector<std::string>{"kc-aaaa"});
    devices[0].state = OfferState::offered;
    devices[0].offered = kNow;
    EXPECT_TRUE(offered(step_of(kSix, devices, kNow + 9s)).empty());
    EXPECT_EQ(offered(step_of(kSix, devices, kNow + 10s)), std::vector<std::string>{"kc-bbbb"});
}

TEST(Rollouts, NeverCatchUpAllAtOnceAfterAPause) {
    std::vector<RolloutDevice> devices;
    for (int i = 0; i < 40; ++i) {
        devices.push_back(device("kc-w" + std::to_string(1000 + i), OfferState::waiting));
    }
    EXPECT_EQ(step_of(kSix, devices, kNow, {0, kNow - 24h}).offer.size(), kOffersAtOnceMax);
}

TEST(Rollouts, LeaveDevicesThatAreAwayForLater) {
    const std::vector devices{device("kc-aaaa", OfferState::waiting, "1.4.2", false),
                              device("kc-bbbb", OfferState::waiting)};
    const RolloutStep step = step_of(kSix, devices, kNow);
    EXPECT_EQ(offered(step), std::vector<std::string>{"kc-bbbb"});
    EXPECT_FALSE(step.end);
}

TEST(Rollouts, CountOnlyABirthWithTheNewVersionAsSuccess) {
    const std::vector devices{device("kc-aaaa", OfferState::offered, "1.5.0"),
                              device("kc-bbbb", OfferState::offered, "1.4.2")};
    const RolloutStep step = step_of(kSix, devices, kNow);
    ASSERT_EQ(step.ended.size(), 1U);
    EXPECT_EQ(step.ended[0].device.text(), "kc-aaaa");
    EXPECT_EQ(step.ended[0].state, OfferState::updated);
    EXPECT_FALSE(step.end);
}

TEST(Rollouts, DoNotOfferWhatADeviceHasAlready) {
    const std::vector devices{device("kc-aaaa", OfferState::waiting, "1.5.0")};
    const RolloutStep step = step_of(kSix, devices, kNow);
    EXPECT_TRUE(step.offer.empty());
    ASSERT_EQ(step.ended.size(), 1U);
    EXPECT_EQ(step.ended[0].state, OfferState::updated);
    EXPECT_EQ(step.end, "done");
}

TEST(Rollouts, StopWhenMoreWentBackThanMay) {
    std::vector devices{device("kc-aaaa", OfferState::offered),
                        device("kc-bbbb", OfferState::waiting),
                        device("kc-cccc", OfferState::offered)};
    devices[0].failed = true;
    const RolloutStep step = step_of(kSix, devices, kNow);
    EXPECT_EQ(step.end, "stopped");
    EXPECT_TRUE(step.offer.empty());
    std::map<std::string, OfferState> ended;
    for (const auto& one : step.ended) {
        EXPECT_TRUE(ended.emplace(one.device.text(), one.state).second) << "ended twice";
    }
    EXPECT_EQ(ended.at("kc-aaaa"), OfferState::rolled_back);
    EXPECT_EQ(ended.at("kc-bbbb"), OfferState::skipped);
    EXPECT_EQ(ended.at("kc-cccc"), OfferState::skipped);
}

TEST(Rollouts, GoOnWhileNoMoreFailThanMay) {
    Rollout patient = kSix;
    patient.failures_max = 1;
    std::vector devices{device("kc-aaaa", OfferState::offered),
                        device("kc-bbbb", OfferState::waiting)};
    devices[0].failed = true;
    EXPECT_FALSE(step_of(patient, devices, kNow).end);
    EXPECT_EQ(step_of(patient, devices, kNow, {1, kNow}).end, "stopped") << "one failed before";
}

TEST(Rollouts, DoNotWaitForDevicesThatAreOut) {
    std::vector devices{device("kc-aaaa", OfferState::waiting, "1.4.2", false),
                        device("kc-bbbb", OfferState::offered, "1.4.2", false)};
    devices[0].active = false;
    devices[1].active = false;
    const RolloutStep step = step_of(kSix, devices, kNow);
    ASSERT_EQ(step.ended.size(), 2U);
    for (const auto& one : step.ended) EXPECT_EQ(one.state, OfferState::skipped);
    EXPECT_EQ(step.end, "done");
}

TEST(Rollouts, GiveUpOnADeviceThatNeverAnswers) {
    std::vector devices{device("kc-aaaa", OfferState::offered)};
    devices[0].offered = kNow - kOfferAnswered + 1s;
    EXPECT_TRUE(step_of(kSix, devices, kNow).ended.empty());
    devices[0].offered = kNow - kOfferAnswered;
    const RolloutStep step = step_of(kSix, devices, kNow);
    ASSERT_EQ(step.ended.size(), 1U);
    EXPECT_EQ(step.ended[0].state, OfferState::failed);
    EXPECT_EQ(step.end, "stopped");
}

TEST(FirmwareSignature, CountsOnlyByItsOwnKeyAndForItsOwnImage) {
    std::array<unsigned char, crypto_sign_PUBLICKEYBYTES> key{};
    std::array<unsigned char, crypto_sign_SECRETKEYBYTES> secret{};
    std::array<unsigned char, crypto_sign_PUBLICKEYBYTES> other{};
    ASSERT_GE(sodium_init(), 0);
    crypto_sign_keypair(key.data(), secret.data());
    std::array<unsigned char, crypto_sign_SECRETKEYBYTES> unused{};
    crypto_sign_keypair(other.data(), unused.data());
    const topics::Sha256 hash = topics::sha256("an image");
    std::array<unsigned char, crypto_sign_BYTES> signature{};
    crypto_sign_detached(signature.data(), nullptr, hash.data(), hash.size(), secret.data());
    const auto hex = [](const auto& bytes) {
        std::string text(bytes.size() * 2 + 1, '\0');
        sodium_bin2hex(text.data(), text.size(), bytes.data(), bytes.size());
        text.resize(bytes.size() * 2);
        return text;
    };
    EXPECT_TRUE(is_signed_by(hex(key), topics::to_hex(hash), hex(signature)));
    EXPECT_FALSE(is_signed_by(hex(other), topics::to_hex(hash), hex(signature)));
    EXPECT_FALSE(is_signed_by(hex(key), topics::to_hex(topics::sha256("another")), hex(signature)));
    EXPECT_FALSE(is_signed_by(hex(key), topics::to_hex(hash), hex(signature).substr(2)));
    EXPECT_FALSE(is_signed_by(hex(key), topics::to_hex(hash), "not hexadecimal"));
    signature[0] ^= 1;
    EXPECT_FALSE(is_signed_by(hex(key), topics::to_hex(hash), hex(signature)));
}

TEST(FirmwareSignature, IsReadFromBase64) {
    EXPECT_EQ(hex_of_base64("aGVsbG8="), "68656c6c6f");
    EXPECT_EQ(hex_of_base64("aGVsbG8"), std::nullopt);
    EXPECT_EQ(hex_of_base64("a*Vs"), std::nullopt);
    EXPECT_EQ(hex_of_base64(""), "");
}

}  // namespace klyuchnik::test
