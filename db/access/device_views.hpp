#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "db/access/connection.hpp"
#include "topics/ids.hpp"
#include "topics/time.hpp"

/// What the bridge may read about devices: views of schema `api`, one statement per call. Lists
/// take the key after (or before) which to go on and the most rows wanted. All throw Fault. Times
/// are UTC.
namespace klyuchnik::db {

struct DeviceRow {
    std::string device;
    std::string name;
    std::string place;
    bool active = true;  ///< False: revoked; only a swap brings it back.
    topics::Instant created;
    std::optional<topics::Instant> revoked;
    std::optional<std::string> revoked_why;
    std::int64_t generation = 1;             ///< Of its identity: one more with every swap.
    std::optional<topics::Instant> swapped;  ///< The last time.
    std::optional<std::string> swapped_why;
    std::int64_t lease_s = 0;  ///< How long it may decide without the server.
    std::int64_t away_s = 0;   ///< Away for longer is an alarm.

    std::string state;  ///< online; offline: it said so, or the broker for it;
                        ///< unknown: never heard, silent, or the broker restarted.
    std::optional<topics::Instant> since;  ///< In that state.
    bool away = false;                     ///< Was here and is not for longer than away_s.
    std::optional<std::string> firmware;   ///< None before the first birth, as below.
    std::int64_t heartbeat_s = 0;
    std::int64_t packet_bytes_max = 0;  ///< 0 = never born.

    std::optional<topics::Instant> heard;  ///< Birth or heartbeat; up to half a heartbeat late.
    std::optional<std::int64_t> rssi_dbm;
    std::optional<std::int64_t> uptime_s;
    std::optional<std::string> telemetry;  ///< The last, as a JSON object.

    std::int64_t rights_held = 0;               ///< Version that its last birth named; 0 = none.
    std::optional<std::int64_t> rights_wanted;  ///< None: no document was made for it yet.
    std::optional<std::int64_t> epoch;          ///< Of its journal.
    std::optional<std::int64_t> acked;          ///< Facts of that epoch that are committed.
    std::optional<std::int64_t> unacked;        ///< Held at its last birth and not committed yet.
    /// At least so far ahead (behind: negative); none: nothing told yet.
    std::optional<std::int64_t> clock_error_s;
    bool clock_wrong = false;
};

/// Absent members do not filter.
struct DevicesFilter {
    std::optional<std::string> state;     ///< online, offline, unknown.
    std::optional<std::string> cls;       ///< kc, sg.
    std::optional<std::string> firmware;  ///< Letter by letter.
    std::optional<bool> active;
    std::optional<bool> away;
    std::optional<std::string> text;  ///< Part of id, name or place, any case; `%` means itself.
};
/// By device id, upwards; "" starts.
std::vector<DeviceRow> devices(Tx& tx, const DevicesFilter& filter, const std::string& after,
                               std::size_t rows_max);
std::optional<DeviceRow> device(Tx& tx, const topics::DeviceId& id);

/// Never with its hash.
struct CredentialRow {
    std::int64_t credential = 0;
    std::int64_t generation = 1;
    std::string kind;  ///< secret, certificate.
    topics::Instant made;
    std::optional<topics::Instant> ends;     ///< None: until it is replaced.
    std::optional<topics::Instant> revoked;  ///< Dead since; none: living (look at `ends` too).
    std::string why;                         ///< claimed, rotated, before_claims.
};
/// Newest first; kFromTheNewest starts.
std::vector<CredentialRow> credentials(Tx& tx, const topics::DeviceId& device, std::int64_t before,
                                       std::size_t rows_max);

/// The device's last claim code: used, over (`ends` has passed), or open. Nobody can read the code.
struct ClaimRow {
    topics::Instant made;
    std::string made_by;
    topics::Instant ends;
    std::optional<topics::Instant> used;
};
std::optional<ClaimRow> claim(Tx& tx, const topics::DeviceId& device);
/// When the code with this hash (64 hexadecimal digits) ends. None: it is not the device's open
/// one, because it was used or replaced or has ended, or never was.
std::optional<topics::Instant> open_claim_ends(Tx& tx, const topics::DeviceId& device,
                                               const std::string& code_sha256);

struct TelemetryRow {
    topics::Instant at;
    std::optional<std::int64_t> rssi_dbm;
    std::optional<std::int64_t> uptime_s;
    std::string content;  ///< A JSON object, as it came.
};
/// Newest first, from before `before`. One each 15 minutes, after a week one an hour, 90 days.
std::vector<TelemetryRow> telemetry(Tx& tx, const topics::DeviceId& device, topics::Instant before,
                                    std::size_t rows_max);

/// True when `secret_sha256` (64 hexadecimal digits) is that of a living secret of an active
/// device. A device that has certificates only has none.
bool device_credential(Tx& tx, const topics::DeviceId& device, const std::string& secret_sha256);

}  // namespace klyuchnik::db
