// The queue between a thread that must not block (network) and one that works (a loop).
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <limits>
#include <mutex>
#include <utility>
#include <vector>

namespace klyuchnik::process {

/// First in, first out, with a limit on items and, optionally, on their summed weight (bytes, for
/// example).
///
/// Any number of threads may push and take. push() never waits for room: a full queue answers
/// false, and the caller decides (drop and count, answer 503, stop reading). That answer is the
/// back-pressure of the whole system, because every source repeats until it is answered.
///
///     BoundedQueue<Incoming> queue{4096, 64 << 20};
///     queue.push(std::move(message), message_bytes)                       // network thread
///     queue.take_up_to(batch, 256, steady_clock::now() + 1s)              // loop thread
template <class T>
class BoundedQueue {
 public:
    static constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();

    explicit BoundedQueue(std::size_t items_max, std::size_t weight_max = kNoLimit)
        : items_max_{items_max}, weight_max_{weight_max} {}

    BoundedQueue(const BoundedQueue&) = delete;
    BoundedQueue& operator=(const BoundedQueue&) = delete;

    /// False when the queue is full or closed; the item is gone then, so keep what you need for
    /// your answer. An item heavier than `weight_max` is never accepted. Never blocks.
    bool push(T item, std::size_t weight = 0) {
        {
            const std::lock_guard lock{mutex_};
            if (closed_ || items_.size() >= items_max_ || weight > weight_max_ - weight_)
                return false;
            items_.push_back(Entry{std::move(item), weight});
            weight_ += weight;
        }
        arrived_.notify_one();
        return true;
    }

    /// Appends up to `n` items to `out` and returns how many. Waits, until `deadline` at most, only
    /// while the queue is empty: what is there is taken at once, without a timer. Returns 0 at the
    /// deadline, after wake(), or when the queue is closed and empty; ask closed() which it was.
    std::size_t take_up_to(std::vector<T>& out, std::size_t n,
                           std::chrono::steady_clock::time_point deadline) {
        std::unique_lock lock{mutex_};
        arrived_.wait_until(lock, deadline,
                            [this] { return !items_.empty() || closed_ || woken_; });
        woken_ = false;
        const std::size_t taken = std::min(n, items_.size());
        out.reserve(out.size() + taken);
        for (std::size_t i = 0; i < taken; ++i) {
            weight_ -= items_.front().weight;
            out.push_back(std::move(items_.front().item));
            items_.pop_front();
        }
        return taken;
    }

    /// Makes one waiting take_up_to(), or the next one, return at once: "look around", not "stop".
    void wake() {
        {
            const std::lock_guard lock{mutex_};
            woken_ = true;
        }
        arrived_.notify_one();
    }

    /// No more is accepted; what is inside can still be taken. Wakes all who wait.
    void close() {
        {
            const std::lock_guard lock{mutex_};
            closed_ = true;
        }
        arrived_.notify_all();
    }

    bool closed() const {
        const std::lock_guard lock{mutex_};
        return closed_;
    }

    std::size_t size() const {
        const std::lock_guard lock{mutex_};
        return items_.size();
    }

    /// Sum of the weights given to push() for what is inside.
    std::size_t weight() const {
        const std::lock_guard lock{mutex_};
        return weight_;
    }

 private:
    struct Entry {
        T item;
        std::size_t weight;
    };

    const std::size_t items_max_;
    const std::size_t weight_max_;
    mutable std::mutex mutex_;
    std::condition_variable arrived_;
    std::deque<Entry> items_;
    std::size_t weight_ = 0;
    bool closed_ = false;
    bool woken_ = false;
};

}  // namespace klyuchnik::process
