#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "db/access/documents_store.hpp"
#include "topics/asks.hpp"
#include "topics/chunk.hpp"
#include "topics/facts.hpp"
#include "topics/refusal.hpp"

/// How documents come from devices, piece by piece. Pure: no clock, database or MQTT.
namespace klyuchnik::handlers {

/// Names that a device has ever announced; the next one is refused.
inline constexpr std::size_t kUploadsPerDeviceMax = 16;
/// Whole with a wrong hash so often: given up.
inline constexpr std::int64_t kUploadFailuresMax = 3;
/// Asked so often in a row, while the device was here, and got nothing: given up. About three
/// hours.
inline constexpr std::int64_t kUploadAsksMax = 200;
/// Between two unanswered askings at most; the first pause is limits::kChunkRepeat.
inline constexpr std::chrono::seconds kUploadPauseMax{60};
/// What may be begun of one device within a day of UTC; what is announced above it is given up.
inline constexpr std::int64_t kUploadBytesPerDayMax = std::int64_t{64} << 20;
/// No chunk but the last may be smaller: what fits the smallest packet.
inline constexpr std::int64_t kUploadChunkBytesMin = 156;

/// What is done about a doc.ready.
enum class Announced : std::uint8_t {
    begun,       ///< To be fetched from its first chunk.
    kept,        ///< The same is being fetched already.
    here,        ///< The device has sent this content before, and it is kept.
    refused,     ///< Too large, or one name too many: it is logged, not fetched.
    over_quota,  ///< Above kUploadBytesPerDayMax: it has failed before it began.
};
/// What a device has so far.
struct UploadsSoFar {
    std::size_t names = 0;
    std::int64_t bytes_today = 0;  ///< That were begun.
};
/// Days since 1970, by UTC.
std::int64_t day_of(topics::Instant now);
UploadsSoFar uploads_so_far(std::span<const db::Upload* const> of_device, std::int64_t today);
/// `earlier`: the upload of this name, if there ever was one; `content_here`: it came from this
/// very device before.
Announced judge_announcement(const topics::DocumentReady& ready, const db::Upload* earlier,
                             const UploadsSoFar& so_far, bool content_here);

/// How a chunk goes with an open upload whose hash begins as the chunk says.
enum class Fit : std::uint8_t {
    fits,
    recut,  ///< It fits the document, cut otherwise than so far: what is here is of no use. Also
            ///< the first chunk of all.
    no,     ///< Its numbers and length do not go together.
};
Fit fit(const db::Upload& upload, const topics::Chunk& chunk);
/// The length of every chunk but the last, as this one tells; nothing when it can not be so.
std::optional<std::int64_t> chunk_bytes_of(std::int64_t document_bytes, const topics::Chunk& chunk);

/// Chunks to ask for: [first, first + count).
struct Asking {
    std::int64_t first = 0;
    std::int64_t count = 1;
};
/// The first missing chunk and those that are missing behind it, at most limits::kChunksWantedMax;
/// the first alone while nobody knows how the document is cut. `here`: indexes from `upload.have`
/// that are here, upwards. Precondition: the upload is not whole.
Asking next_asking(const db::Upload& upload, std::span<const std::int64_t> here);
/// `have` after these came: the first missing index.
std::int64_t first_missing(std::int64_t have, std::span<const std::int64_t> here);
/// Before asking again after `asks` askings without an answer.
std::chrono::seconds pause_after(std::int64_t asks);

/// Why a part of an upload over HTTP can not be one; its content is decoded already.
std::optional<topics::Refusal> why_not_part(const topics::AddBlobPart& part,
                                            std::size_t content_bytes);

}  // namespace klyuchnik::handlers
