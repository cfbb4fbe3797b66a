#include "db/access/firmware_views.hpp"

#include "db/access/internal.hpp"

namespace klyuchnik::db {

using namespace topics;

namespace {

RolloutRow rollout_of(const pqxx::row& row) {
    RolloutRow one;
    one.rollout.value = row[0].as<std::int64_t>();
    one.version = view_of(row[1]);
    one.per_minute = row[2].as<std::int64_t>();
    one.failures_max = row[3].as<std::int64_t>();
    one.state = view_of(row[4]);
    one.started = instant_of(row[5]);
    one.started_by = view_of(row[6]);
    one.ended = optional_instant_of(row[7]);
    one.why = optional_text(row[8]);
    one.waiting = row[9].as<std::int64_t>();
    one.offered = row[10].as<std::int64_t>();
    one.updated = row[11].as<std::int64_t>();
    one.rolled_back = row[12].as<std::int64_t>();
    one.failed = row[13].as<std::int64_t>();
    one.skipped = row[14].as<std::int64_t>();
    return one;
}

}  // namespace

std::vector<FirmwareRow> firmware(Tx& tx, const std::string& after, std::size_t rows_max) {
    std::vector<FirmwareRow> rows;
    for (const auto& row : run(tx, sql::api_firmware, after, static_cast<std::int64_t>(rows_max))) {
        rows.push_back({std::string{view_of(row[0])}, std::string{view_of(row[1])},
                        row[2].as<std::int64_t>(), std::string{view_of(row[3])},
                        std::string{view_of(row[4])}, instant_of(row[5]),
                        std::string{view_of(row[6])}});
    }
    return rows;
}

std::vector<RolloutRow> rollouts(Tx& tx, RolloutId before, std::size_t rows_max) {
    std::vector<RolloutRow> rows;
    for (const auto& row :
         run(tx, sql::api_rollouts, before, static_cast<std::int64_t>(rows_max))) {
        rows.push_back(rollout_of(row));
    }
    return rows;
}

std::optional<RolloutRow> rollout(Tx& tx, RolloutId id) {
    const auto found = run(tx, sql::api_rollout, id);
    if (found.empty()) return std::nullopt;
    return rollout_of(found[0]);
}

std::vector<RolloutDeviceRow> rollout_devices(Tx& tx, RolloutId id, const std::string& after,
                                              std::size_t rows_max) {
    std::vector<RolloutDeviceRow> rows;
    for (const auto& row :
         run(tx, sql::api_rollout_devices, id, after, static_cast<std::int64_t>(rows_max))) {
        rows.push_back({std::string{view_of(row[0])}, std::string{view_of(row[1])},
                        optional_text(row[2]), optional_instant_of(row[3]),
                        optional_instant_of(row[4])});
    }
    return rows;
}

}  // namespace klyuchnik::db
