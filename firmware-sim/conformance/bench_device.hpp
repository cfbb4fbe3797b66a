// A small cabinet around the device protocol, with a place for a deliberate mistake between the two
// and the network.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "firmware-sim/conformance/line.hpp"
#include "firmware-sim/device/documents.hpp"
#include "firmware-sim/device/journal.hpp"
#include "firmware-sim/device/protocol.hpp"

namespace klyuchnik::sim::conformance {

class BenchDevice;

struct BenchSettings {
    DeviceSettings device;
    JournalSettings journal;
    std::int64_t slots = 4;
    std::chrono::milliseconds reconnect_after{300};
    std::chrono::milliseconds reboot_takes{500};
};

inline constexpr std::chrono::milliseconds kMistakeTick{50};

/// What a device does otherwise than the contract says. Every hook does by default what a right
/// device does; a mistake replaces some. The hooks may call back into the device.
struct Mistake {
    std::function<void(BenchSettings&)> adjusts = [](BenchSettings&) {};
    /// Of a fresh random number: the one that the connection uses.
    std::function<topics::Connection(topics::Connection)> draws = [](topics::Connection cn) {
        return cn;
    };
    /// Of the connection's number: the one in its will.
    std::function<topics::Connection(topics::Connection)> wills = [](topics::Connection cn) {
        return cn;
    };
    std::function<void(Journal&)> boots = [](Journal&) {};
    /// A message came.
    std::function<void(BenchDevice&, topics::Level, const std::string&)> hears;
    /// A message is to go out.
    std::function<void(BenchDevice&, Publish)> says;
    /// Time passed; called every kMistakeTick when it is there.
    std::function<void(BenchDevice&)> waits;

    Mistake();
};

/// One device from its first boot on, through reboots; its owner carries the messages and the time.
///
/// Call an input, then take_said(). Times are the owner's; they never run backwards. Not
/// thread-safe.
class BenchDevice {
 public:
    struct Says {
        topics::Level level;
        std::string payload;
        bool retained;
    };
    /// Opens the journal anew at each boot.
    using OpenStore = std::function<std::unique_ptr<JournalStore>()>;

    BenchDevice(BenchSettings settings, OpenStore open, Mistake mistake, std::uint64_t seed);

    // -- the network
    /// The device connects; returns the number in its will.
    topics::Connection connect(Elapsed now);
    void subscribed(Elapsed now);
    void disconnected(Elapsed now);
    void heard(topics::Level level, const std::string& payload, Elapsed now);
    void tick(Elapsed now);
    std::optional<Elapsed> next_due() const;
    /// What it says since the last call, in order.
    std::vector<Says> take_said() { return std::exchange(said_, {}); }
    /// A command wants a restart: break the connection, wait reboot_takes, call reboot().
    bool wants_reboot() const { return restart_; }
    void reboot(Elapsed now);
    const BenchSettings& settings() const { return settings_; }

    // -- people
    void ask(const topics::CardSerial& card, const topics::KeyName& key, Elapsed now);

    // -- for mistakes
    /// Gives the message to the protocol.
    void take(topics::Level level, const std::string& payload);
    /// Sends it.
    void send(const Publish& publish);
    void record(topics::FactBody body);
    void report_slots();
    /// A batch of held facts, from the place `from` in the journal.
    topics::FactBatch batch_of(std::size_t from, std::size_t count) const;
    bool online() const { return protocol_->online(); }
    topics::Connection cn() const { return cn_; }
    Journal& journal() { return *journal_; }
    std::size_t held() const { return journal_->size(); }
    Elapsed now() const { return now_; }

 private:
    Uptime uptime() const { return std::chrono::duration_cast<Uptime>(now_ - booted_); }
    void boot();
    void act();
    void run(const Run& command);

    BenchSettings settings_;
    OpenStore open_;
    Mistake mistake_;
    std::mt19937_64 random_;
    MemoryDocumentStore document_store_;
    std::unique_ptr<Documents> documents_;
    std::unique_ptr<CachedRights> rights_;
    std::unique_ptr<Journal> journal_;
    std::unique_ptr<DeviceProtocol> protocol_;
    topics::Connection cn_;
    Elapsed now_{0};
    Elapsed booted_{0};
    bool restart_ = false;
    std::vector<Says> said_;
};

}  // namespace klyuchnik::sim::conformance
