// Firmware goes out, device by device.
//
//   in      time
//   decides step_rollout() in firmware_rules.cpp
//   writes  devices.rollouts, devices.rollout_devices; runtime.documents and runtime.wanted, which
//           the acks bring to the device
//   event   devices.firmware_offered, firmware_updated, firmware_rolled_back, firmware_unanswered,
//           rollout_done, rollout_stopped
//   alarm   firmware_rolled_back of a device, rollout_stopped

#include "handlers/devices/rollouts.hpp"

#include "db/access/documents_store.hpp"
#include "handlers/devices/firmware_rules.hpp"

namespace klyuchnik::handlers::devices {

using namespace topics;
using db::OfferState;

namespace {

constexpr std::string_view kTask = "devices.advance_rollouts";
constexpr std::string_view kDocument = "firmware";

std::string subject_of(RolloutId rollout) {
    return "rollout:" + std::to_string(rollout.value);
}

void log_device(Work& work, std::string_view type, RolloutId rollout, const DeviceId& device) {
    Event& event =
        work.log("devices", type, "device:" + device.text(), "timed:" + std::string{kTask});
    event.ids.device = device;
    event.ids.rollout = rollout;
}

void offer(Work& work, db::Tx& tx, const db::Rollout& rollout,
           std::span<const db::RolloutDevice> devices) {
    if (devices.empty()) return;
    const auto sha256 = db::firmware_sha256(tx, rollout.version);
    if (!sha256) return;
    for (const db::RolloutDevice& one : devices) {
        db::add_document(tx, one.device, kDocument, *sha256, work.now);
        db::want_firmware(tx, one.device, rollout.version);
        log_device(work, "firmware_offered", rollout.rollout, one.device);
    }
    db::offer_rollout_devices(tx, rollout.rollout, devices, work.now);
}

void end_offers(Work& work, db::Tx& tx, const db::Rollout& rollout,
                std::span<const db::EndedOffer> ended) {
    for (const db::EndedOffer& one : ended) {
        EventIds ids;
        ids.device = one.device;
        ids.rollout = rollout.rollout;
        switch (one.state) {
            case OfferState::updated:
                log_device(work, "firmware_updated", rollout.rollout, one.device);
                break;
            case OfferState::rolled_back:
                log_device(work, "firmware_rolled_back", rollout.rollout, one.device);
                work.alarm("firmware_rolled_back", "device:" + one.device.text(), 2, ids);
                break;
            case OfferState::failed:
                log_device(work, "firmware_unanswered", rollout.rollout, one.device);
                work.alarm("firmware_unanswered", "device:" + one.device.text(), 2, ids);
                break;
            default:
                break;
        }
        // What was not taken is not wanted any more, or the device would try it again at its next
        // boot.
        if (one.state != OfferState::updated) db::want_firmware(tx, one.device, std::nullopt);
    }
    db::end_rollout_devices(tx, rollout.rollout, ended, work.now);
}

}  // namespace

void withdraw(db::Tx& tx, const db::Rollout& rollout, std::span<const db::RolloutDevice> devices,
              Instant now) {
    std::vector<db::EndedOffer> ended;
    for (const db::RolloutDevice& one : devices) {
        if (one.state == OfferState::offered) db::want_firmware(tx, one.device, std::nullopt);
        ended.push_back({one.device, OfferState::skipped});
    }
    db::end_rollout_devices(tx, rollout.rollout, ended, now);
}

void advance_rollouts(Work& work, db::Tx& tx) {
    for (const db::Rollout& rollout : db::running_rollouts(tx)) {
        const auto devices = db::open_rollout_devices(tx, rollout.rollout);
        const RolloutStep step =
            step_rollout(rollout, db::rollout_so_far(tx, rollout), devices, work.now);
        end_offers(work, tx, rollout, step.ended);
        offer(work, tx, rollout, step.offer);
        if (!step.end) continue;
        const bool stopped = *step.end == "stopped";
        std::optional<std::string> why;
        if (stopped) why = "more devices went back or failed than the roll-out may lose";
        db::end_rollout(tx, rollout.rollout, *step.end, why, work.now);
        EventIds ids;
        ids.rollout = rollout.rollout;
        work.log("devices", stopped ? "rollout_stopped" : "rollout_done",
                 subject_of(rollout.rollout), "timed:" + std::string{kTask})
            .ids = ids;
        if (stopped) work.alarm("rollout_stopped", subject_of(rollout.rollout), 3, ids);
    }
}

}  // namespace klyuchnik::handlers::devices
