// Identity, presence and what was heard, on a real database with a clock that the test sets.

#include <vector>

#include <gmock/gmock.h>

#include "db/access/commands_store.hpp"
#include "db/access/device_views.hpp"
#include "db/access/devices_store.hpp"
#include "db/access/internal.hpp"
#include "db/access/listener.hpp"
#include "db/access/query.hpp"
#include "handlers/devices/commands.hpp"
#include "handlers/devices/heard_log.hpp"
#include "tests/store/store.hpp"

namespace klyuchnik::test {
namespace {

using namespace std::chrono_literals;
using namespace topics;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const Instant kNow = from_unix_seconds(1'800'000'000);
const DeviceId kHall = device_id("kc-hall1");
const DeviceId kRoof = device_id("sg-roof1");

class Devices : public Store {
 protected:
    template <class Do>
    auto in_tx(Do act) {
        db::Tx tx{connection_};
        if constexpr (std::is_void_v<decltype(act(tx))>) {
            act(tx);
            tx.commit();
        } else {
            auto result = act(tx);
            tx.commit();
            return result;
        }
    }
    void SetUp() override {
        in_tx([](db::Tx& tx) {
            ASSERT_TRUE(db::add_device(tx, {kHall, "Hall", "Left of the gate"}, kNow));
            ASSERT_TRUE(db::add_device(tx, {kRoof, "Roof", ""}, kNow));
        });
    }
    void born(Connection cn, Instant now, std::int64_t fresh = 1, std::int64_t ka = 30) {
        const db::BornDevice device{kHall, cn, "1.4.2", ka, 1024, 41, 880, 12, fresh};
        in_tx([&](db::Tx& tx) { return db::mark_born(tx, {&device, 1}, now); });
    }
    std::string state(const DeviceId& device = kHall) {
        return owner_.text("select state from devices.presence where device_id = $1",
                           {device.text()});
    }
    std::int64_t id_of(const std::string& sha256) {
        return owner_.number(
            "select credential_id from devices.credentials where sha256 = decode($1, 'hex')",
            {sha256});
    }
    void add_secret(const DeviceId& device, const std::string& sha256, std::int64_t place = 1,
                    std::optional<Instant> ends = {}) {
        in_tx([&](db::Tx& tx) {
            db::add_credential(tx, device,
                               {0, place, db::CredentialKind::secret, sha256, ends, std::nullopt},
                               1, "claimed", kNow);
        });
    }
    std::vector<std::string> outbox() {
        std::vector<std::string> found;
        for (const db::KnownDevice& known :
             in_tx([](db::Tx& tx) { return db::guard_outbox(tx, 100); })) {
            std::string text = known.device.text();
            for (const GuardCredential& one : known.living) text += " " + one.sha256.substr(0, 2);
            found.push_back(text);
        }
        return found;
    }

    db::Connection connection_{as("kl_devices")};
};

const std::string kSecretA = std::string(62, '0') + "aa";
const std::string kSecretB = "bb" + std::string(62, '0');
const std::string kSecretC = "cc" + std::string(62, '0');

// -- migration
// -------------------------------------------------------------------------------------------------

TEST(DevicesMigration, KeepsTheSecretsAndWhereaboutsOfDevicesThatWereThereBefore) {
    const Cluster& cluster = shared_cluster();
    const TestDatabase database{cluster, true};
    OwnerConnection owner{cluster, database.name()};
    for (const db::Migration& step : db::all_migrations()) {
        if (step.number == 7) {
            owner.rows(
                "insert into devices.devices (device_id, name, secret_sha256, created_at) values "
                "('kc-hall1', 'n', sha256('one'), now()), ('kc-hall2', 'n', sha256('two'), now())");
            owner.rows(
                "insert into devices.presence values ('kc-hall1', 1, 'offline', now(), '1', 30)");
            owner.rows("update devices.devices set active = false where device_id = 'kc-hall2'");
        }
        const auto answer = owner.ask(step.text);
        ASSERT_EQ(answer.state, "") << step.name << ": " << answer.error;
    }
    EXPECT_EQ(owner.number("select count(*) from api.device_credentials where device_id = "
                           "'kc-hall1' and secret_sha256 = sha256('one')"),
              1);
    EXPECT_EQ(owner.number("select count(*) from api.device_credentials"), 1);
    EXPECT_EQ(owner.text("select state from api.devices where device_id = 'kc-hall1'"), "offline");
    EXPECT_EQ(owner.text("select state from api.devices where device_id = 'kc-hall2'"), "unknown");
    EXPECT_EQ(owner.number("select count(*) from devices.devices where revoked_why is not null"),
              1);
    EXPECT_EQ(owner.number("select devices from devices.fleet"), 1);
}

// -- credentials and the outbox
// --------------------------------------------------------------------------------

TEST_F(Devices, WhateverChangesALivingCredentialPutsItsDeviceIntoTheOutbox) {
    EXPECT_THAT(outbox(), IsEmpty());
    add_secret(kHall, kSecretB);
    EXPECT_THAT(outbox(), ElementsAre("kc-hall1 bb"));
    auto told = in_tx([](db::Tx& tx) { return db::guard_outbox(tx, 100); });
    // It changes again before the guard has answered: what was told is not all.
    add_secret(kHall, kSecretC, 2);
    in_tx([&](db::Tx& tx) { db::clear_outbox(tx, told); });
    EXPECT_THAT(outbox(), ElementsAre("kc-hall1 bb cc"));
    told = in_tx([](db::Tx& tx) { return db::guard_outbox(tx, 100); });
    in_tx([&](db::Tx& tx) { db::clear_outbox(tx, told); });
    EXPECT_THAT(outbox(), IsEmpty());

    const db::CredentialEnd dead{id_of(kSecretB), std::nullopt, kNow};
    in_tx([&](db::Tx& tx) { db::end_credentials(tx, {&dead, 1}); });
    EXPECT_THAT(outbox(), ElementsAre("kc-hall1 cc"));
    in_tx([](db::Tx& tx) { db::revoke_device(tx, kHall, "lost", kNow); });
    EXPECT_THAT(outbox(), ElementsAre("kc-hall1")) << "nobody, whatever credentials say";
}

TEST_F(Devices, ACredentialDiesWhenItsEndHasCome) {
    add_secret(kHall, kSecretB, 1, kNow + 10s);
    add_secret(kHall, kSecretC, 2);
    EXPECT_EQ(in_tx([](db::Tx& tx) { return db::next_credential_end(tx); }), kNow + 10s);
    EXPECT_TRUE(
        in_tx([](db::Tx& tx) { return db::end_due_credentials(tx, kNow + 9s, 10); }).empty());
    const auto ended =
        in_tx([](db::Tx& tx) { return db::end_due_credentials(tx, kNow + 10s, 10); });
    ASSERT_EQ(ended.size(), 1U);
    EXPECT_EQ(ended[0].kind, "secret");
    EXPECT_THAT(outbox(), ElementsAre("kc-hall1 cc"));
    EXPECT_EQ(in_tx([](db::Tx& tx) { return db::next_credential_end(tx); }), std::nullopt);
}

TEST_F(Devices, LookingForWhatIsDueWakesNobodyWhileNothingIs) {
    using Heard = db::Listener::Heard;
    db::Listener listener{as("kl_devices"), db::Channel::guard};
    ASSERT_EQ(listener.wait(1s), Heard::reconnect);
    in_tx([](db::Tx& tx) { return db::end_due_credentials(tx, kNow, 10); });
    EXPECT_EQ(listener.wait(200ms), Heard::nothing) << "who looks would wake itself for ever";
    add_secret(kHall, kSecretB, 1, kNow + 10s);
    EXPECT_EQ(listener.wait(5s), Heard::notice);
    in_tx([](db::Tx& tx) { return db::end_due_credentials(tx, kNow + 10s, 10); });
    EXPECT_EQ(listener.wait(5s), Heard::notice);
}

TEST_F(Devices, TheWholeIsReadPageByPage) {
    add_secret(kHall, kSecretB);
    std::vector<std::string> seen;
    std::string after;
    while (true) {
        const auto page = in_tx([&](db::Tx& tx) { return db::guard_page(tx, after, 1); });
        if (page.empty()) break;
        after = page.back().device.text();
        seen.push_back(after + (page.back().living.empty() ? " nobody" : " one"));
    }
    EXPECT_THAT(seen, ElementsAre("kc-hall1 one", "sg-roof1 nobody"));
    EXPECT_EQ(in_tx([](db::Tx& tx) { return db::count_known(tx); }), 1);
}

TEST_F(Devices, OverHttpOnlyALivingSecretOfAnActiveDeviceCounts) {
    db::Connection bridge{as("kl_bridge")};
    const auto accepted = [&](const std::string& sha256) {
        db::Tx tx{bridge, db::Tx::Mode::one_read};
        return db::device_credential(tx, kHall, sha256);
    };
    add_secret(kHall, kSecretA, 1, from_unix_seconds(1'700'000'000));
    add_secret(kHall, kSecretB, 2);
    EXPECT_FALSE(accepted(kSecretA)) << "over, though nobody has marked it so yet";
    EXPECT_TRUE(accepted(kSecretB));
    in_tx([](db::Tx& tx) { db::revoke_device(tx, kHall, "lost", kNow); });
    EXPECT_FALSE(accepted(kSecretB));
}

TEST_F(Devices, ADeadOrSilentLeaderLosesItsLock) {
    db::ConnectionSettings settings = as("kl_devices");
    const auto settings_of = [&](const db::ConnectionSettings& wanted) {
        static const db::Query kAsked{
            "test_session_settings",
            "select count(*) filter (where name like 'tcp\\_keepalives%' or name = "
            "'tcp_user_timeout'), count(*) filter (where name = 'idle_session_timeout' and setting "
            "= '10000') from pg_settings where source = 'client'"};
        db::Connection connection{wanted};
        db::Tx tx{connection, db::Tx::Mode::one_read};
        const auto row = db::run(tx, kAsked)[0];
        return std::pair{row[0].as<int>(), row[1].as<int>()};
    };
    EXPECT_EQ(settings_of(settings), (std::pair{4, 0}));
    settings.leads = true;
    EXPECT_EQ(settings_of(settings), (std::pair{4, 1}));

    db::Connection leader{settings};
    db::Connection other{settings};
    const auto leads = [](db::Connection& connection) {
        db::Tx tx{connection, db::Tx::Mode::one_read};
        return db::try_feed(tx);
    };
    EXPECT_TRUE(leads(leader));
    EXPECT_FALSE(leads(other));
    leader.reset();
    EXPECT_TRUE(eventually([&] { return leads(other); }));
}

// -- presence
// --------------------------------------------------------------------------------------------------

TEST_F(Devices, WhoeverIsNotHeardForTwoAndAHalfHeartbeatsIsUnknownUntilHeardAgain) {
    born(Connection{7}, kNow);
    const db::HeardDevice beat{kHall, -61, 100, "{}"};
    in_tx([&](db::Tx& tx) { db::note_heard(tx, {&beat, 1}, kNow + 20s); });
    const auto silent_at = [&](Instant now) {
        return in_tx([&](db::Tx& tx) { return db::mark_silent(tx, now, kNow, 100); }).size();
    };
    // 3.7 of 30 s after what was written, which may be 1.2 of 30 s older than what was heard.
    EXPECT_EQ(silent_at(kNow + 20s + 111s), 0U);
    EXPECT_EQ(silent_at(kNow + 20s + 112s), 1U);
    EXPECT_EQ(state(), "unknown");
    EXPECT_EQ(silent_at(kNow + 20s + 113s), 0U);
    const auto back = [&](std::int64_t cn) {
        const db::DeviceAndConnection one{kHall, Connection{cn}};
        return in_tx([&](db::Tx& tx) { return db::mark_back(tx, {&one, 1}, kNow + 140s); }).size();
    };
    EXPECT_EQ(back(8), 0U) << "another connection's";
    EXPECT_EQ(back(7), 1U);
    EXPECT_EQ(state(), "online");
}

TEST_F(Devices, WhoeverWasBornAndNeverHeardFallsSilentToo) {
    born(Connection{7}, kNow);
    const auto silent_at = [&](Instant now) {
        return in_tx([&](db::Tx& tx) { return db::mark_silent(tx, now, kNow, 100); }).size();
    };
    EXPECT_EQ(silent_at(kNow + 110s), 0U);
    EXPECT_EQ(silent_at(kNow + 112s), 1U);
}

TEST_F(Devices, WhatNobodyCouldHearIsNobodysSilence) {
    using handlers::devices::kWatchEvery;
    born(Connection{7}, kNow);
    owner_.rows("update devices.fleet set watched_at = $1, taken_at = $1, listening_since = $1",
                {"2027-01-15 08:00:00+00"});  // kNow
    const auto watch = [&](Instant now) {
        handlers::Work work;
        work.now = now;
        in_tx([&](db::Tx& tx) { handlers::devices::mark_silent(work, tx); });
        return work.events.size();
    };
    const auto take = [&](Instant now) { in_tx([&](db::Tx& tx) { db::note_taken(tx, now, 5s); }); };
    // An hour without us: nothing was looked for, and nothing taken.
    EXPECT_EQ(watch(kNow + 1h), 0U);
    EXPECT_EQ(state(), "online");
    Instant now = kNow + 1h;
    for (; now < kNow + 1h + 110s; now += kWatchEvery) {
        take(now);
        ASSERT_EQ(watch(now), 0U);
    }
    take(now + 5s);
    EXPECT_EQ(watch(now + 5s), 1U) << "now it had its time";
    EXPECT_EQ(state(), "unknown");

    // We look, and the broker is out of reach.
    born(Connection{8}, now + 5s);
    for (int i = 2; i < 200; ++i) EXPECT_EQ(watch(now + i * kWatchEvery), 0U);
    EXPECT_EQ(state(), "online");
}

TEST_F(Devices, NobodyMissesARevokedDevice) {
    born(Connection{7}, kNow);
    in_tx([](db::Tx& tx) { db::revoke_device(tx, kHall, "stolen", kNow); });
    const auto missed = [&] {
        return owner_.number("select count(*) from devices.presence where away_at is not null");
    };
    EXPECT_EQ(in_tx([](db::Tx& tx) { return db::mark_silent(tx, kNow + 1h, kNow, 9); }).size(), 1U);
    EXPECT_EQ(missed(), 0);
    owner_.rows(
        "update devices.presence set state = 'online', left_at = null "
        "where device_id = 'kc-hall1'");
    EXPECT_EQ(in_tx([](db::Tx& tx) { return db::mark_all_unknown(tx, kNow + 2h, kNow + 2h); }), 1U);
    EXPECT_EQ(missed(), 0);
}

TEST_F(Devices, ABirthThatWasOnItsWayDoesNotBringBackARevokedDevice) {
    const auto ask = [&](Instant now) {
        handlers::AskItem item;
        item.source = "ask:account:1:x";
        handlers::Work work;
        work.now = now;
        const topics::RevokeDevice revoke{kHall, "stolen"};
        in_tx([&](db::Tx& tx) { handlers::devices::revoke_device(item, revoke, work, tx); });
        return work;
    };
    born(Connection{7}, kNow);
    const db::NewCommand command{kHall, topics::SlotUnlock{topics::Slot{12}}, "account:1",
                                 kNow + 60s};
    const std::vector<db::NewCommand> commands{command, command};
    in_tx([&](db::Tx& tx) { db::queue_commands(tx, commands, kNow); });
    owner_.rows(
        "update runtime.commands set state = 'sent', sent_at = now(), sendings = 1 "
        "where number = 1");
    const handlers::Work work = ask(kNow + 1s);
    EXPECT_EQ(owner_.text("select state from runtime.commands where number = 1"), "unknown");
    EXPECT_EQ(owner_.text("select state from runtime.commands where number = 2"), "expired");
    ASSERT_EQ(work.alarms.size(), 1U);
    EXPECT_EQ(work.alarms[0].name.kind, "command_unknown");
    born(Connection{8}, kNow + 2s);
    EXPECT_EQ(state(), "offline");
}

TEST_F(Devices, ARevocationWaitsForTheBirthThatIsBeingMarked) {
    db::Connection other{as("kl_devices")};
    db::Tx birth{other};
    db::lock_cursor(birth, kHall);
    db::Tx revocation{connection_};
    try {
        db::lock_cursor(revocation, kHall);
        ADD_FAILURE() << "it did not wait";
    } catch (const db::Fault& fault) {
        EXPECT_EQ(fault.retry(), db::Fault::Retry::same_batch) << fault.what();
    }
}

TEST_F(Devices, ABrokerThatStartedAnewIsNotedOnceAndNobodyIsOnlineThen) {
    born(Connection{7}, kNow);
    const auto noted = [&](const char* boot) {
        return in_tx([&](db::Tx& tx) { return db::note_broker(tx, "1", boot, kNow); });
    };
    EXPECT_TRUE(noted("aaaa"));
    EXPECT_FALSE(noted("aaaa"));
    EXPECT_EQ(in_tx([](db::Tx& tx) { return db::mark_all_unknown(tx, kNow, kNow); }), 1U);
    EXPECT_EQ(state(), "unknown");
    EXPECT_TRUE(noted("bbbb"));
    born(Connection{9}, kNow + 5s);
    EXPECT_EQ(state(), "online");
}

TEST_F(Devices, ABootIsKnownByAnyReportAndSweepsOnlyWhoWasNotHeardSince) {
    using handlers::devices::HeardBoots;
    HeardBoots boots;
    const auto hear = [&](const GuardReport& report, Instant now, bool commit = true) {
        const handlers::GuardItem item{"1", report};
        const handlers::GuardItem* const items[] = {&item};
        handlers::Work work;
        work.now = now;
        db::Tx tx{connection_};
        const bool swept = handlers::devices::note_guard(items, boots, work, tx);
        if (commit) tx.commit();
        return swept;
    };
    GuardReport answer;
    answer.boot = "aaaa";
    answer.told = "feed-1";
    hear(answer, kNow - 1h);
    born(Connection{7}, kNow);
    answer.boot = "bbbb";
    EXPECT_TRUE(hear(answer, kNow + 10s)) << "the report of the start was lost";
    EXPECT_EQ(state(), "unknown");
    born(Connection{8}, kNow + 11s);

    // Heard, but not written: the database was away for a minute.
    answer.boot = "cccc";
    EXPECT_TRUE(hear(answer, kNow + 20s, false));
    const db::HeardDevice beat{kHall, -61, 100, "{}"};
    in_tx([&](db::Tx& tx) { db::note_heard(tx, {&beat, 1}, kNow + 30s); });
    EXPECT_FALSE(hear(answer, kNow + 80s)) << "it spoke to the new broker meanwhile";
    EXPECT_EQ(state(), "online");
}

TEST_F(Devices, AwayIsRaisedOnceAndNotForWhoeverNeverCame) {
    const auto away_at = [&](Instant now) {
        return in_tx([&](db::Tx& tx) { return db::take_away(tx, now, 100); }).size();
    };
    born(Connection{7}, kNow);
    const db::DeviceAndConnection gone{kHall, Connection{7}};
    in_tx([&](db::Tx& tx) { return db::mark_offline(tx, {&gone, 1}, kNow); });
    in_tx([](db::Tx& tx) {
        return db::change_device(tx, {kHall, std::nullopt, std::nullopt, std::nullopt, 60});
    });
    EXPECT_EQ(away_at(kNow + 59s), 0U);
    EXPECT_EQ(away_at(kNow + 60s), 1U);
    EXPECT_EQ(away_at(kNow + 600s), 0U);
    born(Connection{8}, kNow + 700s);
    EXPECT_EQ(away_at(kNow + 7000s), 0U);
}

TEST_F(Devices, ConnectionsWithinAMinuteAreCounted) {
    std::int64_t births = 0;
    for (int i = 0; i < 7; ++i) {
        const db::BornDevice device{kHall, Connection{100 + i}, "1", 30, 256, 0, 0, 1, 1};
        const auto online = in_tx([&](db::Tx& tx) {
            return db::mark_born(tx, {&device, 1}, kNow + i * 5s);
        });
        ASSERT_EQ(online.size(), 1U);
        births = online[0].births;
    }
    EXPECT_EQ(births, 7);
    const db::BornDevice later{kHall, Connection{200}, "1", 30, 256, 0, 0, 1, 1};
    EXPECT_EQ(in_tx([&](db::Tx& tx) {
                  return db::mark_born(tx, {&later, 1}, kNow + 90s);
              })[0]
                  .births,
              1);
}

TEST_F(Devices, TheBirthOfAConnectionThatIsOverOrOnlineAlreadyChangesNothing) {
    born(Connection{7}, kNow);
    const db::BornDevice again{kHall, Connection{7}, "1.4.2", 30, 1024, 41, 880, 12, 0};
    const auto marked = [&] {
        return in_tx([&](db::Tx& tx) { return db::mark_born(tx, {&again, 1}, kNow + 1s); }).size();
    };
    EXPECT_EQ(marked(), 0U);
    const db::DeviceAndConnection gone{kHall, Connection{7}};
    in_tx([&](db::Tx& tx) { return db::mark_offline(tx, {&gone, 1}, kNow); });
    EXPECT_EQ(marked(), 0U);
    EXPECT_EQ(state(), "offline");
}

TEST_F(Devices, AFloodIsNotedByOneOfAllWhoHearOfIt) {
    const auto noted = [&](Instant now) {
        return in_tx([&](db::Tx& tx) { return db::note_flood(tx, {&kHall, 1}, now, 4s); }).size();
    };
    EXPECT_EQ(noted(kNow), 1U);
    EXPECT_EQ(noted(kNow + 100ms), 0U);
    EXPECT_EQ(noted(kNow + 5s), 1U);
}

// -- what was heard
// --------------------------------------------------------------------------------------------

TEST_F(Devices, TheHistoryHasASampleEachQuarterOfAnHourAndLaterOneAnHour) {
    for (int minute = 0; minute <= 120; minute += 5) {
        const db::HeardDevice beat{kHall, -60 - minute % 7, minute * 60, R"({"t":1})"};
        in_tx([&](db::Tx& tx) { db::note_heard(tx, {&beat, 1}, kNow + minute * 1min); });
    }
    const auto samples = [&] {
        return owner_.number("select count(*) from devices.telemetry where device_id = 'kc-hall1'");
    };
    EXPECT_EQ(samples(), 9);
    EXPECT_EQ(owner_.number("select uptime_s from devices.heard"), 7200);
    EXPECT_EQ(in_tx([](db::Tx& tx) { return db::thin_telemetry(tx, kNow + 2h, 1000); }), 6U);
    EXPECT_EQ(samples(), 3);
    EXPECT_EQ(in_tx([](db::Tx& tx) { return db::forget_telemetry(tx, kNow + 30min, 1000); }), 1U);
    EXPECT_EQ(samples(), 2);
}

TEST_F(Devices, ABirthCountsAsHeardAndLeavesTheTelemetryAsItWas) {
    const db::HeardDevice beat{kHall, -61, 100, R"({"left":3})"};
    const db::HeardDevice birth{kHall, std::nullopt, std::nullopt, std::nullopt};
    in_tx([&](db::Tx& tx) { db::note_heard(tx, {&birth, 1}, kNow); });
    EXPECT_EQ(owner_.number("select count(*) from devices.telemetry"), 0);
    in_tx([&](db::Tx& tx) { db::note_heard(tx, {&beat, 1}, kNow + 1s); });
    in_tx([&](db::Tx& tx) { db::note_heard(tx, {&birth, 1}, kNow + 2s); });
    EXPECT_EQ(owner_.text("select content->>'left' from devices.heard"), "3");
    EXPECT_EQ(owner_.number("select count(*) from devices.telemetry"), 1);
    EXPECT_EQ(owner_.text("select heard_at = to_timestamp(1800000002) from devices.heard"), "t");
}

TEST_F(Devices, AHeartbeatWritesNoRowOfPresenceAndEverySecondOneOfItsOwn) {
    born(Connection{7}, kNow);
    handlers::devices::HeardLog log;
    const handlers::HeartbeatItem beat{kHall, {Connection{7}, -61, 100, "{}"}};
    const handlers::HeartbeatItem* const one[] = {&beat};
    const auto writes = [&](const char* table) {
        return owner_.text("select xmin::text || ctid::text from devices." + std::string{table} +
                           " where device_id = 'kc-hall1'");
    };
    const std::string presence = writes("presence");
    std::string heard;
    int written = 0;
    for (int period = 0; period < 10; ++period) {
        handlers::Work work;
        work.now = kNow + period * 30s;
        in_tx([&](db::Tx& tx) { log.note({}, one, work, tx); });
        if (const std::string now = writes("heard"); now != heard) {
            heard = now;
            ++written;
        }
        EXPECT_TRUE(work.events.empty());
        // Whoever keeps its period never falls silent.
        EXPECT_TRUE(in_tx([&](db::Tx& tx) {
                        return db::mark_silent(tx, work.now + 75s, kNow, 100);
                    }).empty());
    }
    // The first two both: that the first was committed is known by the second.
    EXPECT_GE(written, 5);
    EXPECT_LE(written, 6);
    EXPECT_EQ(writes("presence"), presence);
}

TEST_F(Devices, AHeartbeatThatWasRolledBackIsWrittenAgain) {
    born(Connection{7}, kNow);
    handlers::devices::HeardLog log;
    const handlers::HeartbeatItem beat{kHall, {Connection{7}, -61, 100, "{}"}};
    const handlers::HeartbeatItem* const one[] = {&beat};
    handlers::Work work;
    work.now = kNow;
    {
        db::Tx tx{connection_};
        log.note({}, one, work, tx);
    }
    EXPECT_EQ(owner_.number("select count(*) from devices.heard"), 0);
    work.now = kNow + 1s;
    in_tx([&](db::Tx& tx) { log.note({}, one, work, tx); });
    EXPECT_EQ(owner_.number("select count(*) from devices.heard"), 1);
}

TEST_F(Devices, AHeartbeatBringsBackWhoeverHadFallenSilentOnThatConnection) {
    born(Connection{7}, kNow);
    in_tx([](db::Tx& tx) { return db::mark_silent(tx, kNow + 112s, kNow, 100); });
    ASSERT_EQ(state(), "unknown");
    const db::NewCommand command{kHall, topics::SlotUnlock{topics::Slot{12}}, "account:1",
                                 kNow + 1h};
    in_tx([&](db::Tx& tx) { db::queue_commands(tx, {&command, 1}, kNow); });
    owner_.rows("update runtime.commands set send_after = $1", {"2027-01-15 08:05:00+00"});
    const auto next_due = [&] {
        return in_tx([](db::Tx& tx) { return db::next_command_due(tx); });
    };
    ASSERT_GT(next_due(), kNow + 113s) << "asleep";
    handlers::devices::HeardLog log;
    const handlers::HeartbeatItem stranger{kHall, {Connection{8}, -61, 100, "{}"}};
    const handlers::HeartbeatItem beat{kHall, {Connection{7}, -61, 100, "{}"}};
    const handlers::HeartbeatItem* const strange[] = {&stranger};
    const handlers::HeartbeatItem* const known[] = {&beat};
    handlers::Work work;
    work.now = kNow + 113s;
    in_tx([&](db::Tx& tx) { log.note({}, strange, work, tx); });
    EXPECT_EQ(state(), "unknown");
    in_tx([&](db::Tx& tx) { log.note({}, known, work, tx); });
    EXPECT_EQ(state(), "online");
    EXPECT_EQ(next_due(), kNow + 113s) << "no birth will wake it";
    ASSERT_EQ(work.events.size(), 1U);
    EXPECT_EQ(work.events[0].type, "online");
    ASSERT_EQ(work.over.size(), 1U);
    EXPECT_EQ(work.over[0].kind, "device_away");
}

// -- the bridge's views
// ------------------------------------------------------------------------------------------

TEST_F(Devices, AreFoundByWhatIsAskedOfThem) {
    born(Connection{7}, kNow);
    db::Connection bridge{as("kl_bridge")};
    const auto found = [&](const db::DevicesFilter& filter) {
        db::Tx tx{bridge, db::Tx::Mode::one_read};
        std::vector<std::string> ids;
        for (const db::DeviceRow& row : db::devices(tx, filter, "", 10)) ids.push_back(row.device);
        return ids;
    };
    EXPECT_THAT(found({}), ElementsAre("kc-hall1", "sg-roof1"));
    const auto with = [](auto member, auto value) {
        db::DevicesFilter filter;
        filter.*member = value;
        return filter;
    };
    using F = db::DevicesFilter;
    EXPECT_THAT(found(with(&F::state, "online")), ElementsAre("kc-hall1"));
    EXPECT_THAT(found(with(&F::state, "unknown")), ElementsAre("sg-roof1"));
    EXPECT_THAT(found(with(&F::cls, "sg")), ElementsAre("sg-roof1"));
    EXPECT_THAT(found(with(&F::firmware, "1.4.2")), ElementsAre("kc-hall1"));
    EXPECT_THAT(found(with(&F::active, false)), IsEmpty());
    EXPECT_THAT(found(with(&F::away, true)), IsEmpty());
    EXPECT_THAT(found(with(&F::text, "OF THE GATE")), ElementsAre("kc-hall1"));
    EXPECT_THAT(found(with(&F::text, "ROOF")), ElementsAre("sg-roof1"));
    EXPECT_THAT(found(with(&F::text, "%")), IsEmpty());
    in_tx([](db::Tx& tx) { db::leave_presence(tx, kHall, true, kNow - 24h); });
    EXPECT_THAT(found(with(&F::away, true)), IsEmpty()) << "by the server's clock, not away yet";
    in_tx(
        [](db::Tx& tx) { db::leave_presence(tx, kRoof, true, from_unix_seconds(1'700'000'000)); });
    EXPECT_THAT(found(with(&F::away, true)), ElementsAre("sg-roof1"));
    db::Tx tx{bridge, db::Tx::Mode::one_read};
    const auto row = db::device(tx, kHall);
    ASSERT_TRUE(row);
    EXPECT_EQ(row->place, "Left of the gate");
    EXPECT_EQ(row->packet_bytes_max, 1024);
    EXPECT_EQ(row->rights_held, 41);
    EXPECT_EQ(row->lease_s, 259'200);
}

TEST_F(Devices, ShowTheirCredentialsClaimAndHistoryWithoutAnyHash) {
    add_secret(kHall, kSecretB);
    add_secret(kHall, kSecretC, 2);
    in_tx([](db::Tx& tx) {
        db::put_claim(tx, kHall, kSecretA, "account:1", kNow, kNow + 1h);
        db::use_claim(tx, kHall, kSecretA, kNow + 1min);
    });
    const db::HeardDevice beat{kHall, -61, 100, "{}"};
    in_tx([&](db::Tx& tx) { db::note_heard(tx, {&beat, 1}, kNow); });
    db::Connection bridge{as("kl_bridge")};
    db::Tx tx{bridge, db::Tx::Mode::read_only};
    const auto credentials = db::credentials(tx, kHall, INT64_MAX, 10);
    ASSERT_EQ(credentials.size(), 2U);
    EXPECT_GT(credentials[0].credential, credentials[1].credential);
    EXPECT_EQ(credentials[0].kind, "secret");
    const auto claim = db::claim(tx, kHall);
    ASSERT_TRUE(claim);
    EXPECT_EQ(claim->used, kNow + 1min);
    EXPECT_FALSE(db::claim(tx, kRoof));
    EXPECT_EQ(db::telemetry(tx, kHall, kNow + 1s, 10).size(), 1U);
    EXPECT_EQ(db::telemetry(tx, kHall, kNow, 10).size(), 0U);
}

}  // namespace
}  // namespace klyuchnik::test
