#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "db/access/connection.hpp"
#include "handlers/runtime/work.hpp"
#include "process/clock.hpp"
#include "process/metrics.hpp"

namespace klyuchnik::handlers {

class Intake;

/// Does what domains want done regularly (Domain::timed()), and tries again what a person took out
/// of the dead letters. One thread in every handlers process; a row of runtime.chores, or the
/// letter's own row, claimed with skip locked inside the very transaction that does the work,
/// decides which process does it: no leader, and a killed process leaves nothing half done.
///
/// It sleeps until the next task is due, a letter is to be retried (NOTIFY kl_letters), or
/// kLookMax. A task that failed is tried again after its period, kTryAgain at least; it holds up no
/// other. While the broker is away, tasks that send are left alone.
class TimedWork {
 public:
    TimedWork(db::ConnectionSettings listening, const process::Clock& clock,
              process::Metrics& metrics);
    ~TimedWork();

    /// Before start(). `domain` is an object of its own, not the loop's; `database` is as its role.
    void add(std::unique_ptr<Domain> domain, db::ConnectionSettings database);
    /// `intake` publishes what tasks want sent, after the commit; it must outlive stop().
    void start(Intake& intake);
    void stop();

    /// Everything that is due now, once; returns when to look again. For the thread, and for tests
    /// with a clock of their own. What it would publish is added to `out`. `sending` false: only
    /// what sends nothing.
    topics::Instant work(std::vector<Outgoing>& out, bool sending = true);

    static constexpr std::chrono::seconds kLookMax{30};
    static constexpr std::chrono::seconds kTryAgain{5};
    static constexpr std::chrono::seconds kBrokerAway{1};
    static constexpr std::chrono::milliseconds kLookMin{10};
    static constexpr std::size_t kLettersMax =
        50;  ///< Retried in a row, before tasks are looked at.

 private:
    struct Entry;
    void run(Intake& intake);
    topics::Instant do_tasks(Entry& entry, topics::Instant now, std::vector<Outgoing>& out,
                             bool sending);
    topics::Instant do_task(db::Connection& connection, const TimedTask& task,
                            topics::Instant& not_before, topics::Instant now,
                            std::vector<Outgoing>& out);

    db::ConnectionSettings listening_;
    const process::Clock& clock_;
    process::Counter& faults_;
    std::vector<std::unique_ptr<Entry>> entries_;
    int stop_fd_;
    std::thread thread_;
};

}  // namespace klyuchnik::handlers
