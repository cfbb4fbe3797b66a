#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "db/access/connection.hpp"
#include "db/access/devices_store.hpp"
#include "handlers/devices/guard_watch.hpp"
#include "handlers/runtime/intake.hpp"
#include "process/clock.hpp"
#include "process/metrics.hpp"
#include "topics/guard.hpp"

namespace klyuchnik::handlers::devices {

/// Tells the broker's guard who may connect, so that a change in the database is in force at the
/// broker a moment after its commit: a revoked device is cut, a claimed one let in.
///
/// One thread; it runs in every process that serves devices, and the one that holds the lock feeds.
/// It gives the lead up, and stands back for kStandBack, when it is not connected to the broker for
/// kApartMax or no guard answers it (GuardWatch::kUnansweredMax), and loses it when it does not
/// speak to the database for ten seconds (db::ConnectionSettings::leads).
///
/// Woken by NOTIFY (whatever changes a living credential leaves its device in devices.guard_outbox,
/// by a trigger) and when the next credential ends. What is sent ends with a question, and only
/// when every guard has answered it is it taken out of the outbox; else it is sent again. A bare
/// question goes out every kHeartbeatEvery. The whole is sent when this process connects or takes
/// the lead, when a guard has started anew, and when a guard knows another number of devices than
/// the database.
///
/// A leader that was held up may say something old after the next one has begun. So nothing is said
/// that was read longer than kReadHolds ago, and the whole is told once more kOnceMoreAfter the
/// lead was taken. What remains: a line that lay in the old leader's or the broker's buffers for
/// longer than that is in force until the next whole.
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
    static constexpr std::chrono::seconds kHeartbeatEvery{30};
    static constexpr std::chrono::seconds kApartMax{2};
    static constexpr std::chrono::seconds kStandBack{3};
    static constexpr std::chrono::seconds kReadHolds{2};
    static constexpr std::chrono::seconds kOnceMoreAfter{60};
    static constexpr std::chrono::milliseconds kLookMin{10};  ///< However much there is to do.
    static constexpr std::chrono::minutes kCompareEvery{5};
    static constexpr std::int64_t kPageMax = 1000;  ///< Devices read, or told of, at once.
    static constexpr std::int64_t kEndedMax = 500;  ///< Credentials that end, at once.
    static constexpr std::size_t kReportsMax =
        256;  ///< Not read yet; more are dropped: all repeat.

 private:
    using Steady = std::chrono::steady_clock::time_point;

    struct Report {
        std::string instance;
        topics::GuardReport report;
    };

    void run(Intake& intake);
    void hear(const Incoming& message);
    void take_reports();
    /// False: the lead is to be given up.
    bool feed(Intake& intake);
    bool is_apart(Intake& intake);
    void take_lead();
    void leave_lead();
    void finish_told();
    bool give_up_told();
    void end_due();
    void compare();
    bool send_whole(Intake& intake);
    bool send_changes(Intake& intake);
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
    GuardWatch watch_;
    bool leading_ = false;
    std::optional<topics::Instant> next_end_;
    std::uint64_t connections_ = 0;
    std::string token_base_;
    std::uint64_t tokens_ = 0;
    bool compare_due_ = false;
    Steady compared_;
    Steady not_before_;  ///< Nothing is sent until then: it could not be.
    Steady lead_not_before_;
    Steady asked_;                 ///< A question was last sent.
    std::optional<Steady> apart_;  ///< Not connected since.
    std::optional<Steady> once_more_;
    std::thread thread_;
};

}  // namespace klyuchnik::handlers::devices
