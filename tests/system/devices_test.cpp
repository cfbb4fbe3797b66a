// Who a device is, from its claim to its end: what the handlers decide is what the broker does.

#include <chrono>
#include <string>

#include <gtest/gtest.h>

#include "tests/system/hall.hpp"
#include "topics/refusal.hpp"

namespace klyuchnik::test {
namespace {

using topics::AckError;
using namespace std::chrono_literals;

/// A revoked device's session is cut within this.
constexpr std::chrono::seconds kCutWithin{5};

std::string quoted(const std::string& text) {
    return "\"" + text + "\"";
}

class Devices : public Hall {
 protected:
    static constexpr const char* kClaim = "claim";

    /// The fields of an ask, as JSON.
    static std::string about_hall(const std::string& more = "") {
        return R"({"device":"kc-hall1")" + (more.empty() ? "" : "," + more) + "}";
    }
    topics::AskAnswer admin(const std::string& name, const std::string& more = "") {
        return world.try_ask("devices", name, about_hall(more));
    }
    topics::AskAnswer issue(const std::string& code) {
        return admin("issue_claim",
                     R"("claim_sha256":)" + quoted(sha256_hex(code)) + R"(,"claim_seconds":3600)");
    }
    topics::AskAnswer claim(const std::string& code, const std::string& nonce,
                            const std::string& secret, const std::string& id = kDevice) {
        return world.try_ask("devices", "claim_device",
                             R"({"device":)" + quoted(id) + R"(,"claim_sha256":)" +
                                 quoted(sha256_hex(code)) + R"(,"nonce_sha256":)" +
                                 quoted(sha256_hex(nonce)) + R"(,"secret_sha256":)" +
                                 quoted(sha256_hex(secret)) + "}",
                             kClaim);
    }
    topics::AskAnswer rotate(const std::string& shown, const std::string& nonce,
                             const std::string& secret, std::int64_t overlap_s) {
        return world.try_ask("devices", "rotate_credential",
                             about_hall(R"("shown_sha256":)" + quoted(sha256_hex(shown)) +
                                        R"(,"nonce_sha256":)" + quoted(sha256_hex(nonce)) +
                                        R"(,"secret_sha256":)" + quoted(sha256_hex(secret)) +
                                        R"(,"overlap_seconds":)" + std::to_string(overlap_s)),
                             kDevice);
    }
    topics::AskAnswer swap(const std::string& code) {
        return admin("swap_device", R"("claim_sha256":)" + quoted(sha256_hex(code)) +
                                        R"(,"claim_seconds":3600,"reason":"broken")");
    }
    /// CONNACK's reason code for a device that shows this secret.
    int knock(const std::string& secret) {
        ClientOptions options = world.broker().device(kDevice);
        options.password = secret;
        options.client_id = kDevice;
        return RawClient{options}.connect();
    }
    bool lets_in(const std::string& secret) {
        return eventually([&] { return knock(secret) == 0; });
    }
    bool refuses(const std::string& secret) {
        return eventually([&] { return knock(secret) != 0; });
    }
    /// Until the broker's guard has been told of everything.
    ::testing::AssertionResult told() {
        return world.becomes("select count(*) from devices.guard_outbox", 0);
    }
    std::int64_t alarms(const std::string& condition) {
        return world.count(
            "select count(*) from runtime.alarms where subject = 'device:kc-hall1' "
            "and " +
            condition);
    }
    ::testing::AssertionResult alarm_comes(const std::string& kind, int severity) {
        return world.becomes(
            "select count(*) from runtime.alarms where subject = "
            "'device:kc-hall1' and state = 'open' and kind = '" +
                kind + "' and severity = " + std::to_string(severity),
            1);
    }
    const std::string first = world.broker().device(kDevice).password;  ///< Its secret.
};

// -- claims
// ----------------------------------------------------------------------------------------------------

TEST_F(Devices, AClaimedDeviceIsLetInAndWhatItHadBeforeIsDead) {
    device.birth(kConnection);
    ASSERT_EQ(issue("code-1").rc, 0);
    EXPECT_EQ(knock(first), 0) << "until the code is shown the old one lives";
    ASSERT_EQ(claim("code-1", "nonce", "new-secret").rc, 0);
    EXPECT_TRUE(lets_in("new-secret"));
    EXPECT_TRUE(refuses(first));
    EXPECT_EQ(events("type = 'claimed' and actor = 'claim'"), 2);
}

TEST_F(Devices, ACodeWhoseAnswerWasLostMayBeShownAgainByWhoeverShowedIt) {
    ASSERT_EQ(issue("code-1").rc, 0);
    ASSERT_EQ(claim("code-1", "nonce", "new-secret").rc, 0);
    ASSERT_EQ(claim("code-1", "nonce", "new-secret").rc, 0);
    EXPECT_EQ(claim("code-1", "another nonce", "another-secret").code, "claim_refused");
    EXPECT_TRUE(lets_in("new-secret"));
    EXPECT_NE(knock("another-secret"), 0);
    EXPECT_EQ(world.count("select count(*) from devices.credentials where revoked_at is null and "
                          "device_id = 'kc-hall1'"),
              1);
    EXPECT_EQ(events("type = 'claimed'"), 2) << "the hall's first one and this";
}

TEST_F(Devices, EveryNoToAClaimIsTheSameNo) {
    ASSERT_EQ(issue("code-1").rc, 0);
    const auto wrong = claim("code-2", "nonce", "x");
    const auto unknown = claim("code-1", "nonce", "x", "kc-nobody1");
    world.db().rows("update devices.claims set ends_at = now() where device_id = 'kc-hall1'");
    const auto over = claim("code-1", "nonce", "x");
    for (const auto& answer : {wrong, unknown, over}) {
        EXPECT_EQ(answer.rc, 403);
        EXPECT_EQ(answer.code, "claim_refused");
        EXPECT_EQ(answer.text, wrong.text);
        EXPECT_EQ(answer.content, wrong.content);
    }
    EXPECT_NE(knock("x"), 0);
}

TEST_F(Devices, AnotherCodeIsTheEndOfTheOneBefore) {
    ASSERT_EQ(issue("code-1").rc, 0);
    ASSERT_EQ(issue("code-2").rc, 0);
    EXPECT_EQ(claim("code-1", "nonce", "x").code, "claim_refused");
    EXPECT_EQ(claim("code-2", "nonce", "x").rc, 0);
}

TEST_F(Devices, NobodyButWhoeverHasACodeMayShowItAndNobodyButItselfMayRotate) {
    ASSERT_EQ(issue("code-1").rc, 0);
    const std::string content =
        about_hall(R"("claim_sha256":)" + quoted(sha256_hex("code-1")) + R"(,"nonce_sha256":)" +
                   quoted(sha256_hex("n")) + R"(,"secret_sha256":)" + quoted(sha256_hex("s")));
    EXPECT_EQ(world.try_ask("devices", "claim_device", content).code, "forbidden");
    EXPECT_EQ(
        world.try_ask("devices", "revoke_device", about_hall(R"("reason":"mine")"), kClaim).code,
        "forbidden");
    world.add_device("kc-other1");
    EXPECT_EQ(world
                  .try_ask("devices", "rotate_credential",
                           about_hall(R"("shown_sha256":)" + quoted(sha256_hex(first)) +
                                      R"(,"nonce_sha256":)" + quoted(sha256_hex("n")) +
                                      R"(,"secret_sha256":)" + quoted(sha256_hex("s"))),
                           "kc-other1")
                  .code,
              "forbidden");
}

// -- rotate, expire, revoke
// ------------------------------------------------------------------------------------

TEST_F(Devices, RotateKeepsBothForTheOverlapAndTheSessionOfTheOldOneUntilItsEnd) {
    device.birth(kConnection);
    ASSERT_EQ(rotate(first, "nonce", "new-secret", 3600).rc, 0);
    ASSERT_TRUE(told());
    EXPECT_TRUE(device.client().connected()) << "by the old one, which still lives";
    EXPECT_EQ(knock(first), 0);
    EXPECT_EQ(knock("new-secret"), 0);
    EXPECT_EQ(rotate(first, "nonce", "new-secret", 3600).rc, 0) << "a repeat";
    EXPECT_EQ(rotate(first, "other", "new-secret", 3600).code, "taken");
    ASSERT_EQ(rotate("new-secret", "third", "third-secret", 3600).rc, 0);
    EXPECT_TRUE(refuses(first)) << "only what was shown and the new one live";
    EXPECT_EQ(knock("new-secret"), 0);
    EXPECT_EQ(knock("third-secret"), 0);
    EXPECT_EQ(rotate(first, "fourth", "fourth-secret", 3600).code, "claim_refused");
    EXPECT_EQ(events("type = 'credential_rotated' and actor = 'device:kc-hall1'"), 2);
}

TEST_F(Devices, ExpireEndsACredentialByItselfAndCutsItsSession) {
    device.birth(kConnection);
    ASSERT_EQ(rotate(first, "nonce", "new-secret", 1).rc, 0);
    EXPECT_TRUE(device.client().wait_until_cut());
    EXPECT_TRUE(refuses(first));
    EXPECT_EQ(knock("new-secret"), 0);
    EXPECT_TRUE(
        world.becomes("select count(*) from log.events where type = 'credential_ended' and "
                      "ids->>'why' = 'secret'",
                      1));
}

TEST_F(Devices, RevokeCutsTheSessionWithinFiveSecondsAndNothingBringsItBackButASwap) {
    device.birth(kConnection);
    const auto begun = std::chrono::steady_clock::now();
    ASSERT_EQ(admin("revoke_device", R"("reason":"stolen")").rc, 0);
    ASSERT_TRUE(device.client().wait_until_cut(kCutWithin));
    RecordProperty("cut_ms", static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                                  std::chrono::steady_clock::now() - begun)
                                                  .count()));
    EXPECT_NE(knock(first), 0);
    EXPECT_EQ(admin("revoke_device", R"("reason":"again")").code, "inactive_device");
    EXPECT_EQ(issue("code-1").code, "inactive_device");
    EXPECT_EQ(claim("code-1", "nonce", "x").code, "claim_refused");
    EXPECT_EQ(rotate(first, "nonce", "x", 0).code, "unknown_account") << "it has no role any more";
    const HttpAnswer shown = world.get("/v1/devices/kc-hall1");
    EXPECT_EQ(shown.text("state"), "offline");
    EXPECT_EQ(shown.text("active"), "false");

    // A broker that starts anew does not know it either, whatever its file said.
    world.kill9_broker();
    world.restart_broker();
    EXPECT_NE(knock(first), 0);
    ASSERT_TRUE(eventually([&] { return world.metric("klyuchnik_mqtt_connected") >= 1; }));

    ASSERT_EQ(swap("code-2").rc, 0);
    ASSERT_EQ(claim("code-2", "nonce", "second-life").rc, 0);
    EXPECT_TRUE(lets_in("second-life"));
    EXPECT_NE(knock(first), 0);
}

// -- swap, clone, wiped flash, gap, overrun
// --------------------------------------------------------------------

TEST_F(Devices, SwapGivesNewHardwareTheNamePlaceRightsAndKeys) {
    device.birth(kConnection);
    device.facts(kConnection, 1, 1, 1, {taken(kTag, kAnnasCard)});
    ASSERT_EQ(world.send("PATCH", "/v1/devices/kc-hall1", R"({"place":"Left of the gate"})").status,
              200);
    ASSERT_EQ(swap("code-2").rc, 0);
    EXPECT_TRUE(device.client().wait_until_cut(kCutWithin));
    EXPECT_NE(knock(first), 0);
    HttpAnswer shown = world.get("/v1/devices/kc-hall1");
    EXPECT_EQ(shown.text("state"), "offline");
    EXPECT_EQ(shown.number("generation"), 2);
    EXPECT_EQ(shown.text("place"), "Left of the gate");
    EXPECT_EQ(events("type = 'swapped' and subject = 'device:kc-hall1'"), 1);

    ASSERT_EQ(claim("code-2", "nonce", "new-hardware").rc, 0);
    ASSERT_TRUE(lets_in("new-hardware"));
    world.broker().know_device(kDevice, "new-hardware");
    RawDevice fresh{world.broker(), kDevice};
    // Used hardware: it believes that it has this very journal.
    const auto ack = fresh.birth(31, 1, 1, 9, 3);
    EXPECT_EQ(ack.error, AckError::epoch);
    EXPECT_EQ(ack.epoch.value, 2);
    EXPECT_EQ(ack.acked.value, 0);
    EXPECT_EQ(world.db().text("select why from runtime.epochs where device_id = 'kc-hall1' and "
                              "epoch = 2"),
              "swapped");
    const auto command = fresh.client().wait_for_topic(fresh.topic("dn/cm"));
    ASSERT_TRUE(command) << "what is in its slots is asked first";
    EXPECT_NE(command->payload.find("slots.report"), std::string::npos) << command->payload;
    EXPECT_EQ(fresh.facts(31, 2, 1, 1, {returned(kTag, kAnnasCard)}).acked.value, 1);
    EXPECT_EQ(loans("closed_why = 'returned'"), 1) << "history goes on";
    EXPECT_EQ(fresh.request(31, 1, "key.request", R"({"cd":"12345ABC","ky":"101"})").rc, 0);
    EXPECT_EQ(world.count("select count(*) from runtime.device_gaps"), 0);
}

TEST_F(Devices, SwapRefusesEveryLateWordOfTheOldHardware) {
    device.birth(kConnection);
    ASSERT_EQ(swap("code-2").rc, 0);
    // As if it had been said before the cut and read after it: handlers judge by the database
    // alone.
    ASSERT_EQ(claim("code-2", "nonce", "new-hardware").rc, 0);
    ASSERT_TRUE(lets_in("new-hardware"));
    world.broker().know_device(kDevice, "new-hardware");
    RawDevice late{world.broker(), kDevice};
    EXPECT_EQ(late.facts(kConnection, 1, 1, 1, {fact("door.opened")}).error, AckError::hello);
    late.publish("st",
                 R"({"v":1,"on":1,"cn":2718281,"ep":1,"b":1,"m":0,"lo":0,"hi":0,"ka":30,"rx":1024,)"
                 R"("fw":""})");
    late.publish("up/tm", R"({"v":1,"cn":2718281,"d":{}})");
    EXPECT_EQ(late.next_ack().error, AckError::hello);
    EXPECT_EQ(facts(), 0);
    EXPECT_EQ(world.get("/v1/devices/kc-hall1").text("state"), "offline");
}

TEST_F(Devices, CloneIsSuspectedWhenTwoTakeEachOthersPlace) {
    device.birth(1);
    for (std::int64_t cn = 2; cn <= 6; ++cn) device.birth(cn, 1);
    EXPECT_TRUE(alarm_comes("clone_suspected", 3));
}

TEST_F(Devices, CloneIsFoundByOtherContentUnderOneNumber) {
    device.birth(kConnection);
    device.facts(kConnection, 1, 1, 1, {fact("door.opened")});
    EXPECT_EQ(device.facts(kConnection, 1, 1, 1, {fact("door.closed")}).error, AckError::epoch);
    EXPECT_TRUE(alarm_comes("journal_conflict", 3));
    EXPECT_EQ(world.count("select count(*) from runtime.device_conflicts"), 1);
}

TEST_F(Devices, WipedFlashGetsANewEpochAndLosesNothing) {
    device.birth(kConnection);
    device.facts(kConnection, 1, 1, 1, {fact("door.opened"), fact("door.closed")});
    const auto ack = device.birth(99, 0, 0, 0, 1);
    EXPECT_EQ(ack.error, AckError::epoch);
    EXPECT_EQ(ack.epoch.value, 2);
    EXPECT_EQ(device.facts(99, 2, 1, 1, {fact("door.opened")}).acked.value, 1);
    EXPECT_EQ(facts(), 3);
    EXPECT_EQ(world.count("select count(*) from runtime.device_gaps"), 0);
}

TEST_F(Devices, GapIsAnAlarm) {
    device.birth(kConnection);
    device.facts(kConnection, 1, 5, 5, {fact("door.opened")});
    EXPECT_TRUE(alarm_comes("journal_gap", 2));
}

TEST_F(Devices, OverrunIsAnAlarm) {
    device.birth(kConnection);
    device.facts(kConnection, 1, 1, 1, {fact("journal.overrun", R"({"n":57})")});
    EXPECT_TRUE(alarm_comes("journal_overrun", 2));
}

// -- the guard
// -------------------------------------------------------------------------------------------------

TEST_F(Devices, ABrokerThatLostItsListIsToldAllAgain) {
    world.broker().stop();
    world.broker().write_devices_list("");
    world.restart_broker();
    EXPECT_TRUE(lets_in(first));
}

TEST_F(Devices, WhatTheBrokerKnowsAndTheDatabaseDoesNotIsDroppedByTheNextWhole) {
    world.broker().add_device("kc-stranger1");
    EXPECT_EQ(RawClient{world.broker().device("kc-stranger1")}.connect(), 0);
    world.kill9_handlers();
    world.start_handlers();
    EXPECT_TRUE(eventually(
        [&] { return RawClient{world.broker().device("kc-stranger1")}.connect() != 0; }));
    EXPECT_EQ(knock(first), 0);
}

TEST_F(Devices, ARevocationWhileNobodyFeedsIsToldByWhoeverComes) {
    device.birth(kConnection);
    world.kill9_handlers();
    world.db().rows("update devices.credentials set revoked_at = now()");
    EXPECT_TRUE(device.client().connected());
    world.start_handlers();
    EXPECT_TRUE(device.client().wait_until_cut(kCutWithin));
}

TEST_F(Devices, OneOfTwoProcessesFeedsAndTheOtherTakesOver) {
    world.start_handlers();
    world.kill9_handlers(0);
    ASSERT_EQ(rotate(first, "nonce", "new-secret", 0).rc, 0);
    EXPECT_TRUE(lets_in("new-secret"));
    EXPECT_TRUE(refuses(first));
}

TEST_F(Devices, WhoLeadsAndStandsStillLosesTheLead) {
    ASSERT_TRUE(eventually([&] { return world.metric_of(0, "klyuchnik_guard_feeding") == 1; }));
    world.start_handlers();
    world.handlers(0).pause();
    world.db().rows("update devices.credentials set revoked_at = now()");
    EXPECT_TRUE(told()) << "the other one tells the broker";
    EXPECT_NE(knock(first), 0);
    EXPECT_EQ(world.metric_of(1, "klyuchnik_guard_feeding"), 1);
    world.handlers(0).resume();
    EXPECT_TRUE(eventually([&] { return world.metric_of(0, "klyuchnik_guard_feeding") == 0; }));
}

TEST_F(Devices, FloodIsRaisedAndTheDeviceToldToWait) {
    device.birth(kConnection);
    device.client().take_all();
    for (int i = 0; i < 900; ++i) {
        device.client().publish(device.topic("up/tm"), R"({"v":1,"cn":2718281,"d":{}})", 0);
    }
    EXPECT_TRUE(eventually([&] {
        return alarms("kind = 'flood' and state = 'open'") == 1 &&
               events("type = 'flooding' and ids->>'why' = 'slowed'") >= 1;
    }));
    const auto slow = device.client().wait_for([](const Message& message) {
        return message.payload.find(R"("er":"slow")") != std::string::npos;
    });
    ASSERT_TRUE(slow);
    EXPECT_NE(slow->payload.find(R"("w":10)"), std::string::npos) << slow->payload;
}

}  // namespace
}  // namespace klyuchnik::test
