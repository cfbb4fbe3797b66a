// New hardware takes over the name, place, rights and keys of a broken, cloned or revoked device.
//
//   in      ask devices.swap_device      refusable, expires
//   writes  devices.devices              the next generation, active
//           devices.credentials          all dead
//           devices.claims               the code for the new hardware
//           devices.presence             offline
//           runtime.commands             those of the old hardware end; what is in the slots is to
//                                        be reported, once the new one is there
//   event   devices.swapped
//   alarm   command_unknown for each that the old hardware may have begun
//   answer  {device} | unknown_device | invalid
//
// Rights, keys and history speak of the device by its id and stay. The cursor shows by its
// generation that it is behind: the next birth of a new connection gets a new epoch ("swapped").

#include "db/access/commands_store.hpp"
#include "db/access/devices_store.hpp"
#include "handlers/devices/commands.hpp"
#include "handlers/devices/rules.hpp"
#include "handlers/runtime/command_stage.hpp"
#include "topics/limits.hpp"

namespace klyuchnik::handlers::devices {

using namespace topics;

AskOutcome swap_device(const AskItem& item, const SwapDevice& ask, Work& work, db::Tx& tx) {
    if (!is_hash(ask.claim_sha256)) return no_hash();
    db::lock_cursor(tx, ask.device);
    const auto identity = db::lock_device(tx, ask.device);
    if (!identity) return Refusal{Code::unknown_device, ask.device.text()};
    db::swap_device(tx, ask.device, ask.reason, work.now);
    db::end_credentials(tx, plan_revoke(db::living_credentials(tx, ask.device), work.now));
    db::put_claim(tx, ask.device, ask.claim_sha256, item.ask.by.account, work.now,
                  work.now + std::chrono::seconds{ask.claim_seconds});
    db::leave_presence(tx, ask.device, true, work.now);
    end_open_commands(tx, ask.device, item.source, work);
    if (ask.device.cls() == "kc") {
        // A device with as many open commands as it may have gets this one's work from its boot.
        const db::NewCommand report{ask.device, SlotsReport{}, item.ask.by.account,
                                    work.now + limits::kCommandLifeMax};
        db::queue_commands(tx, {&report, 1}, work.now);
    }
    return done(item, ask.device, "swapped", work);
}

}  // namespace klyuchnik::handlers::devices
