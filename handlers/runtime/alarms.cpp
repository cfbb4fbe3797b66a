#include "handlers/runtime/alarms.hpp"

#include <algorithm>

#include "db/access/log_store.hpp"

namespace klyuchnik::handlers {

using namespace topics;

namespace {

constexpr std::int64_t kWokenMax = 1000;  ///< In one transaction; the rest at the next time.
constexpr std::chrono::seconds kWakeEvery{5};
constexpr std::string_view kWakeTask = "devices.wake_alarms";

Event& log_alarm(Work& work, std::string_view type, AlarmId alarm, EventIds ids) {
    Event& event = work.log("devices", type, subject_of(alarm), subject_of(alarm));
    event.ids = std::move(ids);
    event.ids.alarm = alarm;
    return event;
}

void log_changed(Work& work, std::string_view type, const db::ChangedAlarm& changed,
                 std::string why) {
    EventIds ids;
    ids.device = changed.device;
    ids.why = std::move(why);
    log_alarm(work, type, changed.alarm, std::move(ids));
}

}  // namespace

void store_alarms(db::Tx& tx, Work& work) {
    for (const db::RaisedAlarm& raised : db::raise_alarms(tx, work.alarms, work.now)) {
        if (!raised.first && !raised.woken) continue;
        const auto wanted = std::ranges::find(work.alarms, raised.name, &db::NewAlarm::name);
        EventIds ids = wanted == work.alarms.end() ? EventIds{} : wanted->ids;
        ids.why = raised.name.kind;
        log_alarm(work, raised.first ? "alarm_raised" : "alarm_reopened", raised.alarm,
                  std::move(ids));
    }
    for (const db::ChangedAlarm& ended : db::end_alarms(tx, work.over, work.now)) {
        log_changed(work, "alarm_resolved", ended, "over");
    }
}

void store_alarms_and_events(db::Tx& tx, Work& work) {
    store_alarms(tx, work);
    db::add_events(tx, work.events);
}

TimedTask wake_snoozed_alarms() {
    return {std::string{kWakeTask}, kWakeEvery, [](Work& work, db::Tx& tx) {
                for (const db::ChangedAlarm& woken : db::wake_alarms(tx, work.now, kWokenMax)) {
                    log_changed(work, "alarm_reopened", woken, woken.name.kind);
                }
            }};
}

std::string subject_of(AlarmId alarm) {
    return "alarm:" + std::to_string(alarm.value);
}
std::string subject_of(CommandId command) {
    return "command:" + std::to_string(command.value);
}
std::string subject_of(LetterId letter) {
    return "letter:" + std::to_string(letter.value);
}
std::string subject_of(const DeviceId& device) {
    return "device:" + device.text();
}

}  // namespace klyuchnik::handlers
