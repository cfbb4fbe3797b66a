// A key becomes known.
//
//   in      ask keys.add_key             refusable, expires
//   writes  keys.keys                    keys_name_unique, keys_tag_unique, keys_home_unique
//   event   keys.key_added
//   answer  {key} | taken | invalid

#include "handlers/keys/commands.hpp"

namespace klyuchnik::handlers::keys {

using namespace topics;

AskOutcome add_key(const AskItem& item, const AddKey& ask, KeysRows& rows, Work& work, db::Tx& tx) {
    if (ask.cabinet.has_value() != ask.slot.has_value()) {
        return Refusal{Code::invalid, "cabinet and slot go together"};
    }
    if (ask.cabinet && ask.cabinet->cls() != "kc") {
        return Refusal{Code::invalid, "cabinet: expected a key cabinet, kc-..."};
    }
    db::Key key{{}, ask.name, ask.tag, ask.cabinet, ask.slot};
    const auto id = db::add_key(tx, key, ask.room, work.now);
    if (!id) return Refusal{Code::taken, "name, tag or home slot of another key"};

    key.id = *id;
    rows.learn(std::move(key));
    Event& event = work.log(item, "keys", "key_added", subject_of(*id));
    event.ids.key = *id;
    event.ids.device = ask.cabinet;
    event.ids.slot = ask.slot;
    AskResult result;
    result.key = *id;
    return result;
}

}  // namespace klyuchnik::handlers::keys
