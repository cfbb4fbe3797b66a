#include "handlers/keys/rights_document.hpp"

#include <algorithm>
#include <map>

#include "handlers/runtime/journal_rules.hpp"
#include "topics/limits.hpp"
#include "topics/sha256.hpp"

namespace klyuchnik::handlers::keys {

using namespace topics;

namespace {

constexpr std::size_t kHeadBytes = 52;
constexpr std::size_t kKeyBytes = 4;  ///< And its name.
constexpr std::size_t kRowBytes = 12;

/// Places in the list of keys.
std::map<KeyId, std::uint16_t> places_of(const CabinetContent& content) {
    std::map<KeyId, std::uint16_t> places;
    for (const db::CabinetKey& key : content.keys) {
        places[key.id] = static_cast<std::uint16_t>(places.size());
    }
    return places;
}

/// The same card and key once, sorted.
std::vector<db::CardRight> pairs(const CabinetContent& content) {
    const auto places = places_of(content);
    std::vector<db::CardRight> sorted;
    sorted.reserve(content.cards.size());
    std::ranges::copy_if(content.cards, std::back_inserter(sorted),
                         [&](const db::CardRight& pair) { return places.contains(pair.key); });
    std::ranges::sort(sorted);
    sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
    return sorted;
}

void add(std::string& out, std::int64_t number) {
    out += std::to_string(number);
    out += ' ';
}
/// With its length in front: no two lists of texts look alike.
void add(std::string& out, const std::string& text) {
    add(out, static_cast<std::int64_t>(text.size()));
    out += text;
}

}  // namespace

std::size_t pairs_of(const CabinetContent& content) {
    return pairs(content).size();
}

std::size_t bytes_of(const CabinetContent& content) {
    std::size_t bytes = kHeadBytes + kRowBytes * pairs_of(content);
    for (const db::CabinetKey& key : content.keys) bytes += kKeyBytes + key.name.value.size();
    return bytes;
}

bool fits(const CabinetContent& content) {
    return content.keys.size() <= static_cast<std::size_t>(limits::kSlotMax) &&
           pairs_of(content) <= static_cast<std::size_t>(limits::kRightsRowsMax) &&
           bytes_of(content) <= limits::kRightsDocumentBytesMax;
}

std::string digest_of(const CabinetContent& content) {
    std::string said;
    add(said, content.lease_s);
    add(said, content.time.offset_min);
    add(said, content.time.change ? unix_seconds(*content.time.change) : 0);
    add(said, content.time.after_min);
    std::vector<db::CabinetKey> keys = content.keys;
    std::ranges::sort(keys, {}, &db::CabinetKey::slot);
    add(said, static_cast<std::int64_t>(keys.size()));
    for (const db::CabinetKey& key : keys) {
        add(said, key.id.value);
        add(said, key.slot.value);
        add(said, key.name.value);
    }
    for (const db::CardRight& pair : pairs(content)) {
        add(said, pair.key.value);
        add(said, pair.card.value);
    }
    return to_hex(sha256(said));
}

RightsDocument build_rights_document(const CabinetContent& content, Version version,
                                     const Salt& salt, Instant now) {
    RightsDocument document;
    document.version = version.value;
    document.made_s = static_cast<std::uint32_t>(unix_seconds(now));
    document.lease_s = static_cast<std::uint32_t>(content.lease_s);
    document.salt = salt;
    document.utc_offset_min = static_cast<std::int16_t>(content.time.offset_min);
    document.utc_offset_after_min = static_cast<std::int16_t>(content.time.after_min);
    if (content.time.change) {
        document.offset_change_s = static_cast<std::uint32_t>(unix_seconds(*content.time.change));
    }
    for (const db::CabinetKey& key : content.keys) {
        document.keys.push_back({key.slot, 0, key.name});
    }
    const auto places = places_of(content);
    std::map<CardSerial, CardHash> hashes;
    for (const db::CardRight& pair : pairs(content)) {
        const auto [hash, fresh] = hashes.try_emplace(pair.card);
        if (fresh) hash->second = card_hash(salt, pair.card);
        document.rows.push_back({hash->second, places.at(pair.key), RightsRow::kAlways});
    }
    return document;
}

bool needs_version(const db::ClaimedCabinet& now_valid, const std::string& digest, Version held) {
    return now_valid.version.value == 0 || now_valid.digest != digest ||
           believed_rights(held, now_valid.version) > now_valid.version;
}

Version next_version(const db::ClaimedCabinet& now_valid, Version held) {
    const Version believed = believed_rights(held, now_valid.version);
    return Version{std::max(now_valid.version, believed).value + 1};
}

}  // namespace klyuchnik::handlers::keys
