#include "topics/ids.hpp"

#include <algorithm>

namespace klyuchnik::topics {

std::optional<DeviceId> DeviceId::parse(std::string_view text) {
    constexpr std::size_t kPrefix = 3;
    if (!text.starts_with("kc-") && !text.starts_with("sg-")) return std::nullopt;
    const std::string_view rest = text.substr(kPrefix);
    if (rest.size() < 4 || rest.size() > 18) return std::nullopt;
    const bool plain = std::ranges::all_of(
        rest, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
    if (!plain) return std::nullopt;
    return DeviceId{text};
}

}  // namespace klyuchnik::topics
