#pragma once

#include <variant>

#include "handlers/runtime/work.hpp"

/// The commands of the domain, one file each.
namespace klyuchnik::handlers::accounts {

using AskOutcome = std::variant<topics::AskResult, topics::Refusal>;

AskOutcome add_person(const AskItem& item, const topics::AddPerson& ask, Work& work, db::Tx& tx);
AskOutcome deactivate_person(const AskItem& item, const topics::DeactivatePerson& ask, Work& work,
                             db::Tx& tx);
AskOutcome open_session(const AskItem& item, const topics::OpenSession& ask, Work& work,
                        db::Tx& tx);
AskOutcome close_session(const topics::CloseSession& ask, db::Tx& tx);

}  // namespace klyuchnik::handlers::accounts
