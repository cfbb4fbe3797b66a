#pragma once

#include <string_view>

#include <nlohmann/json.hpp>

#include "topics/result.hpp"

/// Internal to topics/: only codec files include this.
namespace klyuchnik::topics {

/// Parses with the limits of the contract: size, depth, number of keys, valid UTF-8, no duplicate
/// keys, no integer beyond 64 bits turned silently into a double, nothing after the document. The
/// recursion-free parser builds nothing deeper than limits::kJsonDepthMax, so that what it returns
/// may be dumped safely.
Decoded<nlohmann::json> parse_strict(std::string_view payload);

}  // namespace klyuchnik::topics
