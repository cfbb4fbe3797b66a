#pragma once

#include "handlers/runtime/work.hpp"

namespace klyuchnik::handlers {

/// Writes what `work` raised and what is over, and logs it: devices.alarm_raised the first time,
/// devices.alarm_reopened when a snooze had run out, devices.alarm_resolved with the word "over".
/// The events' source is "alarm:<id>", so that a fact stays the source of its own event only. After
/// the domain has decided, before the events are written.
void store_alarms(db::Tx& tx, Work& work);

/// What every transaction of ours ends with: alarms, then events.
void store_alarms_and_events(db::Tx& tx, Work& work);

/// Snoozed alarms come back when their time is over: the timed task of the domain "devices".
TimedTask wake_snoozed_alarms();

/// "alarm:12", "command:7", "letter:3": subjects of events and alarms.
std::string subject_of(topics::AlarmId alarm);
std::string subject_of(topics::CommandId command);
std::string subject_of(topics::LetterId letter);
std::string subject_of(const topics::DeviceId& device);

}  // namespace klyuchnik::handlers
