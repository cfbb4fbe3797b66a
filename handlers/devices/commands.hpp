#pragma once

#include <span>
#include <variant>

#include "handlers/runtime/work.hpp"

/// The commands of the domain, one file each.
namespace klyuchnik::handlers::devices {

using AskOutcome = std::variant<topics::AskResult, topics::Refusal>;

AskOutcome add_device(const AskItem& item, const topics::AddDevice& ask, Work& work, db::Tx& tx);
/// Births and wills of one batch, in order.
void mark_presence(std::span<const StateItem* const> states, Work& work, db::Tx& tx);

}  // namespace klyuchnik::handlers::devices
