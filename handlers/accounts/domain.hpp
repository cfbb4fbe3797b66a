#pragma once

#include <memory>

#include "handlers/runtime/work.hpp"

namespace klyuchnik::handlers::accounts {

/// People, their cards, and who is signed in. Owns the asks of "accounts".
std::unique_ptr<Domain> make_domain();

}  // namespace klyuchnik::handlers::accounts
