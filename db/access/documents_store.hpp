#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "db/access/connection.hpp"
#include "topics/ids.hpp"
#include "topics/time.hpp"

/// Documents both ways, their content, and what acks tell devices to fetch. Content is kept once,
/// under its SHA-256, which is passed as 64 hexadecimal digits here; content itself is passed as
/// its bytes. Every function is one statement unless it says otherwise; all throw Fault.
namespace klyuchnik::db {

// -- content
/// Keeps `content` under `sha256`, which must be its hash (blobs_name_is_their_hash). There already
/// is as good as added: it counts as used from `now` on.
void add_blob(Tx& tx, const std::string& sha256, std::string_view content, topics::Instant now);
/// Those that are here; they count as used from `now` on, so that nobody forgets them before they
/// are referred to.
std::vector<std::string> use_blobs(Tx& tx, std::span<const std::string> sha256s,
                                   topics::Instant now);

struct BlobPart {
    std::string sha256;  ///< Of the whole.
    std::int64_t bytes = 0;
    std::int64_t index = 0;
    std::int64_t total = 0;
    std::string content;
};
/// What an upload over HTTP looks like so far.
struct BlobParts {
    std::int64_t here = 0;
    bool consistent = true;  ///< All parts say the same of the whole.
};
/// Keeps a part; one that is here already stays as it is. Two statements.
BlobParts add_blob_part(Tx& tx, const BlobPart& part, topics::Instant now);
/// False: the parts make up something else, and nothing is kept of it. Else there is a blob. Either
/// way the parts are gone. Two statements.
bool join_blob_parts(Tx& tx, const std::string& sha256, topics::Instant now);

// -- documents
/// The next version of what `device` may fetch under `name`; the one before it is kept, older ones
/// go. The blob must be there. Two statements.
topics::Version add_document(Tx& tx, const topics::DeviceId& device, std::string_view name,
                             const std::string& sha256, topics::Instant now);
/// The same under a number that its content names: above every one before it. `drop` = content of
/// versions that go goes with them, unless something else refers to it. Three statements then.
void add_numbered_document(Tx& tx, const topics::DeviceId& device, std::string_view name,
                           topics::Version version, const std::string& sha256, bool drop,
                           topics::Instant now);
/// The next version of what came from `device`; as add_document(), and the content of versions that
/// go goes with them, unless something else refers to it. Three statements.
topics::Version add_received_document(Tx& tx, const topics::DeviceId& device, std::string_view name,
                                      const std::string& sha256, topics::Instant now);
/// Which of these contents came from the very device. What is here from elsewhere does not count: a
/// device could name what was never its own, and hold it.
struct ReceivedContent {
    topics::DeviceId device;
    std::string sha256;
    std::int64_t bytes = 0;  ///< As announced: of another size it is another document.
    auto operator<=>(const ReceivedContent&) const = default;
};
std::vector<ReceivedContent> received_content(Tx& tx, std::span<const ReceivedContent> wanted);

/// What acks want from now on. Nothing = no firmware.
void want_rights(Tx& tx, const topics::DeviceId& device, topics::Version version);
void want_firmware(Tx& tx, const topics::DeviceId& device,
                   const std::optional<std::string>& version);

/// One question of a device, doc.info or doc.get.
struct WantedDocument {
    topics::DeviceId device;
    std::string name;
    topics::Version version;            ///< 0 = the present one.
    std::optional<std::int64_t> index;  ///< Of a chunk; none: only the facts are asked for.
};
/// What there is of it; `number` is its place in the questions.
struct FoundDocument {
    std::size_t number = 0;
    topics::Version version;
    std::string sha256;
    std::int64_t bytes = 0;
    std::int64_t packet_bytes_max = 0;  ///< `rx` of the device's last birth.
    std::string chunk;                  ///< Empty when none was asked for, or behind the end.
};
/// For any number of questions at once. A chunk is cut out by the database: the rest of the
/// document is not read.
std::vector<FoundDocument> find_documents(Tx& tx, std::span<const WantedDocument> wanted);

// -- uploads
enum class UploadState : std::uint8_t { open, done, failed };
std::string_view name_of(UploadState state);

/// What a device has announced and the server fetches.
struct Upload {
    topics::DeviceId device;
    std::string name;
    std::string sha256;
    std::int64_t bytes = 0;
    UploadState state = UploadState::open;
    std::int64_t total = 0;        ///< Chunks; 0 = not known before the first came.
    std::int64_t chunk_bytes = 0;  ///< Of every chunk but the last; 0 = not known.
    std::int64_t have = 0;         ///< Chunks [0, have) are here.
    std::int64_t asked_last = -1;
    topics::Instant ask_after;
    std::int64_t asks = 0;       ///< In a row that brought nothing.
    std::int64_t failures = 0;   ///< Times it was whole and its hash was wrong.
    std::int64_t day = 0;        ///< Since 1970, by UTC: the last one on which it was begun,
    std::int64_t day_bytes = 0;  ///< and what was begun under this name on that day.
};
/// All uploads of these devices, locked in order until the transaction ends.
std::vector<Upload> lock_uploads(Tx& tx, std::span<const topics::DeviceId> devices);
void save_uploads(Tx& tx, std::span<const Upload> uploads, topics::Instant now);

struct UploadName {
    topics::DeviceId device;
    std::string name;
    auto operator<=>(const UploadName&) const = default;
};
struct UploadChunk {
    UploadName of;
    std::int64_t index = 0;
    std::string content;
};
/// One that is here already stays as it is.
void add_upload_chunks(Tx& tx, std::span<const UploadChunk> chunks);
/// Which chunks of [from, from + kChunksLookedAt) are here, upwards.
struct UploadPlace {
    UploadName of;
    std::int64_t from = 0;
};
inline constexpr std::int64_t kChunksLookedAt = 64;
struct ChunkHere {
    UploadName of;
    std::int64_t index = 0;
};
std::vector<ChunkHere> chunks_here(Tx& tx, std::span<const UploadPlace> places);
void drop_upload_chunks(Tx& tx, std::span<const UploadName> uploads);
/// Puts the chunks together. False: their hash is another, and nothing is kept of it.
bool join_upload(Tx& tx, const UploadName& upload, const std::string& sha256, topics::Instant now);

/// Open uploads that are due, of devices that are present, with the connection to ask on. Locked;
/// those that somebody else holds are left to it.
struct DueUpload {
    Upload upload;
    topics::Connection cn;
};
std::vector<DueUpload> due_uploads(Tx& tx, topics::Instant now, std::int64_t rows_max);
/// Open uploads of devices that have come back are due now.
void wake_uploads(Tx& tx, std::span<const topics::DeviceId> devices, topics::Instant now);

// -- reactions
/// How far a reaction has read the log; its row is locked until the transaction ends. Nothing:
/// another process is at it.
std::optional<topics::Position> lock_reaction(Tx& tx, const std::string& name);
void advance_reaction(Tx& tx, const std::string& name, topics::Position position);

// -- chores
std::size_t forget_blob_parts(Tx& tx, topics::Instant before, std::int64_t rows_max);
/// Blobs that nothing refers to and that nobody has used since `before`: no more than `bytes_max`
/// together, but one at least, since deleting takes as long as they are large.
struct ForgottenBlobs {
    std::size_t rows = 0;
    bool more = false;  ///< A limit was reached first.
};
ForgottenBlobs forget_blobs(Tx& tx, topics::Instant before, std::int64_t rows_max,
                            std::int64_t bytes_max);
/// Uploads on which nothing has moved since `before`, with their chunks.
std::size_t forget_uploads(Tx& tx, topics::Instant before, std::int64_t rows_max);

}  // namespace klyuchnik::db
