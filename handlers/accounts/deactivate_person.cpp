// A person's cards open nothing any more. Loans and history stay.
//
//   in      ask accounts.deactivate_person   refusable, expires; inactive already is done, not
//   refused writes  accounts.people event   accounts.person_deactivated, when they were active
//   answer  {person} | unknown_person

#include "db/access/accounts_store.hpp"
#include "handlers/accounts/commands.hpp"

namespace klyuchnik::handlers::accounts {

using namespace topics;

AskOutcome deactivate_person(const AskItem& item, const DeactivatePerson& ask, Work& work,
                             db::Tx& tx) {
    if (db::deactivate_person(tx, ask.person)) {
        Event& event = work.log(item, "accounts", "person_deactivated",
                                "person:" + std::to_string(ask.person.value));
        event.ids.person = ask.person;
    } else if (!db::person_exists(tx, ask.person)) {
        return Refusal{Code::unknown_person, ""};
    }
    AskResult result;
    result.person = ask.person;
    return result;
}

}  // namespace klyuchnik::handlers::accounts
