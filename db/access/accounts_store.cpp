#include "db/access/accounts_store.hpp"

#include "db/access/internal.hpp"

namespace klyuchnik::db {

using namespace topics;

PersonId add_person(Tx& tx, const std::string& full_name, Instant now) {
    return PersonId{run(tx, sql::accounts_add_person, full_name, now)[0][0].as<std::int64_t>()};
}

std::size_t add_cards(Tx& tx, PersonId person, std::span<const CardSerial> cards, Instant now) {
    if (cards.empty()) return 0;
    return run(tx, sql::accounts_add_cards, person, array_of(cards), now).size();
}

std::vector<CardSerial> cards_in_use(Tx& tx, std::span<const CardSerial> cards) {
    if (cards.empty()) return {};
    std::vector<CardSerial> used;
    for (const auto& row : run(tx, sql::accounts_cards_in_use, array_of(cards))) {
        used.push_back(CardSerial{row[0].as<std::string>()});
    }
    return used;
}

bool person_exists(Tx& tx, PersonId person) {
    return !run(tx, sql::accounts_person_exists, person).empty();
}

bool deactivate_person(Tx& tx, PersonId person) {
    return !run(tx, sql::accounts_deactivate_person, person).empty();
}

void open_session(Tx& tx, const std::string& token_sha256_hex, AccountId account, Instant opened,
                  Instant expires) {
    run(tx, sql::accounts_open_session, token_sha256_hex, account, opened, expires);
}

bool close_session(Tx& tx, const std::string& token_sha256_hex) {
    return run(tx, sql::accounts_close_session, token_sha256_hex).affected_rows() > 0;
}

}  // namespace klyuchnik::db
