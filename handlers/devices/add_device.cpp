// A device may speak as itself.
//
//   in      ask devices.add_device       refusable, expires
//   writes  devices.devices              devices_id_form
//           runtime.cursors              where its journal will be followed
//   event   devices.device_added
//   answer  {device} | taken

#include "db/access/devices_store.hpp"
#include "handlers/devices/commands.hpp"

namespace klyuchnik::handlers::devices {

using namespace topics;

AskOutcome add_device(const AskItem& item, const AddDevice& ask, Work& work, db::Tx& tx) {
    if (!db::add_device(tx, ask.device, ask.name, ask.secret_sha256, work.now)) {
        return Refusal{Code::taken, ask.device.text()};
    }
    Event& event = work.log(item, "devices", "device_added", "device:" + ask.device.text());
    event.ids.device = ask.device;
    AskResult result;
    result.device = ask.device.text();
    return result;
}

}  // namespace klyuchnik::handlers::devices
