#include "tests/faults/load.hpp"

#include <csignal>
#include <fstream>
#include <stdexcept>

#include <gtest/gtest.h>

#include "db/access/connection.hpp"

namespace klyuchnik::test {
namespace {

using namespace std::chrono_literals;

/// Far below the capacity of a journal.
constexpr std::int64_t kUnackedMax = 400;

}  // namespace

// == a small building
// ==============================================================================================

Building::Building(World& world, int cabinet_count, int keys_each)
    : anna{world.add_person("Anna Example", "12345ABC")} {
    for (int c = 0; c < cabinet_count; ++c) {
        Place place;
        place.id = "kc-hall" + std::to_string(c + 1);
        for (int k = 0; k < keys_each; ++k) {
            const std::string name = std::to_string((c + 1) * 100 + k + 1);
            place.keys.push_back(world.add_key(name, place.id, k + 1, "TAG" + name));
            world.grant(anna, place.keys.back());
        }
        place.client = world.cabinet(place.id, place.keys);
        cabinets.push_back(std::move(place));
    }
    for (const Place& place : cabinets) {
        if (!place.client->wait_online(kHealed)) throw std::runtime_error{place.id + " is offline"};
    }
    if (!wait_acked()) throw std::runtime_error{"a cabinet's first facts were not acknowledged"};
}

std::vector<std::string> Building::ids() const {
    std::vector<std::string> ids;
    for (const Place& place : cabinets) ids.push_back(place.id);
    return ids;
}

bool Building::wait_acked() const {
    for (const Place& place : cabinets) {
        if (!place.client->wait_acked(kHealed)) return false;
    }
    return true;
}

bool Building::repeats_are_known(World& world) const {
    const std::string skipped = "select sum(skipped) from runtime.cursors";
    const std::int64_t before = world.count(skipped);
    return eventually(
        [&] {
            // One may get lost: a handler that has just started need not be listening yet.
            for (const Place& place : cabinets) place.client->repeat_last_batch();
            return world.count(skipped) > before;
        },
        kHealed);
}

std::int64_t Building::unacked() const {
    std::int64_t sum = 0;
    for (const Place& place : cabinets) sum += place.client->counters().unacked;
    return sum;
}

std::int64_t Building::resent() const {
    std::int64_t sum = 0;
    for (const Place& place : cabinets) sum += place.client->counters().protocol.resent;
    return sum;
}

void Building::round() const {
    for (const Place& place : cabinets) {
        for (const Key& key : place.keys) {
            place.client->take_by_force(anna.card, key.home.name);
            place.client->return_key(anna.card, key.home.name);
        }
    }
}

// == load
// ==============================================================================================

Load::Load(const Building& building) {
    thread_ = std::thread{[this, &building] {
        while (!stopped_) {
            building.round();
            ++rounds_;
            for (const Building::Place& place : building.cabinets) {
                place.client->wait_acked(10ms);
                while (!stopped_ && place.client->counters().unacked > kUnackedMax) {
                    place.client->wait_acked(100ms);
                }
            }
        }
    }};
}

Load::~Load() {
    stop();
}

bool Load::go_on_for(std::int64_t rounds) {
    const std::int64_t wanted = rounds_ + rounds;
    return eventually([&] { return rounds_ >= wanted; }, kHealed);
}

void Load::stop() {
    stopped_ = true;
    if (thread_.joinable()) thread_.join();
}

AskLoad::AskLoad(World& world, const Person& person, const Key& key)
    : body_{R"({"serial":")" + person.card.value + R"(","key":")" + key.home.name.value + R"("})"} {
    thread_ = std::thread{[this, &world] {
        // A cycle once begun is finished, so that every cycle is one closed loan.
        for (std::int64_t n = 0; !stopped_; ++n) {
            const std::string number = std::to_string(n);
            if (!step(world, "/issue_key", "issue-" + number)) return;
            if (!step(world, "/return_key", "return-" + number)) return;
            ++cycles_;
        }
    }};
}

AskLoad::~AskLoad() {
    stop();
}

bool AskLoad::step(World& world, const std::string& path, const std::string& key) {
    const bool answered = eventually(
        [&] {
            const HttpAnswer answer = world.post(path, body_, {{"Idempotency-Key", key}});
            if (answer.status == 200) return true;
            // 503 and 504 say: perhaps, ask again.
            if (answer.status == 503 || answer.status == 504) return false;
            wrong_ = path + " " + key + ": " + std::to_string(answer.status) + " " + answer.body;
            return true;
        },
        2 * kHealed);
    if (!answered) wrong_ = path + " " + key + " was never answered";
    return wrong_.empty();
}

bool AskLoad::go_on_for(std::int64_t cycles) {
    const std::int64_t wanted = cycles_ + cycles;
    return eventually([&] { return cycles_ >= wanted; }, kHealed);
}

void AskLoad::stop() {
    stopped_ = true;
    if (thread_.joinable()) thread_.join();
}

void AskLoad::expect_each_done_once(World& world) const {
    EXPECT_EQ(wrong_, "");
    EXPECT_GT(cycles_, 0);
    EXPECT_EQ(world.count("select count(*) from keys.loans where issued"), cycles_);
    EXPECT_EQ(world.count("select count(*) from keys.loans where issued and closed_at is not null"),
              cycles_);
    EXPECT_EQ(world.count("select count(*) from log.events where type = 'key_issued'"), cycles_);
    EXPECT_EQ(world.count("select count(*) from log.events where type = 'key_returned' and source "
                          "in (select closed_by from keys.loans where issued)"),
              cycles_);
    EXPECT_EQ(world.count("select count(*) from runtime.inbox where ask_id like '%issue-%'"),
              cycles_);
}

// == a fleet
// ==============================================================================================

Fleet::Fleet(World& world, Size size)
    : world_{world}, state_{world.logs() / "fleet"}, report_{world.logs() / "fleet-report.json"} {
    std::filesystem::create_directories(state_);
    const auto devices_file = world.logs() / "fleet-devices";
    const auto world_file = world.logs() / "fleet-world";
    std::vector<Key> keys;
    {
        std::ofstream devices{devices_file};
        std::ofstream places{world_file};
        for (int c = 1; c <= size.cabinets; ++c) {
            const std::string id = "kc-fleet" + std::to_string(c);
            world.add_device(id);
            devices << id << ' ' << world.broker().device(id).password << '\n';
            for (int slot = 1; slot <= size.keys_each; ++slot) {
                const std::string name = std::to_string(1000 * c + slot);
                keys.push_back(world.add_key(name, id, slot, "FLEET" + name));
                places << "key " << id << ' ' << slot << ' ' << name << " FLEET" << name << '\n';
            }
        }
        for (int p = 0; p < size.people; ++p) {
            const std::string card = "CARD" + std::to_string(1000 + p);
            const Person person = world.add_person("Person " + std::to_string(p), card);
            places << "card " << card << ' ';
            // Every third key of all, each person another third.
            for (std::size_t k = static_cast<std::size_t>(p) % 3; k < keys.size(); k += 3) {
                world.grant(person, keys[k]);
                places << keys[k].home.name.value << ',';
            }
            places << '\n';
        }
    }
    Command command;
    command.words = {KLYUCHNIK_SIM,
                     "run",
                     "--port",
                     std::to_string(world.broker().devices_port()),
                     "--devices-file",
                     devices_file,
                     "--world",
                     world_file,
                     "--state-dir",
                     state_,
                     "--report",
                     report_,
                     "--rate",
                     std::to_string(size.rate),
                     "--resend-ms",
                     "200",
                     "--resend-max-ms",
                     "1000",
                     "--request-deadline-ms",
                     "500",
                     "--offline-ms",
                     "300",
                     "--reboot-percent",
                     "0.5",
                     "--drain-seconds",
                     "60",
                     "--flush=false",
                     "--quiet"};
    command.log = world.logs() / "fleet.log";
    sim_ = std::make_unique<Child>(command);
}

bool Fleet::go_on_for(std::int64_t facts) {
    const std::string stored =
        "select count(*) from runtime.facts where device_id like 'kc-fleet%'";
    const std::int64_t wanted = world_.count(stored) + facts;
    return eventually([&] { return world_.count(stored) >= wanted; }, kHealed);
}

witness::Verdict Fleet::expect_exactly_once() {
    sim_->signal(SIGTERM);
    const auto ending = sim_->wait(90s);
    if (!ending) throw std::runtime_error{"the fleet did not come to its end"};
    EXPECT_EQ(ending->exit_code, 0) << "every journal was emptied";
    world_.expect_gapless_feed();
    db::Connection connection{{world_.cluster().conninfo(world_.database()) + " passfile=" +
                                   (world_.cluster().passfiles / "witness.pgpass").string(),
                               "kl_witness", "test", false}};
    const witness::Verdict verdict = witness::judge(state_, report_, connection);
    EXPECT_TRUE(verdict.clean()) << verdict.json();
    EXPECT_GT(verdict.taken, 0);
    EXPECT_EQ(world_.count("select count(*) from runtime.dead_letters"), 0);
    EXPECT_EQ(world_.count("select count(*) from runtime.device_gaps"), 0);
    EXPECT_EQ(world_.count("select count(*) from runtime.device_conflicts"), 0);
    return verdict;
}

}  // namespace klyuchnik::test
