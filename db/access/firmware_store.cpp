#include "db/access/firmware_store.hpp"

#include <algorithm>
#include <array>

#include "db/access/internal.hpp"

namespace klyuchnik::db {

using namespace topics;

namespace {

constexpr std::array<std::string_view, 6> kOfferStates{"waiting",     "offered", "updated",
                                                       "rolled_back", "failed",  "skipped"};

OfferState offer_state(std::string_view name) {
    const auto found = std::ranges::find(kOfferStates, name);
    if (found == kOfferStates.end()) {
        throw Fault{"offer state " + std::string{name}, Fault::Retry::never};
    }
    return static_cast<OfferState>(found - kOfferStates.begin());
}

}  // namespace

std::string_view name_of(OfferState state) {
    return kOfferStates.at(static_cast<std::size_t>(state));
}

std::vector<FirmwareSigner> firmware_signers(Tx& tx) {
    std::vector<FirmwareSigner> signers;
    for (const auto& row : run(tx, sql::devices_firmware_signers)) {
        signers.push_back({std::string{view_of(row[0])}, std::string{view_of(row[1])}});
    }
    return signers;
}

bool add_firmware(Tx& tx, const NewFirmware& firmware, Instant now) {
    return !run(tx, sql::devices_add_firmware, firmware.version, firmware.sha256,
                firmware.signature, firmware.signer, firmware.notes, now, firmware.by)
                .empty();
}

std::optional<std::string> firmware_sha256(Tx& tx, const std::string& version) {
    const auto found = run(tx, sql::devices_firmware_of, version);
    if (found.empty()) return std::nullopt;
    return std::string{view_of(found[0][0])};
}

bool blob_is_whole(Tx& tx, const std::string& sha256) {
    return !run(tx, sql::devices_blob_bytes, sha256).empty();
}

bool may_be_offered(Tx& tx, const DeviceId& device) {
    return !run(tx, sql::devices_may_be_offered, device).empty();
}

RolloutId add_rollout(Tx& tx, const std::string& version, std::int64_t per_minute,
                      std::int64_t failures_max, const std::string& by, Instant now) {
    const auto made = run(tx, sql::devices_add_rollout, version, per_minute, failures_max, now, by);
    return RolloutId{made[0][0].as<std::int64_t>()};
}

void add_rollout_devices(Tx& tx, RolloutId rollout, std::span<const DeviceId> devices) {
    run(tx, sql::devices_add_rollout_devices, rollout, array_of(devices));
}

std::vector<Rollout> running_rollouts(Tx& tx) {
    std::vector<Rollout> rollouts;
    for (const auto& row : run(tx, sql::devices_running_rollouts)) {
        rollouts.push_back({RolloutId{row[0].as<std::int64_t>()}, std::string{view_of(row[1])},
                            row[2].as<std::int64_t>(), row[3].as<std::int64_t>(), true});
    }
    return rollouts;
}

std::optional<Rollout> lock_rollout(Tx& tx, RolloutId rollout) {
    const auto found = run(tx, sql::devices_lock_rollout, rollout);
    if (found.empty()) return std::nullopt;
    return Rollout{rollout, std::string{view_of(found[0][0])}, found[0][1].as<std::int64_t>(),
                   found[0][2].as<std::int64_t>(), view_of(found[0][3]) == "running"};
}

std::vector<RolloutDevice> open_rollout_devices(Tx& tx, RolloutId rollout) {
    std::vector<RolloutDevice> devices;
    for (const auto& row : run(tx, sql::devices_rollout_devices, rollout)) {
        const auto device = DeviceId::parse(view_of(row[0]));
        if (!device) continue;
        devices.push_back({*device, offer_state(view_of(row[1])), optional_instant_of(row[2]),
                           std::string{view_of(row[3])}, row[4].as<bool>(), row[5].as<bool>(),
                           row[6].as<bool>()});
    }
    return devices;
}

RolloutSoFar rollout_so_far(Tx& tx, const Rollout& rollout) {
    const auto rows =
        run(tx, sql::devices_rollout_so_far, rollout.rollout, rollout.failures_max + 1);
    return {rows[0][0].as<std::int64_t>(), optional_instant_of(rows[0][1])};
}

void offer_rollout_devices(Tx& tx, RolloutId rollout, std::span<const RolloutDevice> devices,
                           Instant now) {
    if (devices.empty()) return;
    run(tx, sql::devices_offer_rollout_devices, rollout,
        column(devices, [](const RolloutDevice& d) { return d.device; }),
        column(devices, [](const RolloutDevice& d) { return std::string_view{d.firmware}; }), now);
}

void end_rollout_devices(Tx& tx, RolloutId rollout, std::span<const EndedOffer> devices,
                         Instant now) {
    if (devices.empty()) return;
    run(tx, sql::devices_end_rollout_devices, rollout,
        column(devices, [](const EndedOffer& d) { return d.device; }),
        column(devices, [](const EndedOffer& d) { return name_of(d.state); }), now);
}

void end_rollout(Tx& tx, RolloutId rollout, const std::string& state,
                 const std::optional<std::string>& why, Instant now) {
    run(tx, sql::devices_end_rollout, rollout, state, why, now);
}

}  // namespace klyuchnik::db
