// Two handlers share the work of one building, and one of them is killed or stands still.
#include <csignal>
#include <string>

#include <gtest/gtest.h>

#include "tests/faults/load.hpp"

namespace klyuchnik::test {
namespace {

TEST(TwoHandlers, OneKilledAgainAndAgainUnderLoadLosesAndDoublesNothing) {
    World world{{.handlers = 2}};
    Fleet fleet{world, {}};
    const Person boris = world.add_person("Boris Example", "0B0B0B");
    const Key old = world.add_key("900");
    world.grant(boris, old);
    AskLoad asks{world, boris, old};
    for (std::size_t oldest = 0; oldest < 5; ++oldest) {
        ASSERT_TRUE(fleet.go_on_for(100));
        EXPECT_TRUE(eventually([&] {
            return world.metric_of(oldest, "klyuchnik_facts_applied_total", "keys") > 0;
        })) << "the one to be killed has work";
        world.kill9_handlers(oldest);
        EXPECT_EQ(world.handlers(oldest).wait()->signal, SIGKILL);
        ASSERT_TRUE(fleet.go_on_for(20)) << "the other one goes on alone";
        world.start_handlers();
    }
    ASSERT_TRUE(asks.go_on_for(2));
    asks.stop();
    asks.expect_each_done_once(world);
    const witness::Verdict verdict = fleet.expect_exactly_once();
    EXPECT_GT(verdict.resent, 0);
    EXPECT_GT(verdict.duplicates_skipped, 0);
}

TEST(TwoHandlers, OneDyingAtEveryPointOfItsWorkUnderLoadLosesAndDoublesNothing) {
    World world;
    Fleet fleet{world, {}};
    const Person boris = world.add_person("Boris Example", "0B0B0B");
    const Key old = world.add_key("900");
    world.grant(boris, old);
    AskLoad asks{world, boris, old};
    ASSERT_TRUE(fleet.go_on_for(50));
    for (int time = 1; time <= 2; ++time) {
        for (const char* point :
             {"in_batch", "before_commit", "after_commit_before_answer", "after_answer"}) {
            const std::size_t armed = world.start_handlers(
                {std::string{"KLYUCHNIK_CRASH_AT="} + point + ":" + std::to_string(10 * time)});
            ASSERT_TRUE(world.died_at(armed, point)) << point;
        }
        ASSERT_TRUE(fleet.go_on_for(50));
    }
    ASSERT_TRUE(asks.go_on_for(2));
    asks.stop();
    asks.expect_each_done_once(world);
    const witness::Verdict verdict = fleet.expect_exactly_once();
    EXPECT_GT(verdict.resent, 0);
    EXPECT_GT(verdict.duplicates_skipped, 0);
}

TEST(TwoHandlers, TheOtherPlacesEventsWhenTheOneThatDidSoIsKilled) {
    World world{{.handlers = 2}};
    const Building building{world, 2, 2};
    Load load{building};
    const auto leader = [&](std::size_t of_two) -> std::size_t {
        for (std::size_t which : {of_two, of_two + 1}) {
            if (world.metric_of(which, "klyuchnik_relay_leading") >= 1) return which;
        }
        return of_two + 2;
    };
    // The first of the pair leads, the second takes over; then a new pair.
    for (std::size_t pair = 0; pair < 4; pair += 2) {
        std::size_t leading = 0;
        ASSERT_TRUE(eventually([&] { return (leading = leader(pair)) != pair + 2; }, kHealed));
        const std::size_t other = leading == pair ? pair + 1 : pair;
        EXPECT_EQ(world.metric("klyuchnik_relay_leading"), 1) << "one leads";
        EXPECT_EQ(world.metric_of(other, "klyuchnik_events_placed_total"), 0);
        world.kill9_handlers(leading);
        EXPECT_TRUE(eventually(
            [&] { return world.metric_of(other, "klyuchnik_events_placed_total") > 0; }, kHealed));
        ASSERT_TRUE(load.go_on_for(5));
        if (pair == 0) {
            world.start_handlers();
            world.start_handlers();
            world.kill9_handlers(other);
        }
    }
    load.stop();
    ASSERT_TRUE(building.wait_acked());
    world.expect_exactly_once(building.ids());
}

TEST(TwoHandlers, OnePausedInsideABatchHoldsUpItsDeviceOnlyUntilTheDatabaseEndsItsTransaction) {
    World world;
    const Building building{world, 1, 1};
    const Building::Place& hall = building.cabinets[0];
    const topics::KeyName& key = hall.keys[0].home.name;
    const std::string own = " and usename = 'kl_keys' and datname = current_database()";
    for (int time = 1; time <= 2; ++time) {
        const std::int64_t before = world.count("select count(*) from runtime.facts");
        const auto faults = [&] {
            return world.metric_of(0, "klyuchnik_database_faults_total", "keys");
        };
        // The batch stops at the key's row, with the device's cursor locked.
        OwnerConnection trap{world.cluster(), world.database()};
        trap.rows("begin");
        trap.rows("select key_id from keys.keys for update");
        if (time == 1) {
            hall.client->take_by_force(building.anna.card, key);
        } else {
            hall.client->return_key(building.anna.card, key);
        }
        ASSERT_TRUE(world.becomes(
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock'" + own, 1));
        const double faults_before = faults();
        world.handlers(0).pause();
        trap.rows("rollback");
        ASSERT_TRUE(world.becomes(
            "select count(*) from pg_stat_activity where state like 'idle in transaction%'" + own,
            1))
            << "the paused one holds a transaction open";
        const std::int64_t resent = building.resent();
        ASSERT_TRUE(eventually([&] { return building.resent() >= resent + 2; }, kHealed))
            << "repeats wait for the paused one";

        const std::size_t second = world.start_handlers();
        EXPECT_TRUE(world.becomes("select count(*) from runtime.facts", before + 1))
            << "the second one applies it once the transaction has been ended";
        ASSERT_TRUE(hall.client->wait_acked(kHealed));
        world.handlers(0).resume();
        EXPECT_TRUE(eventually([&] { return faults() > faults_before; }, kHealed))
            << "the paused one has lost its transaction and knows";
        EXPECT_TRUE(eventually(
            [&] { return world.metric_of(0, "klyuchnik_facts_skipped_total", "keys") >= time; },
            kHealed))
            << "the repeats that waited for it are known";
        world.kill9_handlers(second);
    }
    world.expect_exactly_once(building.ids());
}

}  // namespace
}  // namespace klyuchnik::test
