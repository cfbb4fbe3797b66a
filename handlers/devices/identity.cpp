// What the commands about a device's identity have in common.

#include "handlers/devices/commands.hpp"
#include "handlers/devices/rules.hpp"

namespace klyuchnik::handlers::devices {

using namespace topics;

AskResult done(const AskItem& item, const DeviceId& device, std::string_view event, Work& work) {
    work.log(item, "devices", event, "device:" + device.text()).ids.device = device;
    AskResult result;
    result.device = device.text();
    return result;
}

void put(db::Tx& tx, const DeviceId& device, std::int64_t generation, const CredentialPlan& plan,
         std::string_view why, Instant now) {
    db::end_credentials(tx, plan.ends);
    if (plan.addition) db::add_credential(tx, device, *plan.addition, generation, why, now);
}

}  // namespace klyuchnik::handlers::devices
