// Many cabinets and the people in front of them, at a target rate, with an ordinary day's trouble.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "firmware-sim/cabinet/world.hpp"
#include "firmware-sim/load/report.hpp"

namespace klyuchnik::sim {

struct FleetSettings {
    std::string host = "127.0.0.1";
    std::int64_t port = 1883;
    std::string ca_file;  ///< Who signed the broker's certificate (PEM); empty: plain TCP.
    std::filesystem::path state_dir;
    std::int64_t rate = 100;     ///< Questions per second, of all cabinets together.
    std::int64_t threads = 1;    ///< Each has a share of the cabinets.
    std::int64_t hold_ms = 150;  ///< How long a key is out, on average.
    std::int64_t take_ms = 20;   ///< From the click of the lock to the key in the hand, on average.
    bool flush = true;
    bool return_keys = true;  ///< At the end, everybody brings the keys back.
    // Percent of questions after which it happens.
    double resend_percent = 2;  ///< The newest batch is sent once more.
    double reboot_percent = 0.2;
    double offline_percent = 0.1;
    std::int64_t offline_ms = 2000;
    // Percent of questions that are of this sort.
    double unknown_card_percent = 1;
    double no_right_percent = 4;
    double walk_away_percent = 1;  ///< Granted, and nobody takes.
    double force_percent = 0.3;    ///< Taken without a question and without a card.
    double wrong_clock_percent =
        5;  ///< Of cabinets: their clock is ten years off, and they do not know.
    // Device times, so that a demonstration need not wait.
    std::int64_t resend_ms = 5000;
    std::int64_t resend_max_ms = 60'000;
    std::int64_t request_deadline_ms = 3000;
    std::int64_t heartbeat_s = 30;
    std::int64_t packet_bytes_max = 1024;
    std::uint64_t seed = 0;  ///< 0 = another one each time.
};

/// Runs until stop() and the end of drain(). Construction opens every journal.
class Fleet {
 public:
    Fleet(FleetSettings settings, std::vector<DeviceSecret> devices, World world);
    ~Fleet();
    Fleet(const Fleet&) = delete;
    Fleet& operator=(const Fleet&) = delete;

    /// Starts the threads: cabinets connect, nobody asks yet.
    void start();
    /// Lets people come. Wait for online() == devices() first, or accept offline decisions.
    void open_doors();
    /// No more questions and no more trouble; keys come back.
    void close_doors();
    /// Every journal is empty and every question decided.
    bool drained() const;
    /// Ends the threads; flushes the ledger. Throws the fault that ended a thread early, if one
    /// did.
    void stop();
    /// A thread ended early: stop() will say why.
    bool failed() const;

    std::int64_t devices() const;
    Tally tally() const;
    /// Of everything so far, or of what came since the last call with `recent`.
    Latencies latencies(bool recent);

 private:
    struct Shared;
    class Shard;
    std::unique_ptr<Shared> shared_;
    std::vector<std::unique_ptr<Shard>> shards_;
};

}  // namespace klyuchnik::sim
