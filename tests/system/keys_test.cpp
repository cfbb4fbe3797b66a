#include <chrono>
#include <string>

#include <gtest/gtest.h>

#include "tests/system/hall.hpp"

namespace klyuchnik::test {
namespace {

using namespace std::chrono_literals;
using topics::AckError;

constexpr auto kSoon = 15s;

class Keys : public Hall {};

TEST(Cabinet, AKeyIsTakenAndReturnedEndToEnd) {
    World world;
    const Key hall = world.add_key("101", "kc-hall1", 12, "04A2B3C4D5E680");
    const Person anna = world.add_person("Anna Example", "12345ABC");
    world.grant(anna, hall);
    const auto cabinet = world.cabinet("kc-hall1", {hall});
    ASSERT_TRUE(cabinet->wait_online(kSoon));

    const auto decided = cabinet->ask(anna.card, hall.home.name, kSoon);
    ASSERT_TRUE(decided);
    EXPECT_TRUE(decided->granted);
    EXPECT_FALSE(decided->offline);
    EXPECT_EQ(decided->slot, topics::Slot{12});
    ASSERT_TRUE(cabinet->take(anna.card, hall.home.name));
    ASSERT_TRUE(cabinet->wait_acked(kSoon));

    const HttpAnswer out = world.get("/v1/loans");
    EXPECT_EQ(out.status, 200);
    ASSERT_EQ(out.size("items"), 1);
    EXPECT_EQ(out.number("/items/0/person"), anna.id);
    EXPECT_EQ(out.text("/items/0/key_name"), "101");

    ASSERT_TRUE(cabinet->return_key(anna.card, hall.home.name));
    ASSERT_TRUE(cabinet->wait_acked(kSoon));
    EXPECT_EQ(world.get("/v1/loans").size("items"), 0);
    EXPECT_EQ(world.get("/v1/loans?state=all").size("items"), 1);
    const HttpAnswer log = world.get("/v1/keys/" + std::to_string(hall.id) + "/log");
    EXPECT_EQ(log.text("/items/0/type"), "keys.key_returned");
    EXPECT_EQ(log.text("/items/1/type"), "keys.key_taken");
    EXPECT_EQ(log.text("/items/2/type"), "keys.access_granted");
    world.expect_exactly_once({"kc-hall1"});
}

TEST_F(Keys, TheSameBatchTwiceIsOneLoanAndTheSameAck) {
    device.birth(kConnection);
    const std::vector<std::string> batch{taken(kTag, kAnnasCard)};
    const auto first = device.facts(kConnection, 1, 1, 1, batch);
    const auto second = device.facts(kConnection, 1, 1, 1, batch);
    EXPECT_EQ(first.acked.value, 1);
    EXPECT_EQ(second.acked, first.acked);
    EXPECT_EQ(second.error, AckError::none);
    EXPECT_EQ(loans(), 1);
    EXPECT_EQ(events("type = 'key_taken'"), 1);
    EXPECT_TRUE(world.metric_reaches("klyuchnik_facts_skipped_total", 1));
}

TEST_F(Keys, EveryAnswerToARequestSaysWhy) {
    const Person gone = world.add_person("Gone Example", "GONE");
    world.grant(gone, key);
    ASSERT_EQ(world.post("/v1/people/" + std::to_string(gone.id) + "/deactivate", "").status, 200);
    const Key elsewhere = world.add_key("102", "kc-other1", 1);
    world.grant(anna, elsewhere);
    device.birth(kConnection);
    std::int64_t number = 16;
    const auto ask = [&](const std::string& card, const std::string& name) {
        const auto answer = device.request(kConnection, ++number, "key.request",
                                           R"({"cd":")" + card + R"(","ky":")" + name + R"("})");
        EXPECT_EQ(answer.number, number);
        EXPECT_EQ(answer.cn.value, kConnection);
        return answer;
    };
    struct Case {
        const char* card;
        const char* key;
        int rc;
        const char* code;
    };
    for (const Case& one :
         {Case{"NOBODY", "101", 404, "unknown_card"}, Case{"GONE", "101", 403, "inactive_person"},
          Case{kAnnasCard, "999", 404, "unknown_key"}, Case{kBorissCard, "101", 403, "no_right"}}) {
        const auto answer = ask(one.card, one.key);
        EXPECT_EQ(answer.rc, one.rc) << one.code;
        EXPECT_EQ(answer.code.value_or(""), one.code);
        EXPECT_NE(answer.text.value_or(""), "") << "a text for the display";
    }
    const auto granted = ask(kAnnasCard, "101");
    EXPECT_EQ(granted.rc, 0);
    EXPECT_EQ(granted.slot, topics::Slot{12});
    const auto in_another_cabinet = ask(kAnnasCard, "102");
    EXPECT_EQ(in_another_cabinet.rc, 0);
    EXPECT_FALSE(in_another_cabinet.slot);

    device.facts(kConnection, 1, 1, 1, {taken(kTag, kAnnasCard)});
    EXPECT_EQ(ask(kAnnasCard, "101").code.value_or(""), "key_held_by_self");
    world.grant(boris, key);
    const auto held = ask(kBorissCard, "101");
    EXPECT_EQ(held.rc, 409);
    EXPECT_EQ(held.code.value_or(""), "key_held_by_other");
    EXPECT_EQ(loans(), 1) << "a request changes nothing";
}

TEST_F(Keys, RequestsThatNeedNoDomainAreAnswered) {
    device.birth(kConnection);
    const auto time = device.request(kConnection, 1, "time", "{}");
    EXPECT_EQ(time.rc, 0);
    EXPECT_GE(time.now_s.value_or(0), 1'700'000'000);
    EXPECT_EQ(device.request(kConnection, 2, "doc.get", R"({"doc":"rights","v":99,"i":0})").rc,
              404);
    EXPECT_EQ(device.request(kConnection, 3, "window.open", "{}").rc, 501);
}

TEST_F(Keys, IssuedOverHttpAndSeenToLeaveIsOneConfirmedLoan) {
    device.birth(kConnection);
    const HttpAnswer issued = world.post("/issue_key", R"({"serial":"12345ABC","key":101})");
    ASSERT_EQ(issued.status, 200) << issued.body;
    EXPECT_EQ(issued.text("access"), "true");
    EXPECT_EQ(loans("issued and confirmed_at is null"), 1);
    device.facts(kConnection, 1, 1, 1, {taken(kTag, kAnnasCard)});
    EXPECT_EQ(loans(), 1);
    EXPECT_EQ(loans("issued and confirmed_at is not null and closed_at is null"), 1);
    EXPECT_EQ(events("type = 'loan_confirmed'"), 1);
    EXPECT_EQ(events("type = 'key_taken'"), 0);
    device.facts(kConnection, 1, 2, 2, {returned(kTag)});
    EXPECT_EQ(loans("closed_why = 'returned'"), 1);
}

TEST_F(Keys, IssuedOverHttpAndTakenWithoutACardIsConfirmed) {
    device.birth(kConnection);
    ASSERT_EQ(world.post("/issue_key", R"({"serial":"12345ABC","key":"101"})").status, 200);
    device.facts(kConnection, 1, 1, 1, {taken(kTag)});
    EXPECT_EQ(loans("confirmed_at is not null and person_id = " + std::to_string(anna.id)), 1);
    EXPECT_EQ(world.count("select count(*) from keys.conflicts"), 0);
}

TEST_F(Keys, IssuedOverHttpAndTakenByAnotherIsAConflict) {
    device.birth(kConnection);
    world.grant(boris, key);
    ASSERT_EQ(world.post("/issue_key", R"({"serial":"12345ABC","key":"101"})").status, 200);
    device.facts(kConnection, 1, 1, 1, {taken(kTag, kBorissCard)});
    expect_conflict("taken_while_held");
    EXPECT_EQ(loans("closed_at is null and person_id = " + std::to_string(boris.id)), 1);
    EXPECT_EQ(loans("closed_why = 'superseded' and person_id = " + std::to_string(anna.id)), 1);
}

TEST_F(Keys, AFactThatBreaksARuleIsStoredWithItsConflict) {
    // Each in a world of facts that ends with the key back in its slot.
    const Person gone = world.add_person("Gone Example", "GONE");
    ASSERT_EQ(world.post("/v1/people/" + std::to_string(gone.id) + "/deactivate", "").status, 200);
    device.birth(kConnection);
    struct Case {
        std::vector<std::string> facts;
        const char* why;
        bool opens;
    };
    const std::vector<Case> cases{
        {{taken(kTag, "NOBODY")}, "taken_by_unknown_card", true},
        {{taken(kTag, kBorissCard)}, "taken_without_right", true},
        {{taken(kTag)}, "taken_without_card", true},
        {{taken(kTag, "GONE")}, "taken_by_inactive_person", true},
        {{taken(kTag, kAnnasCard), taken(kTag, kAnnasCard)}, "taken_again", true},
        {{taken(kTag, kAnnasCard), taken(kTag, kBorissCard)}, "taken_while_held", true},
        {{taken("NO-SUCH-TAG", kAnnasCard)}, "unknown_key", false},
    };
    std::int64_t next = 1;
    for (const Case& one : cases) {
        SCOPED_TRACE(one.why);
        auto ack = device.facts(kConnection, 1, next, next, one.facts);
        next += static_cast<std::int64_t>(one.facts.size());
        EXPECT_EQ(ack.acked.value, next - 1) << "a fact is never refused";
        EXPECT_EQ(ack.error, AckError::none);
        const std::string because = std::string{"'"} + one.why + "'";
        EXPECT_EQ(world.count("select count(*) from keys.conflicts where why = " + because), 1);
        EXPECT_EQ(events("type = 'conflict' and ids->>'why' = " + because), 1);
        EXPECT_EQ(loans("closed_at is null"), one.opens ? 1 : 0);
        ack = device.facts(kConnection, 1, next, next, {returned(one.opens ? kTag : "NO-TAG")});
        EXPECT_EQ(ack.acked.value, next++);
        EXPECT_EQ(loans("closed_at is null"), 0);
    }
    // The last return was of a key that nobody knows either.
    EXPECT_EQ(world.count("select count(*) from keys.conflicts where why = 'unknown_key'"), 2);
    EXPECT_EQ(facts("outcome = 'conflict'"), static_cast<std::int64_t>(cases.size()) + 1);
}

TEST_F(Keys, ReturnedWhileInIsAConflict) {
    device.birth(kConnection);
    EXPECT_EQ(device.facts(kConnection, 1, 1, 1, {returned(kTag, kAnnasCard)}).acked.value, 1);
    expect_conflict("returned_while_in");
    EXPECT_EQ(loans(), 0);
}

TEST_F(Keys, BroughtBackBySomebodyElseNamesBoth) {
    device.birth(kConnection);
    device.facts(kConnection, 1, 1, 1, {taken(kTag, kAnnasCard), returned(kTag, kBorissCard)});
    EXPECT_EQ(loans("closed_person = " + std::to_string(boris.id)), 1);
    EXPECT_EQ(
        events("type = 'key_returned' and (ids->>'person')::bigint = " + std::to_string(boris.id) +
               " and (ids->>'holder')::bigint = " + std::to_string(anna.id)),
        1);
    EXPECT_EQ(world.count("select count(*) from keys.conflicts"), 0);
}

TEST_F(Keys, AKeyIsKnownByItsSlotOrNameWhereNoTagWasSeen) {
    device.birth(kConnection);
    device.facts(kConnection, 1, 1, 1,
                 {fact("key.taken", R"({"sl":12,"cd":"12345ABC"})"),
                  fact("key.returned", R"({"ky":"101"})")});
    EXPECT_EQ(loans("closed_why = 'returned'"), 1);
    EXPECT_EQ(facts("outcome = 'applied'"), 2);
}

TEST_F(Keys, WhatHappenedToTheCabinetItselfIsHistory) {
    device.birth(kConnection);
    device.facts(kConnection, 1, 1, 1,
                 {fact("door.opened"), fact("tamper", R"({"what":"back panel"})"),
                  fact("access.denied", R"({"cd":"NOBODY","why":"unknown_card"})")});
    EXPECT_EQ(events("subject = 'device:kc-hall1' and type in ('door_opened', 'tamper', "
                     "'access_denied')"),
              3);
    EXPECT_EQ(events("ids::text like '%NOBODY%' or ids::text like '%back panel%'"), 0)
        << "events hold ids only";
}

TEST_F(Keys, TwoHandlersKeepTheOrderOfEveryDevice) {
    world.start_handlers();
    std::vector<std::unique_ptr<sim::CabinetClient>> cabinets;
    for (int i = 0; i < 3; ++i) cabinets.push_back(world.cabinet("kc-load" + std::to_string(i)));
    for (const auto& cabinet : cabinets) ASSERT_TRUE(cabinet->wait_online(kSoon));
    for (int i = 0; i < 200; ++i) {
        for (const auto& cabinet : cabinets) cabinet->append(topics::CardTapped{anna.card});
    }
    for (const auto& cabinet : cabinets) ASSERT_TRUE(cabinet->wait_acked(kSoon));
    EXPECT_EQ(facts("device_id like 'kc-load%'"), 600);
    world.expect_gapless_feed();
    EXPECT_EQ(world.count("select count(*) from (select split_part(e.source, ':', 3)::bigint as s, "
                          "lag(split_part(e.source, ':', 3)::bigint) over (partition by "
                          "e.subject order by p.position) as before from log.positions p join "
                          "log.events e using (event_id) where e.type = 'card_tapped') as o "
                          "where before is not null and s <> before + 1"),
              0);
    EXPECT_GT(world.metric_of(0, "klyuchnik_facts_applied_total"), 0);
    EXPECT_GT(world.metric_of(1, "klyuchnik_facts_applied_total"), 0);
}

}  // namespace
}  // namespace klyuchnik::test
