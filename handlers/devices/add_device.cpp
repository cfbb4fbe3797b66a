// A device may be claimed: whoever shows its code once becomes it.
//
//   in      ask devices.add_device       refusable, expires
//   writes  devices.devices              devices_id_form
//           devices.presence             unknown until its first birth
//           devices.claims               the code's hash
//           runtime.cursors              where its journal will be followed
//   event   devices.device_added
//   answer  {device} | taken | invalid

#include "db/access/devices_store.hpp"
#include "handlers/devices/commands.hpp"
#include "handlers/devices/rules.hpp"

namespace klyuchnik::handlers::devices {

using namespace topics;

AskOutcome add_device(const AskItem& item, const AddDevice& ask, Work& work, db::Tx& tx) {
    if (!is_hash(ask.claim_sha256)) return no_hash();
    if (!db::add_device(tx, {ask.device, ask.name, ask.place}, work.now)) {
        return Refusal{Code::taken, ask.device.text()};
    }
    db::put_claim(tx, ask.device, ask.claim_sha256, item.ask.by.account, work.now,
                  work.now + std::chrono::seconds{ask.claim_seconds});
    return done(item, ask.device, "device_added", work);
}

}  // namespace klyuchnik::handlers::devices
