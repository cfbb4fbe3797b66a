// An old cabinet takes a key back.
//
//   in      ask keys.return_key          refusable, expires
//   decides why_not_return() in rules.cpp
//   writes  keys.loans                   the open loan ends
//   event   keys.key_returned
//   answer  {loan, key, person} | unknown_card | unknown_key | key_not_held

#include "handlers/keys/commands.hpp"
#include "handlers/keys/rules.hpp"

namespace klyuchnik::handlers::keys {

using namespace topics;

AskOutcome return_key(const AskItem& item, const ReturnKey& ask, KeysRows& rows, Work& work) {
    const auto person = rows.person(ask.card);
    const db::Key* key = rows.key(ask.key);
    const db::Loan* open = key ? rows.open_loan(key->id) : nullptr;
    if (const auto refusal = why_not_return(person, key, open)) return *refusal;

    AskResult result;
    result.loan = open->id;
    result.key = key->id;
    result.person = person->id;
    Event& event = work.log(item, "keys", "key_returned", subject_of(key->id));
    event.ids.key = key->id;
    event.ids.person = person->id;
    event.ids.loan = open->id;
    rows.close(key->id, work.now, item.source, db::ClosedWhy::returned, person->id);
    return result;
}

}  // namespace klyuchnik::handlers::keys
