#pragma once

#include <thread>

#include "db/access/connection.hpp"
#include "process/metrics.hpp"

namespace klyuchnik::handlers {

class Intake;

/// Gives every event its place in the log and publishes it on kl/v1/ev/... One thread; it runs in
/// every handlers process, and the one that holds the lock does the work.
///
/// Placed exactly once: the primary key of log.positions fences a second leader. Published as a
/// wake: what the MQTT library had taken when the process or the broker was killed may never be
/// heard, so whoever must not miss an event reads the log by position and takes a message only for
/// a reason to look. Woken by NOTIFY; when the lock is held elsewhere it tries again every
/// kLeadEvery.
class Relay {
 public:
    Relay(db::ConnectionSettings database, process::Metrics& metrics);
    ~Relay();

    void start(Intake& intake);
    void stop();

    static constexpr std::chrono::milliseconds kLeadEvery{1000};
    /// How soon to look again while an older transaction keeps events from their place.
    static constexpr std::chrono::milliseconds kBehindOlder{10};
    static constexpr std::int64_t kPageMax = 500;

 private:
    void run(Intake& intake);
    bool place_and_publish(Intake& intake);

    db::ConnectionSettings settings_;
    db::Connection connection_;
    process::Gauge& leading_;
    process::Counter& placed_;
    process::Counter& published_;
    int stop_fd_;
    std::thread thread_;
};

}  // namespace klyuchnik::handlers
