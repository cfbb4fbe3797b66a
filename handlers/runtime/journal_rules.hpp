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
/// | of another connection than the last birth's | er:hello, nothing applied |
/// | of another epoch | er:epoch, nothing applied |
/// | lo above acked+1 | the range is lost: recorded, the cursor moves to lo-1, then as below |
/// | starts above acked+1 | er:gap: send from acked+1 |
/// | other content under a number that is stored | new epoch, er:epoch |
/// | all known | skipped, acked again |
/// | else | what is not known yet is applied |
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
    std::string why;  ///< Of the new epoch: first, wiped, restored, foreign.
    std::optional<LostRange> lost;
    topics::Epoch lost_epoch;
    db::Cursor cursor;  ///< As it is to be stored.
};

/// `issued`: the epoch given to this very connection before, if any: the same birth always gets the
/// same one. `retained`: the broker kept it, so it may be days old; of a connection that is not
/// known it tells neither the time nor where the journal is by now.
BirthVerdict judge_birth(const db::Cursor& cursor, const topics::Birth& birth, bool retained,
                         std::optional<topics::Epoch> issued, topics::Instant now);

/// A fact's place in time, as well as it can be told.
struct FactTime {
    topics::Instant at;
    db::TimeSource source;
};
/// A device's clock is believed from 2024 up to five minutes ahead of ours; without it, the time
/// since a boot whose beginning we know; without that, the time of receipt.
FactTime time_of(const topics::DeviceTime& said, const db::Cursor& cursor,
                 topics::Instant received);

}  // namespace klyuchnik::handlers
