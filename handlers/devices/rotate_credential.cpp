// A device replaces its own credential; the one that it showed lives on for the overlap.
//
//   in      ask devices.rotate_credential   refusable, expires; by the device itself
//   decides why_not_rotate(), plan_rotate() in rules.cpp
//   writes  devices.credentials             credentials_at_most_four, credentials_hash_once
//   event   devices.credential_rotated
//   answer  {device} | inactive_device | claim_refused (what was shown is dead) | limit_reached |
//           taken (the hash was used before) | invalid

#include "db/access/devices_store.hpp"
#include "handlers/devices/commands.hpp"
#include "handlers/devices/rules.hpp"

namespace klyuchnik::handlers::devices {

using namespace topics;

AskOutcome rotate_credential(const AskItem& item, const RotateCredential& ask, Work& work,
                             db::Tx& tx) {
    if (auto refusal =
            why_not_wanted(ask.secret_sha256, ask.certificate_sha256, ask.ends_s, work.now)) {
        return *refusal;
    }
    if (!is_hash(ask.nonce_sha256) || !is_hash(ask.shown_sha256)) return no_hash();
    const auto identity = db::lock_device(tx, ask.device);
    const auto living = db::living_credentials(tx, ask.device);
    const auto made = db::count_credentials(tx, ask.device, work.now - std::chrono::hours{24});
    if (auto refusal = why_not_rotate(identity, living, ask.shown_sha256, made, work.now)) {
        return *refusal;
    }

    const CredentialPlan plan = plan_rotate(living, ask, work.now);
    AskResult result;
    result.device = ask.device.text();
    if (!plan.addition) return result;
    if (db::is_known_credential(tx, plan.addition->sha256)) {
        return Refusal{Code::taken, "this credential was used before"};
    }
    put(tx, ask.device, identity->generation, plan, "rotated", work.now);
    return done(item, ask.device, "credential_rotated", work);
}

}  // namespace klyuchnik::handlers::devices
