#include "firmware-sim/device/rights.hpp"

#include <algorithm>

namespace klyuchnik::sim {
namespace {

constexpr std::int64_t kMinutesPerDay = 1440;
/// 1970-01-01 was a Thursday; bit 0 is Monday.
constexpr std::int64_t kFirstWeekday = 3;

bool has_day(std::uint8_t weekdays, std::int64_t day) {
    return (unsigned{weekdays} >> static_cast<unsigned>((day + kFirstWeekday) % 7) & 1U) != 0;
}

}  // namespace

std::string_view CachedRights::why_not(const topics::CardSerial& card, const topics::KeyName& key,
                                       std::optional<std::int64_t>) const {
    return allows(card, key) ? "" : "no_right";
}

bool is_open(const topics::RightsWindow& window, const topics::RightsDocument& document,
             std::int64_t utc_s) {
    if (utc_s < window.from_s || (window.until_s != 0 && utc_s >= window.until_s)) return false;
    const bool changed = document.offset_change_s != 0 && utc_s >= document.offset_change_s;
    const std::int64_t offset_min =
        changed ? document.utc_offset_after_min : document.utc_offset_min;
    const std::int64_t local_min = std::max<std::int64_t>(0, utc_s / 60 + offset_min);
    const std::int64_t day = local_min / kMinutesPerDay;
    const std::int64_t minute = local_min % kMinutesPerDay;
    if (window.minute_until >= window.minute_from) {
        return has_day(window.weekdays, day) && minute >= window.minute_from &&
               minute < window.minute_until;
    }
    // Over midnight: the day is the one on which it began.
    if (minute >= window.minute_from) return has_day(window.weekdays, day);
    return day > 0 && has_day(window.weekdays, day - 1) && minute < window.minute_until;
}

std::string_view DocumentRights::why_not(const topics::CardSerial& card, const topics::KeyName& key,
                                         std::optional<std::int64_t> utc_s) const {
    const topics::RightsDocument* document = documents_.rights();
    if (document == nullptr) {
        return before_ != nullptr ? before_->why_not(card, key, utc_s) : "no_right";
    }
    const topics::CardHash hash = topics::card_hash(document->salt, card);
    const auto [first, last] =
        std::ranges::equal_range(document->rows, hash, {}, &topics::RightsRow::card);
    bool listed = false;
    for (auto row = first; row != last; ++row) {
        const topics::RightsKey& its = document->keys[row->key];
        if (its.name != key) continue;
        listed = true;
        const bool open = row->window == topics::RightsRow::kAlways ||
                          (utc_s && is_open(document->windows[row->window], *document, *utc_s));
        if (!open) continue;
        const bool online_only = (its.flags & topics::RightsKey::kOnlineOnly) != 0;
        return online_only ? "needs_server" : "";
    }
    return listed ? "not_now" : "no_right";
}

}  // namespace klyuchnik::sim
