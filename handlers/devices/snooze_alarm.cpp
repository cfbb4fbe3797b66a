// An alarm is out of sight for a while; it comes back by itself.
//
//   in      ask devices.snooze_alarm   refusable, expires
//   writes  runtime.alarms
//   event   devices.alarm_snoozed
//   answer  {} | unknown_alarm | not_open

#include "handlers/devices/alarm_changed.hpp"
#include "handlers/devices/commands.hpp"

namespace klyuchnik::handlers::devices {

using namespace topics;

AskOutcome snooze_alarm(const AskItem& item, const SnoozeAlarm& ask, Work& work, db::Tx& tx) {
    return alarm_changed(
        db::snooze_alarm(tx, ask.alarm, work.now + std::chrono::seconds{ask.seconds}), item,
        "alarm_snoozed", work);
}

}  // namespace klyuchnik::handlers::devices
