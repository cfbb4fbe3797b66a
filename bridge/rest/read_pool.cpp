#include "bridge/rest/read_pool.hpp"

#include "bridge/rest/problem.hpp"

namespace klyuchnik::bridge {

ReadPool::ReadPool(const db::ConnectionSettings& settings, std::size_t connections,
                   process::Metrics& metrics)
    : waits_{metrics.counter("klyuchnik_bridge_read_waits_total",
                             "Reads that waited for a database connection")},
      refused_{metrics.counter("klyuchnik_bridge_read_refused_total",
                               "Reads that got no database connection in time")} {
    for (std::size_t i = 0; i < connections; ++i) {
        free_.push_back(std::make_unique<db::Connection>(settings));
    }
}

ReadPool::~ReadPool() = default;

ReadPool::Lease ReadPool::take() {
    std::unique_lock lock{mutex_};
    if (free_.empty()) {
        waits_.inc();
        if (!freed_.wait_for(lock, kReadWaitMax, [this] { return !free_.empty(); })) {
            refused_.inc();
            throw unavailable("Too many reads at once");
        }
    }
    // The one given back last is the one most likely to be connected.
    std::unique_ptr<db::Connection> connection = std::move(free_.back());
    free_.pop_back();
    return {*this, std::move(connection)};
}

void ReadPool::give(std::unique_ptr<db::Connection> connection) {
    {
        const std::lock_guard lock{mutex_};
        free_.push_back(std::move(connection));
    }
    freed_.notify_one();
}

}  // namespace klyuchnik::bridge
