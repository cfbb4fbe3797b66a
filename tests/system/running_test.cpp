// The handlers as a process: poison, an orderly end, a database that is away.

#include <chrono>
#include <csignal>
#include <string>

#include <gtest/gtest.h>

#include "tests/system/hall.hpp"

namespace klyuchnik::test {
namespace {

using namespace std::chrono_literals;
using topics::AckError;

constexpr auto kSoon = 15s;

class Running : public Hall {
 protected:
    RawAsker asker{world.broker()};

    std::string issue(const std::string& id, const std::string& name) {
        return R"({"v":1,"id":")" + id + R"(","x":)" + std::to_string(now_s() + 60) +
               R"(,"by":{"account":")" + world.account() +
               R"(","via":"session"},"d":{"card":"12345ABC","key":")" + name + R"("}})";
    }
    /// The database refuses every loan of this key, as a constraint would.
    void poison(const Key& poisoned) {
        world.db().rows(
            "create function keys.refuse() returns trigger language plpgsql as $$ "
            "begin if new.key_id = " +
            std::to_string(poisoned.id) +
            " then raise exception 'poison'; end if; return new; end $$");
        world.db().rows(
            "create trigger refuse before insert on keys.loans for each row execute "
            "function keys.refuse()");
    }
    void let_nobody_in(bool away) {
        OwnerConnection owner{world.cluster(), "postgres"};
        owner.rows("alter database " + world.database() + " allow_connections " +
                   (away ? "false" : "true"));
        if (away) {
            owner.rows("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1",
                       {world.database()});
        }
    }
};

TEST_F(Running, APoisonFactIsSetAsideAndTheNextFlow) {
    const Key bad = world.add_key("666", kDevice, 1, "POISON");
    world.grant(anna, bad);
    poison(bad);
    device.birth(kConnection);
    auto ack = device.facts(
        kConnection, 1, 1, 1,
        {taken(kTag, kAnnasCard), taken("POISON", kAnnasCard), returned(kTag, kAnnasCard)});
    EXPECT_TRUE(eventually([&] {
        EXPECT_EQ(ack.error, AckError::none);
        return ack.acked.value == 3 || (ack = device.next_ack()).acked.value == 3;
    }));
    EXPECT_EQ(facts("outcome = 'set_aside' and sequence = 2"), 1);
    EXPECT_EQ(facts("outcome = 'applied'"), 2);
    EXPECT_EQ(loans("closed_why = 'returned'"), 1);
    EXPECT_EQ(loans(), 1);
    EXPECT_EQ(world.count("select count(*) from runtime.dead_letters where kind = 'key.taken' and "
                          "source = 'kc-hall1:1:2' and domain = 'keys' and why like '%poison%'"),
              1);
    EXPECT_EQ(world.count("select count(*) from runtime.dead_letters"), 1);
    EXPECT_TRUE(world.metric_reaches("klyuchnik_dead_letters_total", 1));
    EXPECT_EQ(device.facts(kConnection, 1, 4, 4, {fact("door.closed")}).acked.value, 4);
    // Its repeat is known like any other.
    EXPECT_EQ(device.facts(kConnection, 1, 4, 4, {fact("door.closed")}).cn.value, kConnection);
    EXPECT_EQ(world.count("select count(*) from runtime.dead_letters"), 1);
}

TEST_F(Running, APoisonAskIsAnsweredSetAsideAndTheNextFlows) {
    const Key bad = world.add_key("666");
    world.grant(anna, bad);
    poison(bad);
    auto answer = asker.ask("keys", "issue_key", issue("p1", "666"));
    EXPECT_EQ(answer.rc, 500);
    EXPECT_EQ(answer.code.value_or(""), "set_aside");
    EXPECT_EQ(world.count("select count(*) from runtime.dead_letters where kind = "
                          "'keys.issue_key' and why like '%poison%'"),
              1);
    EXPECT_EQ(asker.ask("keys", "issue_key", issue("p1", "666")).rc, 500) << "the same answer";
    EXPECT_EQ(world.count("select count(*) from runtime.dead_letters"), 1);
    EXPECT_EQ(asker.ask("keys", "issue_key", issue("p2", "101")).rc, 0);
    EXPECT_EQ(world.post("/issue_key", R"({"serial":"12345ABC","key":"666"})").status, 500);
}

TEST_F(Running, SigtermFinishesWhatIsThereAndLeavesInOrder) {
    const auto cabinet = world.cabinet("kc-load1");
    ASSERT_TRUE(cabinet->wait_online(kSoon));
    for (int i = 0; i < 200; ++i) cabinet->append(topics::CardTapped{anna.card});
    world.handlers(0).signal(SIGTERM);
    const auto ending = world.handlers(0).wait();
    ASSERT_TRUE(ending);
    EXPECT_EQ(ending->exit_code, 0);
    EXPECT_NE(contents_of(world.handlers(0).log()).find("left"), std::string::npos);
    for (int i = 0; i < 50; ++i) cabinet->append(topics::CardTapped{anna.card});
    world.start_handlers();
    ASSERT_TRUE(cabinet->wait_acked(kSoon));
    EXPECT_EQ(facts("device_id = 'kc-load1'"), 250);
    world.expect_gapless_feed();
}

TEST_F(Running, TheBridgeLeavesInOrderToo) {
    world.bridge().signal(SIGTERM);
    const auto ending = world.bridge().wait();
    ASSERT_TRUE(ending);
    EXPECT_EQ(ending->exit_code, 0);
}

TEST_F(Running, WhileTheDatabaseIsAwayAsksAreToldAndDevicesGoOnByThemselvesAfterwards) {
    const auto cabinet = world.cabinet("kc-load1");
    ASSERT_TRUE(cabinet->wait_online(kSoon));
    ASSERT_TRUE(cabinet->wait_acked(kSoon));
    let_nobody_in(true);
    int number = 0;
    EXPECT_TRUE(eventually([&] {
        asker.send("keys", "issue_key", issue("d" + std::to_string(++number), "999"));
        return asker.next_raw(1s).find(R"("rc":503)") != std::string::npos;
    }));
    EXPECT_EQ(world.post("/issue_key", R"({"serial":"12345ABC","key":"101"})").status, 503);
    EXPECT_EQ(world.get("/v1/people").status, 503);
    EXPECT_EQ(world.get("/readyz").status, 503);
    EXPECT_EQ(world.get("/healthz").status, 200);
    for (int i = 0; i < 20; ++i) cabinet->append(topics::CardTapped{anna.card});
    EXPECT_GT(cabinet->counters().unacked, 0);
    EXPECT_GE(world.metric("klyuchnik_database_faults_total"), 1);

    let_nobody_in(false);
    ASSERT_TRUE(cabinet->wait_acked(kSoon)) << "nobody had to restart anything";
    world.db().reconnect();
    EXPECT_EQ(facts("device_id = 'kc-load1'"), 20);
    EXPECT_TRUE(eventually([&] { return world.get("/readyz").status == 200; }));
    EXPECT_EQ(world.post("/issue_key", R"({"serial":"12345ABC","key":"101"})").status, 200);
    EXPECT_EQ(loans(), 1);
    world.expect_gapless_feed();
}

TEST_F(Running, AFloodIsBoundedAndNobodyElseLosesAFact) {
    const auto cabinet = world.cabinet("kc-load1");
    ASSERT_TRUE(cabinet->wait_online(kSoon));
    device.birth(kConnection);
    world.handlers(0).pause();
    constexpr int kFlood = 25'000;
    const std::string beat = R"({"v":1,"cn":2718281,"d":{}})";
    for (int i = 0; i < kFlood && device.client().connected(); ++i) {
        device.client().publish(device.topic("up/tm"), beat, 0);
    }
    for (int i = 0; i < 100; ++i) cabinet->append(topics::CardTapped{anna.card});
    world.handlers(0).resume();
    ASSERT_TRUE(cabinet->wait_acked(30s));
    EXPECT_EQ(facts("device_id = 'kc-load1'"), 100);
    EXPECT_EQ(world.post("/issue_key", R"({"serial":"12345ABC","key":"101"})").status, 200);
    EXPECT_TRUE(world.handlers(0).running());
}

TEST_F(Running, HandlersWithoutTheirSchemaSaySoAndEnd) {
    const TestDatabase empty{world.cluster(), true};
    Command command;
    command.log = world.logs() / "unmigrated.log";
    command.environment = {"PGPASSFILE=" +
                           (world.cluster().passfiles / "handlers.pgpass").string()};
    command.words = {KLYUCHNIK_HANDLERS,
                     "--db",
                     world.cluster().conninfo(empty.name()),
                     "--mqtt-port",
                     std::to_string(world.broker().services_port()),
                     "--mqtt-user",
                     "handlers-1",
                     "--mqtt-password-file",
                     world.logs() / "handlers-1",
                     "--share-group-file",
                     world.logs() / "share"};
    Child child{command};
    const auto ending = child.wait();
    ASSERT_TRUE(ending);
    EXPECT_EQ(ending->exit_code, 1);
    EXPECT_NE(contents_of(command.log).find("migrate"), std::string::npos);
}

}  // namespace
}  // namespace klyuchnik::test
