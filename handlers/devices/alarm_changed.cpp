#include "handlers/devices/alarm_changed.hpp"

#include "handlers/runtime/alarms.hpp"

namespace klyuchnik::handlers::devices {

using namespace topics;

AskOutcome alarm_changed(const db::AlarmChanged& changed, const AskItem& item,
                         std::string_view type, Work& work) {
    if (changed.outcome == db::AlarmChange::unknown) return Refusal{Code::unknown_alarm, ""};
    if (changed.outcome == db::AlarmChange::not_open) return Refusal{Code::not_open, ""};
    const db::ChangedAlarm& alarm = changed.alarm;
    Event& event = work.log(item, "devices", type, subject_of(alarm.alarm));
    event.ids.alarm = alarm.alarm;
    event.ids.device = alarm.device;
    event.ids.why = alarm.name.kind;
    return AskResult{};
}

}  // namespace klyuchnik::handlers::devices
