#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "db/access/connection.hpp"
#include "topics/ids.hpp"
#include "topics/time.hpp"

/// Documents as the bridge reads them. One statement each; all throw Fault.
namespace klyuchnik::db {

enum class Direction : std::uint8_t { down, up };  ///< To the device, from it.
std::string_view name_of(Direction direction);

struct DocumentRow {
    std::string device;
    Direction direction = Direction::down;
    std::string name;  ///< down: "rights", "firmware"; up: what the device calls it, "logs".
    topics::Version version;
    std::string sha256;  ///< 64 hexadecimal digits.
    std::int64_t bytes = 0;
    topics::Instant made;
};
/// What there is of a device, by direction, name and version, the newest version first. At most two
/// versions of a name, and some tens of rows in all.
std::vector<DocumentRow> documents(Tx& tx, const topics::DeviceId& device);
/// One version; 0 is the newest. The content is read apart, piece by piece.
std::optional<DocumentRow> document(Tx& tx, const topics::DeviceId& device, Direction direction,
                                    const std::string& name, topics::Version version);
/// At most `bytes_max` bytes from `offset`, as they are; shorter at the end, empty behind it or
/// when the version is gone meanwhile. Pieces of 256 KiB keep memory and statements small.
std::string document_piece(Tx& tx, const DocumentRow& document, std::int64_t offset,
                           std::int64_t bytes_max);

/// A document that a device has announced, and how far it is fetched.
struct UploadRow {
    std::string name;
    std::string sha256;
    std::int64_t bytes = 0;
    std::string state;                  ///< open, done, failed
    std::optional<std::int64_t> total;  ///< Chunks; none came yet when absent.
    std::int64_t have = 0;              ///< Chunks from the first, without a gap.
    std::int64_t failures = 0;          ///< Times it was whole and its hash was wrong.
    topics::Instant changed;
};
/// By name. A device has 16 at most.
std::vector<UploadRow> uploads(Tx& tx, const topics::DeviceId& device);

/// The rights document of a cabinet. Which version the cabinet holds is in its DeviceRow.
struct CabinetRightsRow {
    topics::Version version;  ///< 0 = none was made yet.
    std::int64_t pairs = 0;   ///< Of card and key.
    bool too_large = false;   ///< The present rights do not fit: `version` is the last that did.
    std::optional<topics::Instant> looked;  ///< When they were computed for the last time.
};
std::optional<CabinetRightsRow> cabinet_rights(Tx& tx, const topics::DeviceId& cabinet);

}  // namespace klyuchnik::db
