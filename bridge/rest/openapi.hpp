#pragma once

#include <string_view>

namespace klyuchnik::bridge {

/// bridge/rest/openapi.json, embedded at build time.
std::string_view openapi_document();

}  // namespace klyuchnik::bridge
