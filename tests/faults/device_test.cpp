// A cabinet loses power at every point between an act and its acknowledgement.
#include <functional>
#include <string>

#include <gtest/gtest.h>

#include "tests/faults/load.hpp"

namespace klyuchnik::test {
namespace {

/// Runs `lose_power` twice in one building and then looks at every fact.
void twice(const std::function<void(World&, Building&, sim::CabinetClient&)>& lose_power) {
    World world;
    Building building{world, 1, 2};
    sim::CabinetClient& cabinet = *building.cabinets[0].client;
    const std::int64_t boot = cabinet.counters().boot;
    const std::int64_t reboots = cabinet.counters().cabinet.reboots;
    for (int time = 1; time <= 2; ++time) {
        lose_power(world, building, cabinet);
        ASSERT_TRUE(cabinet.wait_online(kHealed));
        ASSERT_TRUE(cabinet.wait_acked(kHealed));
    }
    EXPECT_GE(cabinet.counters().cabinet.reboots, reboots + 2);
    EXPECT_GE(cabinet.counters().boot, boot + 2) << "the journal counts boots too";
    EXPECT_TRUE(building.repeats_are_known(world));
    world.expect_exactly_once(building.ids());
}

TEST(Device, RebootRightAfterAnActLosesAndDoublesNothing) {
    twice([](World&, Building& building, sim::CabinetClient& cabinet) {
        const topics::KeyName& key = building.cabinets[0].keys[0].home.name;
        cabinet.take_by_force(building.anna.card, key);
        cabinet.reboot();
        cabinet.return_key(building.anna.card, key);
        cabinet.reboot();
    });
}

TEST(Device, RebootsWithManyBatchesOnTheirWayLoseAndDoubleNothing) {
    twice([](World&, Building& building, sim::CabinetClient& cabinet) {
        for (int i = 0; i < 20; ++i) building.round();
        cabinet.reboot();
        cabinet.reboot();
        building.round();
        ASSERT_TRUE(cabinet.wait_online(kHealed));
        cabinet.reboot();
    });
}

TEST(Device, RebootWhileNobodyAnswersLosesAndDoublesNothing) {
    twice([](World& world, Building& building, sim::CabinetClient& cabinet) {
        world.kill9_all_handlers();
        building.round();
        EXPECT_GT(cabinet.counters().unacked, 0);
        cabinet.reboot();
        building.round();
        world.start_handlers();
    });
}

TEST(Device, RebootBetweenCommitAndAckIsKnownByItsNumbers) {
    twice([](World& world, Building& building, sim::CabinetClient& cabinet) {
        world.kill9_all_handlers();
        const std::int64_t before = world.count("select count(*) from runtime.facts");
        const std::size_t armed = world.start_handlers(
            {"KLYUCHNIK_CRASH_AT=after_commit_before_answer:1", "KLYUCHNIK_DOMAINS=keys"});
        building.round();
        ASSERT_TRUE(world.died_at(armed, "after_commit_before_answer"));
        EXPECT_GT(world.count("select count(*) from runtime.facts"), before);
        EXPECT_EQ(cabinet.counters().unacked, 4) << "stored, and the cabinet does not know";
        cabinet.reboot();
        world.start_handlers();
    });
}

TEST(Device, RebootRightAfterTheAckLosesAndDoublesNothing) {
    twice([](World&, Building& building, sim::CabinetClient& cabinet) {
        building.round();
        ASSERT_TRUE(cabinet.wait_acked(kHealed));
        cabinet.reboot();
    });
}

}  // namespace
}  // namespace klyuchnik::test
