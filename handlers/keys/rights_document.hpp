#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "db/access/keys_store.hpp"
#include "topics/rights_document.hpp"

/// What a cabinet's rights document says. Pure: no clock, database or MQTT.
namespace klyuchnik::handlers::keys {

/// Everything that a document is made of, as it is now.
struct CabinetContent {
    std::int64_t lease_s = 0;
    db::SiteTime time;
    std::vector<db::CabinetKey> keys;  ///< That live in the cabinet.
    std::vector<db::CardRight> cards;  ///< Pairs of card and key; others than `keys` are left out.
};

/// Pairs that the document would hold.
std::size_t pairs_of(const CabinetContent& content);
/// The document's size in bytes.
std::size_t bytes_of(const CabinetContent& content);
/// Within limits::kRightsRowsMax, kRightsDocumentBytesMax and kSlotMax.
bool fits(const CabinetContent& content);

/// The same for the same content, in whatever order it was read: 64 hexadecimal digits. Version,
/// salt and the time of making have no part in it.
std::string digest_of(const CabinetContent& content);

using Salt = std::array<std::uint8_t, 16>;
/// Precondition: fits().
topics::RightsDocument build_rights_document(const CabinetContent& content, topics::Version version,
                                             const Salt& salt, topics::Instant now);

/// Whether another version is to be made: what it says has changed, none was made yet, or the
/// cabinet holds a later one than we know of (the database was restored), which then may say
/// anything. What nobody can have given it counts for nothing (believed_rights()).
bool needs_version(const db::ClaimedCabinet& now_valid, const std::string& digest,
                   topics::Version held);
/// Above everything that was ever given out, as far as the cabinet is believed.
topics::Version next_version(const db::ClaimedCabinet& now_valid, topics::Version held);

}  // namespace klyuchnik::handlers::keys
