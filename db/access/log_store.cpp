#include "db/access/log_store.hpp"

#include "db/access/internal.hpp"
#include "topics/codec.hpp"

namespace klyuchnik::db {

using topics::Event;

namespace {
/// "klyuchni" in ASCII: the advisory lock of the relay.
constexpr std::int64_t kRelayLock = 0x6B6C797563686E69;
}  // namespace

void add_events(Tx& tx, std::span<const Event> events) {
    if (events.empty()) return;
    run(tx, sql::log_add_events,
        column(events, [](const Event& e) { return std::string_view{e.domain}; }),
        column(events, [](const Event& e) { return std::string_view{e.type}; }),
        column(events, [](const Event& e) { return std::string_view{e.subject}; }),
        column(events, [](const Event& e) { return std::string_view{e.actor}; }),
        column(events, [](const Event& e) { return std::string_view{e.source}; }),
        column(events, [](const Event& e) { return e.occurred; }),
        column(events, [](const Event& e) { return topics::encode(e.ids); }));
}

std::vector<topics::PlacedEvent> events_after(Tx& tx, topics::Position position,
                                              std::int64_t rows_max) {
    std::vector<topics::PlacedEvent> events;
    for (const auto& row : run(tx, sql::log_events_after, position, rows_max)) {
        topics::PlacedEvent placed;
        placed.position.value = row[0].as<std::int64_t>();
        placed.recorded = instant_of(row[1]);
        placed.event.domain = row[2].as<std::string>();
        placed.event.type = row[3].as<std::string>();
        placed.event.subject = row[4].as<std::string>();
        placed.event.actor = row[5].as<std::string>();
        placed.event.source = row[6].as<std::string>();
        placed.event.occurred = instant_of(row[7]);
        auto ids = topics::decode_event_ids(view_of(row[8]));
        if (!ids) {
            throw Fault{"event " + std::to_string(placed.position.value) +
                            " has ids that can not be read: " + ids.error().text(),
                        Fault::Retry::never};
        }
        placed.event.ids = std::move(*ids);
        events.push_back(std::move(placed));
    }
    return events;
}

Placed place_events(Tx& tx, std::int64_t rows_max) {
    std::int64_t position = 0;
    std::int64_t last_event = 0;
    std::string last_writer = "0";
    const auto last = run(tx, sql::log_last_place);
    if (!last.empty()) {
        position = last[0][0].as<std::int64_t>();
        last_event = last[0][1].as<std::int64_t>();
        last_writer = last[0][2].as<std::string>();
    }
    const auto rows = run(tx, sql::log_unplaced, last_writer, last_event, rows_max);
    const auto waiting = [&](const std::string& writer, std::int64_t event) {
        return !run(tx, sql::log_any_after, writer, event).empty();
    };
    if (rows.empty()) return {0, waiting(last_writer, last_event)};
    Array positions;
    Array events;
    Array recorded;
    Array writers;
    for (const auto& row : rows) {
        positions.add(++position);
        events.add(row[0].as<std::int64_t>());
        recorded.add(view_of(row[1]));
        writers.add(view_of(row[2]));
    }
    run(tx, sql::log_place, positions.text(), events.text(), recorded.text(), writers.text());
    const auto& last_row = rows[rows.size() - 1];
    return {rows.size(), waiting(last_row[2].as<std::string>(), last_row[0].as<std::int64_t>())};
}

bool try_lead(Tx& tx) {
    return run(tx, sql::log_try_lead, kRelayLock)[0][0].as<bool>();
}

topics::Position published_position(Tx& tx, const std::string& feed) {
    const auto rows = run(tx, sql::log_published_position, feed);
    return topics::Position{rows.empty() ? 0 : rows[0][0].as<std::int64_t>()};
}

void advance_published(Tx& tx, const std::string& feed, topics::Position position) {
    run(tx, sql::log_advance_published, feed, position);
}

}  // namespace klyuchnik::db
