// Some devices are to get a firmware.
//
//   in      ask devices.start_rollout    refusable, expires
//   writes  devices.rollouts, devices.rollout_devices
//           rollout_devices_one_open     a device is offered one firmware at a time
//   event   devices.rollout_started
//   answer  {rollout} | unknown_firmware | invalid: devices that are unknown, revoked, or in
//   another
//           open roll-out; nothing is started then

#include <algorithm>

#include "db/access/firmware_store.hpp"
#include "handlers/devices/commands.hpp"

namespace klyuchnik::handlers::devices {

using namespace topics;

AskOutcome start_rollout(const AskItem& item, const StartRollout& ask, Work& work, db::Tx& tx) {
    if (!db::firmware_sha256(tx, ask.version)) return Refusal{Code::unknown_firmware, ask.version};
    std::vector<DeviceId> wanted = ask.devices;
    std::ranges::sort(wanted);
    wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
    // Looked at before anything is written: a refusal is kept together with what the batch wrote.
    for (const DeviceId& device : wanted) {
        if (!db::may_be_offered(tx, device)) {
            return Refusal{Code::invalid, device.text() + " is unknown, revoked or in a roll-out"};
        }
    }
    const RolloutId rollout = db::add_rollout(tx, ask.version, ask.per_minute, ask.failures_max,
                                              item.ask.by.account, work.now);
    db::add_rollout_devices(tx, rollout, wanted);
    Event& event =
        work.log(item, "devices", "rollout_started", "rollout:" + std::to_string(rollout.value));
    event.ids.rollout = rollout;
    AskResult result;
    result.rollout = rollout;
    return result;
}

}  // namespace klyuchnik::handlers::devices
