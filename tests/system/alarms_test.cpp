// Alarms: what raises them, and what people do with them.
#include <string>

#include <gtest/gtest.h>

#include "tests/system/hall.hpp"

namespace klyuchnik::test {
namespace {

class AlarmsSystem : public Hall {
 protected:
    RawAsker asker{world.broker()};
    int number = 0;

    topics::AskAnswer ask(const std::string& name, const std::string& content) {
        return asker.ask("devices", name,
                         R"({"v":1,"id":"a-)" + std::to_string(++number) + R"(","x":)" +
                             std::to_string(now_s() + 60) + R"(,"by":{"account":")" +
                             world.account() + R"(","via":"session"},"d":)" + content + "}");
    }
    std::int64_t alarms(const std::string& kind) {
        return world.db().number(
            "select count(*) from runtime.alarms where kind = $1 and state <> 'resolved'", {kind});
    }
    std::string newest() { return world.db().text("select max(alarm_id) from runtime.alarms"); }
    std::string state() {
        return world.db().text("select state from runtime.alarms order by alarm_id desc limit 1");
    }
};

TEST_F(AlarmsSystem, AGapIsRaisedOnceWhateverItsRepeats) {
    device.birth(kConnection, 0);
    const auto ack = device.facts(kConnection, 1, 5, 5, {taken(kTag, kAnnasCard)});
    EXPECT_EQ(ack.acked.value, 5);
    EXPECT_EQ(alarms("journal_gap"), 1);
    EXPECT_EQ(world.count("select severity from runtime.alarms where kind = 'journal_gap'"), 2);
    device.facts(kConnection, 1, 9, 9, {returned(kTag, kAnnasCard)});
    EXPECT_EQ(alarms("journal_gap"), 1);
    EXPECT_EQ(world.count("select count from runtime.alarms where kind = 'journal_gap'"), 2);
    EXPECT_EQ(events("type = 'alarm_raised'"), 1);
    EXPECT_EQ(world.count("select count(*) from log.events e where type = 'alarm_raised' and "
                          "ids->>'device' = 'kc-hall1' and (ids->>'first')::bigint = 1"),
              1);
}

TEST_F(AlarmsSystem, OverrunAndUnreadableFactsAreRaised) {
    device.birth(kConnection, 0);
    device.facts(
        kConnection, 1, 1, 1,
        {fact("journal.overrun", R"({"n":7})"), fact("journal.bad", R"({"crc":1,"n":200})")});
    EXPECT_EQ(alarms("journal_overrun"), 1);
    EXPECT_EQ(alarms("journal_bad"), 1);
}

TEST_F(AlarmsSystem, TwoContentsUnderOneNumberAreForAPersonToActOn) {
    device.birth(kConnection, 0);
    device.facts(kConnection, 1, 1, 1, {taken(kTag, kAnnasCard)});
    device.facts(kConnection, 1, 1, 1, {returned(kTag, kBorissCard)});
    EXPECT_EQ(alarms("journal_conflict"), 1);
    EXPECT_EQ(world.count("select severity from runtime.alarms"), 3);
}

TEST_F(AlarmsSystem, PeopleAcknowledgeSnoozeAndResolve) {
    device.birth(kConnection, 0);
    device.facts(kConnection, 1, 5, 5, {taken(kTag, kAnnasCard)});
    const std::string id = R"({"alarm":)" + newest();
    EXPECT_EQ(ask("acknowledge_alarm", id + "}").rc, 0);
    EXPECT_EQ(state(), "acknowledged");
    EXPECT_EQ(ask("snooze_alarm", id + R"(,"seconds":60})").rc, 0);
    EXPECT_EQ(state(), "snoozed");
    world.db().rows("update runtime.alarms set snoozed_until = now()");
    EXPECT_TRUE(world.becomes("select count(*) from runtime.alarms where state = 'open'", 1))
        << "it comes back by itself";
    EXPECT_EQ(events("type = 'alarm_reopened'"), 1);
    EXPECT_EQ(ask("resolve_alarm", id + R"(,"reason":"cable mended"})").rc, 0);
    EXPECT_EQ(state(), "resolved");
    EXPECT_EQ(world.db().text("select resolved_by from runtime.alarms"), world.account());
    EXPECT_EQ(ask("resolve_alarm", id + R"(,"reason":"again"})").code.value_or(""), "not_open");
    EXPECT_EQ(ask("acknowledge_alarm", R"({"alarm":99})").code.value_or(""), "unknown_alarm");
    for (const char* type : {"alarm_acknowledged", "alarm_snoozed", "alarm_resolved"}) {
        EXPECT_EQ(
            events("type = '" + std::string{type} + "' and actor = '" + world.account() + "'"), 1)
            << type;
    }
    // What happens again afterwards is another alarm.
    device.facts(kConnection, 1, 9, 9, {returned(kTag, kAnnasCard)});
    EXPECT_EQ(world.count("select count(*) from runtime.alarms"), 2);
}

}  // namespace
}  // namespace klyuchnik::test
