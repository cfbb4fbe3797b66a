#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "db/access/connection.hpp"
#include "topics/ids.hpp"
#include "topics/time.hpp"

/// What the bridge may read of a fleet at work: commands, alarms, what was set aside, what was
/// lost. Views of schema `api`, one statement per call, as in api_views.hpp: every list is newest
/// first, takes the id before which to go on (kFromTheNewest starts) and the most rows wanted. All
/// throw Fault.
namespace klyuchnik::db {

struct CommandRow {
    topics::CommandId command;
    std::string device;
    std::int64_t number = 0;  ///< `cs` on the wire.
    std::string kind;         ///< "slot.unlock"
    std::string content;      ///< Its body, a JSON object as text.
    std::string state;        ///< queued, sent, accepted, done, failed, expired, unknown.
    topics::Instant made;
    std::string made_by;
    topics::Instant expires;
    std::optional<topics::Instant> sent;  ///< For the first time.
    std::int64_t sendings = 0;
    std::optional<topics::Instant> accepted;
    std::optional<topics::Instant> finished;  ///< There in the last four states, and only there.
    std::optional<std::int64_t> rc;           ///< The device's word; none when it said nothing.
    std::optional<std::string> note;
};
struct CommandsFilter {
    std::optional<std::string> device;
    std::optional<std::string> state;
};
std::vector<CommandRow> commands(Tx& tx, const CommandsFilter& filter, topics::CommandId before,
                                 std::size_t rows_max);
std::optional<CommandRow> command(Tx& tx, topics::CommandId id);

struct AlarmRow {
    topics::AlarmId alarm;
    std::string kind;     ///< "journal_gap"
    std::string subject;  ///< "device:kc-hall1"
    std::optional<std::string> device;
    std::int64_t severity = 1;  ///< 1 to know, 2 to look at, 3 to act on.
    topics::Instant raised;
    topics::Instant last;    ///< When it was raised most recently.
    std::int64_t count = 1;  ///< How often.
    std::string state;       ///< open, acknowledged, snoozed, resolved.
    std::optional<topics::Instant> snoozed_until;
    std::optional<std::string> acknowledged_by;
    std::optional<topics::Instant> acknowledged;
    std::optional<std::string> resolved_by;  ///< "handlers": its cause was over.
    std::optional<topics::Instant> resolved;
    std::optional<std::string> reason;
    std::string ids;  ///< Of what raised it last: a JSON object as text, with the names of events.
};
struct AlarmsFilter {
    /// A state, or "unresolved" for the three that are not resolved. None: all.
    std::optional<std::string> state;
    std::optional<std::string> kind;
    std::optional<std::string> device;
};
std::vector<AlarmRow> alarms(Tx& tx, const AlarmsFilter& filter, topics::AlarmId before,
                             std::size_t rows_max);
std::optional<AlarmRow> alarm(Tx& tx, topics::AlarmId id);

struct LetterRow {
    topics::LetterId letter;
    std::string domain;
    std::string source;  ///< "kc-hall1:3:1041" of a fact, "ask:account:3:<id>" of an ask.
    std::string kind;    ///< "key.taken", "keys.issue_key", "state".
    std::string why;     ///< The database's words at the latest try.
    topics::Instant set_aside;
    std::string state;       ///< open, retrying, applied, discarded.
    std::int64_t tries = 0;  ///< Retries that failed or succeeded.
    std::optional<std::string> changed_by;
    std::optional<topics::Instant> changed;
    std::optional<std::string> reason;  ///< Why it was discarded.
};
struct LetterWithPayload {
    LetterRow letter;
    std::string payload;  ///< As it came; may hold card numbers and names.
};
/// `state` none: all.
std::vector<LetterRow> dead_letters(Tx& tx, const std::optional<std::string>& state,
                                    topics::LetterId before, std::size_t rows_max);
std::optional<LetterWithPayload> dead_letter(Tx& tx, topics::LetterId id);

/// Facts of a device that the server will not get any more.
struct GapRow {
    std::string device;
    topics::Epoch epoch;
    topics::Sequence first;
    topics::Sequence last;
    std::string why;  ///< dropped_by_device, unreadable.
    topics::Instant noticed;
};
struct GapPlace {
    topics::Epoch epoch{INT64_MAX};
    topics::Sequence first{INT64_MAX};
};
std::vector<GapRow> device_gaps(Tx& tx, const topics::DeviceId& device, const GapPlace& before,
                                std::size_t rows_max);

}  // namespace klyuchnik::db
