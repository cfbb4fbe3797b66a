// A person may not take a key any more. A loan that is open stays open: the key is still out.
//
//   in      ask keys.revoke_right        refusable, expires; revoked already is done, not refused
//   writes  keys.rights, keys.rights_ended
//   event   keys.right_revoked, when there was one
//   answer  {person, key} | unknown_person | unknown_key

#include "handlers/keys/commands.hpp"

namespace klyuchnik::handlers::keys {

using namespace topics;

AskOutcome revoke_right(const AskItem& item, const RevokeRight& ask, KeysRows& rows, Work& work,
                        db::Tx& tx) {
    if (!rows.person(ask.person)) return Refusal{Code::unknown_person, ""};
    if (!rows.key(ask.key)) return Refusal{Code::unknown_key, ""};

    const db::Right right{ask.person, ask.key};
    for (const db::EndedRight& ended : db::remove_rights(tx, {&right, 1}, work.now, item.source)) {
        rows.take_right(ended);
        Event& event = work.log(item, "keys", "right_revoked", subject_of(ask.key));
        event.ids.key = ask.key;
        event.ids.person = ask.person;
    }
    AskResult result;
    result.person = ask.person;
    result.key = ask.key;
    return result;
}

}  // namespace klyuchnik::handlers::keys
