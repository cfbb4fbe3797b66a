#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace klyuchnik::bridge {

/// An event of the feed, ready to be written to any number of streams.
struct FeedItem {
    std::int64_t position = 0;
    std::shared_ptr<const std::string> text;
    std::int64_t command = 0;  ///< That it is about; 0 = none.
};

/// The newest events of the feed, so that many streams cost one read. Thread-safe.
///
/// Positions have no gaps, so "have I missed something" is one comparison.
class EventRing {
 public:
    EventRing(std::size_t items_max, std::int64_t start) : items_max_{items_max}, last_{start} {}

    /// `item` must be the next position; the oldest goes when the ring is full.
    void push(FeedItem item);

    /// What comes after `position`, at most `items_max`; empty when that is nothing yet. None when
    /// the ring does not reach back so far: read the pages of the log instead.
    std::optional<std::vector<FeedItem>> after(std::int64_t position, std::size_t items_max) const;

    /// Of the newest event known.
    std::int64_t last() const;

 private:
    const std::size_t items_max_;
    mutable std::mutex mutex_;
    std::deque<FeedItem> items_;
    std::int64_t last_;
};

}  // namespace klyuchnik::bridge
