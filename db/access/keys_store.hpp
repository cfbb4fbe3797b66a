#pragma once

#include <chrono>
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
    std::optional<topics::Instant> right_ended;  ///< The right there was had ended before.
    std::optional<std::int64_t> rights_version;  ///< That the cabinet had, by its last birth.
};

/// A right that somebody had and has no more.
struct EndedRight {
    Right right;
    topics::Instant granted;
    topics::Instant ended;
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
/// Only those that were not there before.
std::vector<Right> add_rights(Tx& tx, std::span<const Right> rights, topics::Instant now,
                              const std::string& by);
/// Only those that were there. What ends is kept.
std::vector<EndedRight> remove_rights(Tx& tx, std::span<const Right> rights, topics::Instant now,
                                      const std::string& by);
std::vector<topics::KeyId> rights_of_person(Tx& tx, topics::PersonId person);

/// The right that `person` was last given to `key` before `at`, where it has ended by now; nothing
/// where there never was one, or it counts still.
struct RightAt {
    Right right;
    topics::Instant at;
};
/// In the order asked.
std::vector<std::optional<EndedRight>> find_ended_rights(Tx& tx, std::span<const RightAt> wanted);
/// All rights of these people count no more, though they stay.
struct EndedPerson {
    topics::PersonId person;
    topics::Instant at;
    std::string by;
};
void end_rights_of_people(Tx& tx, std::span<const EndedPerson> people);
std::size_t forget_rights_ended(Tx& tx, topics::Instant before, std::int64_t rows_max);

// -- rights documents of cabinets
/// Whose documents may have changed: cabinets, homes of keys, homes of all keys that people may
/// take.
struct StaleCabinets {
    std::vector<topics::DeviceId> cabinets;
    std::vector<topics::KeyId> keys;
    std::vector<topics::PersonId> people;
};
void note_stale_cabinets(Tx& tx, const StaleCabinets& stale, topics::Instant due);
/// Every cabinet there is, spread over the time from `from`.
void note_all_cabinets(Tx& tx, topics::Instant from, std::chrono::seconds spread);

/// A cabinet whose document is to be looked at; locked until the transaction ends.
struct ClaimedCabinet {
    topics::DeviceId cabinet;
    topics::Version version;
    std::string digest;  ///< Hexadecimal, of what the version says; empty = none was made.
    bool too_large = false;
};
/// One that is due, that nobody else holds, and that was not looked at since `looked_before`. What
/// was noted of it is taken: what is noted from now on counts for the next time. Two statements.
std::optional<ClaimedCabinet> claim_cabinet(Tx& tx, topics::Instant now,
                                            topics::Instant looked_before);
/// After a failure: not before `due`.
void postpone_cabinet(Tx& tx, const topics::DeviceId& cabinet, topics::Instant due);
/// When the first one is due; nothing: none is noted.
std::optional<topics::Instant> next_stale_cabinet(Tx& tx);

struct CabinetKey {
    topics::KeyId id;
    topics::Slot slot;
    topics::KeyName name;
};
/// Keys that live in the cabinet, by slot.
std::vector<CabinetKey> cabinet_keys(Tx& tx, const topics::DeviceId& cabinet);
struct CardRight {
    topics::KeyId key;
    topics::CardSerial card;
    auto operator<=>(const CardRight&) const = default;
};
/// At most `rows_max`, in no order.
std::vector<CardRight> cabinet_cards(Tx& tx, const topics::DeviceId& cabinet,
                                     std::int64_t rows_max);
/// The site's local time, as far as it is known ahead.
struct SiteTime {
    std::int64_t offset_min = 0;
    std::optional<topics::Instant> change;  ///< The next one within 400 days.
    std::int64_t after_min = 0;             ///< The offset from then on.
};
SiteTime site_time(Tx& tx, topics::Instant now);
struct CabinetRights {
    topics::DeviceId cabinet;
    topics::Version version;
    std::string digest;
    std::int64_t pairs = 0;
    bool too_large = false;
};
void save_cabinet(Tx& tx, const CabinetRights& rights, topics::Instant looked);

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
