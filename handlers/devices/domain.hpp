#pragma once

#include <memory>

#include "handlers/runtime/work.hpp"

namespace klyuchnik::handlers::devices {

/// Devices: who may speak, who is here. Owns births, wills and heartbeats of every class and the
/// asks of "devices".
std::unique_ptr<Domain> make_domain();

}  // namespace klyuchnik::handlers::devices
