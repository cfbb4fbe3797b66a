#include "db/access/device_views.hpp"

#include <cstdlib>

#include "db/access/internal.hpp"
#include "db/access/runtime_store.hpp"

namespace klyuchnik::db {
namespace {

std::optional<std::int64_t> optional_integer(const pqxx::field& field) {
    if (field.is_null()) return std::nullopt;
    return field.as<std::int64_t>();
}
std::string text(const pqxx::field& field) {
    return std::string{view_of(field)};
}
std::int64_t limit(std::size_t rows_max) {
    return static_cast<std::int64_t>(rows_max);
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

DeviceRow read_device(const pqxx::row& row) {
    DeviceRow device;
    device.device = text(row["device_id"]);
    device.name = text(row["name"]);
    device.place = text(row["place"]);
    device.active = row["active"].as<bool>();
    device.created = instant_of(row["created_at"]);
    device.revoked = optional_instant_of(row["revoked_at"]);
    device.revoked_why = optional_text(row["revoked_why"]);
    device.generation = row["generation"].as<std::int64_t>();
    device.swapped = optional_instant_of(row["swapped_at"]);
    device.swapped_why = optional_text(row["swapped_why"]);
    device.lease_s = row["lease_s"].as<std::int64_t>();
    device.away_s = row["away_s"].as<std::int64_t>();
    device.state = text(row["state"]);
    device.since = optional_instant_of(row["since"]);
    device.away = row["away"].as<bool>();
    device.firmware = optional_text(row["firmware"]);
    device.heartbeat_s = row["heartbeat_s"].as<std::int64_t>();
    device.packet_bytes_max = row["packet_bytes_max"].as<std::int64_t>();
    device.heard = optional_instant_of(row["heard_at"]);
    device.rssi_dbm = optional_integer(row["rssi"]);
    device.uptime_s = optional_integer(row["uptime_s"]);
    device.telemetry = optional_text(row["telemetry"]);
    device.rights_held = row["rights_held"].as<std::int64_t>();
    device.rights_wanted = optional_integer(row["rights_wanted"]);
    device.epoch = optional_integer(row["epoch"]);
    device.acked = optional_integer(row["acked"]);
    device.unacked = optional_integer(row["unacked"]);
    device.clock_error_s = optional_integer(row["clock_error_s"]);
    device.clock_wrong = std::abs(device.clock_error_s.value_or(0)) > kClockErrorMaxS;
    return device;
}

}  // namespace

std::vector<DeviceRow> devices(Tx& tx, const DevicesFilter& filter, const std::string& after,
                               std::size_t rows_max) {
    std::optional<std::string> part;
    if (filter.text) part = like_escaped(*filter.text);
    std::vector<DeviceRow> rows;
    for (const auto& row : run(tx, sql::api_devices, after, limit(rows_max), filter.state,
                               filter.cls, filter.firmware, filter.active, filter.away, part)) {
        rows.push_back(read_device(row));
    }
    return rows;
}

std::optional<DeviceRow> device(Tx& tx, const topics::DeviceId& id) {
    const auto rows = run(tx, sql::api_device, id);
    if (rows.empty()) return std::nullopt;
    return read_device(rows[0]);
}

std::vector<CredentialRow> credentials(Tx& tx, const topics::DeviceId& device, std::int64_t before,
                                       std::size_t rows_max) {
    std::vector<CredentialRow> found;
    for (const auto& row : run(tx, sql::api_credentials, device, before, limit(rows_max))) {
        found.push_back({row["credential_id"].as<std::int64_t>(),
                         row["generation"].as<std::int64_t>(), text(row["kind"]),
                         instant_of(row["made_at"]), optional_instant_of(row["ends_at"]),
                         optional_instant_of(row["revoked_at"]), text(row["why"])});
    }
    return found;
}

std::optional<ClaimRow> claim(Tx& tx, const topics::DeviceId& device) {
    const auto rows = run(tx, sql::api_claim, device);
    if (rows.empty()) return std::nullopt;
    const auto row = rows[0];
    return ClaimRow{instant_of(row["made_at"]), text(row["made_by"]), instant_of(row["ends_at"]),
                    optional_instant_of(row["used_at"])};
}

std::optional<topics::Instant> open_claim_ends(Tx& tx, const topics::DeviceId& device,
                                               const std::string& code_sha256) {
    const auto rows = run(tx, sql::api_open_claim, device, code_sha256);
    if (rows.empty()) return std::nullopt;
    return instant_of(rows[0]["ends_at"]);
}

std::vector<TelemetryRow> telemetry(Tx& tx, const topics::DeviceId& device, topics::Instant before,
                                    std::size_t rows_max) {
    std::vector<TelemetryRow> found;
    for (const auto& row : run(tx, sql::api_telemetry, device, before, limit(rows_max))) {
        found.push_back({instant_of(row["at"]), optional_integer(row["rssi"]),
                         optional_integer(row["uptime_s"]), text(row["content"])});
    }
    return found;
}

bool device_credential(Tx& tx, const topics::DeviceId& device, const std::string& secret_sha256) {
    return !run(tx, sql::api_device_credential, device, secret_sha256).empty();
}

}  // namespace klyuchnik::db
