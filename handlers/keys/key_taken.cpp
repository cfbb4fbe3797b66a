// A key left its slot.
//
//   in      fact key.taken               never refused
//   decides judge_taken() in rules.cpp
//   writes  keys.loans                   loans_one_open allows one open loan per key
//           keys.conflicts               beside a fact that broke a rule
//   event   keys.key_taken, or keys.loan_confirmed where the loan was open already; keys.conflict

#include "handlers/keys/commands.hpp"
#include "handlers/keys/rules.hpp"

namespace klyuchnik::handlers::keys {

using namespace topics;

void key_taken(FactItem& item, const KeyTaken& fact, KeysRows& rows, Work& work) {
    const db::Key* key = rows.key({fact.tag, fact.key, fact.slot}, item.number.device);
    const auto person = rows.person(fact.card);
    if (!key) {
        db::Conflict conflict;
        if (person) conflict.person = person->id;
        conflict.why = db::ConflictWhy::unknown_key;
        note_conflict(item, std::move(conflict), rows, work);
        return;
    }
    const db::Loan* open = rows.open_loan(key->id);
    const auto holder = open ? open->person : std::nullopt;
    const auto ended = person ? rows.ended_right(person->id, key->id, item.occurred) : std::nullopt;
    const Taken taken =
        judge_taken({fact.card.has_value(), person, person && rows.has_right(person->id, key->id),
                     had_right(ended, item.occurred, item.time_source)},
                    open);

    item.outcome = db::Outcome::applied;
    std::optional<PersonId> taker = person ? std::optional{person->id} : std::nullopt;
    LoanId loan;
    if (open && taken.confirm) {
        loan = open->id;
        taker = holder;
        rows.confirm(key->id, item.occurred);
    }
    if (taken.supersede) {
        // Without a card nobody else was seen: the holder stays who it was.
        if (taken.conflict == db::ConflictWhy::taken_again) taker = holder;
        rows.close(key->id, item.occurred, item.source, db::ClosedWhy::superseded, std::nullopt);
    }
    if (taken.open) {
        loan = rows.open(key->id, taker, item.occurred, item.source, false).id;
    }
    Event& event =
        work.log(item, "keys", taken.confirm ? "loan_confirmed" : "key_taken", subject_of(key->id));
    event.ids.key = key->id;
    event.ids.person = taker;
    event.ids.loan = loan;
    event.ids.slot = fact.slot;

    if (taken.conflict) {
        db::Conflict conflict;
        conflict.key = key->id;
        conflict.person = taker;
        conflict.holder = holder;
        conflict.loan = loan;
        conflict.why = *taken.conflict;
        const bool not_allowed = taken.conflict == db::ConflictWhy::taken_without_right ||
                                 taken.conflict == db::ConflictWhy::taken_by_inactive_person;
        if (ended && not_allowed) conflict.right_ended = ended->ended;
        note_conflict(item, std::move(conflict), rows, work);
    }
}

}  // namespace klyuchnik::handlers::keys
