// CRC-32 as in Ethernet and zip (reflected, 0xEDB88320).
#pragma once

#include <cstdint>
#include <string_view>

namespace klyuchnik::sim {

/// Detects every torn write and every burst of up to 32 flipped bits; no protection against intent.
std::uint32_t crc32(std::string_view bytes);

}  // namespace klyuchnik::sim
