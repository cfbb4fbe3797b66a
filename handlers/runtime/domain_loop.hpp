#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "db/access/connection.hpp"
#include "db/access/fault.hpp"
#include "handlers/runtime/batch.hpp"
#include "handlers/runtime/work.hpp"
#include "process/bounded_queue.hpp"
#include "process/clock.hpp"
#include "process/metrics.hpp"

namespace klyuchnik::handlers {

class Intake;

/// The one loop: takes what has arrived, applies it in one transaction, answers after the commit.
/// One thread and one database connection per domain and process.
///
/// - The database refuses the data: the batch again, message by message and fact by fact;
///   the poison one is set aside.
/// - Deadlock, lock timeout: the same batch again, kAttemptsMax times, then left to the repeats.
/// - Connection lost, outcome of a commit unknown: no answer. It stops reading devices,
///   answers asks "unavailable", and takes up again when a probe commits.
/// - Queue full: the message is dropped and counted, an ask is told "busy"; devices are not
///   read until half of the queue is free.
class DomainLoop {
 public:
    DomainLoop(std::unique_ptr<Domain> domain, db::ConnectionSettings database,
               const process::Clock& clock, process::Metrics& metrics);
    ~DomainLoop();

    const Domain& domain() const { return *domain_; }

    /// From the network thread; never blocks. False: the queue is full, and `message` is as it was.
    bool offer(Incoming& message);

    void start(Intake& intake);
    /// Finishes what is queued (the intake has stopped taking), then ends the thread.
    void stop();

    static constexpr std::size_t kQueueMessagesMax = 10'000;
    static constexpr std::size_t kQueueBytesMax = std::size_t{64} << 20;
    static constexpr std::size_t kBatchMessagesMax = 256;
    static constexpr int kAttemptsMax = 3;
    static constexpr std::chrono::milliseconds kProbeFirst{100};
    static constexpr std::chrono::milliseconds kProbeMax{2000};

 private:
    void run(Intake& intake);
    void work_on(std::vector<Incoming>& arrived, Intake& intake);
    void apply(std::span<const Message> messages, Intake& intake);
    void apply_alone(const Message& single, Intake& intake);
    void apply_one_by_one(std::span<const Message> messages, Intake& intake);
    void apply_poison(const Message& message, const std::string& why, Intake& intake);
    void wait_for_database(Intake& intake);
    void refuse_asks(std::span<const Message> messages, Intake& intake);
    std::vector<Message> read(std::vector<Incoming>& arrived, Intake& intake);
    void send(const std::vector<Outgoing>& out, Intake& intake);

    std::unique_ptr<Domain> domain_;
    db::Connection connection_;
    const process::Clock& clock_;
    process::Metrics& metrics_;
    Batch batch_;
    process::BoundedQueue<Incoming> queue_;
    std::atomic<bool> overflowed_ = false;
    bool reading_paused_ = false;
    bool database_away_ = false;  ///< The last probe failed; outlives the wait only when leaving.
    process::Counter& dropped_;
    process::Counter& faults_;
    process::Histogram& seconds_;
    std::thread thread_;
};

}  // namespace klyuchnik::handlers
