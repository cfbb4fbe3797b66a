#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "db/access/connection.hpp"
#include "topics/device.hpp"
#include "topics/ids.hpp"
#include "topics/time.hpp"

/// Commands to devices: rows that the dispatcher sends until the device has answered or the command
/// has expired. All functions throw Fault.
namespace klyuchnik::db {

using topics::CommandId;
using topics::DeviceId;
using topics::Instant;

/// A command that somebody wants done.
struct NewCommand {
    DeviceId device;
    topics::CommandBody body;
    std::string made_by;  ///< The actor: "account:3", "handlers".
    Instant expires;      ///< Never sent after it; at most limits::kCommandLifeMax from now.
};

/// Queues commands, in any domain's transaction: they are sent once it has been committed, to a
/// device that is present or becomes so before the expiry, in the order of their numbers.
///
/// The result has an element for each, in the order given: the id, or nothing where the device has
/// limits::kOpenCommandsMax open already (Code::limit_reached). Whether the device exists and is
/// active is the caller's to know: a command for nobody just expires. Locks a row per device until
/// the end of the transaction; call it once, after the cursors, with all commands there are.
std::vector<std::optional<CommandId>> queue_commands(Tx& tx, std::span<const NewCommand> commands,
                                                     Instant now);

/// Whether commands are sent to it; none: no such device.
std::optional<bool> device_active(Tx& tx, const DeviceId& device);

enum class CommandState : std::uint8_t {
    queued,    ///< Nobody has heard of it yet.
    sent,      ///< Published at least once; the device has not said a word.
    accepted,  ///< The device has it.
    done,
    failed,   ///< The device could not, and said why.
    expired,  ///< Not begun in time, and certainly never will be.
    unknown,  ///< It may have been done or not: a person is told.
};
std::string_view name_of(CommandState state);
/// queued, sent and accepted: it may still change by itself.
bool is_open(CommandState state);

/// A row of runtime.commands, as the rules see it.
struct CommandRecord {
    CommandId id;
    DeviceId device;
    std::int64_t number = 0;  ///< `cs`
    std::string kind;
    std::string content;  ///< `d`, a JSON object.
    CommandState state = CommandState::queued;
    Instant made;
    Instant expires;
    std::optional<Instant> sent;
    std::int64_t sendings = 0;
    Instant send_after;  ///< While queued or sent: not before.
    Instant overdue;     ///< While open: when it ends if nothing more is heard.
    std::optional<Instant> accepted;
    std::optional<Instant> finished;
    std::optional<std::int64_t> rc;  ///< Only what the device said, or 413.
    std::optional<std::string> note;
};

// -- for whoever hears from devices
struct CommandNumber {
    DeviceId device;
    std::int64_t number = 0;
    auto operator<=>(const CommandNumber&) const = default;
};
/// Locked, by id; a number that is not known is left out.
std::vector<CommandRecord> lock_commands(Tx& tx, std::span<const CommandNumber> numbers);
/// Which open commands of a device nobody will ever hear the truth of, after what its birth said.
struct Forgotten {
    DeviceId device;
    std::int64_t queued_until = 0;    ///< Queued ones up to this number.
    std::int64_t accepted_above = 0;  ///< Accepted ones above it.
    std::int64_t sent_above = 0;      ///< Sent ones above it.
};
/// Those, locked.
std::vector<CommandRecord> forgotten_commands(Tx& tx, std::span<const Forgotten> devices);
/// Everything open of a device, locked.
std::vector<CommandRecord> open_commands(Tx& tx, const DeviceId& device);
/// Everything that changes in a command's life.
void save_commands(Tx& tx, std::span<const CommandRecord> commands);
/// The next command of each of these devices may be sent from `after` on: it has come, or the one
/// before has ended. Wakes the dispatcher.
void wake_commands(Tx& tx, std::span<const DeviceId> devices, Instant after, Instant now);
/// A device has seen a higher number than we ever gave (a restored database): numbers go on above
/// it. What is queued keeps the number that it has.
void raise_command_numbers(Tx& tx, std::span<const CommandNumber> seen);

// -- for the dispatcher
/// Open ones whose `overdue` has come, locked; those that somebody holds are left out.
std::vector<CommandRecord> overdue_commands(Tx& tx, Instant now, std::int64_t rows_max);
/// Queued or sent ones whose `send_after` has come, locked; those that somebody holds are left out.
std::vector<CommandRecord> due_commands(Tx& tx, Instant now, std::int64_t rows_max);
/// What it needs to know of a device before it sends anything there.
struct CommandTarget {
    DeviceId device;
    topics::Connection cn;
    std::int64_t packet_bytes_max = 0;
    std::int64_t next = 0;  ///< The lowest number that is not over: the only one that may be sent.
};
/// Of those that are present. Read after the commands are locked: a birth that is not seen here
/// finds them locked and wakes them afterwards.
std::vector<CommandTarget> command_targets(Tx& tx, std::span<const DeviceId> devices, Instant now);
/// When something is to be done next; none when nothing is open.
std::optional<Instant> next_command_due(Tx& tx);
std::int64_t count_open_commands(Tx& tx);

// -- for the housekeeper
std::size_t forget_commands(Tx& tx, Instant before, std::int64_t rows_max);

}  // namespace klyuchnik::db
