#include <future>
#include <vector>

#include "db/access/query.hpp"
#include "db/access/setup.hpp"
#include "tests/store/store.hpp"

namespace klyuchnik::test {
namespace {

class Migrations : public ::testing::Test {
 protected:
    int migrate(std::vector<std::string>* names = nullptr) {
        return db::migrate(owner_settings_, [&](const std::string& name) {
            if (names != nullptr) names->push_back(name);
        });
    }
    bool is_migrated() {
        db::Connection connection{owner_settings_};
        return db::is_migrated(connection);
    }
    std::int64_t noted() {
        return owner_.number("select count(*) from public.klyuchnik_migrations");
    }

    const Cluster& cluster_ = shared_cluster();
    TestDatabase database_{cluster_, true};
    OwnerConnection owner_{cluster_, database_.name()};
    db::ConnectionSettings owner_settings_ = settings_of(cluster_, database_.name(), "");
};

int all() {
    return static_cast<int>(db::all_migrations().size());
}

TEST_F(Migrations, AnEmptyDatabaseGetsEveryStepInOrder) {
    std::vector<std::string> names;
    EXPECT_FALSE(is_migrated());
    EXPECT_EQ(migrate(&names), all());
    ASSERT_EQ(names.size(), db::all_migrations().size());
    for (std::size_t i = 0; i < names.size(); ++i) {
        EXPECT_EQ(names[i], db::all_migrations()[i].name);
        EXPECT_EQ(db::all_migrations()[i].number, static_cast<int>(i) + 1);
    }
    EXPECT_TRUE(is_migrated());
}

TEST_F(Migrations, ASecondRunHasNothingToDo) {
    migrate();
    std::vector<std::string> names;
    EXPECT_EQ(migrate(&names), 0);
    EXPECT_TRUE(names.empty());
    EXPECT_EQ(noted(), all());
}

TEST_F(Migrations, TwoAtOnceApplyEveryStepOnce) {
    auto other = std::async(std::launch::async, [&] { return migrate(); });
    const int mine = migrate();
    const int others = other.get();
    EXPECT_EQ(mine + others, all());
    EXPECT_TRUE(mine == 0 || others == 0);
    EXPECT_EQ(noted(), all());
}

// A step may take minutes; the limits of a session that serves people must not end the wait for it.
TEST_F(Migrations, OneThatComesSecondWaitsLongerThanASessionMayWaitForALock) {
    OwnerConnection first{cluster_, database_.name()};
    for (const db::Query* query : db::all_queries()) {
        if (std::string{query->name} == "setup_lock_migrations") first.rows(query->text);
    }
    auto second = std::async(std::launch::async, [&] { return migrate(); });
    EXPECT_TRUE(eventually([&] {
        return owner_.number(
                   "select count(*) from pg_stat_activity where datname = current_database() "
                   "and wait_event = 'advisory' "
                   "and clock_timestamp() - query_start > interval '1.5 s'") == 1;
    }));
    first.reconnect();
    EXPECT_EQ(second.get(), all());
}

TEST_F(Migrations, OneThatWasEditedAfterwardsIsRefused) {
    migrate();
    owner_.rows("update public.klyuchnik_migrations set checksum = 'other' where number = 3");
    const db::Fault fault = fault_of([&] { migrate(); });
    EXPECT_EQ(fault.retry(), db::Fault::Retry::never);
    EXPECT_NE(std::string{fault.what()}.find("0003_devices_and_runtime"), std::string::npos)
        << fault.what();
}

TEST_F(Migrations, ADatabaseNewerThanTheProgramIsRefused) {
    migrate();
    owner_.rows("insert into public.klyuchnik_migrations values (9999, '9999_later', '')");
    const db::Fault fault = fault_of([&] { migrate(); });
    EXPECT_EQ(fault.retry(), db::Fault::Retry::never);
    EXPECT_NE(std::string{fault.what()}.find("9999_later"), std::string::npos) << fault.what();
    EXPECT_FALSE(is_migrated());
}

TEST_F(Migrations, AStepThatIsMissingBehindMeansNotMigrated) {
    migrate();
    owner_.rows("delete from public.klyuchnik_migrations where number = 2");
    EXPECT_FALSE(is_migrated());
}

TEST_F(Migrations, AStepThatFailsLeavesNothingBehindAndIsDoneWhenItsCauseIsGone) {
    owner_.rows("create schema log");
    EXPECT_EQ(fault_of([&] { migrate(); }).state(), "42P06");
    EXPECT_EQ(noted(), 0);
    EXPECT_EQ(owner_.number("select count(*) from pg_namespace where nspname = 'accounts'"), 0);
    owner_.rows("drop schema log");
    EXPECT_EQ(migrate(), all());
}

TEST_F(Migrations, EveryRoleMayAskWhetherItIsDone) {
    migrate();
    for (const char* role : {"kl_accounts", "kl_devices", "kl_keys", "kl_relay", "kl_bridge"}) {
        SCOPED_TRACE(role);
        db::Connection connection{settings_of(cluster_, database_.name(), role)};
        EXPECT_TRUE(db::is_migrated(connection));
    }
}

// Roles belong to the whole cluster: one of its own, so that nobody else loses his password.
TEST(Passwords, AreReplacedAndOnlyTheirVerifiersReachTheServer) {
    const OwnCluster cluster;
    const TestDatabase database{cluster.access()};
    OwnerConnection owner{cluster.access(), database.name()};
    const auto verifier_of = [&](const std::string& role) {
        return owner.text("select rolpassword from pg_authid where rolname = $1", {role});
    };
    const std::string before = verifier_of("kl_keys");
    const auto lines = db::set_role_passwords(settings_of(cluster.access(), database.name(), ""));
    EXPECT_EQ(lines.size(), 6U);
    for (const db::RolePassword& one : lines) {
        const std::string verifier = verifier_of(one.role);
        EXPECT_EQ(verifier.rfind("SCRAM-SHA-256$", 0), 0U);
        const std::string password = one.passfile_line.substr(one.passfile_line.rfind(':') + 1);
        EXPECT_GE(password.size(), 32U);
        EXPECT_EQ(verifier.find(password), std::string::npos);
    }
    EXPECT_NE(verifier_of("kl_keys"), before);
    db::Connection old{settings_of(cluster.access(), database.name(), "kl_keys")};
    EXPECT_EQ(fault_of([&] { old.open(); }).retry(), db::Fault::Retry::after_reconnect);
}

}  // namespace
}  // namespace klyuchnik::test
