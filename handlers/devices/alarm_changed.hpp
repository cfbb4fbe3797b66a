#pragma once

#include <string_view>

#include "db/access/alarms_store.hpp"
#include "handlers/devices/commands.hpp"

namespace klyuchnik::handlers::devices {

/// The end that the three asks about alarms have in common: the refusal, or the event `type`.
AskOutcome alarm_changed(const db::AlarmChanged& changed, const AskItem& item,
                         std::string_view type, Work& work);

}  // namespace klyuchnik::handlers::devices
