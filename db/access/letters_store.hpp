#pragma once

#include <optional>
#include <string>

#include "db/access/connection.hpp"
#include "db/access/runtime_store.hpp"
#include "topics/ids.hpp"
#include "topics/time.hpp"

/// Dead letters: what could be read and not applied. A person has one tried again or gives it up;
/// the domain that set it aside tries. Every function is one statement; all throw Fault.
namespace klyuchnik::db {

using topics::LetterId;

enum class LetterState : std::uint8_t { open, retrying, applied, discarded };
std::string_view name_of(LetterState state);

// -- for a person's wish
struct LetterHead {
    LetterId letter;
    std::string domain;
    std::string source;  ///< "kc-hall1:3:1041", "ask:account:3:<id>", or a device id.
    std::string kind;    ///< "key.taken", "keys.issue_key", "state".
    LetterState state = LetterState::open;
};
/// Locked; none: no such letter.
std::optional<LetterHead> lock_letter(Tx& tx, LetterId letter);
/// Wakes those who retry when `state` is retrying.
void change_letter(Tx& tx, LetterId letter, LetterState state, const std::string& by,
                   const std::optional<std::string>& reason, Instant now);

// -- for the one who tries again
struct Letter {
    LetterId letter;
    std::string source;
    std::string kind;
    std::string payload;
    std::string changed_by;
};
/// The oldest one of the domain that is to be tried again, after `after`; held until the
/// transaction ends, and passed over by everybody else.
std::optional<Letter> claim_letter(Tx& tx, const std::string& domain, LetterId after);
/// `why`: what the database said this time, when it failed again.
void finish_letter(Tx& tx, LetterId letter, LetterState state,
                   const std::optional<std::string>& why, Instant now);

/// A fact as it was stored; none when it has been forgotten.
std::optional<FactRow> stored_fact(Tx& tx, const FactNumber& number);
/// What became of a fact that was set aside; changes no other.
void settle_fact(Tx& tx, const FactNumber& number, Outcome outcome);
/// Replaces what an ask was told.
void replace_answer(Tx& tx, const KeptAnswer& answer, Instant now);

}  // namespace klyuchnik::db
