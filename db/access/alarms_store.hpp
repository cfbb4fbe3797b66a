#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "db/access/connection.hpp"
#include "topics/events.hpp"
#include "topics/ids.hpp"
#include "topics/time.hpp"

/// Alarms: what a person should know, one row for a kind and subject until it is resolved. Written
/// by handlers through Work::alarm(), never beside it. Every function is one statement; all throw
/// Fault.
namespace klyuchnik::db {

/// What makes an unresolved alarm one: "journal_gap" of "device:kc-hall1".
struct AlarmName {
    std::string kind;
    std::string subject;
    auto operator<=>(const AlarmName&) const = default;
};

struct NewAlarm {
    AlarmName name;
    int severity = 1;        ///< 1 to know, 2 to look at, 3 to act on.
    std::int64_t count = 1;  ///< How often in this transaction.
    topics::EventIds ids;
};

/// What became of an alarm that was raised.
struct RaisedAlarm {
    topics::AlarmId alarm;
    AlarmName name;
    bool first = false;  ///< There was none unresolved before.
    bool woken = false;  ///< It was snoozed, and its time was over.
};
/// At most one of each name in one call. In the order of names, so that two handlers never wait for
/// each other.
std::vector<RaisedAlarm> raise_alarms(Tx& tx, std::span<const NewAlarm> alarms,
                                      topics::Instant now);

/// An alarm that changed, with what its event needs.
struct ChangedAlarm {
    topics::AlarmId alarm;
    AlarmName name;
    std::optional<topics::DeviceId> device;
};
/// Resolves those that are there, with the reason "over".
std::vector<ChangedAlarm> end_alarms(Tx& tx, std::span<const AlarmName> names, topics::Instant now);
/// Snoozed ones whose time is over are open again; at most `rows_max`.
std::vector<ChangedAlarm> wake_alarms(Tx& tx, topics::Instant now, std::int64_t rows_max);

/// What a person did with an alarm.
enum class AlarmChange : std::uint8_t {
    done,
    unknown,   ///< There is no such alarm.
    not_open,  ///< It is resolved.
};
struct AlarmChanged {
    AlarmChange outcome = AlarmChange::unknown;
    ChangedAlarm alarm;  ///< With `done`.
};
/// `by` is the actor: "account:3". Acknowledging twice keeps the first name.
AlarmChanged acknowledge_alarm(Tx& tx, topics::AlarmId alarm, const std::string& by,
                               topics::Instant now);
AlarmChanged snooze_alarm(Tx& tx, topics::AlarmId alarm, topics::Instant until);
AlarmChanged resolve_alarm(Tx& tx, topics::AlarmId alarm, const std::string& by,
                           const std::string& reason, topics::Instant now);

/// How many are unresolved.
std::int64_t count_alarms(Tx& tx);
std::size_t forget_alarms(Tx& tx, topics::Instant before, std::int64_t rows_max);

}  // namespace klyuchnik::db
