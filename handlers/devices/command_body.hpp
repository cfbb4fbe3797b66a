#pragma once

#include <variant>

#include "topics/asks.hpp"
#include "topics/device.hpp"

namespace klyuchnik::handlers::devices {

/// What a device of its class is to be told for this wish, or why that can not be: invalid for a
/// kind that there is not, that this class does not have, or that lacks a member it needs;
/// not_served for kinds that need more than this ask carries. Members that the kind does not have
/// are passed over. Pure.
///
/// | kind | of | members |
/// |---|---|---|
/// | slot.unlock | kc | slot |
/// | buzz | kc | milliseconds (else 500) |
/// | lock | kc | locked |
/// | slots.report | kc | |
/// | settings | kc, sg | time_zone, heartbeat_s: at least one |
/// | reboot, logs.send | kc, sg | |
std::variant<topics::CommandBody, topics::Refusal> command_body(const topics::SendCommand& ask);

}  // namespace klyuchnik::handlers::devices
