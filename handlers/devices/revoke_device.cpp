// A device is out: its session is cut (the guard hears of it through its outbox), and it can not
// come back.
//
//   in      ask devices.revoke_device    refusable, expires
//   writes  devices.devices              inactive, with the reason
//           devices.credentials          all dead
//           devices.claims               gone
//           devices.presence             offline
//           runtime.commands             none is open any more
//   event   devices.revoked
//   alarm   command_unknown for each that the device may have begun
//   answer  {device} | unknown_device | inactive_device (it is out already)

#include "db/access/devices_store.hpp"
#include "handlers/devices/commands.hpp"
#include "handlers/devices/rules.hpp"
#include "handlers/runtime/command_stage.hpp"

namespace klyuchnik::handlers::devices {

using namespace topics;

AskOutcome revoke_device(const AskItem& item, const RevokeDevice& ask, Work& work, db::Tx& tx) {
    db::lock_cursor(tx, ask.device);
    const auto identity = db::lock_device(tx, ask.device);
    if (!identity) return Refusal{Code::unknown_device, ask.device.text()};
    if (!identity->active) return Refusal{Code::inactive_device, ask.device.text()};
    db::revoke_device(tx, ask.device, ask.reason, work.now);
    db::end_credentials(tx, plan_revoke(db::living_credentials(tx, ask.device), work.now));
    db::drop_claim(tx, ask.device);
    db::leave_presence(tx, ask.device, false, work.now);
    end_open_commands(tx, ask.device, item.source, work);
    work.alarm_over("device_away", "device:" + ask.device.text());
    return done(item, ask.device, "revoked", work);
}

}  // namespace klyuchnik::handlers::devices
