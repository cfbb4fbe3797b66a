// The broker is killed under load; it keeps nothing, so everything must come again by itself.
#include <future>
#include <string>

#include <gtest/gtest.h>

#include "tests/faults/load.hpp"

namespace klyuchnik::test {
namespace {

TEST(Broker, KillingItUnderLoadLosesAndDoublesNothing) {
    World world{{.handlers = 2}};
    Fleet fleet{world, {}};
    const Person boris = world.add_person("Boris Example", "0B0B0B");
    const Key old = world.add_key("900");
    world.grant(boris, old);
    AskLoad asks{world, boris, old};
    for (int time = 1; time <= 2; ++time) {
        ASSERT_TRUE(fleet.go_on_for(100));
        ASSERT_TRUE(asks.go_on_for(1));
        const pid_t killed = world.broker().pid();
        world.kill9_broker();
        world.restart_broker();
        EXPECT_NE(world.broker().pid(), killed);
        ASSERT_TRUE(fleet.go_on_for(50));
        ASSERT_TRUE(asks.go_on_for(1));
        EXPECT_GE(world.metric("klyuchnik_mqtt_connection_losses_total"), 2 * time);
        EXPECT_GE(world.bridge_metric("klyuchnik_mqtt_connection_losses_total"), time);
    }
    asks.stop();
    asks.expect_each_done_once(world);
    const witness::Verdict verdict = fleet.expect_exactly_once();
    // Whether a lost ack or a lost batch was behind a repeat is chance; that there were repeats is
    // not.
    EXPECT_GT(verdict.resent, 0);
}

TEST(Broker, CabinetsWorkOnWithoutItAndCatchUp) {
    World world;
    const Building building{world, 2, 2};
    Load load{building};
    for (int time = 1; time <= 2; ++time) {
        ASSERT_TRUE(load.go_on_for(10));
        world.kill9_broker();
        ASSERT_TRUE(load.go_on_for(5));
        EXPECT_GT(building.unacked(), 0);
        world.restart_broker();
        for (const Building::Place& place : building.cabinets) {
            ASSERT_TRUE(place.client->wait_online(kHealed));
            EXPECT_GE(place.client->counters().cabinet.connects, time + 1);
        }
    }
    load.stop();
    ASSERT_TRUE(building.wait_acked());
    EXPECT_TRUE(building.repeats_are_known(world));
    world.expect_exactly_once(building.ids());
}

TEST(Broker, AnAskThatMeetsItsEndIsDoneOnceByItsRepeat) {
    World world;
    const Person anna = world.add_person("Anna Example", "12345ABC");
    for (int time = 1; time <= 2; ++time) {
        const std::string name = std::to_string(100 + time);
        world.grant(anna, world.add_key(name));
        world.kill9_broker();
        const std::string body = R"({"serial":"12345ABC","key":")" + name + R"("})";
        const Headers same{{"Idempotency-Key", "ask-" + name}};
        auto answer =
            std::async(std::launch::async, [&] { return world.post("/issue_key", body, same); });
        world.restart_broker();
        const int status = answer.get().status;
        EXPECT_TRUE(status == 200 || status == 503 || status == 504) << status;
        EXPECT_TRUE(eventually([&] { return world.post("/issue_key", body, same).status == 200; },
                               kHealed));
        EXPECT_EQ(world.post("/issue_key", body, same).status, 200);
        EXPECT_EQ(world.count("select count(*) from keys.loans"), time);
        EXPECT_EQ(world.count("select count(*) from log.events where type = 'key_issued'"), time);
        EXPECT_GE(world.bridge_metric("klyuchnik_mqtt_connection_losses_total"), time);
    }
    world.expect_gapless_feed();
}

}  // namespace
}  // namespace klyuchnik::test
