#include "firmware-sim/device/records.hpp"

#include "topics/chunk.hpp"

namespace klyuchnik::sim {

void put_u32(std::string& out, std::uint32_t value) {
    for (unsigned shift = 0; shift < 32; shift += 8) {
        out.push_back(static_cast<char>((value >> shift) & 0xFFU));
    }
}
void put(std::string& out, std::int64_t value) {
    const auto bits = static_cast<std::uint64_t>(value);
    put_u32(out, static_cast<std::uint32_t>(bits));
    put_u32(out, static_cast<std::uint32_t>(bits >> 32U));
}
void put(std::string& out, std::string_view text) {
    put_u32(out, static_cast<std::uint32_t>(text.size()));
    out.append(text);
}
void put(std::string& out, const std::optional<std::int64_t>& value) {
    out.push_back(value ? '\1' : '\0');
    if (value) put(out, *value);
}

std::uint32_t u32_at(std::string_view bytes, std::size_t at) {
    std::uint32_t value = 0;
    for (unsigned i = 0; i < 4; ++i) {
        value |= std::uint32_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
    }
    return value;
}

char Reader::byte() {
    if (!has(1)) return '\0';
    return bytes_[at_++];
}

std::uint32_t Reader::u32() {
    if (!has(4)) return 0;
    const std::uint32_t value = u32_at(bytes_, at_);
    at_ += 4;
    return value;
}

std::int64_t Reader::number() {
    const std::uint64_t low = u32();
    const std::uint64_t high = u32();
    return static_cast<std::int64_t>(low | (high << 32U));
}

std::optional<std::int64_t> Reader::maybe() {
    if (byte() == '\0') return std::nullopt;
    return number();
}

std::string Reader::text() {
    const std::uint32_t size = u32();
    if (!has(size)) return {};
    std::string out{bytes_.substr(at_, size)};
    at_ += size;
    return out;
}

bool Reader::has(std::size_t n) {
    if (bytes_.size() - at_ >= n) return true;
    at_ = bytes_.size();
    good_ = false;
    return false;
}

std::string framed(std::string_view payload) {
    std::string out;
    out.reserve(kRecordHeaderBytes + payload.size());
    const auto size = static_cast<std::uint32_t>(payload.size());
    put_u32(out, size);
    put_u32(out, ~size);
    put_u32(out, topics::crc32(payload));
    out.append(payload);
    return out;
}

std::optional<std::string_view> record_at(std::string_view bytes, std::size_t at,
                                          std::size_t bytes_max) {
    if (bytes.size() < at || bytes.size() - at < kRecordHeaderBytes) return std::nullopt;
    const std::uint32_t size = u32_at(bytes, at);
    if (size != ~u32_at(bytes, at + 4) || size == 0 || size > bytes_max) return std::nullopt;
    if (bytes.size() - at - kRecordHeaderBytes < size) return std::nullopt;
    const std::string_view payload = bytes.substr(at + kRecordHeaderBytes, size);
    if (topics::crc32(payload) != u32_at(bytes, at + 8)) return std::nullopt;
    return payload;
}

}  // namespace klyuchnik::sim
