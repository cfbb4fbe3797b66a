// Another code for a device that is there. The one before dies, used or not; what the device has
// lives on until somebody shows the new code.
//
//   in      ask devices.issue_claim      refusable, expires
//   writes  devices.claims
//   event   devices.claim_issued
//   answer  {device} | unknown_device | inactive_device (only a swap brings it back) | invalid

#include "db/access/devices_store.hpp"
#include "handlers/devices/commands.hpp"
#include "handlers/devices/rules.hpp"

namespace klyuchnik::handlers::devices {

using namespace topics;

AskOutcome issue_claim(const AskItem& item, const IssueClaim& ask, Work& work, db::Tx& tx) {
    if (!is_hash(ask.claim_sha256)) return no_hash();
    const auto identity = db::lock_device(tx, ask.device);
    if (!identity) return Refusal{Code::unknown_device, ask.device.text()};
    if (!identity->active) return Refusal{Code::inactive_device, ask.device.text()};
    db::put_claim(tx, ask.device, ask.claim_sha256, item.ask.by.account, work.now,
                  work.now + std::chrono::seconds{ask.claim_seconds});
    return done(item, ask.device, "claim_issued", work);
}

}  // namespace klyuchnik::handlers::devices
