#pragma once

#include <chrono>
#include <span>

#include "db/access/keys_store.hpp"
#include "handlers/runtime/work.hpp"

namespace klyuchnik::handlers::keys {

/// Keeps the rights documents of cabinets what the tables say: notes which cabinets an event
/// concerns, makes their next versions, and tells those that are here.
Reaction make_rights_documents();
/// Once a day every cabinet is looked at, whatever the log said: daylight saving comes and goes
/// without an event. The timed task of the domain.
TimedTask look_at_all_cabinets();

/// A cabinet is not looked at again so soon: many changes in a row become one version, and the
/// first is told at once.
inline constexpr std::chrono::milliseconds kBetweenVersions{200};
/// What the database refused is tried again after this; the other cabinets go on.
inline constexpr std::chrono::seconds kAfterRefusal{60};
/// How long a look at all of them takes.
inline constexpr std::chrono::seconds kLookSpread{3600};

/// Whose documents these events may have changed, and whose rights ended with them. Pure.
struct Concerned {
    db::StaleCabinets stale;
    std::vector<db::EndedPerson> ended;
};
Concerned concerned_by(std::span<const topics::PlacedEvent> events);

}  // namespace klyuchnik::handlers::keys
