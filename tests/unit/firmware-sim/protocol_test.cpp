#include "firmware-sim/device/protocol.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/firmware-sim/memory_store.hpp"
#include "topics/codec.hpp"

namespace klyuchnik::test {
namespace {

using namespace std::chrono_literals;
using sim::Uptime;
using topics::AckError;
using topics::CardSerial;
using topics::Connection;
using topics::Epoch;
using topics::KeyName;
using topics::Level;
using topics::Sequence;

constexpr Connection kCn{4711};
constexpr std::int64_t kNow_s = 1'763'690'000;
const CardSerial kAnna{"12345ABC"};
const CardSerial kBoris{"99999DEF"};
const KeyName kHall{"101"};

class AnnaOnly final : public sim::CachedRights {
 public:
    bool allows(const CardSerial& card, const KeyName& key) const override {
        return card == kAnna && key == kHall;
    }
};

struct Says {
    Connection cn = kCn;
    Epoch epoch{};
    Sequence acked{};
    AckError error = AckError::none;
    std::optional<std::int64_t> wait_s{};
};

/// A device on the bench: the test is the broker, the server and the clock.
class Bench : public ::testing::Test {
 protected:
    explicit Bench(sim::JournalSettings journal_settings = {})
        : journal_settings_{journal_settings} {
        settings.id = *topics::DeviceId::parse("kc-hall1");
        boot();
    }

    void boot() {
        device.reset();
        journal =
            std::make_unique<sim::Journal>(std::make_unique<MemoryStore>(flash), journal_settings_);
        device = std::make_unique<sim::DeviceProtocol>(settings, *journal, rights);
        now = Uptime{0};
    }

    void come_online(Connection cn = kCn, Epoch epoch = Epoch{1}) {
        device->connected(cn, now);
        device->subscribed(now);
        if (journal->epoch() != epoch) ack({.cn = cn, .epoch = epoch, .error = AckError::epoch});
        ack({.cn = cn, .epoch = epoch, .acked = journal->acked()});
        drain();
    }

    void ack(const Says& says) {
        topics::Ack ack;
        ack.cn = says.cn;
        ack.epoch = says.epoch;
        ack.acked = says.acked;
        ack.now_s = kNow_s;
        ack.lease_s = 3600;
        ack.error = says.error;
        ack.wait_s = says.wait_s;
        device->message(Level::ack, topics::encode(ack), now);
    }
    void ack_up_to(std::int64_t sequence) {
        ack({.cn = kCn, .epoch = journal->epoch(), .acked = Sequence{sequence}});
    }
    void answer(std::int64_t number, std::int64_t rc, Connection cn = kCn) {
        topics::RequestAnswer answer;
        answer.cn = cn;
        answer.number = number;
        answer.rc = rc;
        if (rc != 0) answer.code = "no_right";
        device->message(Level::answer, topics::encode(answer), now);
    }
    void command(topics::CommandBody body, std::int64_t number, std::int64_t expires_s) {
        device->message(Level::command,
                        topics::encode(topics::Command{kCn, number, expires_s, std::move(body)}),
                        now);
    }
    void tap(const std::string& card) { device->record(topics::CardTapped{CardSerial{card}}, now); }

    std::vector<sim::Action> drain() { return device->take_actions(); }

    /// All actions of one type since the last look.
    template <class T>
    std::vector<T> only() {
        std::vector<T> found;
        for (sim::Action& action : drain()) {
            if (auto* one = std::get_if<T>(&action)) found.push_back(std::move(*one));
        }
        return found;
    }
    std::vector<sim::Publish> published(sim::Said what) {
        std::vector<sim::Publish> found;
        for (sim::Publish& publish : only<sim::Publish>()) {
            if (publish.what == what) found.push_back(std::move(publish));
        }
        return found;
    }
    topics::FactBatch batch_of(const sim::Publish& publish) {
        return *topics::decode_facts(publish.payload);
    }
    topics::Birth birth_of(const sim::Publish& publish) {
        return std::get<topics::Birth>(*topics::decode_state(publish.payload));
    }

    std::shared_ptr<Flash> flash = std::make_shared<Flash>();
    sim::JournalSettings journal_settings_;
    sim::DeviceSettings settings;
    AnnaOnly rights;
    std::unique_ptr<sim::Journal> journal;
    std::unique_ptr<sim::DeviceProtocol> device;
    Uptime now{0};
};

using Protocol = Bench;

TEST_F(Protocol, SaysNothingBeforeItsSubscriptionIsGranted) {
    device->connected(kCn, now);
    tap("A");
    device->tick(now);
    EXPECT_TRUE(only<sim::Publish>().empty());
    device->subscribed(now);
    const auto said = only<sim::Publish>();
    ASSERT_EQ(said.size(), 1U);
    EXPECT_EQ(said[0].what, sim::Said::birth);
    EXPECT_TRUE(said[0].retained);
    EXPECT_EQ(birth_of(said[0]).cn, kCn);
    EXPECT_EQ(birth_of(said[0]).hi, Sequence{1});
}

TEST_F(Protocol, RepeatsItsBirthUntilAnAckWithItsConnectionComes) {
    device->connected(kCn, now);
    device->subscribed(now);
    EXPECT_EQ(published(sim::Said::birth).size(), 1U);
    now = *device->next_due();
    EXPECT_GE(now, settings.resend_first / 2);
    EXPECT_LE(now, settings.resend_first * 3 / 2);
    device->tick(now);
    EXPECT_EQ(published(sim::Said::birth).size(), 1U);
    ack({.cn = Connection{1}, .epoch = Epoch{1}, .error = AckError::epoch});
    EXPECT_FALSE(device->online());
    EXPECT_EQ(device->counters().foreign_acks, 1);
    ack({.cn = kCn, .epoch = Epoch{1}, .error = AckError::epoch});
    ack({.cn = kCn, .epoch = Epoch{1}});
    EXPECT_TRUE(device->online());
    drain();
    now += 40s;
    device->tick(now);
    EXPECT_TRUE(published(sim::Said::birth).empty());
}

TEST_F(Protocol, HasOneBatchInFlightAndSendsTheNextAtTheAck) {
    come_online();
    tap("A");
    const auto first = published(sim::Said::batch);
    ASSERT_EQ(first.size(), 1U);
    tap("B");
    tap("C");
    EXPECT_TRUE(published(sim::Said::batch).empty());
    ack_up_to(1);
    const auto second = published(sim::Said::batch);
    ASSERT_EQ(second.size(), 1U);
    EXPECT_EQ(batch_of(second[0]).first, Sequence{2});
    EXPECT_EQ(batch_of(second[0]).facts.size(), 2U);
    EXPECT_EQ(batch_of(second[0]).lo, Sequence{2});
}

TEST_F(Protocol, RepeatsABatchByteForByteWithGrowingWaits) {
    come_online();
    tap("A");
    const std::string bytes = published(sim::Said::batch)[0].payload;
    Uptime before = now;
    Uptime longest{0};
    for (int i = 0; i < 8; ++i) {
        tap("later, must not change what is in flight");
        do {
            now = *device->next_due();
            device->tick(now);
        } while (device->counters().resent == i);
        const auto again = published(sim::Said::batch_again);
        ASSERT_EQ(again.size(), 1U);
        EXPECT_EQ(again[0].payload, bytes);
        longest = std::max(longest, now - before);
        EXPECT_LE(now - before, settings.resend_max * 3 / 2);
        before = now;
    }
    EXPECT_GT(longest, settings.resend_first * 2);
}

TEST_F(Protocol, PutsAtMost32FactsAndOnePacketIntoABatch) {
    settings.packet_bytes_max = 128 * 1024;
    boot();
    device->connected(kCn, now);
    for (int i = 0; i < 40; ++i) tap("12345ABC");
    come_online();
    EXPECT_EQ(journal->size(), 40U);
    boot();
    for (const std::int64_t limit : {131'072, 1024, 256}) {
        settings.packet_bytes_max = limit;
        boot();
        device->connected(kCn, now);
        device->subscribed(now);
        drain();
        ack({.cn = kCn, .epoch = Epoch{1}});
        const auto batch = published(sim::Said::batch);
        ASSERT_EQ(batch.size(), 1U);
        const std::size_t facts = batch_of(batch[0]).facts.size();
        const std::string topic = topics::device_topic(settings.id, Level::facts);
        EXPECT_LE(batch[0].payload.size() + topic.size() + 7, static_cast<std::size_t>(limit));
        EXPECT_EQ(facts == 32, limit == 131'072);
        EXPECT_GE(facts, 1U);
    }
}

TEST_F(Protocol, IgnoresAnAckOfAnotherConnection) {
    come_online();
    tap("A");
    drain();
    ack({.cn = Connection{1}, .epoch = Epoch{1}, .acked = Sequence{1}});
    EXPECT_EQ(journal->size(), 1U);
    EXPECT_EQ(device->counters().foreign_acks, 1);
}

TEST_F(Protocol, NeverTakesBackAnAckAndBelievesNoneBeyondItsFacts) {
    come_online();
    tap("A");
    tap("B");
    ack_up_to(2);
    ack_up_to(1);
    EXPECT_EQ(journal->acked(), Sequence{2});
    tap("C");
    ack_up_to(99);
    EXPECT_EQ(journal->size(), 1U) << "an ack for facts it never had says nothing of those it has";
}

TEST_F(Protocol, IgnoresTheNumberInAnAckOfAnotherEpoch) {
    come_online();
    tap("A");
    ack({.cn = kCn, .epoch = Epoch{7}, .acked = Sequence{1}});
    EXPECT_EQ(journal->size(), 1U);
}

TEST_F(Protocol, RenumbersUnderANewEpochAndSaysSoOnce) {
    come_online();
    tap("A");
    tap("B");
    ack_up_to(1);
    drain();
    ack({.cn = kCn, .epoch = Epoch{2}, .error = AckError::epoch});
    const auto actions = drain();
    std::size_t renumbered = 0;
    std::size_t births = 0;
    for (const sim::Action& action : actions) {
        if (std::holds_alternative<sim::Renumbered>(action)) ++renumbered;
        const auto* publish = std::get_if<sim::Publish>(&action);
        if (publish != nullptr && publish->what == sim::Said::birth) {
            ++births;
            EXPECT_EQ(birth_of(*publish).epoch, Epoch{2});
        }
    }
    EXPECT_EQ(renumbered, 1U);
    EXPECT_EQ(births, 1U);
    ack({.cn = kCn, .epoch = Epoch{2}, .error = AckError::epoch});
    const auto batches = published(sim::Said::batch);
    ASSERT_EQ(batches.size(), 1U);
    const topics::FactBatch batch = batch_of(batches[0]);
    EXPECT_EQ(batch.epoch, Epoch{2});
    EXPECT_EQ(batch.first, Sequence{1});
    ASSERT_TRUE(batch.facts[0].old);
    EXPECT_EQ(batch.facts[0].old->sequence, Sequence{2});
    EXPECT_EQ(device->counters().epochs, 2) << "the first one and this one; the repeat is none";
}

TEST_F(Protocol, GoesToNoEarlierEpochButAsksWithItsBirth) {
    come_online(kCn, Epoch{3});
    tap("A");
    drain();
    ack({.cn = kCn, .epoch = Epoch{2}, .error = AckError::epoch});
    EXPECT_EQ(journal->epoch(), Epoch{3});
    const auto births = published(sim::Said::birth);
    ASSERT_EQ(births.size(), 1U);
    EXPECT_EQ(birth_of(births[0]).epoch, Epoch{3});
    ack({.cn = kCn, .epoch = Epoch{2}, .error = AckError::epoch});
    EXPECT_TRUE(published(sim::Said::birth).empty()) << "its own repeat is the answer";
}

TEST_F(Protocol, SendsFromWhereTheServerSaysThatTheGapBegins) {
    come_online();
    for (const char* card : {"A", "B", "C", "D"}) tap(card);
    ack_up_to(1);
    ASSERT_EQ(batch_of(published(sim::Said::batch).back()).first, Sequence{2});
    ack({.cn = kCn, .epoch = Epoch{1}, .acked = Sequence{2}, .error = AckError::gap});
    const auto batches = published(sim::Said::batch);
    ASSERT_EQ(batches.size(), 1U);
    EXPECT_EQ(batch_of(batches[0]).first, Sequence{3});
    EXPECT_EQ(device->counters().gaps, 1);
}

TEST_F(Protocol, SendsItsBirthAgainWhenTheServerDoesNotKnowItAndOnlyOnce) {
    come_online();
    ack({.cn = kCn, .epoch = Epoch{1}, .error = AckError::hello});
    ack({.cn = kCn, .epoch = Epoch{1}, .error = AckError::hello});
    EXPECT_EQ(published(sim::Said::birth).size(), 1U);
    EXPECT_FALSE(device->online());
}

TEST_F(Protocol, WaitsAsLongAsItIsAskedTo) {
    come_online();
    tap("A");
    drain();
    ack({.cn = kCn, .epoch = Epoch{1}, .error = AckError::slow, .wait_s = 100});
    now += 99s;
    device->tick(now);
    EXPECT_TRUE(published(sim::Said::batch_again).empty());
    now += 2s;
    device->tick(now);
    EXPECT_EQ(published(sim::Said::batch_again).size(), 1U);
}

TEST_F(Protocol, HalvesAnUnreadableBatchDownToTheBadFactAndSetsItAsideAfterThreeRefusals) {
    come_online();
    device->connected(kCn, now);
    for (const char* card : {"A", "B", "poison", "D", "E"}) tap(card);
    device->subscribed(now);
    ack_up_to(0);
    std::vector<sim::Action> all;
    int refused_alone = 0;
    bool aside = false;
    for (int step = 0; step < 100 && !journal->empty(); ++step) {
        for (sim::Action& action : drain()) {
            aside = aside || std::holds_alternative<sim::SetAside>(action);
            const auto* publish = std::get_if<sim::Publish>(&action);
            if (publish == nullptr || publish->level != Level::facts) continue;
            const topics::FactBatch batch = batch_of(*publish);
            bool bad = false;
            for (const topics::Fact& fact : batch.facts) {
                const auto* tapped = std::get_if<topics::CardTapped>(&fact.body);
                bad = bad || (tapped != nullptr && tapped->card.value == "poison");
            }
            if (bad) {
                if (batch.facts.size() == 1) ++refused_alone;
                ack({.cn = kCn,
                     .epoch = Epoch{1},
                     .acked = Sequence{batch.first.value - 1},
                     .error = AckError::bad});
            } else {
                if (batch.first.value <= 3 &&
                    3 < batch.first.value + static_cast<std::int64_t>(batch.facts.size())) {
                    const auto& stand_in =
                        batch.facts[static_cast<std::size_t>(3 - batch.first.value)];
                    EXPECT_TRUE(std::holds_alternative<topics::JournalBad>(stand_in.body));
                }
                ack_up_to(batch.first.value + static_cast<std::int64_t>(batch.facts.size()) - 1);
            }
        }
        now += 100s;
        device->tick(now);
    }
    EXPECT_TRUE(journal->empty());
    EXPECT_EQ(refused_alone, 3);
    EXPECT_TRUE(aside);
}

TEST_F(Protocol, CountsOneComplaintForOneSending) {
    come_online();
    tap("A");
    for (int i = 0; i < 10; ++i) ack({.cn = kCn, .epoch = Epoch{1}, .error = AckError::bad});
    EXPECT_TRUE(only<sim::SetAside>().empty());
    EXPECT_EQ(journal->size(), 1U);
}

TEST_F(Protocol, SendsAHeartbeatAsOftenAsAnnounced) {
    come_online();
    int beats = 0;
    for (now = 0s; now < 100s; now += 1s) {
        device->tick(now);
        beats += static_cast<int>(published(sim::Said::heartbeat).size());
    }
    EXPECT_EQ(beats, 3);
}

TEST_F(Protocol, ShowsSuccessOnlyAfterTheFactIsFlushed) {
    come_online();
    const std::int64_t number = device->ask(kAnna, kHall, {}, now);
    const auto requests = published(sim::Said::request);
    ASSERT_EQ(requests.size(), 1U);
    answer(number, 0);
    bool recorded = false;
    bool decided = false;
    for (const sim::Action& action : drain()) {
        if (const auto* fact = std::get_if<sim::Recorded>(&action)) {
            recorded = true;
            const auto& granted = std::get<topics::AccessGranted>(fact->fact.body);
            EXPECT_EQ(granted.request, number);
            EXPECT_FALSE(decided);
        }
        if (const auto* decision = std::get_if<sim::Decided>(&action)) {
            decided = true;
            EXPECT_TRUE(decision->granted);
            EXPECT_FALSE(decision->offline);
        }
    }
    EXPECT_TRUE(recorded);
    EXPECT_TRUE(decided);
    EXPECT_EQ(flash->flushed, flash->bytes.size());
}

TEST_F(Protocol, RecordsARefusalWithTheServersReason) {
    come_online();
    answer(device->ask(kBoris, kHall, {}, now), 403);
    const auto actions = drain();
    bool found = false;
    for (const sim::Action& action : actions) {
        const auto* fact = std::get_if<sim::Recorded>(&action);
        if (fact == nullptr) continue;
        found = true;
        EXPECT_EQ(std::get<topics::AccessDenied>(fact->fact.body).why, "no_right");
    }
    EXPECT_TRUE(found);
}

TEST_F(Protocol, DecidesAloneAfterTheDeadlineAndIgnoresTheLateAnswer) {
    come_online();
    const std::int64_t number = device->ask(kAnna, kHall, {}, now);
    drain();
    now += settings.request_deadline - 1ms;
    device->tick(now);
    EXPECT_TRUE(only<sim::Decided>().empty());
    now += 1ms;
    device->tick(now);
    const auto decided = only<sim::Decided>();
    ASSERT_EQ(decided.size(), 1U);
    EXPECT_TRUE(decided[0].granted);
    EXPECT_TRUE(decided[0].offline);
    EXPECT_TRUE(decided[0].unanswered);
    answer(number, 403);
    EXPECT_TRUE(drain().empty());
    EXPECT_EQ(device->counters().late_answers, 1);
}

TEST_F(Protocol, DecidesAtOnceWhenThereIsNoConnectionOrItBreaks) {
    come_online();
    device->ask(kAnna, kHall, {}, now);
    drain();
    device->disconnected(now);
    ASSERT_EQ(only<sim::Decided>().size(), 1U);
    device->ask(kBoris, kHall, {}, now);
    const auto decided = only<sim::Decided>();
    ASSERT_EQ(decided.size(), 1U);
    EXPECT_FALSE(decided[0].granted);
    EXPECT_EQ(decided[0].code, "no_right");
    EXPECT_FALSE(decided[0].unanswered);
}

TEST_F(Protocol, DecidesAloneWhenTheServerIsInTrouble) {
    come_online();
    answer(device->ask(kAnna, kHall, {}, now), 503);
    const auto decided = only<sim::Decided>();
    ASSERT_EQ(decided.size(), 1U);
    EXPECT_TRUE(decided[0].granted);
    EXPECT_TRUE(decided[0].offline);
}

TEST_F(Protocol, RefusesOfflineWhenItsLeaseHasEndedAndRecordsWhy) {
    come_online();
    device->disconnected(now);
    drain();
    now += 3600s - 1s;
    device->ask(kAnna, kHall, {}, now);
    EXPECT_TRUE(only<sim::Decided>()[0].granted);
    now += 1s;
    device->ask(kAnna, kHall, {}, now);
    const auto actions = drain();
    bool recorded = false;
    for (const sim::Action& action : actions) {
        if (const auto* fact = std::get_if<sim::Recorded>(&action)) {
            recorded = true;
            EXPECT_EQ(std::get<topics::AccessDenied>(fact->fact.body).why, "lease_ended");
        }
        if (const auto* decided = std::get_if<sim::Decided>(&action)) {
            EXPECT_FALSE(decided->granted);
            EXPECT_EQ(decided->code, "lease_ended");
        }
    }
    EXPECT_TRUE(recorded);
}

TEST_F(Protocol, TakesItsLeaseForEndedAfterARebootWithoutTheServer) {
    come_online();
    boot();
    drain();
    device->ask(kAnna, kHall, {}, now);
    EXPECT_EQ(only<sim::Decided>()[0].code, "lease_ended");
}

TEST_F(Protocol, TurnsPeopleAwayWhenTooManyWait) {
    come_online();
    for (int i = 0; i < 64; ++i) device->ask(kAnna, kHall, {}, now);
    EXPECT_TRUE(only<sim::Decided>().empty());
    device->ask(kAnna, kHall, {}, now);
    const auto decided = only<sim::Decided>();
    ASSERT_EQ(decided.size(), 1U);
    EXPECT_EQ(decided[0].code, "busy");
}

TEST_F(Protocol, DatesFactsByTheServersClockOrElseByItsBoot) {
    device->connected(kCn, now);
    now = 1500ms;
    tap("before");
    EXPECT_FALSE(journal->held()[0].fact.at.utc_s);
    EXPECT_EQ(journal->held()[0].fact.at.boot, 1);
    EXPECT_EQ(journal->held()[0].fact.at.since_boot_ms, 1500);
    come_online();
    now += 10s;
    tap("after");
    EXPECT_EQ(journal->held()[1].fact.at.utc_s, kNow_s + 10);
}

TEST_F(Protocol, ReportsAnOverrunWhenThereIsRoomAgain) {
    journal_settings_.facts_max = 4;
    boot();
    come_online();
    device->disconnected(now);
    for (int i = 0; i < 6; ++i) tap("A");
    ASSERT_EQ(only<sim::Dropped>().size(), 2U);
    come_online();
    const std::int64_t last = journal->last().value;
    ack_up_to(last);
    ASSERT_EQ(journal->size(), 1U);
    EXPECT_EQ(std::get<topics::JournalOverrun>(journal->held()[0].fact.body).count, 2);
    EXPECT_FALSE(only<sim::ReportSlots>().empty());
}

TEST_F(Protocol, RunsACommandOnceHoweverOftenItIsRepeated) {
    come_online();
    command(topics::SlotUnlock{topics::Slot{12}}, 5, kNow_s + 60);
    command(topics::SlotUnlock{topics::Slot{12}}, 5, kNow_s + 60);
    const auto runs = only<sim::Run>();
    ASSERT_EQ(runs.size(), 1U);
    EXPECT_EQ(journal->command_started(), 5) << "on disk before the lock moves";
    EXPECT_EQ(flash->flushed, flash->bytes.size());
    device->command_finished(5, 0, std::nullopt, now);
    command(topics::SlotUnlock{topics::Slot{12}}, 5, kNow_s + 60);
    EXPECT_TRUE(only<sim::Run>().empty());
}

TEST_F(Protocol, RunsNoCommandLateOrBeforeItKnowsTheTime) {
    device->connected(kCn, now);
    device->subscribed(now);
    command(topics::SlotUnlock{topics::Slot{12}}, 4, kNow_s + 60);
    EXPECT_TRUE(only<sim::Run>().empty());
    EXPECT_EQ(journal->command_started(), 0);
    come_online();
    now += 120s;
    command(topics::SlotUnlock{topics::Slot{12}}, 5, kNow_s + 60);
    EXPECT_TRUE(only<sim::Run>().empty());
    EXPECT_EQ(std::get<topics::CommandDone>(journal->held().back().fact.body).rc, 408);
}

TEST_F(Protocol, SaysThatNobodyKnowsWhenItRestartedInsideACommand) {
    come_online();
    command(topics::SlotUnlock{topics::Slot{12}}, 5, kNow_s + 60);
    boot();
    const auto& done = std::get<topics::CommandDone>(journal->held().back().fact.body);
    EXPECT_EQ(done.command, 5);
    EXPECT_EQ(done.rc, 500);
}

TEST_F(Protocol, CountsWhatItCannotReadAndGoesOn) {
    come_online();
    for (const char* rubbish : {"", "{", "[]", "{\"v\":2}", "\xff\xfe", "{\"v\":1,\"cn\":4711}"}) {
        device->message(Level::ack, rubbish, now);
        device->message(Level::answer, rubbish, now);
        device->message(Level::command, rubbish, now);
    }
    EXPECT_EQ(device->counters().malformed, 18);
    tap("A");
    EXPECT_EQ(published(sim::Said::batch).size(), 1U);
}

}  // namespace
}  // namespace klyuchnik::test
