#pragma once

#include <map>
#include <optional>
#include <thread>
#include <vector>

#include "db/access/commands_store.hpp"
#include "db/access/connection.hpp"
#include "handlers/runtime/work.hpp"
#include "process/clock.hpp"
#include "process/metrics.hpp"

namespace klyuchnik::handlers {

class Intake;

/// Sends commands to devices, and ends those of which nothing was heard. One thread in every
/// process that serves "devices"; rows claimed with skip locked decide which process sends what.
///
/// A command is marked as sent, committed, and then published: what a killed process had marked and
/// not published is sent again after limits::kCommandRepeat, like everything that the device does
/// not answer; a device runs a number once. While the broker is away nothing is marked.
///
/// Woken by NOTIFY (queued, a birth, the end of the one before) and by due times; with nothing open
/// it looks every kLookMax.
class Dispatcher {
 public:
    Dispatcher(db::ConnectionSettings database, const process::Clock& clock,
               process::Metrics& metrics);
    ~Dispatcher();

    /// `intake` publishes; it must outlive stop().
    void start(Intake& intake);
    void stop();

    /// Ends what is overdue and marks what is to be sent now, in one transaction; the messages are
    /// to be published after it. For the thread, and for tests with a clock of their own. `sending`
    /// false: only the first half.
    struct Message {
        Outgoing outgoing;
        topics::Instant expires;
    };
    struct Look {
        std::vector<Message> messages;
        bool more = false;                    ///< A limit was reached: look again at once.
        std::optional<topics::Instant> next;  ///< When something is due; none: nothing is open.
    };
    Look look(bool sending);

    static constexpr std::chrono::seconds kLookMax{30};
    static constexpr std::chrono::seconds kBrokerAway{1};
    static constexpr std::chrono::seconds kFaultPause{1};  ///< After what nobody has thought of.
    static constexpr std::chrono::milliseconds kLookMin{5};
    static constexpr std::int64_t kCommandsMax = 256;  ///< Of each kind in one transaction.

    static constexpr std::chrono::seconds kCountEvery{5};  ///< What is open, for the gauges.

 private:
    using Ended = std::map<db::CommandState, std::int64_t>;
    void run(Intake& intake);
    topics::Instant work_once(Intake& intake);
    void end_overdue(db::Tx& tx, Work& work, Look& look, Ended& ended);
    void send_due(db::Tx& tx, Work& work, Look& look, Ended& ended);
    void count_open();

    db::ConnectionSettings settings_;
    db::Connection connection_;
    const process::Clock& clock_;
    process::Metrics& metrics_;
    process::Counter& sent_;
    process::Gauge& open_;
    process::Gauge& alarms_;
    std::chrono::steady_clock::time_point counted_{};
    int stop_fd_;
    std::thread thread_;
};

}  // namespace klyuchnik::handlers
