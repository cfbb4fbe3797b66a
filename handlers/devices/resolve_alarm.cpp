// An alarm ends, for a reason that a person gives. It is kept.
//
//   in      ask devices.resolve_alarm   refusable, expires
//   writes  runtime.alarms
//   event   devices.alarm_resolved
//   answer  {} | unknown_alarm | not_open

#include "handlers/devices/alarm_changed.hpp"
#include "handlers/devices/commands.hpp"

namespace klyuchnik::handlers::devices {

using namespace topics;

AskOutcome resolve_alarm(const AskItem& item, const ResolveAlarm& ask, Work& work, db::Tx& tx) {
    return alarm_changed(
        db::resolve_alarm(tx, ask.alarm, item.ask.by.account, ask.reason, work.now), item,
        "alarm_resolved", work);
}

}  // namespace klyuchnik::handlers::devices
