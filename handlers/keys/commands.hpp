#pragma once

#include <span>
#include <variant>

#include "handlers/keys/rows.hpp"
#include "handlers/runtime/work.hpp"

/// The commands of the domain, one file each: message in, decision, rows, event, answer.
namespace klyuchnik::handlers::keys {

using AskOutcome = std::variant<topics::AskResult, topics::Refusal>;

// -- facts
// -----------------------------------------------------------------------------------------------
void key_taken(FactItem& item, const topics::KeyTaken& fact, KeysRows& rows, Work& work);
void key_returned(FactItem& item, const topics::KeyReturned& fact, KeysRows& rows, Work& work);
void access_decided(FactItem& item, const topics::AccessGranted& fact, KeysRows& rows, Work& work);
void access_decided(FactItem& item, const topics::AccessDenied& fact, KeysRows& rows, Work& work);
/// Records what was wrong with a fact; the fact itself stays true. Where and when are taken from
/// `item`.
void note_conflict(FactItem& item, db::Conflict conflict, KeysRows& rows, Work& work);
/// Facts that change no row of this domain: they are history.
void log_fact(FactItem& item, Work& work);

// -- asks
// ------------------------------------------------------------------------------------------------
AskOutcome issue_key(const AskItem& item, const topics::IssueKey& ask, KeysRows& rows, Work& work);
AskOutcome return_key(const AskItem& item, const topics::ReturnKey& ask, KeysRows& rows,
                      Work& work);
AskOutcome add_key(const AskItem& item, const topics::AddKey& ask, KeysRows& rows, Work& work,
                   db::Tx& tx);
AskOutcome grant_right(const AskItem& item, const topics::GrantRight& ask, KeysRows& rows,
                       Work& work, db::Tx& tx);
AskOutcome revoke_right(const AskItem& item, const topics::RevokeRight& ask, KeysRows& rows,
                        Work& work, db::Tx& tx);
AskOutcome set_rights(const AskItem& item, const topics::SetRights& ask, KeysRows& rows, Work& work,
                      db::Tx& tx);

// -- requests
// --------------------------------------------------------------------------------------------
void answer_key_requests(std::span<RequestItem> requests, db::Tx& tx);

/// "key:12": the subject under which a key's history is found.
std::string subject_of(topics::KeyId key);

}  // namespace klyuchnik::handlers::keys
