// A person may take a key.
//
//   in      ask keys.grant_right         refusable, expires; granted already is done, not refused
//   writes  keys.rights                  rights_once
//   event   keys.right_granted, when it was not there
//   answer  {person, key} | unknown_person | unknown_key

#include "handlers/keys/commands.hpp"

namespace klyuchnik::handlers::keys {

using namespace topics;

AskOutcome grant_right(const AskItem& item, const GrantRight& ask, KeysRows& rows, Work& work,
                       db::Tx& tx) {
    if (!rows.person(ask.person)) return Refusal{Code::unknown_person, ""};
    if (!rows.key(ask.key)) return Refusal{Code::unknown_key, ""};

    const db::Right right{ask.person, ask.key};
    if (!db::add_rights(tx, {&right, 1}, work.now, item.source).empty()) {
        rows.give_right(right);
        Event& event = work.log(item, "keys", "right_granted", subject_of(ask.key));
        event.ids.key = ask.key;
        event.ids.person = ask.person;
    }
    AskResult result;
    result.person = ask.person;
    result.key = ask.key;
    return result;
}

}  // namespace klyuchnik::handlers::keys
