#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "db/access/connection.hpp"
#include "db/access/devices_store.hpp"
#include "handlers/runtime/intake.hpp"
#include "process/clock.hpp"
#include "process/metrics.hpp"
#include "topics/guard.hpp"

namespace klyuchnik::handlers::devices {

/// Tells the broker's guard who may connect, so that a change in the database is in force at the
/// broker a moment after its commit: a revoked device is cut, a claimed one let in.
///
/// One thread; it runs in every process that serves devices, and the one that holds the lock feeds.
/// Woken by NOTIFY (whatever changes a living credential leaves its device in devices.guard_outbox,
/// by a trigger) and when the next credential ends. What is sent ends with a question, and only
/// when every guard has answered it is it taken out of the outbox; else it is sent again. The whole
/// is sent when this process connects or takes the lead, when a guard has started anew, and when a
/// guard knows another number of devices than the database.
///
/// A guard that does not answer for kSilentMax is forgotten until it is heard again, and gets the
/// whole then: it must not hold up the others.
class GuardFeeder {
 public:
    GuardFeeder(db::ConnectionSettings database, const process::Clock& clock,
                process::Metrics& metrics);
    ~GuardFeeder();

    /// Before the intake starts: what a broker has kept is said only once. `intake` must outlive
    /// stop(), and stop taking before it.
    void start(Intake& intake);
    void stop();

    static constexpr std::chrono::milliseconds kLeadEvery{1000};
    static constexpr std::chrono::seconds kToldWithin{2};  ///< And a second for each kPageMax * 10.
    static constexpr std::chrono::seconds kSilentMax{60};
    static constexpr std::chrono::minutes kCompareEvery{5};
    static constexpr std::int64_t kPageMax = 1000;  ///< Devices read, or told of, at once.
    static constexpr std::int64_t kEndedMax = 500;  ///< Credentials that end, at once.
    static constexpr std::size_t kReportsMax =
        256;  ///< Not read yet; more are dropped: all repeat.

 private:
    using Steady = std::chrono::steady_clock::time_point;

    struct Guard {
        std::string boot;
        std::int64_t devices = 0;  ///< That it knows, as it last said.
        bool whole = false;  ///< It has been sent the whole since it started and we connected.
        Steady heard;
    };
    /// Sent, and not answered by all yet.
    struct Told {
        std::string token;
        std::set<std::string> waiting;  ///< Guards.
        Steady until;
        bool whole = false;
        std::vector<db::KnownDevice> rows;  ///< Of the outbox.
    };
    struct Report {
        std::string instance;
        topics::GuardReport report;
    };

    void run(Intake& intake);
    void hear(const Incoming& message);
    void take_reports();
    void note(const Report& heard);
    void feed(Intake& intake);
    void finish_told();
    void give_up_told();
    void end_due();
    void compare();
    bool send_whole(Intake& intake);
    bool send_changes(Intake& intake);
    void expect(Told told);
    bool make_room(Intake& intake, std::string& lines, std::size_t more);
    std::string next_token();
    std::chrono::milliseconds patience() const;

    db::ConnectionSettings settings_;
    db::Connection connection_;
    const process::Clock& clock_;
    process::Gauge& feeding_;
    process::Counter& told_devices_;
    process::Counter& wholes_;
    int wake_fd_;
    std::mutex mutex_;  ///< Guards arrived_ and stopping_.
    std::vector<Report> arrived_;
    bool stopping_ = false;

    // The thread's own.
    std::map<std::string, Guard> guards_;
    std::optional<Told> told_;
    std::optional<topics::Instant> next_end_;
    std::uint64_t connections_ = 0;
    std::string token_base_;
    std::uint64_t tokens_ = 0;
    bool compare_due_ = false;
    Steady compared_;
    Steady not_before_;  ///< Nothing is sent until then: it could not be.
    std::thread thread_;
};

}  // namespace klyuchnik::handlers::devices
