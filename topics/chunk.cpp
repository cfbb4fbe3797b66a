#include "topics/chunk.hpp"

#include <algorithm>

#include "topics/limits.hpp"
#include "topics/little_endian.hpp"

namespace klyuchnik::topics {
namespace {

constexpr std::array<std::uint32_t, 256> crc_table() {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t value = i;
        for (int bit = 0; bit < 8; ++bit) {
            value = (value & 1U) != 0 ? 0xEDB88320U ^ (value >> 1U) : value >> 1U;
        }
        table[i] = value;
    }
    return table;
}

}  // namespace

std::uint32_t crc32(std::string_view bytes) {
    static constexpr auto kTable = crc_table();
    std::uint32_t crc = 0xFFFF'FFFFU;
    for (const char byte : bytes) {
        crc = kTable[(crc ^ static_cast<unsigned char>(byte)) & 0xFFU] ^ (crc >> 8U);
    }
    return crc ^ 0xFFFF'FFFFU;
}

DocumentTag tag_of(const Sha256& hash) {
    DocumentTag tag{};
    std::copy_n(hash.begin(), tag.size(), tag.begin());
    return tag;
}

std::int64_t chunks_of(std::int64_t bytes, std::int64_t chunk_bytes) {
    return bytes == 0 ? 1 : (bytes + chunk_bytes - 1) / chunk_bytes;
}

std::int64_t chunk_bytes_for(std::int64_t rx) {
    const auto largest = static_cast<std::int64_t>(limits::kChunkBytesMax);
    const auto around = static_cast<std::int64_t>(limits::kChunkAroundBytes);
    return std::clamp<std::int64_t>(rx - around, 1, largest);
}

Chunk chunk_at(std::string_view content, const DocumentTag& document, std::int64_t index,
               std::int64_t chunk_bytes) {
    Chunk chunk;
    chunk.document = document;
    chunk.index = static_cast<std::uint32_t>(index);
    chunk.total = static_cast<std::uint32_t>(
        chunks_of(static_cast<std::int64_t>(content.size()), chunk_bytes));
    chunk.bytes = content.substr(static_cast<std::size_t>(index * chunk_bytes),
                                 static_cast<std::size_t>(chunk_bytes));
    return chunk;
}

std::string encode(const Chunk& chunk) {
    std::string out;
    out.reserve(limits::kChunkHeaderBytes + chunk.bytes.size());
    for (const std::uint8_t byte : chunk.document) put(out, byte);
    put(out, chunk.index);
    put(out, chunk.total);
    put(out, static_cast<std::uint32_t>(chunk.bytes.size()));
    put(out, crc32(chunk.bytes));
    out += chunk.bytes;
    return out;
}

std::optional<Chunk> decode_chunk(std::string_view payload) {
    Reader reader{payload};
    Chunk chunk;
    for (std::uint8_t& byte : chunk.document) byte = reader.take<std::uint8_t>();
    chunk.index = reader.take<std::uint32_t>();
    chunk.total = reader.take<std::uint32_t>();
    const auto length = reader.take<std::uint32_t>();
    const auto crc = reader.take<std::uint32_t>();
    if (reader.failed() || length > limits::kChunkBytesMax || reader.rest().size() != length ||
        chunk.total == 0 || chunk.index >= chunk.total || crc32(reader.rest()) != crc) {
        return std::nullopt;
    }
    chunk.bytes = reader.rest();
    return chunk;
}

}  // namespace klyuchnik::topics
