#include "db/access/letters_store.hpp"

#include <algorithm>

#include "db/access/internal.hpp"

namespace klyuchnik::db {
namespace {

constexpr std::string_view kStates[] = {"open", "retrying", "applied", "discarded"};

LetterState state_of(const pqxx::field& field) {
    const auto found = std::ranges::find(kStates, view_of(field));
    if (found == std::end(kStates)) {
        throw Fault{"a stored letter state is not one", Fault::Retry::never};
    }
    return static_cast<LetterState>(found - std::begin(kStates));
}

TimeSource time_source_of(const pqxx::field& field) {
    for (const TimeSource source : {TimeSource::device, TimeSource::boot}) {
        if (view_of(field) == name_of(source)) return source;
    }
    return TimeSource::received;
}

Outcome fact_outcome_of(const pqxx::field& field) {
    for (const Outcome outcome :
         {Outcome::applied, Outcome::conflict, Outcome::logged, Outcome::unknown}) {
        if (view_of(field) == name_of(outcome)) return outcome;
    }
    return Outcome::set_aside;
}

}  // namespace

std::string_view name_of(LetterState state) {
    return kStates[static_cast<std::size_t>(state)];
}

std::optional<LetterHead> lock_letter(Tx& tx, LetterId letter) {
    const auto rows = run(tx, sql::devices_lock_letter, letter);
    if (rows.empty()) return std::nullopt;
    const auto& row = rows.front();
    return LetterHead{LetterId{row[0].as<std::int64_t>()}, row[1].as<std::string>(),
                      row[2].as<std::string>(), row[3].as<std::string>(), state_of(row[4])};
}

void change_letter(Tx& tx, LetterId letter, LetterState state, const std::string& by,
                   const std::optional<std::string>& reason, Instant now) {
    run(tx, sql::devices_change_letter, letter, std::string{name_of(state)}, by, reason, now);
}

std::optional<Letter> claim_letter(Tx& tx, const std::string& domain, LetterId after) {
    const auto rows = run(tx, sql::runtime_claim_letter, domain, after);
    if (rows.empty()) return std::nullopt;
    const auto& row = rows.front();
    return Letter{LetterId{row[0].as<std::int64_t>()}, row[1].as<std::string>(),
                  row[2].as<std::string>(), row[3].as<std::string>(), row[4].as<std::string>()};
}

void finish_letter(Tx& tx, LetterId letter, LetterState state,
                   const std::optional<std::string>& why, Instant now) {
    run(tx, sql::runtime_finish_letter, letter, std::string{name_of(state)}, why, now);
}

std::optional<FactRow> stored_fact(Tx& tx, const FactNumber& number) {
    const auto rows =
        run(tx, sql::runtime_stored_fact, number.device, number.epoch, number.sequence);
    if (rows.empty()) return std::nullopt;
    const auto& row = rows.front();
    return FactRow{number.device,
                   number.epoch,
                   number.sequence,
                   row[0].as<std::string>(),
                   instant_of(row[1]),
                   time_source_of(row[2]),
                   static_cast<std::uint64_t>(row[3].as<std::int64_t>()),
                   fact_outcome_of(row[4]),
                   row[5].as<std::string>(),
                   Epoch{row[6].as<std::int64_t>()},
                   Sequence{row[7].as<std::int64_t>()}};
}

void settle_fact(Tx& tx, const FactNumber& number, Outcome outcome) {
    run(tx, sql::runtime_settle_fact, number.device, number.epoch, number.sequence,
        std::string{name_of(outcome)});
}

void replace_answer(Tx& tx, const KeptAnswer& answer, Instant now) {
    run(tx, sql::runtime_replace_answer, answer.key.account, answer.key.id,
        static_cast<std::int64_t>(answer.digest), answer.answer, now);
}

}  // namespace klyuchnik::db
