// What a device's journal and the server say to each other when they do not agree.

#include <chrono>
#include <string>

#include <gtest/gtest.h>

#include "tests/system/hall.hpp"

namespace klyuchnik::test {
namespace {

using topics::AckError;

class Journal : public Hall {
 protected:
    std::int64_t gaps(const std::string& condition = "true") {
        return world.count("select count(*) from runtime.device_gaps where " + condition);
    }
    std::string why_of_epoch(std::int64_t epoch) {
        return world.db().text(
            "select why from runtime.epochs where device_id = 'kc-hall1' and "
            "epoch = $1 and why <> 'kept'",
            {std::to_string(epoch)});
    }
    static std::vector<std::string> doors(int count) {
        std::vector<std::string> facts;
        for (int i = 0; i < count; ++i) {
            facts.push_back(R"({"t":17636900)" + std::to_string(10 + i) + R"(,"k":"door.opened"})");
        }
        return facts;
    }
};

TEST_F(Journal, ARepeatedBirthGetsTheSameEpochAndNoSecondEvent) {
    const auto first = device.birth(kConnection);
    EXPECT_EQ(first.error, AckError::epoch) << "a device without an epoch is given one";
    EXPECT_EQ(first.epoch.value, 1);
    EXPECT_EQ(first.acked.value, 0);
    EXPECT_GT(first.lease_s, 0);
    EXPECT_GT(first.now_s, 1'700'000'000);
    const auto second = device.birth(kConnection);
    EXPECT_EQ(second.epoch, first.epoch);
    EXPECT_EQ(second.acked, first.acked);
    EXPECT_EQ(events("type = 'epoch_issued'"), 1);
    EXPECT_EQ(events("type = 'online'"), 1);
    EXPECT_EQ(device.birth(kConnection, 1).error, AckError::none);
}

TEST_F(Journal, AConnectionThatIsNotKnownIsAskedForItsBirth) {
    auto ack = device.facts(kConnection, 1, 1, 1, doors(1));
    EXPECT_EQ(ack.error, AckError::hello) << "no birth at all";
    EXPECT_EQ(ack.cn.value, kConnection);
    device.birth(kConnection);
    ack = device.facts(31415, 1, 1, 1, doors(1));
    EXPECT_EQ(ack.error, AckError::hello) << "another connection's";
    EXPECT_EQ(facts(), 0);
    ack = device.facts(kConnection, 1, 1, 1, doors(1));
    EXPECT_EQ(ack.error, AckError::none);
    EXPECT_EQ(facts(), 1);
}

TEST_F(Journal, AHeartbeatIsAnsweredAndAStrangersIsAskedForItsBirth) {
    device.birth(kConnection);
    device.publish("up/tm", R"({"v":1,"cn":2718281,"d":{"rssi":-61}})");
    EXPECT_EQ(device.next_ack().error, AckError::none);
    device.publish("up/tm", R"({"v":1,"cn":7,"d":{"rssi":-61}})");
    EXPECT_EQ(device.next_ack().error, AckError::hello);
}

TEST_F(Journal, AnotherEpochIsToldTheRightOne) {
    device.birth(kConnection);
    const auto ack = device.facts(kConnection, 5, 1, 1, doors(1));
    EXPECT_EQ(ack.error, AckError::epoch);
    EXPECT_EQ(ack.epoch.value, 1);
    EXPECT_EQ(facts(), 0);
}

TEST_F(Journal, ABatchAheadOfItsTurnIsToldWhereToGoOn) {
    device.birth(kConnection);
    device.facts(kConnection, 1, 1, 1, doors(2));
    const auto ack = device.facts(kConnection, 1, 1, 5, doors(1));
    EXPECT_EQ(ack.error, AckError::gap);
    EXPECT_EQ(ack.acked.value, 2);
    EXPECT_EQ(facts(), 2);
    EXPECT_EQ(gaps(), 0) << "the device still has them";
    EXPECT_EQ(device.facts(kConnection, 1, 3, 3, doors(3)).acked.value, 5);
}

TEST_F(Journal, FactsThatTheDeviceHasDroppedAreAGapAndRaised) {
    device.birth(kConnection);
    device.facts(kConnection, 1, 1, 1, doors(2));
    const auto ack = device.facts(kConnection, 1, 10, 10, doors(2));
    EXPECT_EQ(ack.error, AckError::none);
    EXPECT_EQ(ack.acked.value, 11);
    EXPECT_EQ(gaps("first = 3 and last = 9 and epoch = 1"), 1);
    EXPECT_EQ(events("type = 'gap' and ids->>'first' = '3' and ids->>'last' = '9'"), 1);
    EXPECT_EQ(facts(), 4);
    EXPECT_TRUE(world.metric_reaches("klyuchnik_device_gaps_total", 1));
}

TEST_F(Journal, AGapNamedByABirthIsRecordedOnce) {
    device.birth(kConnection);
    device.facts(kConnection, 1, 1, 1, doors(2));
    const auto ack = device.birth(99, 1, 5, 8);
    EXPECT_EQ(ack.error, AckError::none);
    EXPECT_EQ(ack.acked.value, 4);
    device.birth(99, 1, 5, 8);
    EXPECT_EQ(gaps("first = 3 and last = 4"), 1);
    EXPECT_EQ(gaps(), 1);
    EXPECT_EQ(events("type = 'gap'"), 1);
}

TEST_F(Journal, AWipedDeviceGetsANewEpoch) {
    device.birth(kConnection);
    device.facts(kConnection, 1, 1, 1, doors(3));
    const auto ack = device.birth(99, 0, 0, 0, 2);
    EXPECT_EQ(ack.error, AckError::epoch);
    EXPECT_EQ(ack.epoch.value, 2);
    EXPECT_EQ(ack.acked.value, 0);
    EXPECT_EQ(why_of_epoch(2), "wiped");
    EXPECT_EQ(device.facts(99, 2, 1, 1, doors(1)).acked.value, 1);
    EXPECT_EQ(facts(), 4);
}

TEST_F(Journal, ARestoredJournalGetsANewEpochAndAnAlarm) {
    device.birth(kConnection);
    device.facts(kConnection, 1, 1, 1, doors(5));
    const auto ack = device.birth(99, 1, 1, 2, 2);
    EXPECT_EQ(ack.error, AckError::epoch);
    EXPECT_EQ(ack.epoch.value, 2);
    EXPECT_EQ(why_of_epoch(2), "restored");
    EXPECT_EQ(events("type = 'epoch_issued' and ids->>'why' = 'restored'"), 1);
}

TEST_F(Journal, ABirthFromBeforeAnybodyListenedIsAskedForAgain) {
    device.birth(kConnection);
    device.facts(kConnection, 1, 1, 1, doors(2));
    world.kill9_handlers();
    // Kept by the broker, it may be days old when somebody reads it.
    device.publish("st",
                   R"({"v":1,"on":1,"cn":99,"ep":1,"b":2,"m":0,"lo":1,"hi":2,"ka":30,"rx":1024,)"
                   R"("fw":""})",
                   true);
    world.start_handlers();
    const auto ack = device.next_ack();
    EXPECT_EQ(ack.error, AckError::hello);
    EXPECT_EQ(ack.cn.value, 99);
    const auto again = device.birth(99, 1, 1, 2, 2);
    EXPECT_EQ(again.error, AckError::none);
    EXPECT_EQ(again.acked.value, 2);
    EXPECT_EQ(events("type = 'online'"), 2);
}

TEST_F(Journal, AnEpochThatWasNeverIssuedIsReplaced) {
    const auto ack = device.birth(kConnection, 7, 1, 3);
    EXPECT_EQ(ack.error, AckError::epoch);
    EXPECT_EQ(ack.epoch.value, 8) << "above every number the device may have used";
    EXPECT_EQ(why_of_epoch(8), "foreign");
}

TEST_F(Journal, OtherContentUnderANumberFromBeforeTheLastBatchIsAConflictToo) {
    device.birth(kConnection);
    device.facts(kConnection, 1, 1, 1, doors(3));
    device.facts(kConnection, 1, 1, 4, doors(2));
    const auto repeat = device.facts(kConnection, 1, 1, 1, doors(3));
    EXPECT_EQ(repeat.error, AckError::none) << "a true repeat is only skipped";
    const std::string other = R"({"t":1763690050,"k":"door.closed"})";
    const auto ack = device.facts(kConnection, 1, 1, 1, {doors(1)[0], other});
    EXPECT_EQ(ack.error, AckError::epoch);
    EXPECT_EQ(ack.epoch.value, 2);
    EXPECT_EQ(world.count("select count(*) from runtime.device_conflicts where sequence = 2"), 1);
}

TEST_F(Journal, OtherContentUnderAStoredNumberIsAConflictAndIsAppliedOnceUnderANewEpoch) {
    device.birth(kConnection);
    device.facts(kConnection, 1, 1, 1, doors(3));
    const std::string other = R"({"t":1763690050,"k":"door.closed"})";
    const auto ack = device.facts(kConnection, 1, 1, 1, {doors(1)[0], other});
    EXPECT_EQ(ack.error, AckError::epoch);
    EXPECT_EQ(ack.epoch.value, 2);
    EXPECT_EQ(world.count("select count(*) from runtime.device_conflicts where sequence = 2 and "
                          "kind = 'door.closed'"),
              1);
    EXPECT_EQ(events("type = 'journal_conflict'"), 1);
    EXPECT_TRUE(world.metric_reaches("klyuchnik_journal_conflicts_total", 1));

    // As a device does it: everything it holds, from 1, with its first number.
    const auto renumbered = [](const std::string& fact, const std::string& old) {
        return fact.substr(0, fact.size() - 1) + R"(,"o":")" + old + R"("})";
    };
    const std::vector<std::string> again{renumbered(doors(1)[0], "1:1"), renumbered(other, "1:2")};
    for (int time = 0; time < 2; ++time) {
        EXPECT_EQ(device.facts(kConnection, 2, 1, 1, again).acked.value, 2);
        EXPECT_EQ(facts(), 4) << "the first was known under its old number, the second was not";
        EXPECT_EQ(facts("kind = 'door.closed' and epoch = 2"), 1);
        EXPECT_EQ(events("type = 'door_closed'"), 1);
        EXPECT_EQ(events("type = 'door_opened'"), 3);
    }
}

TEST_F(Journal, WhatIsKnownUnderItsOldNumberIsSkipped) {
    device.birth(kConnection);
    // The third is committed, but its ack was lost; then the flash forgets the epoch.
    device.facts(kConnection, 1, 1, 1, {taken(kTag, kAnnasCard)});
    const std::string back = returned(kTag, kAnnasCard);
    device.facts(kConnection, 1, 2, 2, {back});
    device.birth(99, 0, 1, 2, 2);
    const auto ack = device.facts(99, 2, 1, 1,
                                  {back.substr(0, back.size() - 1) + R"(,"o":"1:2"})",
                                   R"({"t":1763690050,"o":"1:3","k":"door.closed"})"});
    EXPECT_EQ(ack.acked.value, 2);
    EXPECT_EQ(facts(), 3);
    EXPECT_EQ(facts("epoch = 2 and sequence = 2 and first_epoch = 1 and first_sequence = 3"), 1);
    EXPECT_EQ(loans("closed_why = 'returned'"), 1);
    EXPECT_EQ(world.count("select count(*) from keys.conflicts"), 0);
    EXPECT_TRUE(world.metric_reaches("klyuchnik_facts_skipped_total", 1));
}

TEST_F(Journal, EveryFactSaysWhereItsTimeComesFrom) {
    device.birth(kConnection, 0, 0, 0, 12, 60'000);
    const std::string now = std::to_string(now_s());
    const std::string ahead = std::to_string(now_s() + 3600);
    device.facts(
        kConnection, 1, 1, 1,
        {R"({"t":)" + now + R"(,"k":"door.opened"})", R"({"b":12,"m":30000,"k":"door.opened"})",
         R"({"b":11,"m":30000,"k":"door.opened"})", R"({"t":)" + ahead + R"(,"k":"door.opened"})",
         R"({"t":86400,"k":"door.opened"})"});
    const auto source = [&](int sequence) {
        return world.db().text("select time_source from runtime.facts where sequence = $1",
                               {std::to_string(sequence)});
    };
    EXPECT_EQ(source(1), "device");
    EXPECT_EQ(source(2), "boot") << "30 s after a boot whose beginning is known";
    EXPECT_EQ(source(3), "received") << "a boot that nobody has dated";
    EXPECT_EQ(source(4), "received") << "a clock that runs an hour ahead";
    EXPECT_EQ(source(5), "received") << "a clock that was never set";
    EXPECT_EQ(facts("occurred_at > received_at + interval '5 minutes'"), 0);
    EXPECT_EQ(facts("time_source = 'boot' and occurred_at between received_at - interval '60 s' "
                    "and received_at"),
              1);
}

TEST_F(Journal, AKindThatIsNotKnownIsStoredAndTheNextFlows) {
    device.birth(kConnection);
    const auto ack = device.facts(
        kConnection, 1, 1, 1,
        {R"({"t":1763690000,"k":"window.opened","d":{"left":true,"mm":[12,30],"temp":-3.5}})",
         taken(kTag, kAnnasCard)});
    EXPECT_EQ(ack.error, AckError::none);
    EXPECT_EQ(ack.acked.value, 2);
    EXPECT_EQ(facts("outcome = 'unknown' and kind = 'window.opened' and "
                    "content = '{\"left\":true,\"mm\":[12,30],\"temp\":-3.5}'"),
              1);
    EXPECT_EQ(loans(), 1);
    EXPECT_TRUE(world.metric_reaches("klyuchnik_facts_unknown_total", 1));
}

TEST_F(Journal, WhatTheJournalSaysOfItselfIsRaised) {
    device.birth(kConnection);
    device.facts(kConnection, 1, 1, 1,
                 {fact("journal.overrun", R"({"n":57})"),
                  fact("journal.bad", R"({"crc":3405691582,"n":143})")});
    EXPECT_EQ(events("domain = 'devices' and type = 'journal_overrun'"), 1);
    EXPECT_EQ(events("domain = 'devices' and type = 'journal_bad'"), 1);
    EXPECT_EQ(gaps("first = 2 and last = 2 and why = 'unreadable'"), 1);
}

TEST_F(Journal, OneDevicesTroubleIsNotAnothers) {
    device.birth(kConnection);
    RawDevice other = world.raw_device("kc-other1");
    other.birth(5);
    device.facts(kConnection, 1, 5, 5, doors(1));
    EXPECT_EQ(other.facts(5, 1, 1, 1, doors(1)).acked.value, 1);
    EXPECT_EQ(gaps("device_id = 'kc-other1'"), 0);
    EXPECT_EQ(gaps("device_id = 'kc-hall1'"), 1);
}

TEST_F(Journal, ADeviceThatTheDatabaseDoesNotKnowChangesNothing) {
    RawDevice stranger{world.broker(), "kc-stranger1"};
    stranger.publish("st",
                     R"({"v":1,"on":1,"cn":5,"ep":0,"b":1,"m":0,"lo":0,"hi":0,"ka":30,"rx":1024,)"
                     R"("fw":""})",
                     true);
    stranger.publish("up/ev", R"({"v":1,"cn":5,"ep":1,"lo":1,"s":1,"e":[)" + doors(1)[0] + "]}");
    EXPECT_TRUE(world.metric_reaches("klyuchnik_batches_left_total", 2)) << "counted, in silence";
    device.birth(kConnection);
    EXPECT_EQ(device.facts(kConnection, 1, 1, 1, doors(1)).acked.value, 1);
    EXPECT_EQ(facts("device_id = 'kc-stranger1'"), 0);
    EXPECT_EQ(world.get("/v1/devices/kc-stranger1").status, 404);
}

class Presence : public Hall {
 protected:
    std::string state() { return world.get("/v1/devices/kc-hall1").text("state"); }
};

TEST_F(Presence, FollowsBirthAndWill) {
    EXPECT_EQ(state(), "unknown");
    device.birth(kConnection);
    EXPECT_TRUE(eventually([&] { return state() == "online"; }));
    device.publish("st", R"({"v":1,"on":0,"cn":2718281})", true);
    EXPECT_TRUE(eventually([&] { return state() == "offline"; }));
    EXPECT_EQ(events("type = 'offline'"), 1);
}

TEST_F(Presence, AStaleWillChangesNothing) {
    device.birth(kConnection);
    device.birth(99, 1);
    device.publish("st", R"({"v":1,"on":0,"cn":2718281})", true);
    // Whatever comes after it on the same way shows that it was heard.
    device.publish("up/tm", R"({"v":1,"cn":99,"d":{}})");
    EXPECT_EQ(device.next_ack().error, AckError::none);
    EXPECT_EQ(state(), "online");
    EXPECT_EQ(events("type = 'offline'"), 0);
    EXPECT_EQ(events("type = 'online'"), 2);
}

TEST_F(Presence, TheBrokerTellsOfADeviceThatVanished) {
    world.add_device("kc-gone1");
    {
        RawDevice gone{world.broker(), "kc-gone1", 77};
        gone.birth(77);
        gone.client().vanish();
    }
    EXPECT_TRUE(
        eventually([&] { return world.get("/v1/devices/kc-gone1").text("state") == "offline"; }));
}

TEST_F(Presence, HeardByManyHandlersIsOneEventEach) {
    world.start_handlers();
    world.start_handlers();
    // The first handlers process has had the ask that made the device besides.
    const auto before = static_cast<std::int64_t>(
        world.metric_of(0, "klyuchnik_batch_messages_sum", "domain=\"devices\""));
    ASSERT_GE(before, 1);
    const auto heard_by_all = [&](std::int64_t messages) {
        return eventually([&] {
            for (std::size_t i = 0; i < 3; ++i) {
                const std::int64_t others = i == 0 ? before : 0;
                if (world.metric_of(i, "klyuchnik_batch_messages_sum", "domain=\"devices\"") <
                    static_cast<double>(others + messages)) {
                    return false;
                }
            }
            return true;
        });
    };
    for (std::int64_t cn = 1; cn <= 5; ++cn) {
        device.birth(cn, cn == 1 ? 0 : 1);
        ASSERT_TRUE(heard_by_all(2 * cn - 1));
        ASSERT_TRUE(world.becomes("select count(*) from log.events where type = 'online'", cn));
        device.publish("st", R"({"v":1,"on":0,"cn":)" + std::to_string(cn) + "}", true);
        ASSERT_TRUE(heard_by_all(2 * cn));
        ASSERT_TRUE(world.becomes("select count(*) from log.events where type = 'offline'", cn));
        EXPECT_EQ(state(), "offline");
        // The other handlers' acks of the same birth must not be taken for the next one's.
        device.client().take_all();
    }
    EXPECT_EQ(events("type = 'online'"), 5);
    EXPECT_EQ(events("type = 'offline'"), 5);
    EXPECT_EQ(events("type = 'epoch_issued'"), 1);
}

}  // namespace
}  // namespace klyuchnik::test
