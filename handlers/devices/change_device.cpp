// What people call a device, and how long it may be without us.
//
//   in      ask devices.change_device    refusable, expires
//   writes  devices.devices              devices_lease_range, devices_away_range
//           devices.presence             when its absence is to be raised
//   event   devices.device_changed
//   answer  {device} | unknown_device

#include "db/access/devices_store.hpp"
#include "handlers/devices/commands.hpp"

namespace klyuchnik::handlers::devices {

using namespace topics;

AskOutcome change_device(const AskItem& item, const ChangeDevice& ask, Work& work, db::Tx& tx) {
    if (!db::change_device(
            tx, {ask.device, ask.name, ask.place, ask.lease_seconds, ask.away_seconds})) {
        return Refusal{Code::unknown_device, ask.device.text()};
    }
    return done(item, ask.device, "device_changed", work);
}

}  // namespace klyuchnik::handlers::devices
