// How everything that a device keeps is laid down: records that know their length and their CRC, so
// that a crash at any byte is seen when they are read again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace klyuchnik::sim {

// -- bytes, little-endian
void put_u32(std::string& out, std::uint32_t value);
void put(std::string& out, std::int64_t value);
void put(std::string& out, std::string_view text);
void put(std::string& out, const std::optional<std::int64_t>& value);
std::uint32_t u32_at(std::string_view bytes, std::size_t at);

/// Reads what put() wrote; past the end it yields zeros and remembers.
class Reader {
 public:
    explicit Reader(std::string_view bytes) : bytes_{bytes} {}

    char byte();
    std::uint32_t u32();
    std::int64_t number();
    std::optional<std::int64_t> maybe();
    std::string text();
    bool good() const { return good_; }

 private:
    bool has(std::size_t n);

    std::string_view bytes_;
    std::size_t at_ = 0;
    bool good_ = true;
};

// -- records
inline constexpr std::size_t kRecordHeaderBytes = 12;

/// Length, its complement, CRC-32, payload. The complement tells a length that was damaged from a
/// record that was cut short.
std::string framed(std::string_view payload);

/// The payload of the record at `at`, or nothing: cut short, damaged, empty, or longer than
/// `bytes_max`.
std::optional<std::string_view> record_at(std::string_view bytes, std::size_t at,
                                          std::size_t bytes_max);

}  // namespace klyuchnik::sim
