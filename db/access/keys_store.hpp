#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "db/access/connection.hpp"
#include "topics/ids.hpp"
#include "topics/time.hpp"

/// Keys, rights, loans and conflicts. Every function is one statement; all throw Fault.
namespace klyuchnik::db {

struct Person {
    topics::PersonId id;
    bool active = false;
};
struct CardHolder {
    topics::CardSerial card;
    Person person;
};
struct Key {
    topics::KeyId id;
    topics::KeyName name;
    std::optional<topics::TagId> tag;
    std::optional<topics::DeviceId> cabinet;
    std::optional<topics::Slot> slot;
};
struct Right {
    topics::PersonId person;
    topics::KeyId key;
    auto operator<=>(const Right&) const = default;
};

enum class ClosedWhy : std::uint8_t { returned, superseded };

/// One row of keys.loans as decisions see and change it.
struct Loan {
    topics::LoanId id;
    topics::KeyId key;
    std::optional<topics::PersonId> person;  ///< Nobody known took it.
    topics::Instant opened;
    std::string opened_by;   ///< Source message; filled for new loans only.
    bool issued = false;     ///< Opened over HTTP for a cabinet without a sensor.
    bool confirmed = false;  ///< A sensor saw the key leave.
    std::optional<topics::Instant> confirmed_at;
    std::optional<topics::Instant> closed;
    std::optional<std::string> closed_by;
    std::optional<topics::PersonId> closed_person;
    std::optional<ClosedWhy> closed_why;
};

/// Why a fact does not fit the rules. The words of keys.conflicts.why.
enum class ConflictWhy : std::uint8_t {
    taken_while_held,
    taken_again,
    taken_without_right,
    taken_by_unknown_card,
    taken_without_card,
    taken_by_inactive_person,
    returned_while_in,
    unknown_key,
};
std::string_view name_of(ConflictWhy why);

struct Conflict {
    std::optional<topics::KeyId> key;
    std::optional<topics::PersonId> person;
    std::optional<topics::PersonId> holder;
    std::optional<topics::LoanId> loan;
    topics::DeviceId device;
    topics::Epoch epoch;
    topics::Sequence sequence;
    ConflictWhy why = ConflictWhy::unknown_key;
    topics::Instant occurred;
};

/// How messages name keys. Each list may be empty.
struct WantedKeys {
    std::vector<topics::KeyName> names;
    std::vector<topics::TagId> tags;
    std::vector<std::pair<topics::DeviceId, topics::Slot>> homes;
    std::vector<topics::KeyId> ids;
};

std::vector<CardHolder> people_by_card(Tx& tx, std::span<const topics::CardSerial> cards);
/// Until the transaction ends nobody else changes what these people may take.
void lock_people(Tx& tx, std::span<const topics::PersonId> people);
std::vector<Person> people_known(Tx& tx, std::span<const topics::PersonId> people);
/// Locks the rows in id order until the transaction ends: decisions on one key follow each other.
std::vector<Key> lock_keys(Tx& tx, const WantedKeys& wanted);
std::vector<Loan> open_loans(Tx& tx, std::span<const topics::KeyId> keys);
std::vector<Right> find_rights(Tx& tx, std::span<const Right> wanted);
/// The first of kLoanBlock ids that nobody else will use.
topics::LoanId next_loan_block(Tx& tx);
inline constexpr std::int64_t kLoanBlock = 100;

void add_loans(Tx& tx, std::span<const Loan> loans);
/// Confirms and closes loans that were open; `closed` absent = still open.
void change_loans(Tx& tx, std::span<const Loan> loans);
void add_conflicts(Tx& tx, std::span<const Conflict> conflicts, topics::Instant noticed);

/// nullopt: name, tag or home slot is in use.
std::optional<topics::KeyId> add_key(Tx& tx, const Key& key, const std::string& room,
                                     topics::Instant now);
/// Only those that were not there before, or were there.
std::vector<Right> add_rights(Tx& tx, std::span<const Right> rights, topics::Instant now,
                              const std::string& by);
std::vector<Right> remove_rights(Tx& tx, std::span<const Right> rights);
std::vector<topics::KeyId> rights_of_person(Tx& tx, topics::PersonId person);

/// Everything a key request is judged by, one row per request, in the order asked.
struct RequestFacts {
    std::optional<Person> person;
    std::optional<topics::KeyId> key;
    std::optional<topics::DeviceId> cabinet;
    std::optional<topics::Slot> slot;
    bool has_right = false;
    bool is_out = false;
    std::optional<topics::PersonId> holder;
};
std::vector<RequestFacts> judge_requests(Tx& tx, std::span<const topics::CardSerial> cards,
                                         std::span<const topics::KeyName> keys);

}  // namespace klyuchnik::db
