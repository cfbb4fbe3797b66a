#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "db/access/connection.hpp"
#include "topics/guard.hpp"
#include "topics/ids.hpp"
#include "topics/time.hpp"

/// Devices: who they are, what they prove it with, where they are. Every function is one statement
/// (where it says more: so many, in the same transaction); those for many rows do nothing when
/// there are none. All throw Fault.
namespace klyuchnik::db {

// -- identity
// --------------------------------------------------------------------------------------------------

struct NewDevice {
    topics::DeviceId device;
    std::string name;
    std::string place;
};
/// False: the id is in use. Its cursor and its presence are made with it (three statements).
bool add_device(Tx& tx, const NewDevice& device, topics::Instant now);

struct DeviceIdentity {
    bool active = true;
    std::int64_t generation = 1;
};
/// Locks the device's journal cursor, as the handling of a birth does. Whoever ends an identity
/// comes first here, then to lock_device(): a birth that is being marked is over then.
void lock_cursor(Tx& tx, const topics::DeviceId& device);
/// Locks the row: whatever changes a device's identity happens one after the other. None: unknown.
std::optional<DeviceIdentity> lock_device(Tx& tx, const topics::DeviceId& device);

struct DeviceChange {
    topics::DeviceId device;
    std::optional<std::string> name;
    std::optional<std::string> place;
    std::optional<std::int64_t> lease_s;
    std::optional<std::int64_t> away_s;
};
/// False: there is no such device. (Two statements.)
bool change_device(Tx& tx, const DeviceChange& change);
void revoke_device(Tx& tx, const topics::DeviceId& device, const std::string& why,
                   topics::Instant now);
/// The next generation begins; a revoked device is active again.
void swap_device(Tx& tx, const topics::DeviceId& device, const std::string& why,
                 topics::Instant now);
/// Offline, and nothing said on its connection counts any more. `expected_back`: its absence will
/// be raised.
void leave_presence(Tx& tx, const topics::DeviceId& device, bool expected_back,
                    topics::Instant now);

// -- claims: hashes are 64 hexadecimal digits everywhere
// -------------------------------------------------------------

struct Claim {
    std::string code_sha256;
    topics::Instant ends;
    bool used = false;
    std::optional<std::string> nonce_sha256;  ///< Of whoever used it.
};
std::optional<Claim> find_claim(Tx& tx, const topics::DeviceId& device);
/// In place of the one before, used or not.
void put_claim(Tx& tx, const topics::DeviceId& device, const std::string& code_sha256,
               const std::string& by, topics::Instant now, topics::Instant ends);
void use_claim(Tx& tx, const topics::DeviceId& device, const std::string& nonce_sha256,
               topics::Instant now);
void drop_claim(Tx& tx, const topics::DeviceId& device);

// -- credentials. Who changes living ones need not think of the broker: a trigger puts the device
// in the guard's outbox.

using CredentialKind = topics::GuardCredential::Kind;
std::string_view name_of(CredentialKind kind);

struct Credential {
    std::int64_t id = 0;
    std::int64_t place = 1;  ///< 1..kCredentialsMax, its own among the living.
    CredentialKind kind = CredentialKind::secret;
    std::string sha256;
    std::optional<topics::Instant> ends;
    std::optional<std::string> nonce_sha256;
};
/// Not dead, newest first; one whose end has passed may still be among them.
std::vector<Credential> living_credentials(Tx& tx, const topics::DeviceId& device);
std::int64_t count_credentials(Tx& tx, const topics::DeviceId& device, topics::Instant made_after);
/// Whether this hash is or was somebody's.
bool is_known_credential(Tx& tx, const std::string& sha256);
/// Throws Fault(same_batch) when the hash has become known since.
void add_credential(Tx& tx, const topics::DeviceId& device, const Credential& credential,
                    std::int64_t generation, std::string_view why, topics::Instant now);
struct CredentialEnd {
    std::int64_t id = 0;
    std::optional<topics::Instant> ends;
    std::optional<topics::Instant> revoked;  ///< Dead from then on.
};
void end_credentials(Tx& tx, std::span<const CredentialEnd> ends);

// -- presence
// --------------------------------------------------------------------------------------------------

struct BornDevice {
    topics::DeviceId device;
    topics::Connection cn;
    std::string firmware;
    std::int64_t heartbeat_s = 0;
    std::int64_t packet_bytes_max = 0;
    std::int64_t rights_version = 0;
    std::int64_t last_command = 0;
    std::int64_t boot = 0;
    std::int64_t fresh = 0;  ///< How many connections of it are new here.
};
/// Connections of a device within this time are counted together.
inline constexpr std::chrono::seconds kBirthsCounted{60};
struct OnlineDevice {
    topics::DeviceId device;
    std::int64_t births = 0;  ///< New connections within kBirthsCounted.
};
/// Those that this has changed: not one that was online on that connection already, nor one whose
/// connection is known to be over.
std::vector<OnlineDevice> mark_born(Tx& tx, std::span<const BornDevice> devices,
                                    topics::Instant now);

struct DeviceAndConnection {
    topics::DeviceId device;
    topics::Connection cn;
};
/// Those that were not offline on that very connection; a stale will changes nothing.
std::vector<topics::DeviceId> mark_offline(Tx& tx, std::span<const DeviceAndConnection> devices,
                                           topics::Instant now);
/// What we know of our own listening, in all processes together.
struct Watch {
    topics::Instant watched;          ///< Silence was last looked for.
    topics::Instant taken;            ///< Something was last taken from the broker, roughly.
    topics::Instant listening_since;  ///< Without a break.
};
Watch lock_watch(Tx& tx);
void save_watch(Tx& tx, const Watch& watch);  ///< All but `taken`.
/// Something was taken from the broker. Noted once in `once_in`; never waits.
void note_taken(Tx& tx, topics::Instant now, std::chrono::seconds once_in);
/// What was heard need not be written more often than once in so many heartbeats.
inline constexpr double kHeardEvery = 1.2;
/// Online, and nothing was written of them for 3.7 of their heartbeats, that is, not heard for at
/// least 2.5 (and kHeardEvery more at most): unknown now. What nobody could hear before
/// `listening_since` does not count. At most `rows_max`.
std::vector<DeviceAndConnection> mark_silent(Tx& tx, topics::Instant now,
                                             topics::Instant listening_since,
                                             std::int64_t rows_max);
/// True when this boot of the broker was not noted before: this call did it.
bool note_broker(Tx& tx, const std::string& instance, const std::string& boot, topics::Instant now);
/// How many were online and have not been heard of after `heard_before`.
std::size_t mark_all_unknown(Tx& tx, topics::Instant now, topics::Instant heard_before);
/// Those that were unknown and have been heard on the same connection.
std::vector<topics::DeviceId> mark_back(Tx& tx, std::span<const DeviceAndConnection> devices,
                                        topics::Instant now);
/// Those that have been away for as long as they may, each once. At most `rows_max`.
std::vector<topics::DeviceId> take_away(Tx& tx, topics::Instant now, std::int64_t rows_max);
/// Those whose flood nobody has noted within `once_in`.
std::vector<topics::DeviceId> note_flood(Tx& tx, std::span<const topics::DeviceId> devices,
                                         topics::Instant now, std::chrono::seconds once_in);

// -- what was heard
// --------------------------------------------------------------------------------------------

struct PresentDevice {
    topics::DeviceId device;
    topics::Connection cn;
    bool silent = false;  ///< State unknown.
    std::int64_t heartbeat_s = 0;
    std::optional<topics::Instant> heard;  ///< As it was written.
};
std::vector<PresentDevice> find_present(Tx& tx, std::span<const topics::DeviceId> devices);

struct HeardDevice {
    topics::DeviceId device;
    std::optional<std::int64_t> rssi_dbm;
    std::optional<std::int64_t> uptime_s;
    std::optional<std::string> content;  ///< Telemetry, a JSON object; none of a birth.
};
/// A device's history gets a sample at most so often.
inline constexpr std::chrono::minutes kSampleEvery{15};
/// At most one of each device. (Two statements: the history too, where a sample is due.)
void note_heard(Tx& tx, std::span<const HeardDevice> devices, topics::Instant now);
/// Samples that are not the first of their hour; those that are.
std::size_t thin_telemetry(Tx& tx, topics::Instant before, std::int64_t rows_max);
std::size_t forget_telemetry(Tx& tx, topics::Instant before, std::int64_t rows_max);
void count_fleet(Tx& tx, topics::Instant now);

// -- for the feeder of the broker's guard
// ----------------------------------------------------------------------

/// True when this connection now feeds (or did already); it does until it is closed.
bool try_feed(Tx& tx);
struct KnownDevice {
    topics::DeviceId device;
    std::vector<topics::GuardCredential> living;  ///< None: nobody may come in as this device.
    std::int64_t stamp = 0;                       ///< In the outbox.
};
/// At most `devices_max` of those that the guard has not been told of.
std::vector<KnownDevice> guard_outbox(Tx& tx, std::int64_t devices_max);
void clear_outbox(Tx& tx, std::span<const KnownDevice> told);
/// Devices by id from after `after`, those without a credential too.
std::vector<KnownDevice> guard_page(Tx& tx, const std::string& after, std::int64_t devices_max);
/// How many the guard should know.
std::int64_t count_known(Tx& tx);
struct EndedCredential {
    topics::DeviceId device;
    std::string kind;
};
/// Marks those dead whose end has come.
std::vector<EndedCredential> end_due_credentials(Tx& tx, topics::Instant now,
                                                 std::int64_t rows_max);
std::optional<topics::Instant> next_credential_end(Tx& tx);

}  // namespace klyuchnik::db
