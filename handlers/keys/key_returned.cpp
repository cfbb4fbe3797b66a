// A key came back.
//
//   in      fact key.returned            never refused
//   decides judge_returned() in rules.cpp
//   writes  keys.loans                   the open loan ends, whoever brought the key
//           keys.conflicts               when no loan was open
//   event   keys.key_returned; `holder` is named where somebody else brought it; keys.conflict

#include "handlers/keys/commands.hpp"
#include "handlers/keys/rules.hpp"

namespace klyuchnik::handlers::keys {

using namespace topics;

void key_returned(FactItem& item, const KeyReturned& fact, KeysRows& rows, Work& work) {
    const db::Key* key = rows.key({fact.tag, fact.key, fact.slot}, item.number.device);
    const auto person = rows.person(fact.card);
    const auto by = person ? std::optional{person->id} : std::nullopt;
    if (!key) {
        db::Conflict conflict;
        conflict.person = by;
        conflict.why = db::ConflictWhy::unknown_key;
        note_conflict(item, std::move(conflict), rows, work);
        return;
    }
    const db::Loan* open = rows.open_loan(key->id);
    const Returned returned = judge_returned(open);
    if (returned.conflict) {
        db::Conflict conflict;
        conflict.key = key->id;
        conflict.person = by;
        conflict.why = *returned.conflict;
        note_conflict(item, std::move(conflict), rows, work);
        return;
    }
    item.outcome = db::Outcome::applied;
    const auto holder = open->person;
    Event& event = work.log(item, "keys", "key_returned", subject_of(key->id));
    event.ids.key = key->id;
    event.ids.person = by ? by : holder;
    if (by && holder && by != holder) event.ids.holder = holder;
    event.ids.loan = open->id;
    event.ids.slot = fact.slot;
    rows.close(key->id, item.occurred, item.source, db::ClosedWhy::returned, by);
}

}  // namespace klyuchnik::handlers::keys
