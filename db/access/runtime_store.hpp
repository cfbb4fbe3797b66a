#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "db/access/connection.hpp"
#include "topics/ids.hpp"
#include "topics/time.hpp"

/// The runtime's own tables: cursors, facts, gaps, inbox, dead letters. Every function is one
/// statement for any number of rows, and does nothing when there are none. All throw Fault.
namespace klyuchnik::db {

using topics::DeviceId;
using topics::Epoch;
using topics::Instant;
using topics::Sequence;

/// A device's clock that is further off than this is wrong.
inline constexpr std::int64_t kClockErrorMaxS = 300;

/// How far a device's journal is committed. Read under a row lock by whoever is going to move it.
struct Cursor {
    DeviceId device;
    topics::Connection cn;
    Epoch epoch;
    Sequence acked;
    Sequence recent_first;  ///< recent_digests[0] belongs to this sequence.
    std::vector<std::uint64_t>
        recent_digests;  ///< Of the last batch, to tell a repeat from a clone.
    std::int64_t boot = 0;
    std::optional<Instant> booted_at;
    std::int64_t skipped = 0;
    std::int64_t born_ms = 0;     ///< Since boot, at the last birth.
    std::int64_t generation = 1;  ///< Of the device's identity, at the last birth.
    Sequence born_hi;             ///< Facts of the epoch above this were made since that birth.
    std::optional<std::int64_t>
        clock_error_s;  ///< The device's clock is at least so far ahead (behind: negative).
    std::int64_t packet_bytes_max = 256;  ///< `rx` of the last birth.
    std::int64_t rights_held = 0;         ///< `cf` of the last birth.

    // Of the device, read with it and never saved.
    std::int64_t identity = 1;  ///< Its generation now; above `generation`: swapped since.
    bool active = true;         ///< False: revoked.
    std::int64_t lease_s = 0;   ///< For how long it may decide alone.
    std::int64_t rights_wanted = 0;
    std::optional<std::string> firmware_wanted;
};

/// Where a fact's time came from, best first.
enum class TimeSource : std::uint8_t { device, boot, received };
/// What became of a fact.
enum class Outcome : std::uint8_t { applied, conflict, logged, unknown, set_aside };
std::string_view name_of(TimeSource source);
std::string_view name_of(Outcome outcome);

struct FactRow {
    DeviceId device;
    Epoch epoch;
    Sequence sequence;
    std::string kind;
    Instant occurred;
    TimeSource time_source = TimeSource::received;
    std::uint64_t digest = 0;
    Outcome outcome = Outcome::logged;
    std::string content;
    Epoch first_epoch;  ///< The first number it was known by.
    Sequence first_sequence;
};

/// A fact's number: what makes it one fact everywhere.
struct FactNumber {
    DeviceId device;
    Epoch epoch;
    Sequence sequence;
    auto operator<=>(const FactNumber&) const = default;
};

struct Gap {
    DeviceId device;
    Epoch epoch;
    Sequence first;
    Sequence last;
    std::string why;
};

struct DeviceConflict {
    FactNumber number;
    std::uint64_t digest = 0;
    std::string kind;
    std::string content;
};

struct IssuedEpoch {
    DeviceId device;
    topics::Connection cn;
    Epoch epoch;
    std::string why;
};

struct DeadLetter {
    std::string domain;
    std::string source;
    std::string kind;
    std::string payload;
    std::string why;
};

struct AskKey {
    std::string account;
    std::string id;
    auto operator<=>(const AskKey&) const = default;
};
struct KeptAnswer {
    AskKey key;
    std::uint64_t digest = 0;
    std::string answer;  ///< The bytes that were sent.
    bool expired =
        false;  ///< It came too late and nothing was done: a later copy in time may be done.
};

/// An account or device that may ask, with its role ("device" for a device).
struct CallerRole {
    std::string account;
    std::string role;
};

/// Only the cursors of active devices that nobody else holds, in id order; a missing one is left to
/// the device's repeat.
std::vector<Cursor> lock_cursors(Tx& tx, std::span<const DeviceId> devices);
std::vector<Cursor> read_cursors(Tx& tx, std::span<const DeviceId> devices);
void save_cursors(Tx& tx, std::span<const Cursor> cursors);

void add_facts(Tx& tx, std::span<const FactRow> facts, Instant received);
/// The digests of those facts that are stored under these numbers, now or when they were first
/// known. A number may have two: of the fact that has it, and of one that once had it.
struct StoredFact {
    FactNumber number;
    std::uint64_t digest = 0;
};
std::vector<StoredFact> find_facts(Tx& tx, std::span<const FactNumber> numbers);
void add_gaps(Tx& tx, std::span<const Gap> gaps, Instant noticed);
void add_device_conflicts(Tx& tx, std::span<const DeviceConflict> conflicts, Instant noticed);

struct DeviceConnection {
    DeviceId device;
    topics::Connection cn;
};
std::vector<IssuedEpoch> find_epochs(Tx& tx, std::span<const DeviceConnection> connections);
void add_epochs(Tx& tx, std::span<const IssuedEpoch> epochs, Instant issued);

std::vector<KeptAnswer> find_answers(Tx& tx, std::span<const AskKey> keys);
/// A key that is there already violates inbox_once: another handler answered the same ask
/// meanwhile.
void keep_answers(Tx& tx, std::span<const KeptAnswer> answers, Instant now);
void add_dead_letters(Tx& tx, std::span<const DeadLetter> letters, Instant now);
std::vector<CallerRole> find_callers(Tx& tx, std::span<const std::int64_t> accounts,
                                     std::span<const std::string> devices);

/// Active devices, as they were last counted.
std::int64_t fleet_size(Tx& tx);

// -- chores: one statement each, called by whoever claimed them
// -----------------------------------------
/// Those of `names` that are due; their next time is set.
std::vector<std::string> claim_chores(Tx& tx, Instant now, std::span<const std::string> names);
void make_partitions(Tx& tx, int months_ahead);
std::size_t forget_inbox(Tx& tx, Instant before, std::int64_t rows_max);
std::size_t forget_facts(Tx& tx, Instant before, std::int64_t rows_max);
std::size_t forget_dead_letters(Tx& tx, Instant before, std::int64_t rows_max);
std::size_t forget_device_conflicts(Tx& tx, Instant before, std::int64_t rows_max);
std::size_t forget_epochs(Tx& tx, Instant before, std::int64_t rows_max);
std::size_t forget_sessions(Tx& tx, Instant before, std::int64_t rows_max);

}  // namespace klyuchnik::db
