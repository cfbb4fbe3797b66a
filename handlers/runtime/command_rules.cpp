#include "handlers/runtime/command_rules.hpp"

#include <algorithm>

namespace klyuchnik::handlers {

using db::CommandRecord;
using db::CommandState;
using topics::Instant;

namespace {

constexpr std::int64_t kDone = 0;
constexpr std::int64_t kExpired = 408;
constexpr std::int64_t kTooLarge = 413;
constexpr std::int64_t kUnknown = 500;

/// Our clock ended it, and the device has not said a word about its end.
bool by_silence(const CommandRecord& command) {
    return !command.rc &&
           (command.state == CommandState::expired || command.state == CommandState::unknown);
}

Step end(CommandRecord& command, CommandState state, Instant now) {
    Step step;
    step.changed = true;
    step.ended = true;
    step.doubt = state == CommandState::unknown;
    step.settled = command.state == CommandState::unknown && state != CommandState::unknown;
    command.state = state;
    command.finished = now;
    return step;
}

}  // namespace

Step hear_accepted(CommandRecord& command, Instant now) {
    const bool fresh = command.state == CommandState::queued || command.state == CommandState::sent;
    if (!fresh && !by_silence(command)) return {};
    const bool settled = command.state == CommandState::unknown;
    command.state = CommandState::accepted;
    command.accepted = now;
    command.finished.reset();
    command.overdue = std::max(command.expires, now) + kCommandWorkMax;
    return {true, false, false, settled};
}

Step hear_done(CommandRecord& command, std::int64_t rc, const std::optional<std::string>& note,
               Instant now) {
    const bool certain = command.state == CommandState::done ||
                         command.state == CommandState::failed ||
                         (command.state == CommandState::expired && command.rc.has_value());
    const bool same = command.state == CommandState::unknown && command.rc == rc;
    if (certain || same) return {};
    command.rc = rc;
    command.note = note;
    if (rc == kDone) return end(command, CommandState::done, now);
    if (rc == kExpired) return end(command, CommandState::expired, now);
    if (rc == kUnknown) return end(command, CommandState::unknown, now);
    return end(command, CommandState::failed, now);
}

Step time_over(CommandRecord& command, Instant now) {
    switch (command.state) {
        case CommandState::queued:
            return end(command, CommandState::expired, now);
        case CommandState::sent:
        case CommandState::accepted:
            return end(command, CommandState::unknown, now);
        default:
            return {};
    }
}

Step lose_sight(CommandRecord& command, Instant now) {
    if (!db::is_open(command.state)) return {};
    return end(command, CommandState::unknown, now);
}

db::Forgotten forgotten_after_birth(const topics::DeviceId& device, std::int64_t last, bool fresh,
                                    bool forgot) {
    constexpr std::int64_t kNone = topics::limits::kIntegerMax;
    return {device, last <= kCommandNumberMax ? last : 0,
            forgot  ? 0
            : fresh ? last
                    : kNone,
            forgot ? 0 : kNone};
}

std::optional<std::chrono::seconds> life_left(Instant expires, Instant now) {
    const auto left = std::chrono::floor<std::chrono::seconds>(expires - now);
    if (left < kCommandLifeMin) return std::nullopt;
    return left;
}

Sending judge_sending(const CommandRecord& command, const db::CommandTarget* target,
                      std::size_t bytes, Instant now) {
    if (!target || target->next != command.number || !life_left(command.expires, now)) {
        return Sending::sleep;
    }
    const auto most = static_cast<std::size_t>(std::max<std::int64_t>(target->packet_bytes_max, 0));
    if (most > 0 && bytes + kPacketAroundBytes > most) return Sending::too_large;
    return Sending::send;
}

void mark_sent(CommandRecord& command, Instant now) {
    command.state = CommandState::sent;
    if (!command.sent) command.sent = now;
    ++command.sendings;
    // Looked at again when it expires, since then the next one of the device may go.
    command.send_after = std::min<Instant>(now + topics::limits::kCommandRepeat, command.expires);
    command.overdue = command.expires + kCommandSilence;
}

void mark_asleep(CommandRecord& command, Instant now) {
    // In its last second it is only waited for until the next one of the device may go.
    const bool dying = now < command.expires && !life_left(command.expires, now);
    command.send_after = dying ? command.expires : now + kCommandAsleep;
}

Step mark_too_large(CommandRecord& command, Instant now) {
    command.rc = kTooLarge;
    command.note = "larger than the device takes";
    return end(command, CommandState::failed, now);
}

}  // namespace klyuchnik::handlers
