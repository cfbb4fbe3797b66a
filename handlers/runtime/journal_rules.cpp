#include "handlers/runtime/journal_rules.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "topics/limits.hpp"

namespace klyuchnik::handlers {

using namespace topics;

namespace {

constexpr std::chrono::minutes kClockAheadMax{5};

/// Whether the cursor remembers `sequence`, and with other content.
bool differs(const db::Cursor& cursor, std::int64_t sequence, std::uint64_t digest) {
    const std::int64_t index = sequence - cursor.recent_first.value;
    if (index < 0 || index >= static_cast<std::int64_t>(cursor.recent_digests.size())) return false;
    return cursor.recent_digests[static_cast<std::size_t>(index)] != digest;
}

bool is_set(const DeviceTime& said) {
    return said.utc_s && *said.utc_s >= limits::kTrustedTimeMin &&
           *said.utc_s < limits::kTrustedTimeMax;
}

/// New hardware has the identity, and has not been heard yet.
bool is_swapped(const db::Cursor& cursor) {
    return cursor.generation < cursor.identity;
}

/// What the device has written so far, in the numbers of the epoch that it is going to use: with a
/// new one it renumbers what it holds from 1.
Sequence held_until(const Birth& birth, Epoch epoch) {
    if (birth.epoch == epoch) return birth.hi;
    const bool holds = birth.lo.value > 0 && birth.lo <= birth.hi;
    return Sequence{holds ? birth.hi.value - birth.lo.value + 1 : 0};
}

/// From the first missing one to the one before the oldest that the device still holds.
std::optional<LostRange> lost_before(const db::Cursor& cursor, Sequence oldest_held) {
    if (oldest_held.value <= cursor.acked.value + 1) return std::nullopt;
    return LostRange{Sequence{cursor.acked.value + 1}, Sequence{oldest_held.value - 1}};
}

}  // namespace

bool is_present(const db::Cursor& cursor, Connection cn) {
    return cn == cursor.cn && cursor.epoch.value != 0 && !is_swapped(cursor);
}

Placement place_batch(const db::Cursor& cursor, const FactBatch& batch,
                      const std::map<Sequence, std::uint64_t>& stored) {
    Placement placement;
    if (!is_present(cursor, batch.cn)) {
        placement.error = AckError::hello;
        return placement;
    }
    if (batch.epoch != cursor.epoch) {
        placement.error = AckError::epoch;
        return placement;
    }
    for (std::size_t i = 0; i < batch.facts.size(); ++i) {
        const std::int64_t sequence = batch.first.value + static_cast<std::int64_t>(i);
        if (sequence > cursor.acked.value) break;
        const auto found = stored.find(Sequence{sequence});
        const bool other = found != stored.end() && found->second != batch.facts[i].digest;
        if (other || differs(cursor, sequence, batch.facts[i].digest))
            placement.differ.push_back(i);
    }
    if (!placement.differ.empty()) {
        placement.error = AckError::epoch;
        return placement;
    }
    placement.lost = lost_before(cursor, batch.lo);
    const std::int64_t next = placement.lost ? batch.lo.value : cursor.acked.value + 1;
    if (batch.first.value > next) {
        placement.error = AckError::gap;
        return placement;
    }
    const std::int64_t known = next - batch.first.value;
    placement.skip = std::min(static_cast<std::size_t>(known), batch.facts.size());
    placement.apply = placement.skip < batch.facts.size();
    return placement;
}

BirthVerdict judge_birth(const db::Cursor& cursor, const Birth& birth, bool retained,
                         std::optional<Epoch> issued, Instant now) {
    BirthVerdict verdict;
    verdict.cursor = cursor;
    const bool swapped = is_swapped(cursor);
    if (swapped && issued) {
        verdict.stale = true;
        return verdict;
    }
    if (issued && birth.cn == cursor.cn) return verdict;
    if (retained) {
        (issued ? verdict.stale : verdict.greet) = true;
        return verdict;
    }
    // Every handler hears every birth, some of them late. Boots and the time since the last one
    // only go up, so a connection that is known and was born before the present one is over. (One
    // that is not known is believed even so: a device that forgets its boots must not be locked
    // out.)
    if (issued &&
        std::pair{birth.boot, birth.since_boot_ms} < std::pair{cursor.boot, cursor.born_ms}) {
        verdict.stale = true;
        return verdict;
    }
    // Known, not the present one and not older: an older birth overtook it, and it is not heard
    // since.
    verdict.fresh = true;
    db::Cursor& after = verdict.cursor;
    after.cn = birth.cn;
    after.boot = birth.boot;
    after.born_ms = birth.since_boot_ms;
    after.booted_at = now - std::chrono::milliseconds{birth.since_boot_ms};
    after.generation = cursor.identity;
    after.born_hi = held_until(birth, cursor.epoch);
    if (issued == cursor.epoch) return verdict;

    const bool same_journal = birth.epoch.value != 0 && birth.epoch == cursor.epoch;
    if (!issued && !swapped && same_journal && birth.hi >= cursor.acked) {
        const Sequence oldest = birth.lo.value == 0 ? Sequence{birth.hi.value + 1} : birth.lo;
        verdict.lost = lost_before(cursor, oldest);
        verdict.lost_epoch = cursor.epoch;
        if (verdict.lost) after.acked = verdict.lost->last;
        return verdict;
    }
    verdict.new_epoch = true;
    if (swapped) {
        verdict.why = "swapped";
    } else if (issued) {
        verdict.why = "overtaken";
    } else if (same_journal) {
        verdict.why = "restored";
    } else if (birth.epoch.value != 0) {
        verdict.why = "foreign";
    } else {
        verdict.why = cursor.epoch.value == 0 ? "first" : "wiped";
    }
    // An epoch that nobody can have issued, from a broken flash, must not use up all that are left.
    const bool credible = birth.epoch.value <= limits::kEpochMax;
    after.epoch.value = std::max(cursor.epoch.value, credible ? birth.epoch.value : 0) + 1;
    after.acked.value = 0;
    after.recent_first.value = 0;
    after.recent_digests.clear();
    after.born_hi = held_until(birth, after.epoch);
    if (swapped) after.clock_error_s.reset();  // Another clock.
    return verdict;
}

Version believed_rights(Version said, Version given) {
    return said.value <= kRightsVersionMax || said <= given ? said : Version{0};
}

FactTime time_of(const DeviceTime& said, const db::Cursor& cursor, Instant received,
                 std::optional<std::int64_t> error) {
    if (is_set(said) && !is_wrong(error)) {
        const Instant at = from_unix_seconds(*said.utc_s);
        if (at <= received + kClockAheadMax) return {at, db::TimeSource::device};
    }
    if (said.boot && said.since_boot_ms && cursor.booted_at && *said.boot == cursor.boot &&
        *said.since_boot_ms < limits::kUptimeMsMax) {
        const Instant at = *cursor.booted_at + std::chrono::milliseconds{*said.since_boot_ms};
        return {std::min(at, received), db::TimeSource::boot};
    }
    return {received, db::TimeSource::received};
}

std::optional<std::int64_t> clock_error(const DeviceTime& said, Sequence sequence,
                                        const db::Cursor& cursor, Instant received) {
    // A clock that was never set is absent, not wrong.
    if (!is_set(said)) return std::nullopt;
    const std::int64_t ahead = *said.utc_s - unix_seconds(received);
    if (ahead > 0) return ahead;
    if (sequence <= cursor.born_hi || !cursor.booted_at) return std::nullopt;
    const Instant born = *cursor.booted_at + std::chrono::milliseconds{cursor.born_ms};
    return std::min<std::int64_t>(*said.utc_s - unix_seconds(born), 0);
}

bool is_wrong(std::optional<std::int64_t> clock_error_s) {
    return clock_error_s && std::abs(*clock_error_s) > db::kClockErrorMaxS;
}

std::int64_t reconnect_spread_s(std::int64_t fleet) {
    return std::min(fleet / kReturnsPerSecond, kReconnectSpreadMaxS);
}

std::optional<std::int64_t> paced(std::size_t backlog, Connection cn) {
    if (backlog <= kBirthsBacklogMax) return std::nullopt;
    return kPacedWaitMinS + cn.value % (kPacedWaitMaxS - kPacedWaitMinS + 1);
}

}  // namespace klyuchnik::handlers
