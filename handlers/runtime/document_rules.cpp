#include "handlers/runtime/document_rules.hpp"

#include <algorithm>

#include "topics/limits.hpp"

namespace klyuchnik::handlers {

using namespace topics;

std::int64_t day_of(Instant now) {
    return std::chrono::floor<std::chrono::days>(now).time_since_epoch().count();
}

UploadsSoFar uploads_so_far(std::span<const db::Upload* const> of_device, std::int64_t today) {
    UploadsSoFar so_far{of_device.size(), 0};
    for (const db::Upload* upload : of_device) {
        if (upload->day == today) so_far.bytes_today += upload->day_bytes;
    }
    return so_far;
}

Announced judge_announcement(const DocumentReady& ready, const db::Upload* earlier,
                             const UploadsSoFar& so_far, bool content_here) {
    if (ready.bytes > static_cast<std::int64_t>(limits::kDocumentBytesMax)) {
        return Announced::refused;
    }
    if (!earlier && so_far.names >= kUploadsPerDeviceMax) return Announced::refused;
    if (content_here) return Announced::here;
    const bool under_way = earlier && earlier->state == db::UploadState::open &&
                           earlier->sha256 == ready.sha256 && earlier->bytes == ready.bytes;
    if (under_way) return Announced::kept;
    return ready.bytes > kUploadBytesPerDayMax - so_far.bytes_today ? Announced::over_quota
                                                                    : Announced::begun;
}

std::optional<std::int64_t> chunk_bytes_of(std::int64_t document_bytes, const Chunk& chunk) {
    const auto length = static_cast<std::int64_t>(chunk.bytes.size());
    const std::int64_t total = chunk.total;
    if (total == 1) {
        if (length != document_bytes) return std::nullopt;
        return std::max<std::int64_t>(1, length);
    }
    std::int64_t bytes = length;
    if (chunk.index + std::int64_t{1} == total) {
        // The last one is what is left over by all the others, which are of one length.
        const std::int64_t before = document_bytes - length;
        if (length == 0 || before <= 0 || before % (total - 1) != 0) return std::nullopt;
        bytes = before / (total - 1);
        if (length > bytes) return std::nullopt;
    }
    if (bytes < kUploadChunkBytesMin || chunks_of(document_bytes, bytes) != total) {
        return std::nullopt;
    }
    return bytes;
}

Fit fit(const db::Upload& upload, const Chunk& chunk) {
    const auto bytes = chunk_bytes_of(upload.bytes, chunk);
    if (!bytes) return Fit::no;
    return upload.total == chunk.total && upload.chunk_bytes == *bytes ? Fit::fits : Fit::recut;
}

Asking next_asking(const db::Upload& upload, std::span<const std::int64_t> here) {
    Asking asking{upload.have, 1};
    if (upload.total == 0) return asking;
    std::int64_t end = std::min(upload.total, upload.have + limits::kChunksWantedMax);
    const auto next = std::ranges::upper_bound(here, upload.have);
    if (next != here.end()) end = std::min(end, *next);
    asking.count = std::max<std::int64_t>(1, end - upload.have);
    return asking;
}

std::int64_t first_missing(std::int64_t have, std::span<const std::int64_t> here) {
    for (const std::int64_t index : here) {
        if (index == have) ++have;
    }
    return have;
}

std::chrono::seconds pause_after(std::int64_t asks) {
    const std::int64_t doublings = std::clamp<std::int64_t>(asks, 0, 10);
    return std::min<std::chrono::seconds>(limits::kChunkRepeat * (std::int64_t{1} << doublings),
                                          kUploadPauseMax);
}

std::optional<Refusal> why_not_part(const AddBlobPart& part, std::size_t content_bytes) {
    const auto most = static_cast<std::int64_t>(limits::kDocumentBytesMax);
    if (part.bytes < 1 || part.bytes > most) {
        return Refusal{Code::invalid, "bytes: expected 1 to " + std::to_string(most)};
    }
    const std::int64_t total = chunks_of(part.bytes, limits::kBlobPartBytesMax);
    if (part.total != total) {
        return Refusal{Code::invalid, "total: expected " + std::to_string(total)};
    }
    if (part.index < 0 || part.index >= total) {
        return Refusal{Code::invalid, "index: expected less than total"};
    }
    const std::int64_t length =
        std::min(limits::kBlobPartBytesMax, part.bytes - part.index * limits::kBlobPartBytesMax);
    if (static_cast<std::int64_t>(content_bytes) != length) {
        return Refusal{Code::invalid, "content: expected " + std::to_string(length) + " bytes"};
    }
    return std::nullopt;
}

}  // namespace klyuchnik::handlers
