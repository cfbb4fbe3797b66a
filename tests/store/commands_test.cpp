// Commands and their dispatcher on a real database, with a clock that the test sets.
#include <algorithm>
#include <future>

#include "db/access/commands_store.hpp"
#include "handlers/runtime/alarms.hpp"
#include "handlers/runtime/command_stage.hpp"
#include "handlers/runtime/dispatcher.hpp"
#include "handlers/runtime/journal_stage.hpp"
#include "tests/store/store.hpp"
#include "topics/codec.hpp"
#include "topics/limits.hpp"

namespace klyuchnik::test {
namespace {

using namespace std::chrono_literals;
using topics::DeviceId;
using topics::Instant;

constexpr Instant kStart = topics::from_unix_seconds(1'800'000'000);

class Commands : public Store {
 protected:
    const DeviceId hall_ = device_id("kc-hall1");
    const DeviceId gate_ = device_id("kc-gate1");
    process::ManualClock clock_{kStart};
    process::Metrics metrics_;
    handlers::Dispatcher dispatcher_{as("kl_devices"), clock_, metrics_};
    db::Connection connection_{as("kl_devices")};

    void SetUp() override {
        for (const DeviceId& device : {hall_, gate_}) {
            owner_.rows(
                "insert into devices.devices (device_id, name, created_at) values ($1, 'n', now())",
                {device.text()});
            owner_.rows(
                "insert into devices.presence (device_id, cn, since, packet_bytes_max, state) "
                "values ($1, 5, now(), 1024, 'unknown')",
                {device.text()});
        }
    }
    void set_presence(const DeviceId& device, const std::string& state) {
        owner_.rows("update devices.presence set state = $2 where device_id = $1",
                    {device.text(), state});
    }
    std::vector<std::optional<topics::CommandId>> queue(const DeviceId& device, int count,
                                                        std::chrono::seconds life = 60s) {
        const std::vector<db::NewCommand> wanted(
            static_cast<std::size_t>(count),
            {device, topics::SlotUnlock{topics::Slot{12}}, "account:1", clock_.now() + life});
        db::Tx tx{connection_};
        auto ids = db::queue_commands(tx, wanted, clock_.now());
        tx.commit();
        return ids;
    }
    std::string state(std::int64_t number, const DeviceId& device) {
        return owner_.text(
            "select state from runtime.commands where device_id = $1 and number = $2",
            {device.text(), std::to_string(number)});
    }
    std::string state(std::int64_t number) { return state(number, hall_); }
    /// What the dispatcher would publish now, as "kc-hall1:2".
    std::vector<std::string> sends() {
        std::vector<std::string> sent;
        for (const auto& message : dispatcher_.look(true).messages) {
            const auto command = topics::decode_command(message.outgoing.payload);
            const auto topic = topics::parse_topic(message.outgoing.topic);
            sent.push_back(std::get<topics::DeviceTopic>(topic).device.text() + ":" +
                           std::to_string(command ? command->number : -1));
        }
        return sent;
    }
    /// The device says something of a command; `rc` none: it has accepted it.
    void hear(const DeviceId& device, std::int64_t number, std::optional<std::int64_t> rc) {
        handlers::FactItem item;
        item.number = {device, topics::Epoch{1}, topics::Sequence{++facts_}};
        item.source = handlers::source_of(item.number);
        if (rc) {
            item.fact.body = topics::CommandDone{number, *rc, std::nullopt};
        } else {
            item.fact.body = topics::CommandAccepted{number};
        }
        commit([&](handlers::CommandStage& stage, handlers::Work& work) {
            ASSERT_TRUE(stage.place(item, work));
        });
    }
    void birth(const DeviceId& device, std::int64_t last, bool fresh = true, bool forgot = false) {
        set_presence(device, "online");
        commit([&](handlers::CommandStage& stage, handlers::Work&) {
            stage.born(device, last, fresh, forgot);
        });
    }
    template <class Place>
    void commit(Place place) {
        handlers::Work work;
        work.now = clock_.now();
        handlers::CommandStage stage;
        place(stage, work);
        db::Tx tx{connection_};
        stage.store(tx, work);
        handlers::store_alarms_and_events(tx, work);
        tx.commit();
    }
    std::int64_t alarms(const std::string& kind) {
        return owner_.number(
            "select count(*) from runtime.alarms where kind = $1 and state <> 'resolved'", {kind});
    }
    std::int64_t facts_ = 0;
};

using Sent = std::vector<std::string>;

TEST_F(Commands, AreNumberedPerDeviceAndNoMoreThanTheLimitAreOpen) {
    const auto max = topics::limits::kOpenCommandsMax;
    const auto first = queue(hall_, static_cast<int>(max) + 2);
    EXPECT_EQ(std::ranges::count_if(first, [](const auto& id) { return id.has_value(); }), max);
    EXPECT_FALSE(first.back());
    EXPECT_FALSE(queue(hall_, 1).front());
    EXPECT_TRUE(queue(gate_, 1).front());
    EXPECT_EQ(owner_.number("select max(number) from runtime.commands where device_id = $1",
                            {hall_.text()}),
              max);
    EXPECT_EQ(state(1, gate_), "queued");
    hear(hall_, 1, 0);
    EXPECT_TRUE(queue(hall_, 1).front()) << "one has ended";
    EXPECT_EQ(state(max + 1), "queued");
}

TEST_F(Commands, QueuedByTwoAtOnceHaveDifferentNumbersAndKeepTheLimit) {
    queue(hall_, static_cast<int>(topics::limits::kOpenCommandsMax) - 1);
    db::Connection other{as("kl_keys")};
    const db::NewCommand wanted{hall_, topics::Buzz{}, "account:2", clock_.now() + 60s};
    db::Tx mine{connection_};
    EXPECT_TRUE(db::queue_commands(mine, {&wanted, 1}, clock_.now()).front());
    auto theirs = std::async(std::launch::async, [&] {
        db::Tx tx{other};
        const auto ids = db::queue_commands(tx, {&wanted, 1}, clock_.now());
        tx.commit();
        return ids.front().has_value();
    });
    EXPECT_TRUE(eventually([&] {
        return owner_.number(
                   "select count(*) from pg_stat_activity where datname = "
                   "current_database() and wait_event_type = 'Lock'") == 1;
    }));
    mine.commit();
    EXPECT_FALSE(theirs.get()) << "the other one sees what we have queued";
}

TEST_F(Commands, GoToPresentDevicesOneAtATimeLowestNumberFirst) {
    queue(hall_, 3);
    queue(gate_, 1);
    EXPECT_EQ(sends(), Sent{}) << "nobody is here";
    birth(hall_, 0);
    EXPECT_EQ(sends(), Sent{}) << "the ack goes first";
    clock_.advance(handlers::kAfterBirth);
    EXPECT_EQ(sends(), Sent{"kc-hall1:1"});
    EXPECT_EQ(sends(), Sent{});
    hear(hall_, 1, std::nullopt);
    clock_.advance(10s);
    EXPECT_EQ(sends(), Sent{}) << "the device works on it";
    hear(hall_, 1, 0);
    EXPECT_EQ(state(1), "done");
    EXPECT_EQ(sends(), Sent{"kc-hall1:2"});
    hear(hall_, 2, 422);
    EXPECT_EQ(state(2), "failed");
    EXPECT_EQ(sends(), Sent{"kc-hall1:3"});
    EXPECT_EQ(state(1, gate_), "queued");
}

TEST_F(Commands, AreRepeatedUntilTheDeviceSaysSomethingAndNeverAfterTheirExpiry) {
    birth(hall_, 0);
    queue(hall_, 1, 10s);
    EXPECT_EQ(sends(), Sent{"kc-hall1:1"});
    clock_.advance(2s);
    EXPECT_EQ(sends(), Sent{});
    clock_.advance(1s);
    EXPECT_EQ(sends(), Sent{"kc-hall1:1"});
    clock_.advance(3s);
    EXPECT_EQ(sends(), Sent{"kc-hall1:1"});
    clock_.advance(4s);
    EXPECT_EQ(sends(), Sent{});
    EXPECT_EQ(state(1), "sent") << "it may have been begun in time";
    clock_.advance(handlers::kCommandSilence);
    EXPECT_EQ(sends(), Sent{});
    EXPECT_EQ(state(1), "unknown");
    EXPECT_EQ(alarms("command_unknown"), 1);
    hear(hall_, 1, 0);
    EXPECT_EQ(state(1), "done") << "a late word is believed";
    EXPECT_EQ(alarms("command_unknown"), 0);
}

TEST_F(Commands, QueuedForNobodyExpireWithoutDoubt) {
    queue(hall_, 1, 10s);
    sends();
    clock_.advance(10s);
    sends();
    EXPECT_EQ(state(1), "expired");
    EXPECT_EQ(alarms("command_unknown"), 0);
    EXPECT_EQ(owner_.number("select count(*) from log.events where type = 'command_done' and "
                            "ids->>'why' = 'expired'"),
              1);
}

TEST_F(Commands, AcceptedAndNeverFinishedAreUnknownFiveMinutesLater) {
    birth(hall_, 0);
    queue(hall_, 1, 10s);
    sends();
    hear(hall_, 1, std::nullopt);
    clock_.advance(10s + handlers::kCommandWorkMax - 1s);
    sends();
    EXPECT_EQ(state(1), "accepted");
    clock_.advance(1s);
    sends();
    EXPECT_EQ(state(1), "unknown");
    EXPECT_EQ(alarms("command_unknown"), 1);
}

TEST_F(Commands, OneThatExpiredUnheardOfHoldsNobodyUp) {
    birth(hall_, 0);
    queue(hall_, 1, 10s);
    queue(hall_, 1, 60s);
    EXPECT_EQ(sends(), Sent{"kc-hall1:1"});
    for (int i = 0; i < 3; ++i) {
        clock_.advance(3s);
        sends();
    }
    clock_.advance(1s);
    EXPECT_EQ(sends(), Sent{}) << "it is put to sleep, and the next one woken";
    EXPECT_EQ(sends(), Sent{"kc-hall1:2"});
}

TEST_F(Commands, ADeviceThatComesBackGetsItsCommandOnItsNewConnection) {
    birth(hall_, 0);
    queue(hall_, 1);
    EXPECT_EQ(sends(), Sent{"kc-hall1:1"});
    set_presence(hall_, "offline");
    clock_.advance(3s);
    EXPECT_EQ(sends(), Sent{});
    clock_.advance(20s);
    EXPECT_EQ(sends(), Sent{}) << "asleep";
    owner_.rows("update devices.presence set cn = 6 where device_id = $1", {hall_.text()});
    birth(hall_, 0);
    clock_.advance(handlers::kAfterBirth);
    const auto look = dispatcher_.look(true);
    ASSERT_EQ(look.messages.size(), 1U);
    EXPECT_EQ(topics::decode_command(look.messages[0].outgoing.payload)->cn, topics::Connection{6});
}

TEST_F(Commands, LargerThanTheDeviceTakesFailAtOnce) {
    birth(hall_, 0);
    owner_.rows("update devices.presence set packet_bytes_max = 60 where device_id = $1",
                {hall_.text()});
    queue(hall_, 1);
    EXPECT_EQ(sends(), Sent{});
    EXPECT_EQ(state(1), "failed");
    EXPECT_EQ(owner_.number("select rc from runtime.commands"), 413);
}

TEST_F(Commands, WithoutABrokerNothingIsMarkedButTimePasses) {
    birth(hall_, 0);
    queue(hall_, 1, 10s);
    EXPECT_TRUE(dispatcher_.look(false).messages.empty());
    EXPECT_EQ(state(1), "queued");
    clock_.advance(10s);
    dispatcher_.look(false);
    EXPECT_EQ(state(1), "expired");
}

TEST_F(Commands, NumbersGoOnAboveWhatTheDeviceHasSeenAndWhatIsBelowIsUnknown) {
    queue(hall_, 2);
    birth(hall_, 50);
    EXPECT_EQ(state(1), "unknown") << "a database that is older than the device forgot it was sent";
    EXPECT_EQ(state(2), "unknown");
    EXPECT_EQ(alarms("command_unknown"), 2);
    queue(hall_, 1);
    EXPECT_EQ(state(51), "queued");
    birth(hall_, 20);
    birth(hall_, handlers::kCommandNumberMax + 1);
    queue(hall_, 1);
    EXPECT_EQ(state(52), "queued") << "a number beyond reason is not believed";
    EXPECT_EQ(state(51), "queued");
    clock_.advance(1s);
    EXPECT_EQ(sends(), Sent{"kc-hall1:51"});
}

TEST_F(Commands, QueuedAfterTheRestoreUnderANumberThatTheDeviceHasSeenAreUnknownToo) {
    owner_.rows("insert into runtime.command_numbers values ($1, 60)", {hall_.text()});
    queue(hall_, 1);
    birth(hall_, 61);
    EXPECT_EQ(state(61), "unknown") << "though we have given as high a number";
}

TEST_F(Commands, WhatWasSentToADeviceThatLostItsMemoryIsNotSentAgain) {
    birth(hall_, 0);
    queue(hall_, 2, 3600s);
    EXPECT_EQ(sends(), Sent{"kc-hall1:1"});
    birth(hall_, 0, true, false);
    EXPECT_EQ(state(1), "sent") << "it remembers, and runs a number once";
    birth(hall_, 0, true, true);
    EXPECT_EQ(state(1), "unknown");
    EXPECT_EQ(state(2), "queued") << "nobody has heard of it";
    EXPECT_EQ(alarms("command_unknown"), 1);
    clock_.advance(10s);
    EXPECT_EQ(sends(), Sent{"kc-hall1:2"});
    hear(hall_, 2, std::nullopt);
    birth(hall_, 2, true, true);
    EXPECT_EQ(state(2), "unknown") << "accepted by another memory";
}

TEST_F(Commands, ABirthTellsByItsJournalWhetherTheDeviceRemembers) {
    owner_.rows(
        "insert into runtime.cursors (device_id, cn, epoch, acked, generation) values ($1, 5, 3, "
        "10, 1)",
        {hall_.text()});
    const auto born = [&](std::int64_t cn, std::int64_t epoch, std::int64_t hi) {
        topics::Birth birth;
        birth.cn.value = cn;
        birth.epoch.value = epoch;
        birth.boot = cn;
        birth.lo.value = hi;
        birth.hi.value = hi;
        birth.last_command = 1;
        const std::vector<handlers::Message> messages{
            {handlers::StateMessage{birth}, hall_, false}};
        handlers::Work work;
        work.now = clock_.now();
        std::vector<handlers::Outgoing> out;
        db::Tx tx{connection_};
        handlers::JournalStage stage{tx, messages, clock_.now()};
        stage.place(messages[0], nullptr, work, out);
        stage.store(tx, work, "devices");
        handlers::store_alarms_and_events(tx, work);
        tx.commit();
    };
    birth(hall_, 0);
    queue(hall_, 1, 3600s);
    EXPECT_EQ(sends(), Sent{"kc-hall1:1"});
    born(6, 3, 11);
    EXPECT_EQ(state(1), "sent");
    born(7, 3, 9);
    EXPECT_EQ(state(1), "unknown") << "its journal was restored";
    queue(hall_, 1, 3600s);
    clock_.advance(1s);
    EXPECT_EQ(sends(), Sent{"kc-hall1:2"});
    born(8, 0, 1);
    EXPECT_EQ(state(2), "unknown") << "its flash is empty";
}

TEST_F(Commands, OfADeviceThatIsOutEnd) {
    birth(hall_, 0);
    queue(hall_, 2);
    queue(gate_, 1);
    EXPECT_EQ(sends(), Sent{"kc-hall1:1"});
    handlers::Work work;
    work.now = clock_.now();
    db::Tx tx{connection_};
    handlers::end_open_commands(tx, hall_, "test", work);
    handlers::store_alarms_and_events(tx, work);
    tx.commit();
    EXPECT_EQ(state(1), "unknown");
    EXPECT_EQ(state(2), "expired");
    EXPECT_EQ(state(1, gate_), "queued");
    EXPECT_EQ(alarms("command_unknown"), 1);
}

TEST_F(Commands, WhatADeviceHadAcceptedAndForgottenIsUnknownAtOnceAndHoldsNobodyUp) {
    birth(hall_, 0);
    queue(hall_, 2, 3600s);
    EXPECT_EQ(sends(), Sent{"kc-hall1:1"});
    hear(hall_, 1, std::nullopt);
    birth(hall_, 0, false);
    EXPECT_EQ(state(1), "accepted") << "a birth that is only said again knows less than we do";
    birth(hall_, 1);
    EXPECT_EQ(state(1), "accepted") << "it knows of it, and its word is on the way";
    birth(hall_, 0);
    EXPECT_EQ(state(1), "unknown");
    EXPECT_EQ(alarms("command_unknown"), 1);
    clock_.advance(1s);
    EXPECT_EQ(sends(), Sent{"kc-hall1:2"});
}

TEST_F(Commands, AnEndOfANumberThatNobodyGaveIsAnEventAndAnAlarm) {
    hear(hall_, 99, 0);
    EXPECT_EQ(alarms("unknown_command_done"), 1);
    EXPECT_EQ(owner_.number("select count(*) from log.events where type = 'command_done' and "
                            "ids->>'why' = 'unknown_command'"),
              1);
    hear(hall_, 98, std::nullopt);
    EXPECT_EQ(alarms("unknown_command_done"), 1);
}

TEST_F(Commands, ClaimedByOneDispatcherArePassedOverByAnother) {
    birth(hall_, 0);
    queue(hall_, 1);
    db::Tx holder{connection_};
    EXPECT_EQ(db::due_commands(holder, clock_.now(), 10).size(), 1U);
    EXPECT_EQ(sends(), Sent{});
    holder.commit();
    EXPECT_EQ(sends(), Sent{"kc-hall1:1"});
}

TEST_F(Commands, ABirthThatIsNotSeenYetWakesWhatWasPutToSleepMeanwhile) {
    queue(hall_, 1);
    db::Tx dispatcher{connection_};
    auto due = db::due_commands(dispatcher, clock_.now(), 10);
    ASSERT_EQ(due.size(), 1U);
    EXPECT_TRUE(db::command_targets(dispatcher, {&hall_, 1}, clock_.now()).empty());
    db::Connection theirs{as("kl_devices")};
    auto born = std::async(std::launch::async, [&] {
        db::Tx tx{theirs};
        db::wake_commands(tx, {&hall_, 1}, clock_.now(), clock_.now());
        tx.commit();
    });
    EXPECT_TRUE(eventually([&] {
        return owner_.number(
                   "select count(*) from pg_stat_activity where datname = "
                   "current_database() and wait_event_type = 'Lock'") == 1;
    }));
    handlers::mark_asleep(due[0], clock_.now());
    db::save_commands(dispatcher, due);
    dispatcher.commit();
    born.get();
    set_presence(hall_, "online");
    EXPECT_EQ(sends(), Sent{"kc-hall1:1"});
}

TEST_F(Commands, WhatIsDueNextIsKnown) {
    EXPECT_FALSE(dispatcher_.look(true).next) << "nothing is open: nothing is to be looked at";
    birth(hall_, 0);
    queue(hall_, 1);
    EXPECT_EQ(dispatcher_.look(true).next, clock_.now() + topics::limits::kCommandRepeat);
    hear(hall_, 1, 0);
    EXPECT_FALSE(dispatcher_.look(true).next);
}

TEST_F(Commands, EndedOnesAreForgottenAfterTheirTime) {
    queue(hall_, 2);
    hear(hall_, 1, 0);
    db::Connection relay{as("kl_relay")};
    db::Tx tx{relay};
    EXPECT_EQ(db::forget_commands(tx, clock_.now() + 1s, 10), 1U);
    tx.commit();
    EXPECT_EQ(state(2), "queued");
}

}  // namespace
}  // namespace klyuchnik::test
