#include "handlers/devices/command_body.hpp"

namespace klyuchnik::handlers::devices {

using namespace topics;

namespace {

using Wanted = std::variant<CommandBody, Refusal>;

Wanted invalid(std::string detail) {
    return Refusal{Code::invalid, std::move(detail)};
}

Wanted cabinet_command(const SendCommand& ask) {
    if (ask.kind == SlotUnlock::kKind) {
        if (!ask.slot) return invalid("slot.unlock needs a slot");
        return CommandBody{SlotUnlock{*ask.slot}};
    }
    if (ask.kind == Buzz::kKind) {
        Buzz buzz;
        if (ask.milliseconds) buzz.milliseconds = *ask.milliseconds;
        return CommandBody{buzz};
    }
    if (ask.kind == Lock::kKind) {
        if (!ask.locked) return invalid("lock needs \"locked\"");
        return CommandBody{Lock{*ask.locked}};
    }
    if (ask.kind == RightsRead::kKind) return CommandBody{RightsRead{}};
    return CommandBody{SlotsReport{}};
}

}  // namespace

Wanted command_body(const SendCommand& ask) {
    if (ask.kind == Reboot::kKind) return CommandBody{Reboot{}};
    if (ask.kind == LogsSend::kKind) return CommandBody{LogsSend{}};
    if (ask.kind == SettingsCommand::kKind) {
        if (!ask.time_zone && !ask.heartbeat_s) {
            return invalid("settings needs a time_zone or a heartbeat_s");
        }
        return CommandBody{SettingsCommand{ask.time_zone, ask.heartbeat_s}};
    }
    if (ask.kind == ScaleRead::kKind || ask.kind == ScaleWrite::kKind) {
        return Refusal{Code::not_served, ask.kind};
    }
    const bool of_cabinets = ask.kind == SlotUnlock::kKind || ask.kind == Buzz::kKind ||
                             ask.kind == Lock::kKind || ask.kind == SlotsReport::kKind ||
                             ask.kind == RightsRead::kKind;
    if (!of_cabinets) return invalid("there is no command " + ask.kind);
    if (ask.device.cls() != "kc") return invalid(ask.kind + " is for cabinets");
    return cabinet_command(ask);
}

}  // namespace klyuchnik::handlers::devices
