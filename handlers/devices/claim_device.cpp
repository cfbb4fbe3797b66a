// A device exchanges its code for its own credential.
//
//   in      ask devices.claim_device     refusable, expires; by whoever has nothing but the code
//   decides why_not_claim(), plan_claim() in rules.cpp
//   writes  devices.credentials          credentials_at_most_four, credentials_hash_once
//           devices.claims               used, by this nonce
//   event   devices.claimed              the first time
//   answer  {device} | claim_refused, the same and after the same reads for every kind of no |
//   invalid

#include "db/access/devices_store.hpp"
#include "handlers/devices/commands.hpp"
#include "handlers/devices/rules.hpp"

namespace klyuchnik::handlers::devices {

using namespace topics;

AskOutcome claim_device(const AskItem& item, const ClaimDevice& ask, Work& work, db::Tx& tx) {
    if (auto refusal =
            why_not_wanted(ask.secret_sha256, ask.certificate_sha256, ask.ends_s, work.now)) {
        return *refusal;
    }
    if (!is_hash(ask.nonce_sha256)) return no_hash();
    ClaimedDevice device;
    device.identity = db::lock_device(tx, ask.device);
    device.claim = db::find_claim(tx, ask.device);
    device.living = db::living_credentials(tx, ask.device);
    if (auto refusal = why_not_claim(device, ask, work.now)) return *refusal;

    const CredentialPlan plan = plan_claim(device, ask, work.now);
    if (plan.addition && db::is_known_credential(tx, plan.addition->sha256)) {
        return Refusal{Code::claim_refused, ""};
    }
    put(tx, ask.device, device.identity->generation, plan, "claimed", work.now);
    AskResult result;
    result.device = ask.device.text();
    if (device.claim->used) return result;
    db::use_claim(tx, ask.device, ask.nonce_sha256, work.now);
    return done(item, ask.device, "claimed", work);
}

}  // namespace klyuchnik::handlers::devices
