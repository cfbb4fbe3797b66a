// An old cabinet, without a sensor, gives a key out.
//
//   in      ask keys.issue_key           refusable, expires
//   decides why_not_issue() in rules.cpp
//   writes  keys.loans                   opened here, confirmed by a later key.taken if there is a
//   sensor event   keys.key_issued answer  {loan, key, person} | unknown_card | no_right |
//   key_held_by_self | key_held_by_other | ...

#include "handlers/keys/commands.hpp"
#include "handlers/keys/rules.hpp"

namespace klyuchnik::handlers::keys {

using namespace topics;

AskOutcome issue_key(const AskItem& item, const IssueKey& ask, KeysRows& rows, Work& work) {
    const auto person = rows.person(ask.card);
    const db::Key* key = rows.key(ask.key);
    const bool has_right = person && key && rows.has_right(person->id, key->id);
    const db::Loan* open = key ? rows.open_loan(key->id) : nullptr;
    if (const auto refusal = why_not_issue(person, key, has_right, open)) return *refusal;

    const LoanId loan = rows.open(key->id, person->id, work.now, item.source, true).id;
    Event& event = work.log(item, "keys", "key_issued", subject_of(key->id));
    event.ids.key = key->id;
    event.ids.person = person->id;
    event.ids.loan = loan;

    AskResult result;
    result.loan = loan;
    result.key = key->id;
    result.person = person->id;
    return result;
}

}  // namespace klyuchnik::handlers::keys
