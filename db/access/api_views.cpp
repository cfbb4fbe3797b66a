#include "db/access/api_views.hpp"

#include <tuple>

#include "db/access/internal.hpp"
#include "topics/codec.hpp"

namespace klyuchnik::db {
namespace {

std::int64_t integer(const pqxx::field& field) {
    return field.as<std::int64_t>();
}
std::string text(const pqxx::field& field) {
    return {field.c_str(), field.size()};
}
std::optional<std::int64_t> optional_integer(const pqxx::field& field) {
    if (field.is_null()) return std::nullopt;
    return integer(field);
}
template <class T>
std::optional<T> optional_id_as(const pqxx::field& field) {
    if (field.is_null()) return std::nullopt;
    return T{integer(field)};
}

std::vector<std::string> texts_of(const pqxx::field& field) {
    std::vector<std::string> values;
    pqxx::array_parser array = field.as_array();
    for (auto [what, value] = array.get_next(); what != pqxx::array_parser::done;
         std::tie(what, value) = array.get_next()) {
        if (what == pqxx::array_parser::string_value) values.push_back(value);
    }
    return values;
}

/// Inside LIKE, a percent sign of the searcher must mean a percent sign.
std::string like_escaped(const std::string& part) {
    std::string out;
    for (const char c : part) {
        if (c == '%' || c == '_' || c == '\\') out += '\\';
        out += c;
    }
    return out;
}

template <class Row, class Read>
std::vector<Row> rows_of(const pqxx::result& result, Read read) {
    std::vector<Row> rows;
    rows.reserve(result.size());
    for (const auto& row : result) rows.push_back(read(row));
    return rows;
}
template <class Row, class Read>
std::optional<Row> row_of(const pqxx::result& result, Read read) {
    if (result.empty()) return std::nullopt;
    return read(result.front());
}

std::int64_t limit(std::size_t rows_max) {
    return static_cast<std::int64_t>(rows_max);
}

PersonRow read_person(const pqxx::row& row) {
    return {topics::PersonId{integer(row["person_id"])}, text(row["full_name"]),
            row["active"].as<bool>(), instant_of(row["created_at"]), texts_of(row["cards"])};
}

KeyRow read_key(const pqxx::row& row) {
    return {topics::KeyId{integer(row["key_id"])},
            text(row["name"]),
            text(row["room"]),
            optional_text(row["tag"]),
            optional_text(row["cabinet"]),
            optional_integer(row["slot"]),
            instant_of(row["created_at"]),
            optional_id_as<topics::LoanId>(row["loan_id"]),
            optional_id_as<topics::PersonId>(row["holder_id"])};
}

topics::Event read_event(const pqxx::row& row) {
    topics::Event event{text(row["domain"]),
                        text(row["type"]),
                        text(row["subject"]),
                        text(row["actor"]),
                        text(row["source"]),
                        instant_of(row["occurred_at"]),
                        {}};
    const auto ids = topics::decode_event_ids(text(row["ids"]));
    if (!ids) {
        throw Fault{"event ids that this program cannot read: " + ids.error().text(),
                    Fault::Retry::never};
    }
    event.ids = *ids;
    return event;
}

}  // namespace

std::vector<PersonRow> people(Tx& tx, const PeopleFilter& filter, topics::PersonId after,
                              std::size_t rows_max) {
    std::optional<std::string> name;
    if (filter.name) name = like_escaped(*filter.name);
    return rows_of<PersonRow>(run(tx, sql::api_people, after, limit(rows_max), name, filter.card),
                              read_person);
}

std::optional<PersonRow> person(Tx& tx, topics::PersonId id) {
    return row_of<PersonRow>(run(tx, sql::api_person, id), read_person);
}

std::vector<KeyRow> keys(Tx& tx, const std::optional<std::string>& name, topics::KeyId after,
                         std::size_t rows_max) {
    return rows_of<KeyRow>(run(tx, sql::api_keys, after, limit(rows_max), name), read_key);
}

std::optional<KeyRow> key(Tx& tx, topics::KeyId id) {
    return row_of<KeyRow>(run(tx, sql::api_key, id), read_key);
}

std::vector<RightRow> rights(Tx& tx, const RightsFilter& filter, RightPlace after,
                             std::size_t rows_max) {
    return rows_of<RightRow>(run(tx, sql::api_rights, filter.person, filter.key, after.person,
                                 after.key, limit(rows_max)),
                             [](const pqxx::row& row) {
                                 return RightRow{topics::PersonId{integer(row["person_id"])},
                                                 text(row["full_name"]),
                                                 topics::KeyId{integer(row["key_id"])},
                                                 text(row["key_name"]),
                                                 instant_of(row["granted_at"]),
                                                 text(row["granted_by"])};
                             });
}

std::vector<LoanRow> loans(Tx& tx, const LoansFilter& filter, topics::LoanId before,
                           std::size_t rows_max) {
    return rows_of<LoanRow>(run(tx, sql::api_loans, filter.open_only, filter.key, filter.person,
                                before, limit(rows_max)),
                            [](const pqxx::row& row) {
                                return LoanRow{
                                    topics::LoanId{integer(row["loan_id"])},
                                    topics::KeyId{integer(row["key_id"])},
                                    text(row["key_name"]),
                                    text(row["room"]),
                                    optional_id_as<topics::PersonId>(row["person_id"]),
                                    optional_text(row["full_name"]),
                                    instant_of(row["opened_at"]),
                                    text(row["opened_by"]),
                                    row["issued"].as<bool>(),
                                    optional_instant_of(row["confirmed_at"]),
                                    optional_instant_of(row["closed_at"]),
                                    optional_text(row["closed_by"]),
                                    optional_id_as<topics::PersonId>(row["closed_person"]),
                                    optional_text(row["closed_why"])};
                            });
}

std::vector<ConflictRow> conflicts(Tx& tx, std::int64_t before, std::size_t rows_max) {
    return rows_of<ConflictRow>(
        run(tx, sql::api_conflicts, before, limit(rows_max)), [](const pqxx::row& row) {
            return ConflictRow{integer(row["conflict_id"]),
                               optional_id_as<topics::KeyId>(row["key_id"]),
                               optional_id_as<topics::PersonId>(row["person_id"]),
                               optional_id_as<topics::PersonId>(row["holder_id"]),
                               optional_id_as<topics::LoanId>(row["loan_id"]),
                               text(row["device_id"]),
                               integer(row["epoch"]),
                               integer(row["sequence"]),
                               text(row["why"]),
                               instant_of(row["occurred_at"]),
                               instant_of(row["noticed_at"]),
                               optional_instant_of(row["right_ended_at"]),
                               optional_integer(row["rights_version"])};
        });
}

std::vector<topics::PlacedEvent> events_after(Tx& tx, topics::Position after,
                                              std::size_t rows_max) {
    return rows_of<topics::PlacedEvent>(
        run(tx, sql::api_events_after, after, limit(rows_max)), [](const pqxx::row& row) {
            return topics::PlacedEvent{topics::Position{integer(row["position"])},
                                       instant_of(row["recorded_at"]), read_event(row)};
        });
}

topics::Position last_position(Tx& tx) {
    return topics::Position{integer(run(tx, sql::api_last_position).front()["position"])};
}

std::vector<SubjectEvent> subject_events(Tx& tx, const std::string& subject, std::int64_t before,
                                         std::size_t rows_max) {
    return rows_of<SubjectEvent>(run(tx, sql::api_subject_events, subject, before, limit(rows_max)),
                                 [](const pqxx::row& row) {
                                     return SubjectEvent{integer(row["event_id"]),
                                                         instant_of(row["recorded_at"]),
                                                         read_event(row)};
                                 });
}

std::optional<SessionRow> session(Tx& tx, const std::string& token_sha256, topics::Instant now) {
    return row_of<SessionRow>(
        run(tx, sql::api_session, token_sha256, now), [](const pqxx::row& row) {
            return SessionRow{topics::AccountId{integer(row["account_id"])}, text(row["login"]),
                              text(row["role"]), instant_of(row["expires_at"])};
        });
}

std::optional<SignInRow> sign_in(Tx& tx, const std::string& login) {
    return row_of<SignInRow>(run(tx, sql::api_sign_in, login), [](const pqxx::row& row) {
        return SignInRow{topics::AccountId{integer(row["account_id"])}, text(row["login"]),
                         text(row["password_hash"]), text(row["role"])};
    });
}

void ready(Tx& tx) {
    run(tx, sql::api_ready);
}

}  // namespace klyuchnik::db
