// A person may take exactly these keys.
//
//   in      ask keys.set_rights          refusable, expires; all or nothing
//   writes  keys.rights                  only the differences
//           keys.rights_ended
//   event   keys.right_granted and keys.right_revoked, one for each difference
//   answer  {person} | unknown_person | unknown_key

#include <algorithm>
#include <set>

#include "handlers/keys/commands.hpp"

namespace klyuchnik::handlers::keys {

using namespace topics;

AskOutcome set_rights(const AskItem& item, const SetRights& ask, KeysRows& rows, Work& work,
                      db::Tx& tx) {
    if (!rows.person(ask.person)) return Refusal{Code::unknown_person, ""};
    const std::set<KeyId> wanted{ask.keys.begin(), ask.keys.end()};
    for (const KeyId key : wanted) {
        if (!rows.key(key)) return Refusal{Code::unknown_key, std::to_string(key.value)};
    }
    std::vector<db::Right> add;
    std::vector<db::Right> remove;
    for (const KeyId key : wanted) add.push_back({ask.person, key});
    for (const KeyId key : db::rights_of_person(tx, ask.person)) {
        if (!wanted.contains(key)) remove.push_back({ask.person, key});
    }
    const auto log = [&](const db::Right& right, std::string_view type) {
        Event& event = work.log(item, "keys", type, subject_of(right.key));
        event.ids.key = right.key;
        event.ids.person = right.person;
    };
    for (const db::Right& right : db::add_rights(tx, add, work.now, item.source)) {
        rows.give_right(right);
        log(right, "right_granted");
    }
    for (const db::EndedRight& ended : db::remove_rights(tx, remove, work.now, item.source)) {
        rows.take_right(ended);
        log(ended.right, "right_revoked");
    }
    AskResult result;
    result.person = ask.person;
    return result;
}

}  // namespace klyuchnik::handlers::keys
