#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "bridge/rest/event_ring.hpp"
#include "bridge/rest/read_pool.hpp"
#include "process/metrics.hpp"

namespace klyuchnik::bridge {

/// Events kept for streams that are nearly up to date; slower ones read pages of the log.
inline constexpr std::size_t kRingMax = 4096;
/// Read from the log at once.
inline constexpr std::size_t kFeedPage = 256;
/// MQTT only wakes. Without it (broker away) the log is looked at so often.
inline constexpr std::chrono::seconds kFeedPoll{1};

/// Reads the feed once for all streams. One thread, from start() to stop().
class EventHub {
 public:
    EventHub(ReadPool& reads, process::Metrics& metrics);
    ~EventHub();

    void start();
    /// Ends the thread and every wait(). Final.
    void stop();

    /// There may be news. Never blocks: for the thread that receives.
    void wake();

    /// Events after `position`, at most kFeedPage: from the ring, or from the log for those who are
    /// further behind. Waits until there are some, `until`, or stop(); then empty. Throws
    /// db::Fault.
    std::vector<FeedItem> wait(std::int64_t position, std::chrono::steady_clock::time_point until);

    /// The newest position known; where a stream that names none begins.
    std::int64_t last();

 private:
    void run();
    /// True when there was something to read.
    bool read_on();
    std::vector<FeedItem> page_after(std::int64_t position);

    ReadPool& reads_;
    process::Counter& pages_behind_;
    std::mutex mutex_;
    std::condition_variable news_;    // for streams
    std::condition_variable asleep_;  // for the thread
    bool woken_ = false;
    bool stopped_ = false;
    std::shared_ptr<EventRing> ring_;  // none until the first read succeeded
    std::thread thread_;
};

}  // namespace klyuchnik::bridge
