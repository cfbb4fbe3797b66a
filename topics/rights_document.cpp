#include "topics/rights_document.hpp"

#include <algorithm>

#include "topics/limits.hpp"
#include "topics/little_endian.hpp"
#include "topics/sha256.hpp"

namespace klyuchnik::topics {
namespace {

constexpr std::string_view kMagic = "KLR1";

Malformed bad(std::string where, std::string why) {
    return {std::move(where), std::move(why)};
}
std::string place(const char* list, std::size_t index) {
    return std::string{list} + "[" + std::to_string(index) + "]";
}

}  // namespace

CardHash card_hash(const std::array<std::uint8_t, 16>& salt, const CardSerial& card) {
    std::string bytes;
    for (const std::uint8_t byte : salt) bytes += static_cast<char>(byte);
    bytes += card.value;
    const Sha256 whole = sha256(bytes);
    CardHash hash{};
    std::copy_n(whole.begin(), hash.size(), hash.begin());
    return hash;
}

std::string encode(RightsDocument document) {
    std::ranges::sort(document.rows);
    std::string out{kMagic};
    put(out, document.version);
    put(out, document.made_s);
    put(out, document.lease_s);
    for (const std::uint8_t byte : document.salt) put(out, byte);
    put(out, document.utc_offset_min);
    put(out, document.utc_offset_after_min);
    put(out, document.offset_change_s);
    put(out, static_cast<std::uint16_t>(document.keys.size()));
    put(out, static_cast<std::uint16_t>(document.windows.size()));
    put(out, static_cast<std::uint32_t>(document.rows.size()));
    for (const RightsKey& key : document.keys) {
        put(out, static_cast<std::uint16_t>(key.slot.value));
        put(out, key.flags);
        put(out, static_cast<std::uint8_t>(key.name.value.size()));
        out += key.name.value;
    }
    for (const RightsWindow& window : document.windows) {
        put(out, window.from_s);
        put(out, window.until_s);
        put(out, window.weekdays);
        put(out, std::uint8_t{0});
        put(out, window.minute_from);
        put(out, window.minute_until);
    }
    for (const RightsRow& row : document.rows) {
        for (const std::uint8_t byte : row.card) put(out, byte);
        put(out, row.key);
        put(out, row.window);
    }
    return out;
}

Decoded<RightsDocument> decode_rights(std::string_view bytes) {
    if (bytes.size() > limits::kRightsDocumentBytesMax) {
        return bad("", "expected at most " + std::to_string(limits::kRightsDocumentBytesMax) +
                           " bytes, got " + std::to_string(bytes.size()));
    }
    Reader reader{bytes};
    if (reader.bytes(kMagic.size()) != kMagic) return bad("", "expected \"KLR1\" in front");
    RightsDocument document;
    document.version = reader.take<std::int64_t>();
    document.made_s = reader.take<std::uint32_t>();
    document.lease_s = reader.take<std::uint32_t>();
    for (std::uint8_t& byte : document.salt) byte = reader.take<std::uint8_t>();
    document.utc_offset_min = reader.take<std::int16_t>();
    document.utc_offset_after_min = reader.take<std::int16_t>();
    document.offset_change_s = reader.take<std::uint32_t>();
    const auto keys = reader.take<std::uint16_t>();
    const auto windows = reader.take<std::uint16_t>();
    const auto rows = reader.take<std::uint32_t>();
    if (keys > limits::kSlotMax || rows > limits::kRightsRowsMax) {
        return bad("", "expected at most " + std::to_string(limits::kSlotMax) + " keys and " +
                           std::to_string(limits::kRightsRowsMax) + " rows");
    }
    for (std::size_t i = 0; i < keys; ++i) {
        RightsKey key;
        key.slot.value = reader.take<std::uint16_t>();
        key.flags = reader.take<std::uint8_t>();
        const auto length = reader.take<std::uint8_t>();
        key.name.value = reader.bytes(length);
        document.keys.push_back(std::move(key));
    }
    for (std::size_t i = 0; i < windows; ++i) {
        RightsWindow window;
        window.from_s = reader.take<std::uint32_t>();
        window.until_s = reader.take<std::uint32_t>();
        window.weekdays = reader.take<std::uint8_t>();
        reader.take<std::uint8_t>();
        window.minute_from = reader.take<std::uint16_t>();
        window.minute_until = reader.take<std::uint16_t>();
        document.windows.push_back(window);
    }
    for (std::size_t i = 0; i < rows && !reader.failed(); ++i) {
        RightsRow row;
        for (std::uint8_t& byte : row.card) byte = reader.take<std::uint8_t>();
        row.key = reader.take<std::uint16_t>();
        row.window = reader.take<std::uint16_t>();
        if (row.key >= keys) return bad(place("rows", i), "points behind the keys");
        if (row.window >= windows && row.window != RightsRow::kAlways) {
            return bad(place("rows", i), "points behind the windows");
        }
        if (!document.rows.empty() && row < document.rows.back()) {
            return bad(place("rows", i), "expected rows sorted by card hash");
        }
        document.rows.push_back(row);
    }
    if (reader.failed()) return bad("", "is cut short");
    if (!reader.rest().empty()) {
        return bad("", "has " + std::to_string(reader.rest().size()) + " bytes too many");
    }
    return document;
}

}  // namespace klyuchnik::topics
