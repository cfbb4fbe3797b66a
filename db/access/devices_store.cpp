#include "db/access/devices_store.hpp"

#include "db/access/internal.hpp"

namespace klyuchnik::db {

using namespace topics;

namespace {

/// The advisory lock of whoever feeds the guard: any number that nothing else here uses.
constexpr std::int64_t kFeedLock = 7'204'111;

DeviceId device_of(const pqxx::field& field) {
    const auto device = DeviceId::parse(view_of(field));
    if (!device) throw Fault{"a stored device id is not one", Fault::Retry::never};
    return *device;
}
std::vector<DeviceId> devices_of(const pqxx::result& rows) {
    std::vector<DeviceId> devices;
    for (const auto& row : rows) devices.push_back(device_of(row[0]));
    return devices;
}

CredentialKind kind_of(const pqxx::field& field) {
    return view_of(field) == name_of(CredentialKind::secret) ? CredentialKind::secret
                                                             : CredentialKind::certificate;
}

/// Rows (device_id, kind, sha256) in the order of devices, one for each credential or one with
/// none.
KnownDevice& device_in(std::vector<KnownDevice>& devices, const pqxx::field& id) {
    if (devices.empty() || devices.back().device.text() != view_of(id)) {
        devices.push_back({device_of(id), {}, 0});
    }
    return devices.back();
}
void add_living(KnownDevice& known, const pqxx::field& kind, const pqxx::field& sha256) {
    if (!kind.is_null()) known.living.push_back({kind_of(kind), std::string{view_of(sha256)}});
}

std::string ids_of(std::span<const DeviceAndConnection> devices) {
    return column(devices, [](const DeviceAndConnection& d) { return d.device; });
}
std::string connections_of(std::span<const DeviceAndConnection> devices) {
    return column(devices, [](const DeviceAndConnection& d) { return d.cn; });
}

}  // namespace

// -- identity
// --------------------------------------------------------------------------------------------------

bool add_device(Tx& tx, const NewDevice& device, Instant now) {
    if (run(tx, sql::devices_add_device, device.device, device.name, device.place, now).empty()) {
        return false;
    }
    run(tx, sql::devices_add_cursor, device.device);
    run(tx, sql::devices_add_presence, device.device, now);
    return true;
}

void lock_cursor(Tx& tx, const DeviceId& device) {
    run(tx, sql::devices_lock_cursor, device);
}

std::optional<DeviceIdentity> lock_device(Tx& tx, const DeviceId& device) {
    const auto rows = run(tx, sql::devices_lock_device, device);
    if (rows.empty()) return std::nullopt;
    return DeviceIdentity{rows[0][0].as<bool>(), rows[0][1].as<std::int64_t>()};
}

bool change_device(Tx& tx, const DeviceChange& change) {
    if (run(tx, sql::devices_change_device, change.device, change.name, change.place,
            change.lease_s, change.away_s)
            .empty()) {
        return false;
    }
    if (change.away_s) run(tx, sql::devices_change_away, change.device, *change.away_s);
    return true;
}

void revoke_device(Tx& tx, const DeviceId& device, const std::string& why, Instant now) {
    run(tx, sql::devices_revoke_device, device, now, why);
}
void swap_device(Tx& tx, const DeviceId& device, const std::string& why, Instant now) {
    run(tx, sql::devices_swap_device, device, now, why);
}
void leave_presence(Tx& tx, const DeviceId& device, bool expected_back, Instant now) {
    run(tx, sql::devices_leave_presence, device, now, expected_back);
}

// -- claims
// ----------------------------------------------------------------------------------------------------

std::optional<Claim> find_claim(Tx& tx, const DeviceId& device) {
    const auto rows = run(tx, sql::devices_find_claim, device);
    if (rows.empty()) return std::nullopt;
    return Claim{rows[0][0].as<std::string>(), instant_of(rows[0][1]), rows[0][2].as<bool>(),
                 optional_text(rows[0][3])};
}
void put_claim(Tx& tx, const DeviceId& device, const std::string& code_sha256,
               const std::string& by, Instant now, Instant ends) {
    run(tx, sql::devices_put_claim, device, code_sha256, now, by, ends);
}
void use_claim(Tx& tx, const DeviceId& device, const std::string& nonce_sha256, Instant now) {
    run(tx, sql::devices_use_claim, device, now, nonce_sha256);
}
void drop_claim(Tx& tx, const DeviceId& device) {
    run(tx, sql::devices_drop_claim, device);
}

// -- credentials
// -----------------------------------------------------------------------------------------------

std::string_view name_of(CredentialKind kind) {
    return kind == CredentialKind::secret ? "secret" : "certificate";
}

std::vector<Credential> living_credentials(Tx& tx, const DeviceId& device) {
    std::vector<Credential> living;
    for (const auto& row : run(tx, sql::devices_living_credentials, device)) {
        living.push_back({row[0].as<std::int64_t>(), row[1].as<std::int64_t>(), kind_of(row[2]),
                          row[3].as<std::string>(), optional_instant_of(row[4]),
                          optional_text(row[5])});
    }
    return living;
}

std::int64_t count_credentials(Tx& tx, const DeviceId& device, Instant made_after) {
    return run(tx, sql::devices_count_credentials, device, made_after)[0][0].as<std::int64_t>();
}

bool is_known_credential(Tx& tx, const std::string& sha256) {
    return !run(tx, sql::devices_known_credential, sha256).empty();
}

void add_credential(Tx& tx, const DeviceId& device, const Credential& credential,
                    std::int64_t generation, std::string_view why, Instant now) {
    if (run(tx, sql::devices_add_credential, device, credential.place, generation,
            std::string{name_of(credential.kind)}, credential.sha256, now, credential.ends,
            credential.nonce_sha256, std::string{why})
            .empty()) {
        throw Fault{"the same credential was made elsewhere", Fault::Retry::same_batch};
    }
}

void end_credentials(Tx& tx, std::span<const CredentialEnd> ends) {
    if (ends.empty()) return;
    run(tx, sql::devices_end_credentials, column(ends, [](const CredentialEnd& e) { return e.id; }),
        column(ends, [](const CredentialEnd& e) { return e.ends; }),
        column(ends, [](const CredentialEnd& e) { return e.revoked; }));
}

// -- presence
// --------------------------------------------------------------------------------------------------

std::vector<OnlineDevice> mark_born(Tx& tx, std::span<const BornDevice> devices, Instant now) {
    if (devices.empty()) return {};
    using Row = BornDevice;
    std::vector<OnlineDevice> online;
    for (const auto& row :
         run(tx, sql::devices_mark_born, column(devices, [](const Row& d) { return d.device; }),
             column(devices, [](const Row& d) { return d.cn; }),
             column(devices, [](const Row& d) { return std::string_view{d.firmware}; }),
             column(devices, [](const Row& d) { return d.heartbeat_s; }),
             column(devices, [](const Row& d) { return d.packet_bytes_max; }),
             column(devices, [](const Row& d) { return d.rights_version; }),
             column(devices, [](const Row& d) { return d.last_command; }),
             column(devices, [](const Row& d) { return d.boot; }),
             column(devices, [](const Row& d) { return d.fresh; }), now,
             static_cast<std::int64_t>(kBirthsCounted.count()))) {
        online.push_back({device_of(row[0]), row[1].as<std::int64_t>()});
    }
    return online;
}

std::vector<DeviceId> mark_offline(Tx& tx, std::span<const DeviceAndConnection> devices,
                                   Instant now) {
    if (devices.empty()) return {};
    return devices_of(
        run(tx, sql::devices_mark_offline, ids_of(devices), connections_of(devices), now));
}

Watch lock_watch(Tx& tx) {
    const auto row = run(tx, sql::devices_lock_watch)[0];
    return {instant_of(row[0]), instant_of(row[1]), instant_of(row[2])};
}
void save_watch(Tx& tx, const Watch& watch) {
    run(tx, sql::devices_save_watch, watch.watched, watch.listening_since);
}
void note_taken(Tx& tx, Instant now, std::chrono::seconds once_in) {
    run(tx, sql::devices_note_taken, now, static_cast<std::int64_t>(once_in.count()));
}

std::vector<DeviceAndConnection> mark_silent(Tx& tx, Instant now, Instant listening_since,
                                             std::int64_t rows_max) {
    std::vector<DeviceAndConnection> silent;
    for (const auto& row : run(tx, sql::devices_mark_silent, now, rows_max, listening_since)) {
        silent.push_back({device_of(row[0]), topics::Connection{row[1].as<std::int64_t>()}});
    }
    return silent;
}

bool note_broker(Tx& tx, const std::string& instance, const std::string& boot, Instant now) {
    return !run(tx, sql::devices_note_broker, instance, boot, now).empty();
}
std::size_t mark_all_unknown(Tx& tx, Instant now, Instant heard_before) {
    return run(tx, sql::devices_mark_all_unknown, now, heard_before).affected_rows();
}

std::vector<DeviceId> mark_back(Tx& tx, std::span<const DeviceAndConnection> devices, Instant now) {
    if (devices.empty()) return {};
    return devices_of(
        run(tx, sql::devices_mark_back, ids_of(devices), connections_of(devices), now));
}

std::vector<DeviceId> take_away(Tx& tx, Instant now, std::int64_t rows_max) {
    return devices_of(run(tx, sql::devices_take_away, now, rows_max));
}

std::vector<DeviceId> note_flood(Tx& tx, std::span<const DeviceId> devices, Instant now,
                                 std::chrono::seconds once_in) {
    if (devices.empty()) return {};
    return devices_of(run(tx, sql::devices_note_flood, array_of(devices), now,
                          static_cast<std::int64_t>(once_in.count())));
}

// -- what was heard
// --------------------------------------------------------------------------------------------

std::vector<PresentDevice> find_present(Tx& tx, std::span<const DeviceId> devices) {
    if (devices.empty()) return {};
    std::vector<PresentDevice> found;
    for (const auto& row : run(tx, sql::devices_find_present, array_of(devices))) {
        found.push_back({device_of(row[0]), topics::Connection{row[1].as<std::int64_t>()},
                         view_of(row[2]) == "unknown", row[3].as<std::int64_t>(),
                         optional_instant_of(row[4])});
    }
    return found;
}

void note_heard(Tx& tx, std::span<const HeardDevice> devices, Instant now) {
    if (devices.empty()) return;
    using Row = HeardDevice;
    const std::int64_t sample_s = std::chrono::seconds{kSampleEvery}.count();
    std::vector<DeviceId> sampled;
    for (const auto& row :
         run(tx, sql::devices_note_heard, column(devices, [](const Row& d) { return d.device; }),
             column(devices, [](const Row& d) { return d.rssi_dbm; }),
             column(devices, [](const Row& d) { return d.uptime_s; }),
             column(devices, [](const Row& d) { return d.content; }), now, sample_s)) {
        if (row[1].as<bool>()) sampled.push_back(device_of(row[0]));
    }
    if (!sampled.empty()) run(tx, sql::devices_add_samples, array_of(sampled), now);
}

std::size_t thin_telemetry(Tx& tx, Instant before, std::int64_t rows_max) {
    return run(tx, sql::devices_thin_telemetry, before, rows_max).affected_rows();
}
std::size_t forget_telemetry(Tx& tx, Instant before, std::int64_t rows_max) {
    return run(tx, sql::devices_forget_telemetry, before, rows_max).affected_rows();
}
void count_fleet(Tx& tx, Instant now) {
    run(tx, sql::devices_count_fleet, now);
}

// -- for the feeder of the broker's guard
// ----------------------------------------------------------------------

bool try_feed(Tx& tx) {
    return run(tx, sql::devices_try_feed, kFeedLock)[0][0].as<bool>();
}

std::vector<KnownDevice> guard_outbox(Tx& tx, std::int64_t devices_max) {
    std::vector<KnownDevice> devices;
    for (const auto& row : run(tx, sql::devices_outbox, devices_max)) {
        KnownDevice& known = device_in(devices, row[0]);
        known.stamp = row[1].as<std::int64_t>();
        add_living(known, row[2], row[3]);
    }
    return devices;
}

void clear_outbox(Tx& tx, std::span<const KnownDevice> told) {
    if (told.empty()) return;
    run(tx, sql::devices_clear_outbox, column(told, [](const KnownDevice& d) { return d.device; }),
        column(told, [](const KnownDevice& d) { return d.stamp; }));
}

std::vector<KnownDevice> guard_page(Tx& tx, const std::string& after, std::int64_t devices_max) {
    std::vector<KnownDevice> devices;
    for (const auto& row : run(tx, sql::devices_guard_page, after, devices_max)) {
        add_living(device_in(devices, row[0]), row[1], row[2]);
    }
    return devices;
}

std::int64_t count_known(Tx& tx) {
    return run(tx, sql::devices_count_known)[0][0].as<std::int64_t>();
}

std::vector<EndedCredential> end_due_credentials(Tx& tx, Instant now, std::int64_t rows_max) {
    std::vector<EndedCredential> ended;
    for (const auto& row : run(tx, sql::devices_end_due_credentials, now, rows_max)) {
        ended.push_back({device_of(row[0]), row[1].as<std::string>()});
    }
    return ended;
}

std::optional<Instant> next_credential_end(Tx& tx) {
    const auto rows = run(tx, sql::devices_next_end);
    if (rows.empty()) return std::nullopt;
    return instant_of(rows[0][0]);
}

}  // namespace klyuchnik::db
