// A person becomes known, with the cards they carry.
//
//   in      ask accounts.add_person      refusable, expires; all or nothing
//   writes  accounts.people
//           accounts.identifiers         identifiers_belong_to_one_person
//   event   accounts.person_added
//   answer  {person} | taken | invalid

#include <algorithm>

#include "db/access/accounts_store.hpp"
#include "db/access/fault.hpp"
#include "handlers/accounts/commands.hpp"

namespace klyuchnik::handlers::accounts {

using namespace topics;

AskOutcome add_person(const AskItem& item, const AddPerson& ask, Work& work, db::Tx& tx) {
    std::vector<CardSerial> cards = ask.cards;
    std::ranges::sort(cards);
    if (std::ranges::adjacent_find(cards) != cards.end()) {
        return Refusal{Code::invalid, "cards: the same card twice"};
    }
    if (!db::cards_in_use(tx, cards).empty()) {
        return Refusal{Code::taken, "cards: one belongs to somebody already"};
    }
    const PersonId person = db::add_person(tx, ask.full_name, work.now);
    if (db::add_cards(tx, person, cards, work.now) != cards.size()) {
        // Another handler gave the card away between the look and the insert: look again.
        throw db::Fault{"a card was taken meanwhile", db::Fault::Retry::same_batch};
    }
    Event& event =
        work.log(item, "accounts", "person_added", "person:" + std::to_string(person.value));
    event.ids.person = person;
    AskResult result;
    result.person = person;
    return result;
}

}  // namespace klyuchnik::handlers::accounts
