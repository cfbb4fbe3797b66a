#include "bridge/rest/event_ring.hpp"

#include <algorithm>
#include <stdexcept>

namespace klyuchnik::bridge {

void EventRing::push(FeedItem item) {
    const std::lock_guard lock{mutex_};
    if (item.position != last_ + 1) {
        throw std::logic_error{"the feed has a gap before position " +
                               std::to_string(item.position)};
    }
    last_ = item.position;
    if (items_.size() >= items_max_) items_.pop_front();
    items_.push_back(std::move(item));
}

std::optional<std::vector<FeedItem>> EventRing::after(std::int64_t position,
                                                      std::size_t items_max) const {
    const std::lock_guard lock{mutex_};
    if (position >= last_) return std::vector<FeedItem>{};
    const std::int64_t first = last_ - static_cast<std::int64_t>(items_.size()) + 1;
    if (position + 1 < first) return std::nullopt;
    const auto begin = items_.begin() + (position + 1 - first);
    const auto count =
        std::min<std::ptrdiff_t>(items_.end() - begin, static_cast<std::ptrdiff_t>(items_max));
    return std::vector<FeedItem>(begin, begin + count);
}

std::int64_t EventRing::last() const {
    const std::lock_guard lock{mutex_};
    return last_;
}

}  // namespace klyuchnik::bridge
