#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "db/access/runtime_store.hpp"
#include "topics/device.hpp"

/// What a device's journal and the server's cursor say to each other. Pure: no clock, database or
/// MQTT.
namespace klyuchnik::handlers {

/// A range of facts that will not come any more.
struct LostRange {
    topics::Sequence first;
    topics::Sequence last;
};

/// Whether `cn` is the connection that the device has now: born, and not of swapped hardware.
bool is_present(const db::Cursor& cursor, topics::Connection cn);

/// What becomes of a batch.
struct Placement {
    topics::AckError error = topics::AckError::none;
    std::optional<LostRange> lost;  ///< The device has dropped these: recorded, and skipped over.
    std::size_t skip = 0;           ///< facts[0..skip) are here already.
    bool apply = false;             ///< facts[skip..] are next in order.
    std::vector<std::size_t>
        differ;  ///< Facts with other content under a stored number: a clone or a restored
                 ///< journal; the device gets a new epoch and sends them again under it.
};

/// `cursor` is the device's row, locked.
///
/// | batch | answer |
/// |---|---|
/// | of another connection than the last birth's, or of swapped hardware | er:hello, nothing
/// applied | | of another epoch | er:epoch, nothing applied | | lo above acked+1 | the range is
/// lost: recorded, the cursor moves to lo-1, then as below | | starts above acked+1 | er:gap: send
/// from acked+1 | | other content under a number that is stored | new epoch, er:epoch | | all known
/// | skipped, acked again | | else | what is not known yet is applied |
///
/// `stored`: the digests of facts of this epoch that came again from before the last batch, by
/// sequence; one that is not in it is not stored any more, or is behind a gap, and is skipped.
Placement place_batch(const db::Cursor& cursor, const topics::FactBatch& batch,
                      const std::map<topics::Sequence, std::uint64_t>& stored = {});

/// What becomes of a birth.
struct BirthVerdict {
    bool stale = false;  ///< Of a connection that is over: not even answered.
    bool greet = false;  ///< Said before we listened: er:hello, and the device says it again.
    bool fresh = false;  ///< A connection not seen before.
    bool new_epoch = false;
    std::string why;  ///< Of the new epoch: first, wiped, restored, foreign, overtaken, swapped.
    std::optional<LostRange> lost;
    topics::Epoch lost_epoch;
    db::Cursor cursor;  ///< As it is to be stored.
};

/// `issued`: the epoch given to this very connection before, if any: the same birth always gets the
/// same one. After a swap the next connection is of other hardware and gets a new epoch whatever it
/// says that it has; older ones are over. `retained`: the broker kept it, so it may be days old; of
/// a connection that is not known it tells neither the time nor where the journal is by now.
BirthVerdict judge_birth(const db::Cursor& cursor, const topics::Birth& birth, bool retained,
                         std::optional<topics::Epoch> issued, topics::Instant now);

/// Of its rights, claimed by a birth; the next version must still fit.
inline constexpr std::int64_t kRightsVersionMax = 2'000'000'000;
/// The version that a device is believed to hold: what it says, up to kRightsVersionMax or to
/// `given`, the last one that it was given; else 0, which is none that we know of. So a broken
/// flash can not use up the versions that are left.
topics::Version believed_rights(topics::Version said, topics::Version given);

/// A fact's place in time, as well as it can be told.
struct FactTime {
    topics::Instant at;
    db::TimeSource source;
};
/// A device's clock is believed from 2024 up to five minutes ahead of ours, unless this very fact
/// shows that it is wrong (`error`, of clock_error()); without it, the time since a boot whose
/// beginning we know; without that, the time of receipt.
FactTime time_of(const topics::DeviceTime& said, const db::Cursor& cursor, topics::Instant received,
                 std::optional<std::int64_t> error = std::nullopt);

/// How far off the device's clock is at least, in seconds: ahead, or behind (negative); nothing
/// when this fact can not tell. Nothing happens after it is received, and what is numbered above
/// the birth's `hi` happened after that birth; between the two any time may be the true one.
std::optional<std::int64_t> clock_error(const topics::DeviceTime& said, topics::Sequence sequence,
                                        const db::Cursor& cursor, topics::Instant received);
/// Whether an error like this is more than a slow network or a bad quartz.
bool is_wrong(std::optional<std::int64_t> clock_error_s);

// -- pacing: how a fleet comes back without coming all at once
// -----------------------------------------------------------------

/// Devices that may come back within one second.
inline constexpr std::int64_t kReturnsPerSecond = 250;
inline constexpr std::int64_t kReconnectSpreadMaxS = 300;
/// `rj`: over how many seconds a fleet of so many devices is to spread its return; 0 = at once.
std::int64_t reconnect_spread_s(std::int64_t fleet);

/// Messages waiting behind a birth above which it is put off.
inline constexpr std::size_t kBirthsBacklogMax = 2000;
inline constexpr std::int64_t kPacedWaitMinS = 2;
inline constexpr std::int64_t kPacedWaitMaxS = 20;
/// With `er:slow`: how many seconds a connection is to wait before it says its birth again; nothing
/// when there is no reason to wait. The same connection is always told the same, others others.
std::optional<std::int64_t> paced(std::size_t backlog, topics::Connection cn);

/// With `er:slow`, for a device that sends more than its share.
inline constexpr std::int64_t kFloodWaitS = 10;

}  // namespace klyuchnik::handlers
