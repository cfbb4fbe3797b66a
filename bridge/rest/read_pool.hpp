#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "db/access/connection.hpp"
#include "db/access/fault.hpp"
#include "process/metrics.hpp"

namespace klyuchnik::bridge {

/// Connections for reading. Few: a read takes a millisecond, and PostgreSQL pays for each.
inline constexpr std::size_t kReadConnections = 8;
/// How long a request waits for a free connection; then 503.
inline constexpr std::chrono::seconds kReadWaitMax{2};

/// True when the same read may go well in a moment.
inline bool is_passing(const db::Fault& fault) {
    return fault.retry() == db::Fault::Retry::after_reconnect ||
           fault.retry() == db::Fault::Retry::same_batch;
}

/// A few connections shared by many threads, one at a time each. Thread-safe.
///
/// Never hold one while waiting for something else (an answer over MQTT): the session limits of the
/// database would cut it, and others would wait for nothing.
class ReadPool {
 public:
    ReadPool(const db::ConnectionSettings& settings, std::size_t connections,
             process::Metrics& metrics);
    ~ReadPool();

    /// Runs `work(db::Tx&)`, one statement, on a connection of its own and returns what it returns.
    /// A connection found dead is made anew and the work done once more, which is safe since it
    /// only reads. Throws Problem 503 when none becomes free in time, db::Fault else.
    template <class Work>
    auto read(Work work) {
        const Lease lease = take();
        try {
            return once(lease, work);
        } catch (const db::Fault& fault) {
            if (fault.retry() != db::Fault::Retry::after_reconnect) throw;
        }
        return once(lease, work);
    }

 private:
    class Lease {
     public:
        Lease(ReadPool& pool, std::unique_ptr<db::Connection> connection)
            : pool_{pool}, connection_{std::move(connection)} {}
        Lease(const Lease&) = delete;
        Lease& operator=(const Lease&) = delete;
        ~Lease() { pool_.give(std::move(connection_)); }
        db::Connection& connection() const { return *connection_; }

     private:
        ReadPool& pool_;
        std::unique_ptr<db::Connection> connection_;
    };

    template <class Work>
    static auto once(const Lease& lease, Work& work) {
        db::Tx tx{lease.connection(), db::Tx::Mode::one_read};
        return work(tx);
    }
    Lease take();
    void give(std::unique_ptr<db::Connection> connection);

    std::mutex mutex_;
    std::condition_variable freed_;
    std::vector<std::unique_ptr<db::Connection>> free_;
    process::Counter& waits_;
    process::Counter& refused_;
};

}  // namespace klyuchnik::bridge
