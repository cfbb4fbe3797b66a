// The rights of a cabinet, from a change at the desk to the document that it holds.

#include "topics/rights_document.hpp"

#include <chrono>
#include <iostream>
#include <string>

#include <gtest/gtest.h>

#include "tests/system/documents.hpp"
#include "tests/system/hall.hpp"
#include "topics/limits.hpp"

namespace klyuchnik::test {
namespace {

using topics::AckError;

class Rights : public Hall {
 protected:
    /// The newest document, as the device pulls it.
    topics::RightsDocument pulled() {
        const auto document = topics::decode_rights(Puller(device, kConnection).pull("rights"));
        if (!document) throw std::runtime_error{document.error().text()};
        return *document;
    }
    bool may(const topics::RightsDocument& document, const std::string& card,
             const std::string& name) {
        const auto hash = topics::card_hash(document.salt, {card});
        for (const topics::RightsRow& row : document.rows) {
            if (row.card == hash && document.keys.at(row.key).name.value == name) return true;
        }
        return false;
    }
    std::int64_t wanted() {
        return world.count(
            "select coalesce(max(rights_version), 0) from runtime.wanted where device_id = "
            "'kc-hall1'");
    }
    std::int64_t made() { return events("type = 'rights_document_made'"); }
    void revoke(const Person& person) {
        const auto answer = world.send(
            "DELETE", "/v1/rights/" + std::to_string(person.id) + "/" + std::to_string(key.id), "");
        ASSERT_TRUE(answer.status == 200 || answer.status == 204) << answer.body;
    }
    /// The next ack that wants more than `version`.
    topics::Ack announced(std::int64_t version) {
        while (true) {
            const topics::Ack ack = device.next_ack();
            if (ack.rights_version > version) return ack;
        }
    }
};

TEST_F(Rights, ACabinetIsToldItsVersionAndPullsWhatTheTablesSay) {
    const auto ack = born(device, kConnection, 1024);
    EXPECT_EQ(ack.rights_version, wanted());
    EXPECT_GT(ack.rights_version, 0);
    EXPECT_EQ(ack.lease_s, 259'200);
    const auto document = pulled();
    EXPECT_EQ(document.version, ack.rights_version);
    EXPECT_EQ(document.lease_s, 259'200U);
    ASSERT_EQ(document.keys.size(), 1U);
    EXPECT_EQ(document.keys[0].slot.value, 12);
    EXPECT_TRUE(may(document, kAnnasCard, "101"));
    EXPECT_FALSE(may(document, kBorissCard, "101"));
}

TEST_F(Rights, ACabinetWithoutKeysHasAnEmptyDocument) {
    RawDevice other = world.raw_device("kc-hall2");
    world.settle();
    const auto ack = born(other, 5, 1024);
    EXPECT_EQ(ack.rights_version, 1);
    const auto document = topics::decode_rights(Puller(other, 5).pull("rights"));
    ASSERT_TRUE(document);
    EXPECT_TRUE(document->keys.empty());
    EXPECT_TRUE(document->rows.empty());
}

TEST_F(Rights, AChangeIsAnnouncedToACabinetThatIsHereAtOnce) {
    born(device, kConnection, 1024);
    const std::int64_t before = wanted();
    device.client().take_all();
    const auto begun = std::chrono::steady_clock::now();
    world.grant(boris, key);
    const topics::Ack ack = announced(before);
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begun;
    std::cout << "announced " << took.count() << " ms after the request was sent\n";
    RecordProperty("announced_ms", static_cast<int>(took.count()));
    EXPECT_EQ(ack.cn.value, kConnection);
    EXPECT_EQ(ack.error, AckError::none);
    EXPECT_EQ(ack.rights_version, before + 1);
    EXPECT_TRUE(may(pulled(), kBorissCard, "101"));
    revoke(boris);
    EXPECT_EQ(announced(before + 1).rights_version, before + 2);
    EXPECT_FALSE(may(pulled(), kBorissCard, "101"));
}

TEST_F(Rights, ADeactivatedPersonIsInNoDocument) {
    born(device, kConnection, 1024);
    const std::int64_t before = wanted();
    ASSERT_TRUE(may(pulled(), kAnnasCard, "101"));
    ASSERT_EQ(world.post("/v1/people/" + std::to_string(anna.id) + "/deactivate", "{}").status,
              200);
    EXPECT_EQ(announced(before).rights_version, before + 1);
    EXPECT_FALSE(may(pulled(), kAnnasCard, "101"));
    EXPECT_EQ(world.count("select count(*) from keys.rights_ended where person_id = " +
                          std::to_string(anna.id)),
              1);
}

TEST_F(Rights, WhatChangesNothingMakesNoVersion) {
    const std::int64_t before = made();
    // Granted already; a person whom no key concerns; a key of nowhere.
    world.grant(anna, key);
    world.add_person("Clara Example", "CCCCCCCC");
    world.add_key("9");
    ASSERT_EQ(world.post("/v1/people/" + std::to_string(boris.id) + "/deactivate", "{}").status,
              200);
    world.settle();
    EXPECT_EQ(made(), before);
}

TEST_F(Rights, ManyChangesInARowBecomeFewVersions) {
    const std::int64_t before = made();
    for (int i = 0; i < 20; ++i) {
        world.grant(world.add_person("P" + std::to_string(i), "CARD" + std::to_string(i)), key);
    }
    world.settle();
    EXPECT_GT(made(), before);
    EXPECT_LT(made(), before + 20);
    born(device, kConnection, 1024);
    EXPECT_EQ(pulled().rows.size(), 21U);
}

TEST_F(Rights, ALeaseIsTheCabinetsOwn) {
    born(device, kConnection, 1024);
    const std::int64_t before = wanted();
    ASSERT_EQ(world.send("PATCH", "/v1/devices/kc-hall1", R"({"lease_seconds":3600})").status, 200);
    const topics::Ack ack = announced(before);
    EXPECT_EQ(ack.lease_s, 3600);
    EXPECT_EQ(pulled().lease_s, 3600U);
}

TEST_F(Rights, ACabinetThatHoldsALaterVersionThanWeKnowGetsOneAboveIt) {
    const auto ack = born(device, kConnection, 1024, 500);
    EXPECT_EQ(announced(500).rights_version, 501);
    EXPECT_LT(ack.rights_version, 500);
    EXPECT_EQ(pulled().version, 501);
    EXPECT_EQ(world.count("select version from keys.cabinet_rights where cabinet = 'kc-hall1'"),
              501);
}

TEST_F(Rights, ABirthThatClaimsTheLastNumberUsesUpNoVersions) {
    const auto ack = born(device, kConnection, 1024, topics::limits::kIntegerMax);
    EXPECT_GT(ack.rights_version, 0);
    world.grant(boris, key);
    EXPECT_EQ(announced(ack.rights_version).rights_version, ack.rights_version + 1);
    EXPECT_EQ(pulled().version, ack.rights_version + 1);
}

TEST_F(Rights, ADeviceThatAnnouncesItsOwnRightsAsAnUploadStillGetsTheNext) {
    const std::int64_t before = born(device, kConnection, 1024).rights_version;
    const auto facts = Puller(device, kConnection).info("rights").document;
    ASSERT_TRUE(facts);
    device.facts(kConnection, 1, 1, 1,
                 {fact("doc.ready", R"({"doc":"logs","n":)" + std::to_string(facts->bytes) +
                                        R"(,"sha":")" + facts->sha256 + "\"}")});
    EXPECT_EQ(world.count("select count(*) from runtime.documents where direction = 'up'"), 0)
        << "it has not sent it";
    for (int i = 0; i < 2; ++i) {
        world.grant(boris, key);
        world.settle();
        revoke(boris);
        world.settle();
    }
    EXPECT_EQ(wanted(), before + 4);
}

TEST_F(Rights, OldVersionsDoNotPileUp) {
    for (int i = 0; i < 3; ++i) {
        world.grant(boris, key);
        world.settle();
        revoke(boris);
        world.settle();
    }
    EXPECT_GE(wanted(), 7);
    EXPECT_EQ(world.count("select count(*) from runtime.documents where device_id = 'kc-hall1' and "
                          "name = 'rights'"),
              2);
    EXPECT_EQ(world.count("select count(*) from runtime.blobs"), 2);
}

TEST_F(Rights, AKilledHandlerLosesNoChange) {
    for (const char* point : {"reaction_read", "reaction_before_commit", "reaction_committed"}) {
        SCOPED_TRACE(point);
        const std::int64_t before = wanted();
        world.kill9_all_handlers();
        const auto trapped =
            world.start_handlers({std::string{"KLYUCHNIK_CRASH_AT="} + point + ":1"});
        // What comes of this kills it; whether it could answer before is all the same.
        world.post("/v1/rights", R"({"person":)" + std::to_string(boris.id) + R"(,"key":)" +
                                     std::to_string(key.id) + "}");
        EXPECT_TRUE(world.died_at(trapped, point));
        world.start_handlers();
        world.settle();
        EXPECT_EQ(wanted(), before + 1) << "once, and not lost";
        revoke(boris);
        world.settle();
        EXPECT_EQ(wanted(), before + 2);
    }
    EXPECT_EQ(made(), wanted()) << "a version, an event";
}

TEST_F(Rights, TwoHandlersMakeEachVersionOnce) {
    world.start_handlers();
    for (int i = 0; i < 10; ++i) {
        world.grant(world.add_person("Q" + std::to_string(i), "QQ" + std::to_string(i)), key);
    }
    world.settle();
    EXPECT_EQ(made(), wanted()) << "a version, an event";
    born(device, kConnection, 1024);
    EXPECT_EQ(pulled().rows.size(), 11U);
}

TEST_F(Rights, ASimulatedCabinetHoldsWhatItWasTold) {
    const auto cabinet = world.cabinet("kc-hall3", {});
    ASSERT_TRUE(cabinet->wait_rights_version(1, std::chrono::seconds{30}));
    const Key far = world.add_key("301", "kc-hall3", 1, "TAG301");
    world.grant(boris, far);
    EXPECT_TRUE(eventually([&] {
        return cabinet->rights_version() ==
               world.count(
                   "select rights_version from runtime.wanted where device_id = 'kc-hall3'");
    }));
}

// -- what was taken while nobody could know

class Revoked : public Rights {
 protected:
    static std::string taken_at(std::int64_t t) {
        return R"({"t":)" + std::to_string(t) + R"(,"k":"key.taken","d":{"tg":")" + kTag +
               R"(","cd":")" + kAnnasCard + "\"}}";
    }
    static std::string returned_at(std::int64_t t) {
        return R"({"t":)" + std::to_string(t) + R"(,"k":"key.returned","d":{"tg":")" + kTag +
               R"(","cd":")" + kAnnasCard + "\"}}";
    }
    /// The right began an hour ago, whatever the clock of the test says.
    void grant_earlier() {
        world.db().rows("update keys.rights set granted_at = now() - interval '1 hour'");
    }
    std::int64_t conflicts(const std::string& condition = "true") {
        return world.count("select count(*) from api.conflicts where " + condition);
    }
};

TEST_F(Revoked, TheReportAfterReconnectionShowsWhatWasTakenAfterTheRevocation) {
    grant_earlier();
    const std::int64_t held = wanted();
    born(device, kConnection, 1024, held);
    device.client().vanish();
    // While the cabinet is away the right ends, ten minutes ago by the clock of the desk.
    revoke(anna);
    world.db().rows("update keys.rights_ended set ended_at = now() - interval '10 minutes'");
    world.settle();
    EXPECT_GT(wanted(), held);

    RawDevice back{world.broker(), kDevice};
    born(back, kConnection + 1, 1024, held, 1, 3);
    const std::int64_t now = now_s();
    back.facts(kConnection + 1, 1, 1, 1,
               {taken_at(now - 1200), returned_at(now - 1100), taken_at(now - 300)});
    EXPECT_EQ(facts(), 3);
    EXPECT_EQ(conflicts(), 1) << "what was taken before the revocation was right";
    EXPECT_EQ(conflicts("why = 'taken_without_right' and right_ended_at is not null and "
                        "right_ended_at < occurred_at and rights_version = " +
                        std::to_string(held)),
              1);
    EXPECT_EQ(events("type = 'conflict' and ids->>'version' = '" + std::to_string(held) + "'"), 1);
}

TEST_F(Revoked, ADeactivatedPersonToo) {
    grant_earlier();
    const std::int64_t held = wanted();
    ASSERT_EQ(world.post("/v1/people/" + std::to_string(anna.id) + "/deactivate", "{}").status,
              200);
    world.settle();
    world.db().rows("update keys.rights_ended set ended_at = now() - interval '10 minutes'");
    born(device, kConnection, 1024, held);
    born(device, kConnection + 1, 1024, held, 1, 3);
    const std::int64_t now = now_s();
    device.facts(kConnection + 1, 1, 1, 1,
                 {taken_at(now - 1200), returned_at(now - 1100), taken_at(now - 300)});
    EXPECT_EQ(conflicts(), 1);
    EXPECT_EQ(conflicts("why = 'taken_by_inactive_person' and right_ended_at is not null"), 1);
}

TEST_F(Revoked, WithoutAClockNothingIsTakenForRight) {
    grant_earlier();
    born(device, kConnection, 1024, wanted());
    revoke(anna);
    device.facts(kConnection, 1, 1, 1,
                 {std::string{R"({"b":7,"m":1,"k":"key.taken","d":{"tg":")"} + kTag +
                  R"(","cd":")" + kAnnasCard + "\"}}"});
    EXPECT_EQ(conflicts("why = 'taken_without_right' and right_ended_at is not null"), 1);
}

}  // namespace
}  // namespace klyuchnik::test
