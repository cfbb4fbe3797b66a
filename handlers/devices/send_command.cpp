// A command for a device.
//
//   in      ask devices.send_command     refusable, expires
//   decides command_body()
//   writes  runtime.commands             commands_number_once; the dispatcher sends it
//   event   devices.command_queued
//   answer  {cmd}, 202 | unknown_device | inactive_device | invalid | limit_reached

#include "db/access/commands_store.hpp"
#include "handlers/devices/command_body.hpp"
#include "handlers/devices/commands.hpp"
#include "handlers/runtime/alarms.hpp"

namespace klyuchnik::handlers::devices {

using namespace topics;

AskOutcome send_command(const AskItem& item, const SendCommand& ask, Work& work, db::Tx& tx) {
    auto wanted = command_body(ask);
    if (const auto* refusal = std::get_if<Refusal>(&wanted)) return *refusal;
    const auto active = db::device_active(tx, ask.device);
    if (!active) return Refusal{Code::unknown_device, ask.device.text()};
    if (!*active) return Refusal{Code::inactive_device, ask.device.text()};

    const db::NewCommand command{ask.device, std::get<CommandBody>(std::move(wanted)),
                                 item.ask.by.account,
                                 work.now + std::chrono::seconds{ask.life_seconds}};
    const auto id = db::queue_commands(tx, {&command, 1}, work.now).front();
    if (!id) return Refusal{Code::limit_reached, ask.device.text()};

    Event& event = work.log(item, "devices", "command_queued", subject_of(ask.device));
    event.ids.device = ask.device;
    event.ids.command = *id;
    AskResult result;
    result.command = *id;
    return result;
}

}  // namespace klyuchnik::handlers::devices
