// Claim codes and credentials: no services.
#include <gtest/gtest.h>

#include "handlers/devices/rules.hpp"

namespace klyuchnik::handlers::devices {
namespace {

using namespace topics;
using namespace std::chrono_literals;

const Instant kNow = from_unix_seconds(1'800'000'000);
const std::string kCode(64, 'c');
const std::string kNonce(64, 'd');
const std::string kOther(64, 'e');
const std::string kSecret(64, '1');
const std::string kSecret2(64, '2');
const std::string kCertificate(64, '3');
const std::string kCertificate2(64, '4');

db::Credential credential(std::int64_t id, std::int64_t place, const std::string& sha256,
                          std::optional<Instant> ends = {}, std::optional<std::string> nonce = {}) {
    return {id, place, db::CredentialKind::secret, sha256, ends, std::move(nonce)};
}

ClaimedDevice unclaimed() {
    ClaimedDevice device;
    device.identity = db::DeviceIdentity{true, 1};
    device.claim = db::Claim{kCode, kNow + 1h, false, std::nullopt};
    return device;
}
ClaimedDevice claimed(const std::string& sha256 = kSecret) {
    ClaimedDevice device = unclaimed();
    device.claim->used = true;
    device.claim->nonce_sha256 = kNonce;
    device.living = {credential(7, 1, sha256, {}, kNonce)};
    return device;
}
ClaimDevice ask_for_secret(const std::string& sha256 = kSecret) {
    ClaimDevice ask;
    ask.device = *DeviceId::parse("kc-hall1");
    ask.claim_sha256 = kCode;
    ask.nonce_sha256 = kNonce;
    ask.secret_sha256 = sha256;
    return ask;
}
ClaimDevice ask_for_certificate(const std::string& sha256) {
    ClaimDevice ask = ask_for_secret();
    ask.secret_sha256.reset();
    ask.certificate_sha256 = sha256;
    ask.ends_s = unix_seconds(kNow + 1000h);
    return ask;
}

TEST(WhyNotClaim, GivesADeviceItsCredentialForItsCode) {
    EXPECT_FALSE(why_not_claim(unclaimed(), ask_for_secret(), kNow));
}
TEST(WhyNotClaim, EveryNoIsTheSameNo) {
    ClaimedDevice unknown = unclaimed();
    unknown.identity.reset();
    ClaimedDevice revoked = unclaimed();
    revoked.identity->active = false;
    ClaimedDevice without_code = unclaimed();
    without_code.claim.reset();
    ClaimedDevice other_code = unclaimed();
    other_code.claim->code_sha256 = kOther;
    ClaimedDevice over = unclaimed();
    over.claim->ends = kNow;
    ClaimedDevice by_another = claimed();
    by_another.claim->nonce_sha256 = kOther;
    ClaimedDevice rotated = claimed();
    rotated.living.insert(rotated.living.begin(), credential(8, 2, kSecret2, {}, kOther));
    ClaimedDevice nothing_left = claimed();
    nothing_left.living.clear();
    ClaimedDevice repeated_late = claimed();
    repeated_late.claim->ends = kNow;
    for (const ClaimedDevice& device : {unknown, revoked, without_code, other_code, over,
                                        by_another, rotated, nothing_left, repeated_late}) {
        EXPECT_EQ(why_not_claim(device, ask_for_secret(), kNow),
                  (Refusal{Code::claim_refused, ""}));
    }
}
TEST(WhyNotClaim, ARepeatByWhoeverUsedItIsFine) {
    EXPECT_FALSE(why_not_claim(claimed(), ask_for_secret(), kNow));
}

TEST(WhyNotWanted, IsForNeitherBothTooLateAndNoHash) {
    const std::int64_t later = unix_seconds(kNow) + 1;
    EXPECT_FALSE(why_not_wanted(kSecret, {}, {}, kNow));
    EXPECT_FALSE(why_not_wanted({}, kCertificate, later, kNow));
    EXPECT_TRUE(why_not_wanted({}, {}, {}, kNow));
    EXPECT_TRUE(why_not_wanted(kSecret, kCertificate, later, kNow));
    EXPECT_TRUE(why_not_wanted(kSecret, {}, later, kNow));
    EXPECT_TRUE(why_not_wanted({}, kCertificate, {}, kNow));
    EXPECT_TRUE(why_not_wanted({}, kCertificate, later - 1, kNow));
    EXPECT_TRUE(why_not_wanted(std::string(64, 'G'), {}, {}, kNow));
    EXPECT_TRUE(why_not_wanted(std::string(64, 'A'), {}, {}, kNow)) << "lower case, as we compare";
    EXPECT_TRUE(why_not_wanted(std::string(63, 'a'), {}, {}, kNow));
}

TEST(PlanClaim, TheFirstUseKillsWhatWasBefore) {
    ClaimedDevice device = unclaimed();
    device.living = {credential(5, 2, kOther), credential(4, 1, kSecret2, kNow - 1h)};
    const CredentialPlan plan = plan_claim(device, ask_for_secret(), kNow);
    ASSERT_EQ(plan.ends.size(), 2U);
    EXPECT_EQ(plan.ends[0].revoked, kNow);
    EXPECT_EQ(plan.ends[1].revoked, kNow - 1h) << "it was over before";
    ASSERT_TRUE(plan.addition);
    EXPECT_EQ(plan.addition->sha256, kSecret);
    EXPECT_EQ(plan.addition->place, 1);
    EXPECT_EQ(plan.addition->nonce_sha256, kNonce);
}
TEST(PlanClaim, ARepeatOfASecretChangesNothing) {
    const CredentialPlan plan = plan_claim(claimed(), ask_for_secret(), kNow);
    EXPECT_TRUE(plan.ends.empty());
    EXPECT_FALSE(plan.addition);
}
TEST(PlanClaim, ARepeatWithAnotherCertificateReplacesTheOneWhoseAnswerWasLost) {
    ClaimedDevice device = claimed(kCertificate);
    device.living[0].kind = db::CredentialKind::certificate;
    const CredentialPlan plan = plan_claim(device, ask_for_certificate(kCertificate2), kNow);
    ASSERT_EQ(plan.ends.size(), 1U);
    EXPECT_EQ(plan.ends[0].id, 7);
    EXPECT_EQ(plan.ends[0].revoked, kNow);
    ASSERT_TRUE(plan.addition);
    EXPECT_EQ(plan.addition->sha256, kCertificate2);
    EXPECT_EQ(plan.addition->kind, db::CredentialKind::certificate);
}

RotateCredential rotation(std::int64_t overlap_s, const std::string& nonce = kOther) {
    RotateCredential ask;
    ask.device = *DeviceId::parse("kc-hall1");
    ask.shown_sha256 = kSecret;
    ask.nonce_sha256 = nonce;
    ask.secret_sha256 = kSecret2;
    ask.overlap_seconds = overlap_s;
    return ask;
}

TEST(WhyNotRotate, IsForStrangersTheRevokedTheDeadAndTheGreedy) {
    const std::vector<db::Credential> living{credential(2, 2, kOther),
                                             credential(1, 1, kSecret, kNow + 1s)};
    const db::DeviceIdentity active{true, 1};
    EXPECT_FALSE(why_not_rotate(active, living, kSecret, 0, kNow));
    EXPECT_EQ(why_not_rotate({}, living, kSecret, 0, kNow)->code, Code::unknown_device);
    EXPECT_EQ(why_not_rotate(db::DeviceIdentity{false, 1}, living, kSecret, 0, kNow)->code,
              Code::inactive_device);
    EXPECT_EQ(why_not_rotate(active, {}, kSecret, 0, kNow)->code, Code::inactive_device);
    EXPECT_EQ(why_not_rotate(active, living, kCode, 0, kNow)->code, Code::claim_refused)
        << "not among the living";
    EXPECT_EQ(why_not_rotate(active, living, kSecret, 0, kNow + 1s)->code, Code::claim_refused)
        << "its end has come";
    EXPECT_EQ(why_not_rotate(active, living, kSecret, kCredentialsPerDayMax, kNow)->code,
              Code::limit_reached);
}

TEST(PlanRotate, TheOneBeforeLivesOnForTheOverlap) {
    const CredentialPlan plan = plan_rotate({credential(1, 1, kSecret)}, rotation(3600), kNow);
    ASSERT_EQ(plan.ends.size(), 1U);
    EXPECT_EQ(plan.ends[0].ends, kNow + 1h);
    EXPECT_FALSE(plan.ends[0].revoked);
    ASSERT_TRUE(plan.addition);
    EXPECT_EQ(plan.addition->place, 2);
}
TEST(PlanRotate, TheOneBeforeNeverLivesLongerThanItWould) {
    const CredentialPlan plan =
        plan_rotate({credential(1, 1, kSecret, kNow + 1min)}, rotation(3600), kNow);
    EXPECT_TRUE(plan.ends.empty());
    EXPECT_TRUE(plan.addition);
}
TEST(PlanRotate, WithoutAnOverlapTheOneBeforeDiesNow) {
    const CredentialPlan plan = plan_rotate({credential(1, 1, kSecret)}, rotation(0), kNow);
    ASSERT_EQ(plan.ends.size(), 1U);
    EXPECT_EQ(plan.ends[0].revoked, kNow);
    EXPECT_EQ(plan.addition->place, 1);
}
TEST(PlanRotate, WhatWasShownSurvivesAndEveryOtherDies) {
    const std::vector<db::Credential> living{credential(3, 2, kOther),
                                             credential(2, 1, kSecret, kNow + 2h),
                                             credential(1, 3, kCode, kNow + 1h)};
    const CredentialPlan plan = plan_rotate(living, rotation(3600), kNow);
    ASSERT_EQ(plan.ends.size(), 3U);
    EXPECT_EQ(plan.ends[0].revoked, kNow) << "newer than what was shown, and not the device's";
    EXPECT_FALSE(plan.ends[1].revoked);
    EXPECT_EQ(plan.ends[1].ends, kNow + 1h);
    EXPECT_EQ(plan.ends[2].revoked, kNow);
    EXPECT_EQ(plan.addition->place, 2) << "a place that has become free";
}
TEST(PlanRotate, ARepeatChangesNothingAndOneWithAnotherCertificateReplaces) {
    const std::vector<db::Credential> living{credential(2, 2, kSecret2, {}, kOther),
                                             credential(1, 1, kSecret, kNow + 1h)};
    const CredentialPlan same = plan_rotate(living, rotation(3600), kNow);
    EXPECT_TRUE(same.ends.empty());
    EXPECT_FALSE(same.addition);

    RotateCredential certificate = rotation(3600);
    certificate.secret_sha256.reset();
    certificate.certificate_sha256 = kCertificate;
    certificate.ends_s = unix_seconds(kNow + 1000h);
    const CredentialPlan other = plan_rotate(living, certificate, kNow);
    ASSERT_EQ(other.ends.size(), 1U);
    EXPECT_EQ(other.ends[0].id, 2) << "the overlap of the one before stays";
    EXPECT_EQ(other.addition->place, 2);
}
TEST(PlanRotate, NeverNeedsMoreThanThePlacesThereAre) {
    std::vector<db::Credential> living;
    std::int64_t id = 0;
    for (int turn = 0; turn < 50; ++turn) {
        RotateCredential ask =
            rotation(turn % 3 * 600, std::string(64, static_cast<char>('a' + turn % 6)));
        ask.secret_sha256 = std::string(64, static_cast<char>('0' + turn % 10));
        if (!living.empty()) ask.shown_sha256 = living.front().sha256;
        const CredentialPlan plan = plan_rotate(living, ask, kNow + turn * 1min);
        for (const db::CredentialEnd& end : plan.ends) {
            std::erase_if(
                living, [&](const db::Credential& one) { return one.id == end.id && end.revoked; });
        }
        ASSERT_TRUE(plan.addition);
        ASSERT_LE(plan.addition->place, static_cast<std::int64_t>(kCredentialsMax));
        for (const db::Credential& one : living) ASSERT_NE(one.place, plan.addition->place);
        living.insert(living.begin(), *plan.addition);
        living.front().id = ++id;
        ASSERT_LE(living.size(), 2U);
    }
}

TEST(WatchOn, ListeningGoesOnWhileSilenceIsLookedForAndTheBrokerHeard) {
    const Instant since = kNow - 1h;
    const auto listening = [&](std::chrono::seconds watched, std::chrono::seconds taken) {
        return watch_on({kNow - watched, kNow - taken, since}, kNow).listening_since;
    };
    EXPECT_EQ(listening(5s, 5s), since);
    EXPECT_EQ(listening(kWatchGapMax, kTakenGapMax), since);
    EXPECT_EQ(listening(kWatchGapMax + 1s, 5s), kNow) << "we were away, or the database was";
    EXPECT_EQ(listening(5s, kTakenGapMax + 1s), kNow) << "nobody could reach us";
    EXPECT_EQ(watch_on({kNow - 5s, kNow - 1s, since}, kNow).watched, kNow);
}

}  // namespace
}  // namespace klyuchnik::handlers::devices
