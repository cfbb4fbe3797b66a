#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "db/access/connection.hpp"
#include "topics/events.hpp"
#include "topics/ids.hpp"
#include "topics/time.hpp"

/// What the bridge may read: the views of schema `api`, one struct per row, one statement per call.
///
/// Every list takes the key after (or before) which to go on and the most rows wanted; the caller
/// asks for one row more than it shows to learn whether there is more. All throw Fault. Column
/// meanings are those of the tables (db/migrations); times are UTC.
namespace klyuchnik::db {

/// Before every id that the database gives out: where a newest-first list starts.
inline constexpr std::int64_t kFromTheNewest = INT64_MAX;

struct PersonRow {
    topics::PersonId person;
    std::string full_name;
    bool active = true;
    topics::Instant created;
    std::vector<std::string> cards;
};
struct PeopleFilter {
    std::optional<std::string> name;  ///< Part of the name, any case; `%` and `_` mean themselves.
    std::optional<std::string> card;  ///< The whole serial, letter by letter.
};
/// By person id, upwards.
std::vector<PersonRow> people(Tx& tx, const PeopleFilter& filter, topics::PersonId after,
                              std::size_t rows_max);
std::optional<PersonRow> person(Tx& tx, topics::PersonId id);

struct KeyRow {
    topics::KeyId key;
    std::string name;
    std::string room;
    std::optional<std::string> tag;
    std::optional<std::string> cabinet;
    std::optional<std::int64_t> slot;
    topics::Instant created;
    std::optional<topics::LoanId> loan;      ///< The open one.
    std::optional<topics::PersonId> holder;  ///< Absent with a loan: taken without a known card.
};
/// By key id, upwards. `name` is compared letter by letter.
std::vector<KeyRow> keys(Tx& tx, const std::optional<std::string>& name, topics::KeyId after,
                         std::size_t rows_max);
std::optional<KeyRow> key(Tx& tx, topics::KeyId id);

struct RightRow {
    topics::PersonId person;
    std::string full_name;
    topics::KeyId key;
    std::string key_name;
    topics::Instant granted;
    std::string granted_by;
};
struct RightsFilter {
    std::optional<topics::PersonId> person;
    std::optional<topics::KeyId> key;
};
struct RightPlace {
    topics::PersonId person;
    topics::KeyId key;
};
/// By person and key, upwards.
std::vector<RightRow> rights(Tx& tx, const RightsFilter& filter, RightPlace after,
                             std::size_t rows_max);

struct LoanRow {
    topics::LoanId loan;
    topics::KeyId key;
    std::string key_name;
    std::string room;
    std::optional<topics::PersonId> person;
    std::optional<std::string> full_name;
    topics::Instant opened;
    std::string opened_by;
    bool issued = false;
    std::optional<topics::Instant> confirmed;
    std::optional<topics::Instant> closed;
    std::optional<std::string> closed_by;
    std::optional<topics::PersonId> closed_person;
    std::optional<std::string> closed_why;
};
struct LoansFilter {
    bool open_only = true;
    std::optional<topics::KeyId> key;
    std::optional<topics::PersonId> person;
};
/// Newest first.
std::vector<LoanRow> loans(Tx& tx, const LoansFilter& filter, topics::LoanId before,
                           std::size_t rows_max);

struct ConflictRow {
    std::int64_t conflict = 0;
    std::optional<topics::KeyId> key;
    std::optional<topics::PersonId> person;
    std::optional<topics::PersonId> holder;
    std::optional<topics::LoanId> loan;
    std::string device;
    std::int64_t epoch = 0;
    std::int64_t sequence = 0;
    std::string why;
    topics::Instant occurred;
    topics::Instant noticed;
    /// The person had had the right, and it had ended when the key was taken.
    std::optional<topics::Instant> right_ended;
    /// By which rights the cabinet decided: those it had when it connected.
    std::optional<std::int64_t> rights_version;
};
/// Newest first.
std::vector<ConflictRow> conflicts(Tx& tx, std::int64_t before, std::size_t rows_max);

/// By position, upwards and without gaps. Position 0 starts.
std::vector<topics::PlacedEvent> events_after(Tx& tx, topics::Position after, std::size_t rows_max);
/// 0 while the feed is empty.
topics::Position last_position(Tx& tx);

/// An event in the history of one thing; it need not have its position in the feed yet.
struct SubjectEvent {
    std::int64_t event_id = 0;
    topics::Instant recorded;
    topics::Event event;
};
/// Newest first. `subject` like "key:12".
std::vector<SubjectEvent> subject_events(Tx& tx, const std::string& subject, std::int64_t before,
                                         std::size_t rows_max);

struct SessionRow {
    topics::AccountId account;
    std::string login;
    std::string role;
    topics::Instant expires;
};
/// By the SHA-256 of the token, 64 hexadecimal digits. None: no such session, over, or its account
/// is not active any more. One indexed read: revoked is revoked at once.
std::optional<SessionRow> session(Tx& tx, const std::string& token_sha256, topics::Instant now);

struct SignInRow {
    topics::AccountId account;
    std::string login;
    std::string password_hash;  ///< argon2id, as libsodium writes it. Never leaves the bridge.
    std::string role;
};
std::optional<SignInRow> sign_in(Tx& tx, const std::string& login);

/// Returns when the views can be read; throws Fault when not.
void ready(Tx& tx);

}  // namespace klyuchnik::db
