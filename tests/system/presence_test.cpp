// Where a device is: here, gone, or unknown; and who is told.

#include <string>

#include <gtest/gtest.h>

#include "tests/system/hall.hpp"

namespace klyuchnik::test {
namespace {

class Presence : public Hall {
 protected:
    std::string state() { return world.get("/v1/devices/kc-hall1").text("state"); }
    bool becomes_state(const std::string& wanted) {
        return eventually([&] { return state() == wanted; });
    }
    ::testing::AssertionResult alarm_is(const std::string& kind, const std::string& state) {
        return world.becomes("select count(*) from runtime.alarms where kind = '" + kind +
                                 "' and subject = 'device:kc-hall1' and state = '" + state + "'",
                             1);
    }
    /// The shortest heartbeat that the contract has is five seconds; a test need not wait so long.
    void beat_every_second() { world.db().rows("update devices.presence set heartbeat_s = 1"); }
};

TEST_F(Presence, SilenceIsUnknownAndAHeartbeatBringsItBack) {
    device.birth(kConnection);
    ASSERT_EQ(state(), "online");
    beat_every_second();
    EXPECT_TRUE(becomes_state("unknown"));
    EXPECT_EQ(events("type = 'silent' and source = 'kc-hall1:cn:2718281'"), 1);
    device.publish("up/tm", R"({"v":1,"cn":2718281,"d":{"rssi":-61,"up":86400,"left":3}})");
    EXPECT_TRUE(becomes_state("online"));
    EXPECT_EQ(events("type = 'online'"), 2);
    const HttpAnswer shown = world.get("/v1/devices/kc-hall1");
    EXPECT_EQ(world.count("select rssi from devices.heard"), -61);
    EXPECT_EQ(world.count("select count(*) from devices.telemetry where content->>'left' = '3'"),
              1);
    EXPECT_FALSE(shown.text("heard_at").empty()) << shown.body;
}

TEST_F(Presence, ABrokerRestartMakesEverybodyUnknownAndBirthsBringThemBack) {
    device.birth(kConnection);
    ASSERT_EQ(state(), "online");
    world.kill9_broker();
    EXPECT_EQ(state(), "online") << "nobody has said anything yet";
    world.restart_broker();
    EXPECT_TRUE(becomes_state("unknown"));
    EXPECT_EQ(events("type = 'broker_restarted' and subject = 'broker:1'"), 1);
    RawDevice again{world.broker(), kDevice};
    EXPECT_EQ(again.birth(99, 1).error, topics::AckError::none);
    EXPECT_TRUE(becomes_state("online"));
    EXPECT_EQ(events("type = 'online'"), 2);
}

TEST_F(Presence, ABrokerRestartIsNotedByOneOfTwoProcesses) {
    world.start_handlers();
    device.birth(kConnection);
    world.kill9_broker();
    world.restart_broker();
    EXPECT_TRUE(becomes_state("unknown"));
    RawDevice again{world.broker(), kDevice};
    again.birth(99, 1);
    EXPECT_TRUE(becomes_state("online"));
    EXPECT_EQ(events("type = 'broker_restarted'"), 1);
    EXPECT_EQ(state(), "online") << "the slower one does not sweep again";
}

TEST_F(Presence, AwayForTooLongIsAnAlarmUntilTheDeviceIsBack) {
    world.db().rows("update devices.devices set away_s = 1");
    device.birth(kConnection);
    device.publish("st", R"({"v":1,"on":0,"cn":2718281})", true);
    EXPECT_TRUE(alarm_is("device_away", "open"));
    EXPECT_EQ(world.get("/v1/devices?away=true").size("items"), 1);
    device.birth(99, 1);
    EXPECT_TRUE(alarm_is("device_away", "resolved"));
    EXPECT_EQ(world.get("/v1/devices?away=true").size("items"), 0);
}

TEST_F(Presence, AWrongClockIsAnAlarmUntilItIsRight) {
    device.birth(kConnection);
    const std::string late = std::to_string(now_s() - 7200);
    device.facts(kConnection, 1, 1, 1, {R"({"t":)" + late + R"(,"k":"door.opened"})"});
    EXPECT_TRUE(alarm_is("clock_wrong", "open"));
    EXPECT_EQ(world.db().text("select time_source from runtime.facts where sequence = 1"),
              "received");
    EXPECT_LT(world.get("/v1/devices/kc-hall1").number("clock_error_s"), -7000);
    device.facts(kConnection, 1, 2, 2, {fact("door.closed")});
    EXPECT_TRUE(alarm_is("clock_wrong", "resolved"));
    EXPECT_EQ(world.db().text("select time_source from runtime.facts where sequence = 2"),
              "device");
}

TEST_F(Presence, AFactThatTheDeviceHeldWhenItWasBornMayBeOld) {
    device.birth(kConnection, 0, 1, 1);
    const std::string old = std::to_string(now_s() - 7200);
    device.facts(kConnection, 1, 1, 1, {R"({"t":)" + old + R"(,"k":"door.opened"})"});
    EXPECT_EQ(world.db().text("select time_source from runtime.facts where sequence = 1"),
              "device");
    EXPECT_EQ(world.count("select count(*) from runtime.alarms where kind = 'clock_wrong'"), 0);
}

TEST_F(Presence, AChangedNamePlaceAndPatienceAreKept) {
    const topics::AskAnswer answer = world.ask(
        "devices", "change_device",
        R"({"device":"kc-hall1","place":"By the lift","lease_seconds":3600,"away_seconds":60})");
    EXPECT_EQ(answer.rc, 0);
    EXPECT_EQ(world.count("select count(*) from devices.devices where place = 'By the lift' and "
                          "lease_s = 3600 and away_s = 60 and name = 'Test kc-hall1'"),
              1);
    EXPECT_EQ(events("type = 'device_changed'"), 1);
    EXPECT_EQ(
        world.try_ask("devices", "change_device", R"({"device":"kc-nobody1","place":"x"})").code,
        "unknown_device");
}

}  // namespace
}  // namespace klyuchnik::test
