#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "topics/ids.hpp"
#include "topics/result.hpp"

/// The rights of one cabinet: by what it decides while the server does not answer. Document
/// "rights", pulled whenever an ack wants another version (`cf`) than the cabinet holds.
///
/// Binary, little-endian, at most limits::kRightsDocumentBytesMax:
///
///     0   4  "KLR1"
///     4   8  version
///     12  4  made, UTC seconds
///     16  4  lease, seconds: counted by the cabinet from its last ack, not from here
///     20  16 salt
///     36  2  UTC offset of the site's local time, minutes, signed
///     38  2  UTC offset behind the next change, minutes, signed
///     40  4  the next change (daylight saving), UTC seconds; 0 = none known
///     44  2  keys, 46 2 windows, 48 4 rows: how many of each follow, in this order
///
///     key     2 slot · 1 flags · 1 length of its name · the name, UTF-8
///     window  4 from · 4 until (UTC seconds, 0 = open) · 1 weekdays (bit 0 Monday ... bit 6
///             Sunday) · 1 zero · 2 minute from · 2 minute until (local, until not included;
///             until below from: over midnight, the day is the one it begins on)
///     row     8 card hash · 2 key (place in the list) · 2 window (place; 65535 = always)
///
/// Rows are sorted by card hash, then key, then window: a small device searches them where they
/// lie. A card hash is the first 8 bytes of SHA-256(salt, then the card's serial as the reader saw
/// it), so that a stolen cabinet does not give away its cards as a list. A card may take a key when
/// one of their rows' windows is open.
namespace klyuchnik::topics {

struct RightsKey {
    static constexpr std::uint8_t kOnlineOnly = 1;  ///< Never without the server: more persons are
                                                    ///< needed, or a reservation.
    Slot slot;
    std::uint8_t flags = 0;
    KeyName name;
};

struct RightsWindow {
    std::uint32_t from_s = 0;
    std::uint32_t until_s = 0;
    std::uint8_t weekdays = 0x7F;
    std::uint16_t minute_from = 0;
    std::uint16_t minute_until = 1440;
    auto operator<=>(const RightsWindow&) const = default;
};

using CardHash = std::array<std::uint8_t, 8>;

struct RightsRow {
    static constexpr std::uint16_t kAlways = 65'535;
    CardHash card{};
    std::uint16_t key = 0;
    std::uint16_t window = kAlways;
    auto operator<=>(const RightsRow&) const = default;
};

struct RightsDocument {
    std::int64_t version = 0;
    std::uint32_t made_s = 0;
    std::uint32_t lease_s = 0;
    std::array<std::uint8_t, 16> salt{};
    std::int16_t utc_offset_min = 0;
    std::int16_t utc_offset_after_min = 0;
    std::uint32_t offset_change_s = 0;
    std::vector<RightsKey> keys;
    std::vector<RightsWindow> windows;
    std::vector<RightsRow> rows;
};

CardHash card_hash(const std::array<std::uint8_t, 16>& salt, const CardSerial& card);

/// Sorts the rows. Precondition: within the limits of the layout (names up to 255 bytes).
std::string encode(RightsDocument document);
/// Also refuses rows that are not sorted or point nowhere.
Decoded<RightsDocument> decode_rights(std::string_view bytes);

}  // namespace klyuchnik::topics
