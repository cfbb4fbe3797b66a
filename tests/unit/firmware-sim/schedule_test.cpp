// A device and a small model of the server under thousands of random schedules: messages are lost,
// repeated and overtaken, the power goes at any moment with what was not flushed, the server
// forgets connections and gives new epochs. When all is quiet again, the server has every fact that
// was shown to a person, once, in order.
#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "firmware-sim/device/journal.hpp"
#include "firmware-sim/device/protocol.hpp"
#include "tests/unit/firmware-sim/memory_store.hpp"
#include "topics/codec.hpp"

namespace klyuchnik::test {
namespace {

using namespace std::chrono_literals;
using sim::FactNumber;
using sim::Uptime;
using topics::AckError;
using topics::Connection;
using topics::Epoch;
using topics::Level;
using topics::Sequence;

struct Plant {
    bool chip_lies = false;            ///< The device sends what was never flushed.
    bool acks_before_commit = false;   ///< The server acknowledges and then loses what it did.
    bool forgets_old_numbers = false;  ///< The server does not look at `o`.
};

class NoRights final : public sim::CachedRights {
 public:
    bool allows(const topics::CardSerial&, const topics::KeyName&) const override { return false; }
};

/// What the contract says of a server's cursor, and no more.
class ModelServer {
 public:
    explicit ModelServer(Plant plant) : plant_{plant} {}

    /// Payload up, ack down or nothing.
    std::optional<std::string> hear(Level level, const std::string& payload) {
        if (level == Level::state) return hear_birth(payload);
        if (level == Level::facts) return hear_batch(payload);
        if (level == Level::telemetry) {
            const auto heartbeat = topics::decode_heartbeat(payload);
            if (!known_.contains(heartbeat->cn.value)) return ack(heartbeat->cn, AckError::hello);
            return ack(heartbeat->cn, AckError::none);
        }
        return std::nullopt;
    }
    void forget_connections() { known_.clear(); }
    void begin_new_epoch() { force_epoch_ = true; }

    std::vector<std::string> stored;  ///< Cards, in the order of commits.

 private:
    std::optional<std::string> hear_birth(const std::string& payload) {
        const auto birth = std::get<topics::Birth>(*topics::decode_state(payload));
        known_.insert(birth.cn.value);
        const bool strange = birth.epoch.value == 0 || birth.epoch != epoch_ || birth.hi < last_;
        if ((strange || force_epoch_) && !issued_.contains(birth.cn.value)) new_epoch(birth.cn);
        if (birth.epoch != epoch_) return ack(birth.cn, AckError::epoch);
        return ack(birth.cn, AckError::none);
    }

    std::optional<std::string> hear_batch(const std::string& payload) {
        const auto batch = topics::decode_facts(payload);
        if (!batch) return std::nullopt;
        if (!known_.contains(batch->cn.value)) return ack(batch->cn, AckError::hello);
        if (batch->epoch != epoch_) return ack(batch->cn, AckError::epoch);
        if (batch->lo.value > last_.value + 1) last_.value = batch->lo.value - 1;
        if (batch->first.value > last_.value + 1) return ack(batch->cn, AckError::gap);
        for (std::size_t i = 0; i < batch->facts.size(); ++i) {
            const Sequence sequence{batch->first.value + static_cast<std::int64_t>(i)};
            if (sequence <= last_) continue;
            const topics::Fact& fact = batch->facts[i];
            FactNumber made{epoch_, sequence};
            if (fact.old && !plant_.forgets_old_numbers) {
                made = FactNumber{fact.old->epoch, fact.old->sequence};
            }
            last_ = sequence;
            if (!made_.insert(made).second) continue;
            if (plant_.acks_before_commit && made.sequence.value % 7 == 0) continue;
            const auto* tap = std::get_if<topics::CardTapped>(&fact.body);
            stored.push_back(tap != nullptr ? tap->card.value : std::string{fact.kind});
        }
        return ack(batch->cn, AckError::none);
    }

    void new_epoch(Connection cn) {
        force_epoch_ = false;
        epoch_.value += 1;
        last_ = Sequence{0};
        issued_.insert(cn.value);
    }

    std::string ack(Connection cn, AckError error) const {
        topics::Ack ack;
        ack.cn = cn;
        ack.epoch = epoch_;
        ack.acked = last_;
        ack.now_s = 1'763'690'000;
        ack.lease_s = 3600;
        ack.error = error;
        return topics::encode(ack);
    }

    Plant plant_;
    Epoch epoch_{0};
    Sequence last_;
    std::set<std::int64_t> known_;
    std::set<std::int64_t>
        issued_;  ///< Connections that were given an epoch: the same birth, the same epoch.
    std::set<FactNumber> made_;
    bool force_epoch_ = false;
};

struct Message {
    Level level;
    std::string payload;
};

/// One schedule. Returns what was generated and what the server has.
struct Outcome {
    std::vector<std::string> generated;
    std::vector<std::string> stored;
    bool quiet = false;
    std::int64_t reboots = 0;
    std::int64_t resent = 0;
    std::int64_t epochs = 0;
};

Outcome play(std::uint64_t seed, Plant plant) {
    std::mt19937_64 random{seed};
    const auto chance = [&](int percent) {
        return std::uniform_int_distribution<int>{0, 99}(random) < percent;
    };
    const auto any = [&](std::size_t count) {
        return std::uniform_int_distribution<std::size_t>{0, count - 1}(random);
    };
    const int loss = static_cast<int>(any(40));
    const int repeat = static_cast<int>(any(30));
    const int power_cut = static_cast<int>(any(6));

    Outcome outcome;
    NoRights rights;
    auto flash = std::make_shared<Flash>();
    flash->lies = plant.chip_lies;
    ModelServer server{plant};
    std::vector<Message> up;
    std::vector<Message> down;
    std::unique_ptr<sim::Journal> journal;
    std::unique_ptr<sim::DeviceProtocol> device;
    Uptime now{0};
    bool faults = true;

    const auto send = [&](std::vector<Message>& queue, Message message) {
        if (faults && chance(loss)) return;
        queue.push_back(message);
        if (faults && chance(repeat)) queue.push_back(std::move(message));
    };
    const auto act = [&] {
        for (sim::Action& action : device->take_actions()) {
            if (auto* publish = std::get_if<sim::Publish>(&action)) {
                send(up, Message{publish->level, std::move(publish->payload)});
            }
        }
    };
    const auto connect = [&] {
        const Connection cn{std::uniform_int_distribution<std::int64_t>{1, 0xFFFF'FFFF}(random)};
        device->connected(cn, now);
        if (faults && chance(20)) return;
        device->subscribed(now);
        act();
    };
    const auto boot = [&] {
        if (device) {
            ++outcome.reboots;
            outcome.resent += device->counters().resent;
            outcome.epochs += device->counters().epochs;
        }
        device.reset();
        journal.reset();
        now = Uptime{0};
        if (flash->bytes.size() > flash->flushed) {
            const std::size_t lost = any(flash->bytes.size() - flash->flushed + 1);
            flash->bytes.resize(flash->bytes.size() - lost);
        }
        sim::JournalSettings journal_settings;
        journal_settings.compact_bytes = 512 + any(4096);
        journal =
            std::make_unique<sim::Journal>(std::make_unique<MemoryStore>(flash), journal_settings);
        sim::DeviceSettings settings;
        settings.id = *topics::DeviceId::parse("kc-hall1");
        settings.packet_bytes_max = chance(50) ? 256 : 1024;
        settings.seed = random();
        device = std::make_unique<sim::DeviceProtocol>(settings, *journal, rights);
        device->take_actions();
        connect();
    };
    const auto pass_one = [&](std::vector<Message>& queue) -> std::optional<Message> {
        if (queue.empty()) return std::nullopt;
        // Mostly in order; sometimes one overtakes.
        const std::size_t place = faults && chance(15) ? any(queue.size()) : 0;
        Message message = std::move(queue[place]);
        queue.erase(queue.begin() + static_cast<std::ptrdiff_t>(place));
        return message;
    };

    boot();
    int next_card = 0;
    const int steps = 60 + static_cast<int>(any(120));
    for (int step = 0; step < steps; ++step) {
        switch (any(8)) {
            case 0:
            case 1: {
                const std::string card = "C" + std::to_string(next_card++);
                device->record(topics::CardTapped{topics::CardSerial{card}}, now);
                outcome.generated.push_back(card);
                act();
                break;
            }
            case 2:
            case 3:
                if (const auto message = pass_one(up)) {
                    if (auto reply = server.hear(message->level, message->payload)) {
                        send(down, Message{Level::ack, std::move(*reply)});
                    }
                }
                break;
            case 4:
            case 5:
                if (const auto message = pass_one(down)) {
                    device->message(message->level, message->payload, now);
                    act();
                }
                break;
            case 6:
                if (const auto due = device->next_due()) now = std::max(now, *due);
                device->tick(now);
                act();
                break;
            default:
                if (chance(power_cut * 5)) boot();
                if (chance(5)) {
                    device->disconnected(now);
                    act();
                    connect();
                }
                if (chance(3)) server.forget_connections();
                if (chance(3)) server.begin_new_epoch();
                break;
        }
    }
    // Quiet: the network is whole, everybody stays, time passes.
    faults = false;
    device->disconnected(now);
    connect();
    for (int step = 0; step < 2000 && !journal->empty(); ++step) {
        while (const auto message = pass_one(up)) {
            if (auto reply = server.hear(message->level, message->payload)) {
                send(down, Message{Level::ack, std::move(*reply)});
            }
        }
        while (const auto message = pass_one(down)) {
            device->message(message->level, message->payload, now);
            act();
        }
        if (up.empty() && down.empty()) {
            if (const auto due = device->next_due()) now = std::max(now, *due);
            device->tick(now);
            act();
        }
    }
    outcome.quiet = journal->empty();
    outcome.stored = server.stored;
    outcome.resent += device->counters().resent;
    outcome.epochs += device->counters().epochs;
    return outcome;
}

bool right(const Outcome& outcome) {
    return outcome.quiet && outcome.stored == outcome.generated;
}

constexpr std::uint64_t kSchedules = 3000;

TEST(Schedules, EveryFactArrivesOnceAndInOrderWhateverTheNetworkAndThePowerDo) {
    Outcome sum;
    for (std::uint64_t seed = 1; seed <= kSchedules; ++seed) {
        const Outcome outcome = play(seed, {});
        ASSERT_TRUE(outcome.quiet) << "seed " << seed << ": the journal did not drain";
        ASSERT_EQ(outcome.stored, outcome.generated) << "seed " << seed;
        sum.reboots += outcome.reboots;
        sum.resent += outcome.resent;
        sum.epochs += outcome.epochs;
    }
    // A schedule without trouble would prove nothing.
    EXPECT_GT(sum.reboots, 500);
    EXPECT_GT(sum.resent, 500);
    EXPECT_GT(sum.epochs, 3000);
}

std::uint64_t wrong_schedules(Plant plant) {
    std::uint64_t wrong = 0;
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        if (!right(play(seed, plant))) ++wrong;
    }
    return wrong;
}

TEST(Schedules, FindAChipThatDoesNotFlush) {
    EXPECT_GT(wrong_schedules({.chip_lies = true}), 0U);
}

TEST(Schedules, FindAServerThatAcknowledgesBeforeItCommits) {
    EXPECT_GT(wrong_schedules({.acks_before_commit = true}), 0U);
}

TEST(Schedules, FindAServerThatDoesNotLookAtOldNumbers) {
    EXPECT_GT(wrong_schedules({.forgets_old_numbers = true}), 0U);
}

}  // namespace
}  // namespace klyuchnik::test
