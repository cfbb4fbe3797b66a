// What was wrong with a fact, beside the fact.
//
//   writes  keys.conflicts
//   event   keys.conflict

#include "handlers/keys/commands.hpp"

namespace klyuchnik::handlers::keys {

using namespace topics;

void note_conflict(FactItem& item, db::Conflict conflict, KeysRows& rows, Work& work) {
    item.outcome = db::Outcome::conflict;
    conflict.device = item.number.device;
    conflict.epoch = item.number.epoch;
    conflict.sequence = item.number.sequence;
    conflict.occurred = item.occurred;
    if (item.rights_held.value > 0) conflict.rights_version = item.rights_held.value;
    Event& event =
        work.log(item, "keys", "conflict",
                 conflict.key ? subject_of(*conflict.key) : "device:" + item.number.device.text());
    event.ids.key = conflict.key;
    event.ids.person = conflict.person;
    event.ids.holder = conflict.holder;
    event.ids.loan = conflict.loan;
    if (conflict.rights_version) event.ids.version = item.rights_held;
    event.ids.why = std::string{name_of(conflict.why)};
    rows.add_conflict(std::move(conflict));
}

}  // namespace klyuchnik::handlers::keys
