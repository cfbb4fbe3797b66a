// What a batch raises, and which letters can be tried again: no services.
#include "handlers/runtime/alarms.hpp"

#include <gtest/gtest.h>

#include "handlers/runtime/letters.hpp"

namespace klyuchnik::handlers {
namespace {

using namespace topics;

const DeviceId kDevice = *DeviceId::parse("kc-hall1");

EventIds of_device(std::int64_t first = 0) {
    EventIds ids;
    ids.device = kDevice;
    if (first > 0) ids.first = Sequence{first};
    return ids;
}

TEST(WorkAlarm, RaisedTwiceInABatchIsOneThatCountsTwo) {
    Work work;
    work.alarm("journal_gap", "device:kc-hall1", 1, of_device(5));
    work.alarm("journal_gap", "device:kc-hall1", 3, of_device(9));
    work.alarm("journal_gap", "device:kc-hall2", 2);
    ASSERT_EQ(work.alarms.size(), 2U);
    EXPECT_EQ(work.alarms[0].count, 2);
    EXPECT_EQ(work.alarms[0].severity, 3);
    EXPECT_EQ(work.alarms[0].ids.first, Sequence{9});
    EXPECT_EQ(work.alarms[1].count, 1);
}

TEST(WorkAlarm, TheLaterOfRaisedAndOverCounts) {
    Work work;
    work.alarm_over("device_away", "device:kc-hall1");
    work.alarm("device_away", "device:kc-hall1", 2);
    EXPECT_EQ(work.alarms.size(), 1U);
    EXPECT_TRUE(work.over.empty());
    work.alarm_over("device_away", "device:kc-hall1");
    work.alarm_over("device_away", "device:kc-hall1");
    EXPECT_TRUE(work.alarms.empty());
    EXPECT_EQ(work.over.size(), 1U);
}

TEST(WorkLog, WhatNobodyOutsideCausedIsOurs) {
    Work work;
    const Event& event = work.log("devices", "alarm_reopened", "alarm:3", "timed:x");
    EXPECT_EQ(event.actor, "handlers");
    EXPECT_EQ(event.source, "timed:x");
}

TEST(DeadLetters, AreToldApartByTheirSource) {
    const LetterSource fact = parse_letter_source("kc-hall1:3:1041");
    EXPECT_EQ(fact.of, LetterOf::fact);
    EXPECT_EQ(fact.number, (db::FactNumber{kDevice, Epoch{3}, Sequence{1041}}));
    EXPECT_EQ(parse_letter_source("ask:account:3:a-1").of, LetterOf::ask);
    EXPECT_EQ(parse_letter_source("ask:kc-hall1:x").of, LetterOf::ask);
    for (const char* other : {"kc-hall1", "kc-hall1:3", "kc-hall1:x:1", "kc-hall1:3:", "hall:3:4",
                              "kc-hall1:3:4:5", ""}) {
        EXPECT_EQ(parse_letter_source(other).of, LetterOf::state) << other;
    }
}

TEST(DeadLetters, RaiseTheirDeviceOrTheDomainThatWasAsked) {
    Work work;
    raise_dead_letter(work, "keys", "kc-hall1:3:1041");
    raise_dead_letter(work, "devices", "kc-hall1");
    raise_dead_letter(work, "keys", "ask:account:3:a-1");
    ASSERT_EQ(work.alarms.size(), 2U);
    EXPECT_EQ(work.alarms[0].name.subject, "device:kc-hall1");
    EXPECT_EQ(work.alarms[0].count, 2);
    EXPECT_EQ(work.alarms[0].ids.device, kDevice);
    EXPECT_EQ(work.alarms[1].name.subject, "domain:keys");
}

}  // namespace
}  // namespace klyuchnik::handlers
