// No further offers; what was offered and not taken yet is withdrawn.
//
//   in      ask devices.stop_rollout     refusable, expires
//   writes  devices.rollouts, devices.rollout_devices, runtime.wanted
//   event   devices.rollout_stopped
//   answer  {rollout} | unknown_rollout | not_open

#include "db/access/firmware_store.hpp"
#include "handlers/devices/commands.hpp"
#include "handlers/devices/rollouts.hpp"

namespace klyuchnik::handlers::devices {

using namespace topics;

AskOutcome stop_rollout(const AskItem& item, const StopRollout& ask, Work& work, db::Tx& tx) {
    const auto rollout = db::lock_rollout(tx, ask.rollout);
    if (!rollout) return Refusal{Code::unknown_rollout, ""};
    if (!rollout->running) return Refusal{Code::not_open, ""};
    withdraw(tx, *rollout, db::open_rollout_devices(tx, ask.rollout), work.now);
    db::end_rollout(tx, ask.rollout, "stopped", ask.reason, work.now);
    Event& event = work.log(item, "devices", "rollout_stopped",
                            "rollout:" + std::to_string(ask.rollout.value));
    event.ids.rollout = ask.rollout;
    AskResult result;
    result.rollout = ask.rollout;
    return result;
}

}  // namespace klyuchnik::handlers::devices
