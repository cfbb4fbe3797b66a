// PostgreSQL dies during commits under load. What is killed is a durable cluster of the test's own.
#include <functional>
#include <string>

#include <gtest/gtest.h>

#include "tests/faults/load.hpp"

namespace klyuchnik::test {
namespace {

/// The server restarts all its backends, and for a moment lets nobody in.
bool reconnects(World& world) {
    return eventually(
        [&] {
            try {
                world.db().reconnect();
                return world.db().ask("select 1").state.empty();
            } catch (const std::exception&) {
                return false;
            }
        },
        kHealed);
}

/// Recovery asks for one sync of the file system, not for one of each of thousands of files.
void recover_quickly(World& world) {
    world.db().rows("alter system set recovery_init_sync_method = 'syncfs'");
    world.db().rows("select pg_reload_conf()");
}

std::string server_log(World& world) {
    return contents_of(world.cluster().dir / "log/postgresql.log");
}

/// Breaks the database so many times while cabinets and old cabinets work.
void break_under_load(World& world, int times, const std::function<void()>& breaks) {
    const Building building{world, 2, 2};
    const Key old = world.add_key("900");
    world.grant(building.anna, old);
    Load load{building};
    AskLoad asks{world, building.anna, old};
    const auto faults = [&] { return world.metric("klyuchnik_database_faults_total"); };
    for (int time = 1; time <= times; ++time) {
        ASSERT_TRUE(load.go_on_for(10));
        ASSERT_TRUE(asks.go_on_for(1));
        const double before = faults();
        breaks();
        ASSERT_TRUE(eventually([&] { return faults() > before; }, kHealed))
            << "a transaction failed";
        ASSERT_TRUE(reconnects(world));
        ASSERT_TRUE(load.go_on_for(10));
        ASSERT_TRUE(asks.go_on_for(1));
    }
    load.stop();
    asks.stop();
    ASSERT_TRUE(building.wait_acked());
    EXPECT_GT(building.resent(), 0);
    EXPECT_TRUE(building.repeats_are_known(world));
    asks.expect_each_done_once(world);
    world.expect_exactly_once(building.ids());
}

TEST(Postgres, KillingABackendDuringCommitsLosesAndDoublesNothing) {
    World world{{.own_cluster = true}};
    recover_quickly(world);
    break_under_load(world, 2, [&] {
        const auto pid = world.db().number(
            "select pid from pg_stat_activity where usename = 'kl_keys' and datname = "
            "current_database() limit 1");
        world.own_cluster().kill9_backend(static_cast<pid_t>(pid));
    });
    const std::string log = server_log(world);
    EXPECT_NE(log.find("was terminated by signal 9"), std::string::npos);
    EXPECT_NE(log.find("all server processes terminated; reinitializing"), std::string::npos);
}

TEST(Postgres, KillingThePostmasterDuringCommitsLosesAndDoublesNothing) {
    World world{{.own_cluster = true}};
    recover_quickly(world);
    int recovered = 0;
    break_under_load(world, 2, [&] {
        world.own_cluster().kill9();
        world.own_cluster().start();
        if (server_log(world).find("was not properly shut down") != std::string::npos) ++recovered;
    });
    EXPECT_EQ(recovered, 2) << "the server had to recover from its log";
}

TEST(Postgres, EndingConnectionsDuringCommitsLosesAndDoublesNothing) {
    World world;
    break_under_load(world, 4, [&] {
        EXPECT_FALSE(world.db()
                         .rows("select pg_terminate_backend(pid) from pg_stat_activity where "
                               "datname = current_database() and usename like 'kl_%'")
                         .empty());
    });
}

}  // namespace
}  // namespace klyuchnik::test
