#include "bridge/rest/event_hub.hpp"

#include <exception>

#include "bridge/rest/problem.hpp"
#include "db/access/api_views.hpp"
#include "process/log.hpp"
#include "topics/codec.hpp"

namespace klyuchnik::bridge {
namespace {

std::string as_server_sent_event(const topics::PlacedEvent& placed) {
    return "id: " + std::to_string(placed.position.value) + "\nevent: " + placed.event.domain +
           "." + placed.event.type + "\ndata: " + topics::encode(placed) + "\n\n";
}

}  // namespace

EventHub::EventHub(ReadPool& reads, process::Metrics& metrics)
    : reads_{reads},
      pages_behind_{metrics.counter("klyuchnik_bridge_stream_pages_total",
                                    "Pages of the log read for one stream that was behind")} {}

EventHub::~EventHub() {
    stop();
}

void EventHub::start() {
    thread_ = std::thread{[this] { run(); }};
}

void EventHub::stop() {
    {
        const std::lock_guard lock{mutex_};
        stopped_ = true;
    }
    news_.notify_all();
    asleep_.notify_all();
    if (thread_.joinable()) thread_.join();
}

void EventHub::wake() {
    {
        const std::lock_guard lock{mutex_};
        woken_ = true;
    }
    asleep_.notify_one();
}

std::vector<FeedItem> EventHub::page_after(std::int64_t position) {
    const auto events = reads_.read(
        [&](db::Tx& tx) { return db::events_after(tx, topics::Position{position}, kFeedPage); });
    std::vector<FeedItem> items;
    items.reserve(events.size());
    for (const topics::PlacedEvent& event : events) {
        items.push_back({event.position.value,
                         std::make_shared<const std::string>(as_server_sent_event(event)),
                         event.event.ids.command.value_or(topics::CommandId{}).value});
    }
    return items;
}

bool EventHub::read_on() {
    std::shared_ptr<EventRing> ring;
    {
        const std::lock_guard lock{mutex_};
        ring = ring_;
    }
    if (!ring) {
        const auto last = reads_.read([](db::Tx& tx) { return db::last_position(tx); });
        ring = std::make_shared<EventRing>(kRingMax, last.value);
        const std::lock_guard lock{mutex_};
        ring_ = ring;
    }
    std::vector<FeedItem> items = page_after(ring->last());
    const bool full = items.size() >= kFeedPage;
    if (items.empty()) return false;
    for (FeedItem& item : items) ring->push(std::move(item));
    {
        // Nobody may check for news between the push and the notice, and then sleep.
        const std::lock_guard lock{mutex_};
    }
    news_.notify_all();
    return full;
}

void EventHub::run() {
    while (true) {
        bool more = false;
        try {
            more = read_on();
        } catch (const std::exception& error) {
            process::log::warn_every("feed", std::chrono::seconds{10}, "reading the feed: {}",
                                     error.what());
        }
        std::unique_lock lock{mutex_};
        if (!more) asleep_.wait_for(lock, kFeedPoll, [this] { return woken_ || stopped_; });
        woken_ = false;
        if (stopped_) return;
    }
}

std::vector<FeedItem> EventHub::wait(std::int64_t position,
                                     std::chrono::steady_clock::time_point until) {
    std::unique_lock lock{mutex_};
    while (!stopped_) {
        if (ring_) {
            auto items = ring_->after(position, kFeedPage);
            if (!items) {
                lock.unlock();
                pages_behind_.inc();
                return page_after(position);
            }
            if (!items->empty()) return std::move(*items);
        }
        if (news_.wait_until(lock, until) == std::cv_status::timeout) return {};
    }
    return {};
}

std::int64_t EventHub::last() {
    {
        const std::lock_guard lock{mutex_};
        if (ring_) return ring_->last();
    }
    return reads_.read([](db::Tx& tx) { return db::last_position(tx); }).value;
}

}  // namespace klyuchnik::bridge
