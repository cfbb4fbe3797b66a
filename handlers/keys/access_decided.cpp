// A cabinet let somebody take a key, or turned somebody away.
//
//   in      facts access.granted, access.denied
//   writes  nothing: what happened to the key itself is said by key.taken
//   event   keys.access_granted, keys.access_denied

#include "handlers/keys/commands.hpp"

namespace klyuchnik::handlers::keys {

using namespace topics;

namespace {

void log_decision(FactItem& item, std::string_view type, const CardSerial& card,
                  const std::optional<KeyName>& name, const std::string* why, KeysRows& rows,
                  Work& work) {
    const db::Key* key = name ? rows.key(*name) : nullptr;
    Event& event = work.log(item, "keys", type,
                            key ? subject_of(key->id) : "device:" + item.number.device.text());
    if (key) event.ids.key = key->id;
    if (const auto person = rows.person(card)) event.ids.person = person->id;
    // The cabinet's own words stay in the fact: an event holds only words of ours.
    if (why && code_by_name(*why) != Code::none) event.ids.why = *why;
    item.outcome = db::Outcome::applied;
}

}  // namespace

void access_decided(FactItem& item, const AccessGranted& fact, KeysRows& rows, Work& work) {
    log_decision(item, "access_granted", fact.card, fact.key, nullptr, rows, work);
}

void access_decided(FactItem& item, const AccessDenied& fact, KeysRows& rows, Work& work) {
    log_decision(item, "access_denied", fact.card, fact.key, &fact.why, rows, work);
}

}  // namespace klyuchnik::handlers::keys
