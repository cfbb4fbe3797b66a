// Somebody has seen an alarm.
//
//   in      ask devices.acknowledge_alarm   refusable, expires
//   writes  runtime.alarms
//   event   devices.alarm_acknowledged
//   answer  {} | unknown_alarm | not_open

#include "handlers/devices/alarm_changed.hpp"
#include "handlers/devices/commands.hpp"

namespace klyuchnik::handlers::devices {

using namespace topics;

AskOutcome acknowledge_alarm(const AskItem& item, const AcknowledgeAlarm& ask, Work& work,
                             db::Tx& tx) {
    return alarm_changed(db::acknowledge_alarm(tx, ask.alarm, item.ask.by.account, work.now), item,
                         "alarm_acknowledged", work);
}

}  // namespace klyuchnik::handlers::devices
