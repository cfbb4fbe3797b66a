#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "topics/sha256.hpp"

/// Pieces of documents, on dn/ch to a device and on up/ch from it.
///
/// One MQTT payload: 24 bytes of header, then `length` bytes of the document. All numbers are
/// 32-bit little-endian.
///
///     0   8  document: the first 8 bytes of the SHA-256 of the whole document
///     8   4  index of this chunk, from 0
///     12  4  total number of chunks
///     16  4  length of the bytes that follow
///     20  4  CRC-32 (IEEE, as in zip) of the bytes that follow
///
/// Every chunk but the last is `chunk_bytes` long, so index * chunk_bytes is its place. A chunk of
/// a document that changed meanwhile has another id and fits nowhere: it can not be mixed in.
/// On dn/ch a payload that is no valid chunk may be a ChunksWanted (JSON): try the chunk first.
namespace klyuchnik::topics {

using DocumentTag = std::array<std::uint8_t, 8>;

struct Chunk {
    DocumentTag document{};
    std::uint32_t index = 0;
    std::uint32_t total = 0;
    std::string bytes;
};

DocumentTag tag_of(const Sha256& hash);
/// How many chunks of `chunk_bytes` make up `bytes`; an empty document has one empty chunk.
std::int64_t chunks_of(std::int64_t bytes, std::int64_t chunk_bytes);
/// The largest chunk for a device that accepts packets of `rx` bytes.
std::int64_t chunk_bytes_for(std::int64_t rx);
/// The piece `index` of `content`. Precondition: index < chunks_of(content.size(), chunk_bytes).
Chunk chunk_at(std::string_view content, const DocumentTag& document, std::int64_t index,
               std::int64_t chunk_bytes);

std::string encode(const Chunk& chunk);
/// Nothing: too short or long, lengths that do not fit together, wrong CRC.
std::optional<Chunk> decode_chunk(std::string_view payload);

std::uint32_t crc32(std::string_view bytes);

}  // namespace klyuchnik::topics
