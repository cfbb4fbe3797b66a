#pragma once

#include <memory>

#include "handlers/runtime/work.hpp"

namespace klyuchnik::handlers::keys {

/// Key cabinets: rights, loans, conflicts. Owns the facts and requests of class kc and the asks of
/// "keys".
std::unique_ptr<Domain> make_domain();

}  // namespace klyuchnik::handlers::keys
