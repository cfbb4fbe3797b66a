#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "db/access/connection.hpp"
#include "topics/events.hpp"

/// The log: appended by handlers, placed by the relay, read by position. All throw Fault.
namespace klyuchnik::db {

void add_events(Tx& tx, std::span<const topics::Event> events);

/// At most `rows_max` events after `position`, in order, without gaps.
std::vector<topics::PlacedEvent> events_after(Tx& tx, topics::Position position,
                                              std::int64_t rows_max);

struct Placed {
    std::size_t events = 0;
    bool waiting =
        false;  ///< Others are committed but must wait for the end of an older transaction.
};
/// Gives places to at most `rows_max` events that have none. The primary key
/// of log.positions refuses a second relay that believes it leads: Fault(one_by_one), state 23505.
Placed place_events(Tx& tx, std::int64_t rows_max);

/// True when this connection now leads (or led already); it does until it is closed.
bool try_lead(Tx& tx);

topics::Position published_position(Tx& tx, const std::string& feed);
void advance_published(Tx& tx, const std::string& feed, topics::Position position);

}  // namespace klyuchnik::db
