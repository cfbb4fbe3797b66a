#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "db/access/connection.hpp"
#include "topics/ids.hpp"
#include "topics/time.hpp"

/// Firmware and its roll-outs, as the domain "devices" writes them. One statement each; all throw
/// Fault.
namespace klyuchnik::db {

struct FirmwareSigner {
    std::string name;
    std::string public_key;  ///< Ed25519, 64 hexadecimal digits.
};
std::vector<FirmwareSigner> firmware_signers(Tx& tx);

struct NewFirmware {
    std::string version;
    std::string sha256;     ///< Hexadecimal, of a blob that is whole.
    std::string signature;  ///< Hexadecimal.
    std::string signer;
    std::string notes;
    std::string by;
};
/// False: the version is there already.
bool add_firmware(Tx& tx, const NewFirmware& firmware, topics::Instant now);
/// Its hash; nothing when there is no such version.
std::optional<std::string> firmware_sha256(Tx& tx, const std::string& version);
bool blob_is_whole(Tx& tx, const std::string& sha256);

enum class OfferState : std::uint8_t { waiting, offered, updated, rolled_back, failed, skipped };
std::string_view name_of(OfferState state);

struct Rollout {
    topics::RolloutId rollout;
    std::string version;
    std::int64_t per_minute = 0;
    std::int64_t failures_max = 0;
    bool running = true;
};
struct RolloutDevice {
    topics::DeviceId device;
    OfferState state = OfferState::waiting;
    std::optional<topics::Instant> offered;
    std::string firmware;  ///< What the device said at its last birth; "" = never heard of.
    bool online = false;
    /// Since the offer it has said firmware.failed about the version that it was to have.
    bool failed = false;
    bool active = true;  ///< False: revoked, or retired.
};
/// What is over of a roll-out, as far as it matters.
struct RolloutSoFar {
    std::int64_t failures = 0;  ///< Rolled back or failed; counted up to failures_max + 1.
    std::optional<topics::Instant> last_offer;
};

/// Known, active, and not in an open roll-out.
bool may_be_offered(Tx& tx, const topics::DeviceId& device);
topics::RolloutId add_rollout(Tx& tx, const std::string& version, std::int64_t per_minute,
                              std::int64_t failures_max, const std::string& by,
                              topics::Instant now);
/// Each may_be_offered(); rollout_devices_one_open refuses a second open offer of a device.
void add_rollout_devices(Tx& tx, topics::RolloutId rollout,
                         std::span<const topics::DeviceId> devices);
/// Locks the rows; those that another process holds are left to it.
std::vector<Rollout> running_rollouts(Tx& tx);
std::optional<Rollout> lock_rollout(Tx& tx, topics::RolloutId rollout);
/// Those that wait or are offered.
std::vector<RolloutDevice> open_rollout_devices(Tx& tx, topics::RolloutId rollout);
/// After its row is locked: whoever stepped it before us is done then.
RolloutSoFar rollout_so_far(Tx& tx, const Rollout& rollout);

void offer_rollout_devices(Tx& tx, topics::RolloutId rollout,
                           std::span<const RolloutDevice> devices, topics::Instant now);
struct EndedOffer {
    topics::DeviceId device;
    OfferState state;
};
void end_rollout_devices(Tx& tx, topics::RolloutId rollout, std::span<const EndedOffer> devices,
                         topics::Instant now);
/// `state` "done" or "stopped".
void end_rollout(Tx& tx, topics::RolloutId rollout, const std::string& state,
                 const std::optional<std::string>& why, topics::Instant now);

}  // namespace klyuchnik::db
