#include <future>
#include <map>
#include <vector>

#include "db/access/accounts_store.hpp"
#include "db/access/internal.hpp"
#include "db/access/keys_store.hpp"
#include "db/access/log_store.hpp"
#include "db/access/runtime_store.hpp"
#include "tests/store/store.hpp"

namespace klyuchnik::test {
namespace {

using db::Fault;
using Retry = db::Fault::Retry;

const db::Query kNoSuchTable{"test_no_such_table", "select 1 from keys.no_such_table"};
const db::Query kNotSql{"test_not_sql", "selectt 1"};
const db::Query kDivide{"test_divide", "select 1 / ($1::integer)"};
const db::Query kSettings{"test_settings", "select name, setting from pg_settings"};
const db::Query kWait{"test_wait", "select pg_advisory_xact_lock($1::bigint)"};

const topics::Instant kNow = topics::from_unix_seconds(1'800'000'000);
const db::KeptAnswer kAnswer{{"account:1", "id-1"}, 1, "{}"};

/// What a failure tells the loop to do.
class Faults : public Store {
 protected:
    void SetUp() override {
        owner_.rows(
            "insert into keys.keys (name, room, created_at) values ('101', 'r', now()), "
            "('102', 'r', now())");
    }
    bool works() {
        db::Tx tx{connection_};
        const bool found = !db::lock_keys(tx, key("101")).empty();
        tx.commit();
        return found;
    }
    static db::WantedKeys key(const std::string& name) {
        db::WantedKeys wanted;
        wanted.names.push_back({name});
        return wanted;
    }
    std::int64_t alive(const std::string& backend) {
        return owner_.number("select count(*) from pg_stat_activity where pid = $1", {backend});
    }
    void kill(const std::string& backend) {
        owner_.rows("select pg_terminate_backend($1)", {backend});
        ASSERT_TRUE(eventually([&] { return alive(backend) == 0; }));
    }
    /// A transaction that commits only when the owner lets it, as one on a slow disk does.
    void make_commits_wait(const char* lock) {
        owner_.rows(
            "create function public.hold() returns trigger language plpgsql security definer as $$ "
            "begin perform pg_advisory_xact_lock(" +
            std::string{lock} +
            "); return null; end $$; create constraint trigger hold after insert on runtime.inbox "
            "deferrable initially deferred for each row execute function public.hold()");
    }

    db::Connection connection_{as("kl_keys")};
};

TEST_F(Faults, AKeyThatIsThereAlreadyIsLookedForOneByOne) {
    {
        db::Tx tx{connection_};
        db::keep_answers(tx, {&kAnswer, 1}, kNow);
        tx.commit();
    }
    const Fault fault = fault_of([&] {
        db::Tx tx{connection_};
        db::keep_answers(tx, {&kAnswer, 1}, kNow);
    });
    EXPECT_EQ(fault.retry(), Retry::one_by_one);
    EXPECT_EQ(fault.state(), "23505");
    EXPECT_TRUE(works());
}

TEST_F(Faults, WhatTheDataBreaksIsLookedForOneByOne) {
    EXPECT_EQ(fault_of([&] {
                  db::Tx tx{connection_};
                  db::run(tx, kDivide, 0);
              }).retry(),
              Retry::one_by_one);
    const db::Right right{topics::PersonId{1}, topics::KeyId{77}};
    const Fault fault = fault_of([&] {
        db::Tx tx{connection_};
        db::add_rights(tx, {&right, 1}, kNow, "x");
    });
    EXPECT_EQ(fault.retry(), Retry::one_by_one);
    EXPECT_EQ(fault.state(), "23503");
    EXPECT_TRUE(works());
}

TEST_F(Faults, WhatATriggerRaisesIsLookedForOneByOne) {
    owner_.rows(
        "create function public.poison() returns trigger language plpgsql as $$ begin raise "
        "'poison'; end $$; create trigger poison before insert on runtime.inbox for each row "
        "execute function public.poison()");
    const Fault fault = fault_of([&] {
        db::Tx tx{connection_};
        db::keep_answers(tx, {&kAnswer, 1}, kNow);
    });
    EXPECT_EQ(fault.retry(), Retry::one_by_one);
    EXPECT_EQ(fault.state(), "P0001");
}

TEST_F(Faults, ALockThatDoesNotComeIsTheSameBatchAgain) {
    OwnerConnection holder{cluster_, database_.name()};
    holder.rows("begin");
    holder.rows("select 1 from keys.keys where name = '101' for update");
    const Fault fault = fault_of([&] { works(); });
    EXPECT_EQ(fault.retry(), Retry::same_batch);
    EXPECT_EQ(fault.state(), "55P03");
    EXPECT_TRUE(connection_.is_open());
    holder.rows("rollback");
    EXPECT_TRUE(works());
}

TEST_F(Faults, ADeadlockIsTheSameBatchAgain) {
    // Sooner than the lock's own limit, which would end the wait as well.
    owner_.rows("alter database " + database_.name() + " set deadlock_timeout = '50ms'");
    OwnerConnection other{cluster_, database_.name()};
    other.rows("set deadlock_timeout = '1h'");
    other.rows("begin");
    other.rows("select 1 from keys.keys where name = '102' for update");
    std::future<void> crossed;
    const Fault fault = fault_of([&] {
        db::Tx tx{connection_};
        db::lock_keys(tx, key("101"));
        crossed = std::async(std::launch::async, [&] {
            other.ask("select 1 from keys.keys where name = '101' for update");
        });
        EXPECT_TRUE(eventually([&] {
            return owner_.number(
                       "select count(*) from pg_locks l join pg_stat_activity a using "
                       "(pid) where not l.granted and a.datname = current_database()") == 1;
        }));
        db::lock_keys(tx, key("102"));
    });
    crossed.get();
    EXPECT_EQ(fault.retry(), Retry::same_batch);
    EXPECT_EQ(fault.state().substr(0, 2), "40");
}

TEST_F(Faults, AStatementThatIsCancelledIsTheSameBatchAgain) {
    owner_.rows("select pg_advisory_lock(5)");
    std::string backend;
    {
        db::Tx tx{connection_};
        backend = backend_of(tx);
    }
    auto waiting = std::async(std::launch::async, [&] {
        return fault_of([&] {
            db::Tx tx{connection_};
            db::run(tx, kWait, 5);
        });
    });
    OwnerConnection other{cluster_, database_.name()};
    EXPECT_TRUE(eventually([&] {
        return other.number(
                   "select count(*) from pg_stat_activity where pid = $1 and wait_event "
                   "= 'advisory'",
                   {backend}) == 1;
    }));
    other.rows("select pg_cancel_backend($1)", {backend});
    const Fault fault = waiting.get();
    EXPECT_EQ(fault.retry(), Retry::same_batch);
    EXPECT_EQ(fault.state(), "57014");
    EXPECT_TRUE(works());
}

TEST_F(Faults, ALoanThatSomebodyElseClosedIsTheSameBatchAgain) {
    db::Loan loan;
    loan.id.value = 100;
    loan.key.value = 1;
    loan.opened = kNow;
    loan.opened_by = "s";
    loan.closed = kNow;
    loan.closed_by = "s";
    loan.closed_why = db::ClosedWhy::returned;
    db::Tx tx{connection_};
    db::add_loans(tx, {&loan, 1});
    EXPECT_EQ(fault_of([&] { db::change_loans(tx, {&loan, 1}); }).retry(), Retry::same_batch);
}

TEST_F(Faults, ABackendKilledInATransactionIsANewConnection) {
    std::string killed;
    const Fault fault = fault_of([&] {
        db::Tx tx{connection_};
        killed = backend_of(tx);
        kill(killed);
        db::lock_keys(tx, key("101"));
    });
    EXPECT_EQ(fault.retry(), Retry::after_reconnect);
    EXPECT_FALSE(connection_.is_open());
    EXPECT_TRUE(works());
    db::Tx tx{connection_};
    EXPECT_NE(backend_of(tx), killed);
}

TEST_F(Faults, ABackendKilledBetweenTransactionsIsANewConnection) {
    std::string killed;
    {
        db::Tx tx{connection_};
        killed = backend_of(tx);
    }
    kill(killed);
    EXPECT_EQ(fault_of([&] { works(); }).retry(), Retry::after_reconnect);
    EXPECT_FALSE(connection_.is_open());
    EXPECT_TRUE(works());
}

TEST_F(Faults, NothingIsRunInATransactionWhoseConnectionIsGone) {
    db::Tx tx{connection_};
    kill(backend_of(tx));
    for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(fault_of([&] {
                      db::keep_answers(tx, {&kAnswer, 1}, kNow);
                  }).retry(),
                  Retry::after_reconnect);
    }
    EXPECT_EQ(owner_.number("select count(*) from runtime.inbox"), 0);
}

TEST_F(Faults, AConnectionMadeAnewHasItsLimitsAgain) {
    {
        db::Tx tx{connection_};
        kill(backend_of(tx));
    }
    fault_of([&] { works(); });
    db::Tx tx{connection_};
    for (const auto& row : db::run(tx, kSettings)) {
        if (row[0].as<std::string>() == "lock_timeout") {
            EXPECT_EQ(row[1].as<std::string>(), "1000");
        }
    }
}

TEST_F(Faults, ABackendKilledBeforeItsCommitIsANewConnectionAndNothingIsStored) {
    const Fault fault = fault_of([&] {
        db::Tx tx{connection_};
        db::keep_answers(tx, {&kAnswer, 1}, kNow);
        kill(backend_of(tx));
        tx.commit();
    });
    EXPECT_EQ(fault.retry(), Retry::after_reconnect);
    EXPECT_FALSE(connection_.is_open());
    EXPECT_EQ(owner_.number("select count(*) from runtime.inbox"), 0);
    EXPECT_TRUE(works());
}

TEST_F(Faults, ABackendKilledWithinItsCommitIsInDoubt) {
    make_commits_wait("6");
    owner_.rows("select pg_advisory_lock(6)");
    OwnerConnection other{cluster_, database_.name()};
    std::string backend;
    std::promise<void> committing;
    auto outcome = std::async(std::launch::async, [&] {
        return fault_of([&] {
            db::Tx tx{connection_};
            backend = backend_of(tx);
            db::keep_answers(tx, {&kAnswer, 1}, kNow);
            committing.set_value();
            tx.commit();
        });
    });
    committing.get_future().wait();
    EXPECT_TRUE(eventually([&] {
        return other.number(
                   "select count(*) from pg_stat_activity where pid = $1 and wait_event "
                   "= 'advisory'",
                   {backend}) == 1;
    }));
    other.rows("select pg_terminate_backend($1)", {backend});
    const Fault fault = outcome.get();
    EXPECT_EQ(fault.retry(), Retry::after_reconnect);
    EXPECT_FALSE(connection_.is_open());
    EXPECT_TRUE(works());
}

// The other half of the doubt: it was committed and the answer was lost.
TEST(Doubt, ACommitThatWasDoneButNotAnsweredIsInDoubtAndItsRecordIsFound) {
    const OwnCluster own;
    const TestDatabase database{own.access()};
    OwnerConnection owner{own.access(), database.name()};
    // A commit now waits, after it is on disk, for a standby that does not exist.
    owner.rows("alter system set synchronous_standby_names = 'nobody'");
    owner.rows("select pg_reload_conf()");
    ASSERT_TRUE(eventually([&] {
        OwnerConnection fresh{own.access(), database.name()};
        return fresh.text("show synchronous_standby_names") == "nobody";
    }));
    db::Connection connection{settings_of(own.access(), database.name(), "kl_keys")};
    std::string backend;
    std::promise<void> committing;
    auto outcome = std::async(std::launch::async, [&] {
        return fault_of([&] {
            db::Tx tx{connection};
            backend = backend_of(tx);
            db::keep_answers(tx, {&kAnswer, 1}, kNow);
            committing.set_value();
            tx.commit();
        });
    });
    committing.get_future().wait();
    EXPECT_TRUE(eventually([&] {
        return owner.number(
                   "select count(*) from pg_stat_activity where pid = $1 and wait_event = "
                   "'SyncRep'",
                   {backend}) == 1;
    }));
    owner.rows("select pg_terminate_backend($1)", {backend});
    const Fault fault = outcome.get();
    EXPECT_EQ(fault.retry(), Retry::after_reconnect);
    EXPECT_FALSE(connection.is_open());

    owner.rows("alter system reset synchronous_standby_names");
    owner.rows("select pg_reload_conf()");
    db::Tx tx{connection};
    EXPECT_EQ(db::find_answers(tx, {&kAnswer.key, 1}).size(), 1U);
}

TEST_F(Faults, ATransactionThatStandsStillLosesItsConnectionAndItsLocks) {
    db::Tx tx{connection_};
    const std::string backend = backend_of(tx);
    db::lock_keys(tx, key("101"));
    EXPECT_TRUE(eventually([&] { return alive(backend) == 0; }));
    EXPECT_EQ(owner_.ask("select 1 from keys.keys where name = '101' for update nowait").state, "");
    EXPECT_EQ(fault_of([&] { tx.commit(); }).retry(), Retry::after_reconnect);
    EXPECT_TRUE(works());
}

TEST_F(Faults, WhatIsNotGrantedIsForAPersonToMend) {
    for (const char* role : {"kl_bridge", "kl_witness", "kl_devices"}) {
        SCOPED_TRACE(role);
        db::Connection other{as(role)};
        const Fault fault = fault_of([&] {
            db::Tx tx{other};
            db::add_person(tx, "x", kNow);
        });
        EXPECT_EQ(fault.retry(), Retry::never);
        EXPECT_EQ(fault.state(), "42501");
        EXPECT_TRUE(other.is_open());
    }
}

TEST_F(Faults, AStatementThatIsWrongHereIsForAPersonToMend) {
    for (const db::Query* query : {&kNoSuchTable, &kNotSql}) {
        // Twice: the second time it must not be taken for prepared.
        for (int i = 0; i < 2; ++i) {
            const Fault fault = fault_of([&] {
                db::Tx tx{connection_};
                db::run(tx, *query);
            });
            EXPECT_EQ(fault.retry(), Retry::never);
            EXPECT_EQ(fault.state(), query == &kNotSql ? "42601" : "42P01");
        }
    }
    EXPECT_TRUE(works());
}

TEST_F(Faults, AStatementThatWasWrongWorksOnceItIsMended) {
    fault_of([&] {
        db::Tx tx{connection_};
        db::run(tx, kNoSuchTable);
    });
    owner_.rows("create table keys.no_such_table (a integer)");
    owner_.rows("grant select on keys.no_such_table to kl_keys");
    db::Tx tx{connection_};
    EXPECT_TRUE(db::run(tx, kNoSuchTable).empty());
}

TEST_F(Faults, ADatabaseThatIsAwayIsANewConnection) {
    db::ConnectionSettings settings = as("kl_keys");
    settings.conninfo = "host=/nonexistent dbname=klyuchnik";
    db::Connection away{settings};
    EXPECT_EQ(fault_of([&] { away.open(); }).retry(), Retry::after_reconnect);
    EXPECT_FALSE(away.is_open());
}

TEST_F(Faults, ADatabaseThatDoesNotPromiseItsCommitsIsRefused) {
    for (const char* weak : {"off", "local"}) {
        SCOPED_TRACE(weak);
        owner_.rows("alter database " + database_.name() + " set synchronous_commit = " + weak);
        db::Connection other{as("kl_keys")};
        const Fault fault = fault_of([&] { other.open(); });
        EXPECT_EQ(fault.retry(), Retry::never);
        EXPECT_NE(std::string{fault.what()}.find("synchronous_commit"), std::string::npos);
        EXPECT_FALSE(other.is_open());
    }
    owner_.rows("alter database " + database_.name() + " set synchronous_commit = on");
    EXPECT_TRUE(works());
}

TEST_F(Faults, AReadTransactionWritesNothing) {
    EXPECT_EQ(fault_of([&] {
                  db::Tx tx{connection_, db::Tx::Mode::read_only};
                  db::keep_answers(tx, {&kAnswer, 1}, kNow);
              }).state(),
              "25006");
    EXPECT_EQ(owner_.number("select count(*) from runtime.inbox"), 0);
}

TEST_F(Faults, ATransactionThatIsNotCommittedIsUndone) {
    {
        db::Tx tx{connection_};
        db::keep_answers(tx, {&kAnswer, 1}, kNow);
    }
    EXPECT_EQ(owner_.number("select count(*) from runtime.inbox"), 0);
}

TEST_F(Faults, EverySessionHasItsLimits) {
    const std::vector<std::pair<std::string, std::string>> limits{
        {"lock_timeout", "1000"},          {"idle_in_transaction_session_timeout", "3000"},
        {"statement_timeout", "10000"},    {"TimeZone", "UTC"},
        {"DateStyle", "ISO, MDY"},         {"client_encoding", "UTF8"},
        {"synchronous_commit", "on"},      {"jit", "off"},
        {"application_name", "store-test"}};
    // What the server's configuration says must not matter.
    owner_.rows("alter database " + database_.name() + " set timezone = 'Asia/Kathmandu'");
    owner_.rows("alter database " + database_.name() + " set datestyle = 'German'");
    owner_.rows("alter database " + database_.name() + " set lock_timeout = '1h'");
    for (const char* role : {"kl_keys", "kl_relay", "kl_bridge", ""}) {
        SCOPED_TRACE(role);
        db::Connection other{as(role)};
        db::Tx tx{other, db::Tx::Mode::one_read};
        std::map<std::string, std::string> found;
        for (const auto& row : db::run(tx, kSettings)) {
            found[row[0].as<std::string>()] = row[1].is_null() ? "" : row[1].as<std::string>();
        }
        for (const auto& [name, value] : limits) EXPECT_EQ(found[name], value) << name;
        const bool handler = std::string{role} == "kl_keys" || std::string{role} == "kl_relay";
        EXPECT_EQ(found["plan_cache_mode"], handler ? "force_generic_plan" : "auto");
        EXPECT_EQ(found["enable_seqscan"], handler ? "off" : "on");
    }
}

}  // namespace
}  // namespace klyuchnik::test
