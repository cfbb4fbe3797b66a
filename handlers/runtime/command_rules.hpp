#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "db/access/commands_store.hpp"
#include "topics/device.hpp"
#include "topics/limits.hpp"

/// The life of a command. Pure: no clock, database or MQTT; every function changes the record it is
/// given, and says what became of it.
///
/// | state | sent by us | cmd.accepted | cmd.done rc 0 / 408 / 500 / other | its time is over |
/// |---|---|---|---|---|
/// | queued | sent | accepted | done / expired / unknown / failed | expired |
/// | sent | again after kCommandRepeat | accepted | the same | unknown |
/// | accepted | no more | as it is | the same | unknown |
/// | expired, unknown by our clock | no more | accepted | the same | |
/// | unknown by the device's word | no more | as it is | the same | |
/// | done, failed, expired by the device's word | no more | as it is | as it is | |
///
/// After a birth of a device that has lost its memory (its flash was wiped, restored, or is
/// another one's), what was sent or accepted is unknown at once: sent again, a slot would open
/// twice. So is what is queued under a number that the device has seen already: our database is
/// older than the device, and may have forgotten that it was sent.
///
/// The time is over: of a queued one at its expiry, since nobody has heard of it; of a sent one
/// kCommandSilence later, since the device may have begun it in time and only the report is on its
/// way; of an accepted one kCommandWorkMax after its expiry. What a device reports is never
/// refused, however late: it corrects what our clock made of the silence.
namespace klyuchnik::handlers {

inline constexpr std::chrono::seconds kCommandSilence{60};
inline constexpr std::chrono::seconds kCommandWorkMax{300};
/// A command number that a birth claims is believed up to here; beyond, the device is out of its
/// mind, and numbers that follow would leave the wire's integers.
inline constexpr std::int64_t kCommandNumberMax = 2'000'000'000;
/// After a birth the ack must be first: without its time a device runs nothing.
inline constexpr std::chrono::milliseconds kAfterBirth{200};
/// With less of its life left a command is not published any more: the device's clock and the way
/// to it are not better than that, and MQTT counts whole seconds.
inline constexpr std::chrono::seconds kCommandLifeMin{1};
/// What can not be sent now (the device is away, another command comes first) sleeps so long,
/// unless it is woken: by a birth, or by the end of the one before.
inline constexpr std::chrono::minutes kCommandAsleep{5};
/// What MQTT adds around topic and payload of one message, at most: fixed header 5, length of the
/// topic 2, packet id 2, properties with an expiry 6.
inline constexpr std::size_t kPacketAroundBytes = 15;

struct Step {
    bool changed = false;
    bool ended = false;    ///< It is done, failed, expired or unknown now, and was not so before.
    bool doubt = false;    ///< It became unknown: a person must look.
    bool settled = false;  ///< It was unknown; now it is certain, or the device is at it.
};

/// The device has it.
Step hear_accepted(db::CommandRecord& command, topics::Instant now);
/// The device is through with it.
Step hear_done(db::CommandRecord& command, std::int64_t rc, const std::optional<std::string>& note,
               topics::Instant now);
/// `now` is not before `command.overdue`.
Step time_over(db::CommandRecord& command, topics::Instant now);

/// Nobody will ever say what became of it: unknown, now.
Step lose_sight(db::CommandRecord& command, topics::Instant now);

/// What a birth makes of its device's open commands. `last`: the highest number that the device has
/// seen; `fresh`: on a connection that was not known; `forgot`: with a memory that is not the one
/// that we know.
db::Forgotten forgotten_after_birth(const topics::DeviceId& device, std::int64_t last, bool fresh,
                                    bool forgot);

/// How long the broker may keep a command that is published now; nothing when it is too late.
std::optional<std::chrono::seconds> life_left(topics::Instant expires, topics::Instant now);

/// What the dispatcher does with a queued or sent command whose time to be sent has come.
enum class Sending : std::uint8_t {
    send,
    sleep,      ///< The device is away, another command comes first, or it is too late.
    too_large,  ///< The device could never take it: failed with 413, now.
};
/// `target`: the device, when it is present. `bytes`: of topic and payload.
Sending judge_sending(const db::CommandRecord& command, const db::CommandTarget* target,
                      std::size_t bytes, topics::Instant now);
/// After judge_sending() said so.
void mark_sent(db::CommandRecord& command, topics::Instant now);
void mark_asleep(db::CommandRecord& command, topics::Instant now);
Step mark_too_large(db::CommandRecord& command, topics::Instant now);

}  // namespace klyuchnik::handlers
