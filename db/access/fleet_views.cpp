#include "db/access/fleet_views.hpp"

#include "db/access/internal.hpp"

namespace klyuchnik::db {
namespace {

std::int64_t integer(const pqxx::field& field) {
    return field.as<std::int64_t>();
}
std::string text(const pqxx::field& field) {
    return std::string{view_of(field)};
}
std::int64_t limit(std::size_t rows_max) {
    return static_cast<std::int64_t>(rows_max);
}

template <class Row>
std::vector<Row> all_of(const pqxx::result& result, Row (*read)(const pqxx::row&)) {
    std::vector<Row> rows;
    rows.reserve(result.size());
    for (const auto& row : result) rows.push_back(read(row));
    return rows;
}
template <class Row>
std::optional<Row> one_of(const pqxx::result& result, Row (*read)(const pqxx::row&)) {
    if (result.empty()) return std::nullopt;
    return read(result.front());
}

CommandRow read_command(const pqxx::row& row) {
    CommandRow command;
    command.command.value = integer(row["command_id"]);
    command.device = text(row["device_id"]);
    command.number = integer(row["number"]);
    command.kind = text(row["kind"]);
    command.content = text(row["content"]);
    command.state = text(row["state"]);
    command.made = instant_of(row["made_at"]);
    command.made_by = text(row["made_by"]);
    command.expires = instant_of(row["expires_at"]);
    command.sent = optional_instant_of(row["sent_at"]);
    command.sendings = integer(row["sendings"]);
    command.accepted = optional_instant_of(row["accepted_at"]);
    command.finished = optional_instant_of(row["finished_at"]);
    if (!row["rc"].is_null()) command.rc = integer(row["rc"]);
    command.note = optional_text(row["note"]);
    return command;
}

AlarmRow read_alarm(const pqxx::row& row) {
    AlarmRow alarm;
    alarm.alarm.value = integer(row["alarm_id"]);
    alarm.kind = text(row["kind"]);
    alarm.subject = text(row["subject"]);
    alarm.device = optional_text(row["device_id"]);
    alarm.severity = integer(row["severity"]);
    alarm.raised = instant_of(row["raised_at"]);
    alarm.last = instant_of(row["last_at"]);
    alarm.count = integer(row["count"]);
    alarm.state = text(row["state"]);
    alarm.snoozed_until = optional_instant_of(row["snoozed_until"]);
    alarm.acknowledged_by = optional_text(row["acknowledged_by"]);
    alarm.acknowledged = optional_instant_of(row["acknowledged_at"]);
    alarm.resolved_by = optional_text(row["resolved_by"]);
    alarm.resolved = optional_instant_of(row["resolved_at"]);
    alarm.reason = optional_text(row["reason"]);
    alarm.ids = text(row["ids"]);
    return alarm;
}

LetterRow read_letter(const pqxx::row& row) {
    LetterRow letter;
    letter.letter.value = integer(row["letter_id"]);
    letter.domain = text(row["domain"]);
    letter.source = text(row["source"]);
    letter.kind = text(row["kind"]);
    letter.why = text(row["why"]);
    letter.set_aside = instant_of(row["set_aside_at"]);
    letter.state = text(row["state"]);
    letter.tries = integer(row["tries"]);
    letter.changed_by = optional_text(row["changed_by"]);
    letter.changed = optional_instant_of(row["changed_at"]);
    letter.reason = optional_text(row["reason"]);
    return letter;
}

LetterWithPayload read_whole_letter(const pqxx::row& row) {
    return {read_letter(row), text(row["payload"])};
}

GapRow read_gap(const pqxx::row& row) {
    return {text(row["device_id"]),
            topics::Epoch{integer(row["epoch"])},
            topics::Sequence{integer(row["first"])},
            topics::Sequence{integer(row["last"])},
            text(row["why"]),
            instant_of(row["noticed_at"])};
}

}  // namespace

std::vector<CommandRow> commands(Tx& tx, const CommandsFilter& filter, topics::CommandId before,
                                 std::size_t rows_max) {
    return all_of(run(tx, sql::api_commands, filter.device, filter.state, before, limit(rows_max)),
                  read_command);
}

std::optional<CommandRow> command(Tx& tx, topics::CommandId id) {
    return one_of(run(tx, sql::api_command, id), read_command);
}

std::vector<AlarmRow> alarms(Tx& tx, const AlarmsFilter& filter, topics::AlarmId before,
                             std::size_t rows_max) {
    return all_of(
        run(tx, sql::api_alarms, filter.state, filter.kind, filter.device, before, limit(rows_max)),
        read_alarm);
}

std::optional<AlarmRow> alarm(Tx& tx, topics::AlarmId id) {
    return one_of(run(tx, sql::api_alarm, id), read_alarm);
}

std::vector<LetterRow> dead_letters(Tx& tx, const std::optional<std::string>& state,
                                    topics::LetterId before, std::size_t rows_max) {
    return all_of(run(tx, sql::api_dead_letters, state, before, limit(rows_max)), read_letter);
}

std::optional<LetterWithPayload> dead_letter(Tx& tx, topics::LetterId id) {
    return one_of(run(tx, sql::api_dead_letter, id), read_whole_letter);
}

std::vector<GapRow> device_gaps(Tx& tx, const topics::DeviceId& device, const GapPlace& before,
                                std::size_t rows_max) {
    return all_of(
        run(tx, sql::api_device_gaps, device, before.epoch, before.first, limit(rows_max)),
        read_gap);
}

}  // namespace klyuchnik::db
