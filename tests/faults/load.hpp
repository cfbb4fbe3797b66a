#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/witness/verdict.hpp"
#include "tests/support/world.hpp"

/// Work to break things under, and what must be true after it.
namespace klyuchnik::test {

/// How long a fault may take to heal: far more than it does, since test machines are slow.
inline constexpr std::chrono::seconds kHealed{30};

/// A small building: cabinets with keys, and one person who may take them all. Its facts are
/// counted one by one, see World::expect_exactly_once().
struct Building {
    struct Place {
        std::string id;
        std::vector<Key> keys;
        std::unique_ptr<sim::CabinetClient> client;
    };
    Person anna;
    std::vector<Place> cabinets;

    /// Every cabinet is online, and what it said at its start is acknowledged.
    Building(World& world, int cabinet_count, int keys_each);
    std::vector<std::string> ids() const;
    bool wait_acked() const;
    /// Cabinets send their newest batches once more, all acknowledged before, until one has been
    /// skipped. False after kHealed.
    bool repeats_are_known(World& world) const;
    std::int64_t unacked() const;
    /// Batches that were sent again because no ack came.
    std::int64_t resent() const;
    /// Every key of every cabinet is taken and brought back: two facts each.
    void round() const;
};

/// People who take and return keys all the time, in a thread of its own, until stopped. It waits
/// for acknowledgements now and then, so that no journal runs over.
class Load {
 public:
    explicit Load(const Building& building);
    ~Load();
    Load(const Load&) = delete;
    Load& operator=(const Load&) = delete;
    /// Waits until so many rounds more have been done. False after kHealed.
    bool go_on_for(std::int64_t rounds);
    void stop();

 private:
    std::atomic<bool> stopped_{false};
    std::atomic<std::int64_t> rounds_{0};
    std::thread thread_;
};

/// An old cabinet that gives a key out and takes it back over HTTP, each step repeated under the
/// same Idempotency-Key until it is answered for certain.
class AskLoad {
 public:
    AskLoad(World& world, const Person& person, const Key& key);
    ~AskLoad();
    AskLoad(const AskLoad&) = delete;
    AskLoad& operator=(const AskLoad&) = delete;
    /// Waits until so many cycles more have been done. False after kHealed.
    bool go_on_for(std::int64_t cycles);
    /// Finishes the cycle it is in.
    void stop();
    /// Call after stop(): every cycle is one loan, opened once and closed once, with one event
    /// each; no answer was wrong.
    void expect_each_done_once(World& world) const;

 private:
    bool step(World& world, const std::string& path, const std::string& key);

    std::string body_;
    std::atomic<bool> stopped_{false};
    std::atomic<std::int64_t> cycles_{0};
    std::string wrong_;
    std::thread thread_;
};

/// The simulator as a process of its own: a building full of people who ask, take, force, walk
/// away, and of cabinets that reboot and repeat.
class Fleet {
 public:
    struct Size {
        int cabinets = 6;
        int keys_each = 5;
        int people = 12;
        int rate = 120;  ///< Questions per second.
    };
    Fleet(World& world, Size size);
    /// Waits until so many facts more are stored. False after kHealed.
    bool go_on_for(std::int64_t facts);
    /// Everybody goes home, journals are emptied. Then everything the devices wrote down must be in
    /// the database exactly once, and nothing else.
    witness::Verdict expect_exactly_once();

 private:
    World& world_;
    std::filesystem::path state_;
    std::filesystem::path report_;
    std::unique_ptr<Child> sim_;
};

}  // namespace klyuchnik::test
