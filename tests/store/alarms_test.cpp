// Alarms on a real database.
#include "handlers/runtime/alarms.hpp"

#include "db/access/alarms_store.hpp"
#include "tests/store/store.hpp"

namespace klyuchnik::test {
namespace {

using namespace std::chrono_literals;
using db::AlarmChange;
using topics::AlarmId;
using topics::Instant;

constexpr Instant kStart = topics::from_unix_seconds(1'800'000'000);
constexpr const char* kKind = "journal_gap";
constexpr const char* kHall = "device:kc-hall1";

class Alarms : public Store {
 protected:
    db::Connection connection_{as("kl_devices")};

    template <class Say>
    void commit(Instant now, Say say) {
        handlers::Work work;
        work.now = now;
        db::Tx tx{connection_};
        say(work, tx);
        handlers::store_alarms_and_events(tx, work);
        tx.commit();
    }
    void raise(Instant now, int severity = 2) {
        commit(now, [&](handlers::Work& work, db::Tx&) {
            topics::EventIds ids;
            ids.device = device_id("kc-hall1");
            work.alarm(kKind, kHall, severity, ids);
        });
    }
    void wake(Instant now) {
        commit(now, [](handlers::Work& work, db::Tx& tx) {
            handlers::wake_snoozed_alarms().work(work, tx);
        });
    }
    template <class Change>
    AlarmChange change(Change how) {
        db::Tx tx{connection_};
        const auto changed = how(tx);
        tx.commit();
        return changed.outcome;
    }
    AlarmChange snooze(Instant until) {
        return change([&](db::Tx& tx) { return db::snooze_alarm(tx, newest(), until); });
    }
    AlarmChange resolve() {
        return change([&](db::Tx& tx) {
            return db::resolve_alarm(tx, newest(), "account:1", "repaired", kStart);
        });
    }
    AlarmId newest() { return AlarmId{owner_.number("select max(alarm_id) from runtime.alarms")}; }
    std::string state() {
        return owner_.text("select state from runtime.alarms order by alarm_id desc limit 1");
    }
    std::int64_t events(const std::string& type) {
        return owner_.number("select count(*) from log.events where type = $1", {type});
    }
};

TEST_F(Alarms, RaisedAgainAreOneThatCountsAndOneEvent) {
    raise(kStart, 1);
    raise(kStart + 1s, 3);
    raise(kStart + 2s, 2);
    EXPECT_EQ(owner_.number("select count(*) from runtime.alarms"), 1);
    EXPECT_EQ(owner_.number("select count from runtime.alarms"), 3);
    EXPECT_EQ(owner_.number("select severity from runtime.alarms"), 3);
    EXPECT_EQ(owner_.number("select count(*) from runtime.alarms where last_at - raised_at = "
                            "interval '2 s' and device_id = 'kc-hall1'"),
              1);
    EXPECT_EQ(events("alarm_raised"), 1);
    EXPECT_EQ(owner_.text("select ids->>'device' from log.events where type = 'alarm_raised'"),
              "kc-hall1");
}

TEST_F(Alarms, ResolvedOnesStayAndTheNextIsAnother) {
    raise(kStart);
    EXPECT_EQ(resolve(), AlarmChange::done);
    EXPECT_EQ(resolve(), AlarmChange::not_open);
    raise(kStart + 1s);
    EXPECT_EQ(owner_.number("select count(*) from runtime.alarms"), 2);
    EXPECT_EQ(events("alarm_raised"), 2);
}

TEST_F(Alarms, OverWhenTheirCauseIs) {
    raise(kStart);
    const auto over = [](handlers::Work& work, db::Tx&) { work.alarm_over(kKind, kHall); };
    commit(kStart + 1s, over);
    commit(kStart + 2s, over);
    EXPECT_EQ(state(), "resolved");
    EXPECT_EQ(owner_.text("select reason from runtime.alarms"), "over");
    EXPECT_EQ(events("alarm_resolved"), 1);
}

TEST_F(Alarms, SnoozedOnesComeBackWhenTheirTimeIsOver) {
    raise(kStart);
    EXPECT_EQ(snooze(kStart + 60s), AlarmChange::done);
    wake(kStart + 59s);
    EXPECT_EQ(state(), "snoozed");
    raise(kStart + 59s);
    EXPECT_EQ(state(), "snoozed") << "counted, and still out of sight";
    wake(kStart + 60s);
    EXPECT_EQ(state(), "open");
    EXPECT_EQ(events("alarm_reopened"), 1);
    wake(kStart + 61s);
    EXPECT_EQ(events("alarm_reopened"), 1);
}

TEST_F(Alarms, RaisedAgainAfterTheSnoozeWakesAtOnce) {
    raise(kStart);
    snooze(kStart + 60s);
    raise(kStart + 61s);
    EXPECT_EQ(state(), "open");
    EXPECT_EQ(events("alarm_reopened"), 1);
    EXPECT_EQ(events("alarm_raised"), 1);
    raise(kStart + 62s);
    EXPECT_EQ(events("alarm_reopened"), 1);
}

TEST_F(Alarms, AcknowledgedTwiceKeepTheFirstName) {
    raise(kStart);
    const auto by = [&](const char* who) {
        return change([&](db::Tx& tx) { return db::acknowledge_alarm(tx, newest(), who, kStart); });
    };
    EXPECT_EQ(by("account:1"), AlarmChange::done);
    EXPECT_EQ(by("account:2"), AlarmChange::done);
    EXPECT_EQ(owner_.text("select acknowledged_by from runtime.alarms"), "account:1");
    raise(kStart + 1s);
    EXPECT_EQ(state(), "acknowledged");
}

TEST_F(Alarms, ThatDoNotExistAreUnknown) {
    const auto changed = change(
        [&](db::Tx& tx) { return db::acknowledge_alarm(tx, AlarmId{7}, "account:1", kStart); });
    EXPECT_EQ(changed, AlarmChange::unknown);
}

TEST_F(Alarms, AreForgottenOnceResolvedAndOld) {
    raise(kStart);
    resolve();
    raise(kStart + 1s);
    db::Connection relay{as("kl_relay")};
    db::Tx tx{relay};
    EXPECT_EQ(db::forget_alarms(tx, kStart + 1h, 10), 1U);
    tx.commit();
    EXPECT_EQ(state(), "open");
}

}  // namespace
}  // namespace klyuchnik::test
