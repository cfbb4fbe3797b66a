#include "db/access/alarms_store.hpp"

#include <algorithm>

#include "db/access/internal.hpp"
#include "topics/codec.hpp"

namespace klyuchnik::db {
namespace {

ChangedAlarm changed_of(const pqxx::row& row) {
    return {topics::AlarmId{row[0].as<std::int64_t>()},
            {row[1].as<std::string>(), row[2].as<std::string>()},
            row[3].is_null() ? std::nullopt : topics::DeviceId::parse(view_of(row[3]))};
}

std::vector<ChangedAlarm> all_changed(const pqxx::result& rows) {
    std::vector<ChangedAlarm> changed;
    for (const auto& row : rows) changed.push_back(changed_of(row));
    return changed;
}

AlarmChanged outcome_of(Tx& tx, topics::AlarmId alarm, const pqxx::result& rows) {
    if (!rows.empty()) return {AlarmChange::done, changed_of(rows.front())};
    const bool there = !run(tx, sql::devices_find_alarm, alarm).empty();
    return {there ? AlarmChange::not_open : AlarmChange::unknown, {}};
}

}  // namespace

std::vector<RaisedAlarm> raise_alarms(Tx& tx, std::span<const NewAlarm> alarms,
                                      topics::Instant now) {
    if (alarms.empty()) return {};
    std::vector<NewAlarm> sorted{alarms.begin(), alarms.end()};
    std::ranges::sort(sorted, {}, &NewAlarm::name);
    using Row = NewAlarm;
    std::vector<RaisedAlarm> raised;
    for (const auto& row :
         run(tx, sql::runtime_raise_alarms,
             column(sorted, [](const Row& a) { return std::string_view{a.name.kind}; }),
             column(sorted, [](const Row& a) { return std::string_view{a.name.subject}; }),
             column(sorted, [](const Row& a) { return a.ids.device; }),
             column(sorted, [](const Row& a) { return std::int64_t{a.severity}; }),
             column(sorted, [](const Row& a) { return a.count; }),
             column(sorted, [](const Row& a) { return topics::encode(a.ids); }), now)) {
        raised.push_back({topics::AlarmId{row[0].as<std::int64_t>()},
                          {row[1].as<std::string>(), row[2].as<std::string>()},
                          row[3].as<bool>(),
                          row[4].as<bool>()});
    }
    return raised;
}

std::vector<ChangedAlarm> end_alarms(Tx& tx, std::span<const AlarmName> names,
                                     topics::Instant now) {
    if (names.empty()) return {};
    return all_changed(
        run(tx, sql::runtime_end_alarms,
            column(names, [](const AlarmName& n) { return std::string_view{n.kind}; }),
            column(names, [](const AlarmName& n) { return std::string_view{n.subject}; }), now));
}

std::vector<ChangedAlarm> wake_alarms(Tx& tx, topics::Instant now, std::int64_t rows_max) {
    return all_changed(run(tx, sql::devices_wake_alarms, now, rows_max));
}

AlarmChanged acknowledge_alarm(Tx& tx, topics::AlarmId alarm, const std::string& by,
                               topics::Instant now) {
    return outcome_of(tx, alarm, run(tx, sql::devices_acknowledge_alarm, alarm, by, now));
}

AlarmChanged snooze_alarm(Tx& tx, topics::AlarmId alarm, topics::Instant until) {
    return outcome_of(tx, alarm, run(tx, sql::devices_snooze_alarm, alarm, until));
}

AlarmChanged resolve_alarm(Tx& tx, topics::AlarmId alarm, const std::string& by,
                           const std::string& reason, topics::Instant now) {
    return outcome_of(tx, alarm, run(tx, sql::devices_resolve_alarm, alarm, by, reason, now));
}

std::int64_t count_alarms(Tx& tx) {
    return run(tx, sql::devices_count_alarms)[0][0].as<std::int64_t>();
}

std::size_t forget_alarms(Tx& tx, topics::Instant before, std::int64_t rows_max) {
    return run(tx, sql::runtime_forget_alarms, before, rows_max).affected_rows();
}

}  // namespace klyuchnik::db
