#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "db/access/connection.hpp"
#include "topics/ids.hpp"
#include "topics/time.hpp"

/// People, their cards, and sessions. Every function is one statement; all throw Fault.
namespace klyuchnik::db {

topics::PersonId add_person(Tx& tx, const std::string& full_name, topics::Instant now);
/// Fewer than given: a card came to belong to somebody else meanwhile.
std::size_t add_cards(Tx& tx, topics::PersonId person, std::span<const topics::CardSerial> cards,
                      topics::Instant now);
std::vector<topics::CardSerial> cards_in_use(Tx& tx, std::span<const topics::CardSerial> cards);
bool person_exists(Tx& tx, topics::PersonId person);
/// False: unknown, or inactive already.
bool deactivate_person(Tx& tx, topics::PersonId person);
void open_session(Tx& tx, const std::string& token_sha256_hex, topics::AccountId account,
                  topics::Instant opened, topics::Instant expires);
/// False: there was none.
bool close_session(Tx& tx, const std::string& token_sha256_hex);

}  // namespace klyuchnik::db
