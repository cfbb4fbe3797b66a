#include <chrono>
#include <future>
#include <thread>
#include <vector>

#include <gmock/gmock.h>

#include "db/access/keys_store.hpp"
#include "db/access/listener.hpp"
#include "db/access/log_store.hpp"
#include "tests/store/store.hpp"

namespace klyuchnik::test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

/// The feed's order. Other databases of the cluster have transactions too, and any of them may be
/// the older one that events wait for: what must come is waited for, what must not is looked at.
class RelayOrder : public Store {
 protected:
    db::Placed place(std::int64_t rows_max = 1000) {
        db::Tx tx{relay_};
        const db::Placed placed = db::place_events(tx, rows_max);
        tx.commit();
        return placed;
    }
    void write(std::initializer_list<std::int64_t> numbers) {
        std::vector<topics::Event> events;
        for (const std::int64_t number : numbers) events.push_back(event(number));
        db::Tx tx{handler_};
        db::add_events(tx, events);
        tx.commit();
    }
    /// Places until `count` events have their place.
    bool placed_in_the_end(std::int64_t count, std::int64_t rows_max = 1000) {
        return eventually([&] {
            place(rows_max);
            return owner_.number("select count(*) from log.positions") == count;
        });
    }
    std::vector<std::int64_t> feed(std::int64_t after = 0) {
        db::Tx tx{relay_};
        std::vector<std::int64_t> keys;
        std::int64_t position = after;
        for (const topics::PlacedEvent& one :
             db::events_after(tx, topics::Position{after}, 10'000)) {
            EXPECT_EQ(one.position.value, ++position) << "a gap in the feed";
            keys.push_back(one.event.ids.key->value);
        }
        return keys;
    }

    db::Connection relay_{as("kl_relay")};
    db::Connection handler_{as("kl_keys")};
};

std::string insert_event(const std::string& values) {
    return "insert into log.events (event_id, written_by, domain, type, subject, actor, source, "
           "occurred_at, ids) select e, w, 'keys', 'key_taken', 'key:1', 'a', 's', now(), "
           "jsonb_build_object('key', e) from (values " +
           values + ") as v (e, w)";
}

TEST_F(RelayOrder, EventsOfOneTransactionKeepTheirOrder) {
    write({1, 2, 3});
    write({4});
    EXPECT_TRUE(placed_in_the_end(4));
    EXPECT_THAT(feed(), ElementsAre(1, 2, 3, 4));
}

TEST_F(RelayOrder, NothingIsPlacedWhileAnOlderTransactionIsOpenAndNothingIsSkippedAfterIt) {
    write({1});
    ASSERT_TRUE(placed_in_the_end(1));

    OwnerConnection slow{cluster_, database_.name()};
    slow.rows("begin");
    slow.rows("select pg_current_xact_id()");
    std::vector<std::int64_t> expected{1, 100};
    for (std::int64_t number = 2; number <= 25; ++number) {
        write({number});
        expected.push_back(number);
        const db::Placed placed = place();
        EXPECT_EQ(placed.events, 0U);
        EXPECT_TRUE(placed.waiting);
    }
    // It writes last, with the highest event id, and belongs before all the others.
    slow.rows(insert_event("(nextval('log.event_ids'), pg_current_xact_id())"));
    slow.rows("update log.events set ids = '{\"key\": 100}' where source = 's'");
    EXPECT_EQ(place().events, 0U);
    slow.rows("commit");

    ASSERT_TRUE(placed_in_the_end(26));
    EXPECT_EQ(feed(), expected);
}

TEST_F(RelayOrder, AnOlderTransactionThatRollsBackHoldsNothingUpAndLeavesNoGap) {
    OwnerConnection slow{cluster_, database_.name()};
    slow.rows("begin");
    slow.rows(insert_event("(nextval('log.event_ids'), pg_current_xact_id())"));
    write({1, 2});
    EXPECT_TRUE(place().waiting);
    slow.rows("rollback");
    ASSERT_TRUE(placed_in_the_end(2));
    EXPECT_THAT(feed(), ElementsAre(1, 2));
}

TEST_F(RelayOrder, NothingWaitsWhenAllIsPlaced) {
    write({1});
    EXPECT_TRUE(eventually([&] { return !place().waiting; }));
    EXPECT_EQ(owner_.number("select count(*) from log.positions"), 1);
    EXPECT_EQ(place().events, 0U);
}

// "9" > "10" as texts: ten transactions are enough to place events backwards, and to skip some.
TEST_F(RelayOrder, TransactionsAreComparedAsNumbers) {
    owner_.rows(insert_event("(7, '8'::xid8), (6, '9'::xid8)"));
    EXPECT_EQ(place().events, 2U);
    owner_.rows(
        insert_event("(5, '10'::xid8), (4, '11'::xid8), (2, '100'::xid8), (3, "
                     "'99'::xid8)"));
    EXPECT_EQ(place().events, 4U);
    EXPECT_FALSE(place().waiting);
    EXPECT_THAT(feed(), ElementsAre(7, 6, 5, 4, 3, 2));
}

TEST_F(RelayOrder, PagesGoOnInTheMiddleOfATransaction) {
    write({1, 2, 3, 4, 5});
    write({6, 7});
    ASSERT_TRUE(eventually([&] { return place(2).events == 2; }));
    EXPECT_TRUE(place(2).waiting);
    ASSERT_TRUE(placed_in_the_end(7, 2));
    EXPECT_THAT(feed(), ElementsAre(1, 2, 3, 4, 5, 6, 7));
    EXPECT_THAT(feed(5), ElementsAre(6, 7));
}

TEST_F(RelayOrder, WritersThatOverlapLoseNothing) {
    constexpr int kWriters = 4;
    constexpr std::int64_t kEach = 60;
    std::vector<std::future<void>> writers;
    for (int writer = 0; writer < kWriters; ++writer) {
        writers.push_back(std::async(std::launch::async, [this, writer] {
            db::Connection connection{as("kl_keys")};
            for (std::int64_t i = 0; i < kEach; ++i) {
                const topics::Event one = event((writer + 1) * 1000 + i);
                db::Tx tx{connection};
                db::add_events(tx, {&one, 1});
                tx.commit();
            }
        }));
    }
    EXPECT_TRUE(placed_in_the_end(kWriters * kEach, 7));
    for (auto& writer : writers) writer.get();
    const auto keys = feed();
    std::vector<std::int64_t> next(kWriters, 0);
    for (const std::int64_t key : keys) {
        EXPECT_EQ(key % 1000, next[static_cast<std::size_t>(key / 1000 - 1)]++);
    }
    for (const std::int64_t seen : next) EXPECT_EQ(seen, kEach);
}

TEST_F(RelayOrder, EventsOfTwoMonthsAreOneFeed) {
    owner_.rows(insert_event("(2, '20'::xid8)"));
    owner_.rows(
        "insert into log.events (event_id, recorded_at, written_by, domain, type, subject, actor, "
        "source, occurred_at, ids) values (1, now() + interval '1 month', '10', 'keys', "
        "'key_taken', 'key:1', 'a', 's', now(), '{\"key\": 1}'), (3, '1999-01-01', '30', 'keys', "
        "'key_taken', 'key:1', 'a', 's', now(), '{\"key\": 3}')");
    EXPECT_EQ(owner_.number("select count(distinct tableoid) from log.events"), 3);
    EXPECT_EQ(place().events, 3U);
    EXPECT_THAT(feed(), ElementsAre(1, 2, 3));
}

// Two that both believe they lead: the primary key lets one of them place.
TEST_F(RelayOrder, ASecondLeaderIsFencedByThePrimaryKey) {
    write({1});
    write({2});
    db::Connection second{as("kl_relay")};
    std::future<db::Fault> refused;
    ASSERT_TRUE(eventually([&] {
        db::Tx first{relay_};
        if (db::place_events(first, 1000).events != 2) return false;
        refused = std::async(std::launch::async, [&] {
            return fault_of([&] {
                db::Tx tx{second};
                db::place_events(tx, 1000);
                tx.commit();
            });
        });
        EXPECT_TRUE(eventually([&] {
            return owner_.number(
                       "select count(*) from pg_locks l join pg_stat_activity a using (pid) where "
                       "not l.granted and a.datname = current_database()") == 1;
        }));
        first.commit();
        return true;
    }));
    const db::Fault fault = refused.get();
    EXPECT_EQ(fault.retry(), db::Fault::Retry::one_by_one);
    EXPECT_EQ(fault.state(), "23505");
    EXPECT_THAT(feed(), ElementsAre(1, 2));
}

TEST_F(RelayOrder, OneLeadsAtATimeAndClosingLetsGo) {
    const auto leads = [](db::Connection& connection) {
        db::Tx tx{connection, db::Tx::Mode::one_read};
        return db::try_lead(tx);
    };
    db::Connection second{as("kl_relay")};
    EXPECT_TRUE(leads(relay_));
    EXPECT_FALSE(leads(second));
    EXPECT_TRUE(leads(relay_));
    EXPECT_FALSE(leads(second));
    relay_.reset();
    EXPECT_TRUE(eventually([&] { return leads(second); }));
    EXPECT_FALSE(leads(relay_));
}

TEST_F(RelayOrder, ALeaderWhoseBackendDiesLeadsNoMore) {
    std::string backend;
    {
        db::Tx tx{relay_};
        EXPECT_TRUE(db::try_lead(tx));
        backend = backend_of(tx);
        tx.commit();
    }
    owner_.rows("select pg_terminate_backend($1)", {backend});
    db::Connection second{as("kl_relay")};
    EXPECT_TRUE(eventually([&] {
        db::Tx tx{second, db::Tx::Mode::one_read};
        return db::try_lead(tx);
    }));
    EXPECT_EQ(fault_of([&] { place(); }).retry(), db::Fault::Retry::after_reconnect);
}

TEST_F(RelayOrder, ThePublishedPositionNeverGoesBack) {
    const auto published = [&] {
        db::Tx tx{relay_};
        return db::published_position(tx, "mqtt").value;
    };
    const auto advance = [&](std::int64_t position) {
        db::Tx tx{relay_};
        db::advance_published(tx, "mqtt", topics::Position{position});
        tx.commit();
    };
    EXPECT_EQ(published(), 0);
    advance(7);
    advance(5);
    EXPECT_EQ(published(), 7);
}

TEST_F(RelayOrder, AWrittenEventWakesTheListenerAndARolledBackOneDoesNot) {
    using Heard = db::Listener::Heard;
    db::Listener listener{as("kl_relay")};
    ASSERT_EQ(listener.wait(5s), Heard::reconnect);
    {
        const topics::Event one = event(1);
        db::Tx tx{handler_};
        db::add_events(tx, {&one, 1});
    }
    EXPECT_EQ(listener.wait(50ms), Heard::nothing);
    write({2, 3});
    EXPECT_EQ(listener.wait(10s), Heard::notice);
    EXPECT_EQ(listener.wait(0ms), Heard::nothing);
}

TEST_F(RelayOrder, AListenerThatLostItsConnectionSaysSoAndComesBack) {
    using Heard = db::Listener::Heard;
    db::Listener listener{as("kl_relay")};
    ASSERT_EQ(listener.wait(5s), Heard::reconnect);
    owner_.rows(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = "
        "current_database() and query like '%listen kl_log%' and pid <> pg_backend_pid()");
    // The server says farewell first, which is no notice.
    EXPECT_TRUE(eventually([&] { return listener.wait(1s) == Heard::lost; }));
    EXPECT_EQ(listener.wait(5s), Heard::reconnect);
    write({1});
    EXPECT_EQ(listener.wait(10s), Heard::notice);
}

}  // namespace
}  // namespace klyuchnik::test
