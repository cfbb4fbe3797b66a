#pragma once

#include <optional>

#include "db/access/keys_store.hpp"
#include "db/access/runtime_store.hpp"
#include "topics/refusal.hpp"

/// Who may take a key, and what a fact means for its loan. Pure: no clock, database, MQTT or JSON.
namespace klyuchnik::handlers::keys {

/// Why a cabinet may not let go of the key now, or nothing when it may.
std::optional<topics::Refusal> why_not_grant(const db::RequestFacts& request);

/// Why an old cabinet may not give out the key. `key` and `person` are absent when unknown.
std::optional<topics::Refusal> why_not_issue(const std::optional<db::Person>& person,
                                             const db::Key* key, bool has_right,
                                             const db::Loan* open_loan);

/// Why this is not a return.
std::optional<topics::Refusal> why_not_return(const std::optional<db::Person>& person,
                                              const db::Key* key, const db::Loan* open_loan);

/// What a `key.taken` does.
struct Taken {
    bool open = false;     ///< A new loan begins.
    bool confirm = false;  ///< The open loan is this one: a sensor has now seen the key leave.
    bool supersede =
        false;  ///< The open loan ends without a return: the holder follows the newest fact.
    std::optional<db::ConflictWhy> conflict;
};
/// Who took it, as far as the fact tells.
struct Taker {
    bool card_presented = false;
    std::optional<db::Person> person;  ///< Absent with a card: the card is unknown.
    bool has_right = false;
    bool had_right = false;  ///< At the time of the fact, though not any more.
};
/// Whether a right counted at the time of a fact. By a clock that nobody trusts it can not be told,
/// and it is taken for ended.
bool had_right(const std::optional<db::EndedRight>& ended, topics::Instant occurred,
               db::TimeSource source);
/// A fact is never refused: it always opens or confirms a loan, and what was wrong with it is said
/// beside.
Taken judge_taken(const Taker& taker, const db::Loan* open_loan);

/// What a `key.returned` does: closes the open loan, or is a conflict when there is none.
struct Returned {
    bool close = false;
    std::optional<db::ConflictWhy> conflict;
};
Returned judge_returned(const db::Loan* open_loan);

}  // namespace klyuchnik::handlers::keys
