// The life of a command, as a table: no services.
#include "handlers/runtime/command_rules.hpp"

#include <vector>

#include <gtest/gtest.h>

namespace klyuchnik::handlers {
namespace {

using namespace std::chrono_literals;
using db::CommandRecord;
using db::CommandState;
using topics::Instant;

constexpr Instant kNow = topics::from_unix_seconds(1'800'000'000);
constexpr auto kLife = 60s;
constexpr std::size_t kBytes = 120;

const topics::DeviceId kDevice = *topics::DeviceId::parse("kc-hall1");

CommandRecord command_in(CommandState state) {
    CommandRecord command;
    command.id.value = 7;
    command.device = kDevice;
    command.number = 881;
    command.kind = "slot.unlock";
    command.content = R"({"sl":12})";
    command.made = kNow;
    command.expires = kNow + kLife;
    command.send_after = kNow;
    command.overdue = command.expires;
    if (state == CommandState::queued) return command;
    mark_sent(command, kNow);
    if (state == CommandState::sent) return command;
    if (state == CommandState::accepted) {
        hear_accepted(command, kNow);
        return command;
    }
    command.state = state;
    command.finished = kNow;
    return command;
}

db::CommandTarget here(std::int64_t next = 881) {
    return {kDevice, topics::Connection{5}, 1024, next};
}

/// What is said to a command, and what it becomes.
struct Case {
    CommandState from;
    std::optional<std::int64_t> said_before;  ///< rc
    const char* hears;
    CommandState to;
    bool ended;
    bool doubt;
};

constexpr auto kQueued = CommandState::queued;
constexpr auto kSent = CommandState::sent;
constexpr auto kAccepted = CommandState::accepted;
constexpr auto kDone = CommandState::done;
constexpr auto kFailed = CommandState::failed;
constexpr auto kExpired = CommandState::expired;
constexpr auto kUnknown = CommandState::unknown;

const std::vector<Case> kTable{{kQueued, {}, "accepted", kAccepted, false, false},
                               {kQueued, {}, "0", kDone, true, false},
                               {kQueued, {}, "408", kExpired, true, false},
                               {kQueued, {}, "500", kUnknown, true, true},
                               {kQueued, {}, "422", kFailed, true, false},
                               {kQueued, {}, "silence", kExpired, true, false},
                               {kSent, {}, "accepted", kAccepted, false, false},
                               {kSent, {}, "0", kDone, true, false},
                               {kSent, {}, "408", kExpired, true, false},
                               {kSent, {}, "500", kUnknown, true, true},
                               {kSent, {}, "422", kFailed, true, false},
                               {kSent, {}, "silence", kUnknown, true, true},
                               {kAccepted, {}, "accepted", kAccepted, false, false},
                               {kAccepted, {}, "0", kDone, true, false},
                               {kAccepted, {}, "408", kExpired, true, false},
                               {kAccepted, {}, "500", kUnknown, true, true},
                               {kAccepted, {}, "422", kFailed, true, false},
                               {kAccepted, {}, "silence", kUnknown, true, true},
                               // What our clock made of the silence is corrected by a late word.
                               {kExpired, {}, "accepted", kAccepted, false, false},
                               {kExpired, {}, "0", kDone, true, false},
                               {kUnknown, {}, "accepted", kAccepted, false, false},
                               {kUnknown, {}, "0", kDone, true, false},
                               {kUnknown, {}, "408", kExpired, true, false},
                               {kUnknown, {}, "500", kUnknown, true, true},
                               {kUnknown, {}, "422", kFailed, true, false},
                               // "I do not know" is a word too, and a better one may follow.
                               {kUnknown, 500, "accepted", kUnknown, false, false},
                               {kUnknown, 500, "500", kUnknown, false, false},
                               {kUnknown, 500, "0", kDone, true, false},
                               // The device's own last word stands.
                               {kDone, 0, "accepted", kDone, false, false},
                               {kDone, 0, "500", kDone, false, false},
                               {kFailed, 422, "0", kFailed, false, false},
                               {kExpired, 408, "accepted", kExpired, false, false},
                               {kExpired, 408, "0", kExpired, false, false},
                               {kDone, 0, "silence", kDone, false, false},
                               {kFailed, 422, "silence", kFailed, false, false},
                               {kUnknown, {}, "silence", kUnknown, false, false}};

Step say(CommandRecord& command, const std::string& what, Instant at) {
    if (what == "accepted") return hear_accepted(command, at);
    if (what == "silence") return time_over(command, at);
    return hear_done(command, std::stoll(what), "its note", at);
}

TEST(CommandLife, IsThisTable) {
    for (const Case& one : kTable) {
        SCOPED_TRACE(std::string{db::name_of(one.from)} + " hears " + one.hears);
        CommandRecord command = command_in(one.from);
        command.rc = one.said_before;
        const Step step = say(command, one.hears, kNow + 10s);
        EXPECT_EQ(db::name_of(command.state), db::name_of(one.to));
        EXPECT_EQ(step.ended, one.ended);
        EXPECT_EQ(step.doubt, one.doubt);
        EXPECT_EQ(command.finished.has_value(), !db::is_open(command.state));
        if (step.ended || one.from != one.to) {
            EXPECT_TRUE(step.changed);
        }
        EXPECT_EQ(step.settled, one.from == kUnknown && one.to != kUnknown);
    }
}

TEST(CommandLife, TheDevicesWordIsKept) {
    CommandRecord command = command_in(kSent);
    hear_done(command, 422, "no such slot", kNow + 1s);
    EXPECT_EQ(command.rc, 422);
    EXPECT_EQ(command.note, "no such slot");
    EXPECT_EQ(command.finished, kNow + 1s);
}

TEST(CommandLife, AQueuedOneEndsAtItsExpiryASentOneAMinuteLaterAnAcceptedOneFive) {
    EXPECT_EQ(command_in(kQueued).overdue, kNow + kLife);
    EXPECT_EQ(command_in(kSent).overdue, kNow + kLife + kCommandSilence);
    EXPECT_EQ(command_in(kAccepted).overdue, kNow + kLife + kCommandWorkMax);
}

TEST(CommandLife, OneThatIsAcceptedLateHasItsTimeFromThen) {
    CommandRecord command = command_in(kUnknown);
    const Instant late = kNow + 1h;
    hear_accepted(command, late);
    EXPECT_EQ(command.overdue, late + kCommandWorkMax);
}

TEST(Sending, IsForAPresentDevicesLowestNumberBeforeTheExpiry) {
    const CommandRecord command = command_in(kQueued);
    const auto target = here();
    const auto busy = here(880);
    EXPECT_EQ(judge_sending(command, &target, kBytes, kNow), Sending::send);
    EXPECT_EQ(judge_sending(command, nullptr, kBytes, kNow), Sending::sleep);
    EXPECT_EQ(judge_sending(command, &busy, kBytes, kNow), Sending::sleep);
    EXPECT_EQ(judge_sending(command, &target, kBytes, kNow + kLife - kCommandLifeMin),
              Sending::send);
    EXPECT_EQ(judge_sending(command, &target, kBytes, kNow + kLife - kCommandLifeMin + 1us),
              Sending::sleep)
        << "its last second";
    EXPECT_EQ(judge_sending(command, &target, kBytes, kNow + kLife), Sending::sleep);
}

TEST(Sending, OfWhatTheDeviceCanNotTakeIsAFailureAtOnce) {
    CommandRecord command = command_in(kQueued);
    const auto target = here();
    EXPECT_EQ(judge_sending(command, &target, 1024 - kPacketAroundBytes, kNow), Sending::send);
    EXPECT_EQ(judge_sending(command, &target, 1025 - kPacketAroundBytes, kNow), Sending::too_large);
    const Step step = mark_too_large(command, kNow);
    EXPECT_TRUE(step.ended);
    EXPECT_FALSE(step.doubt);
    EXPECT_EQ(command.state, kFailed);
    EXPECT_EQ(command.rc, 413);
}

TEST(Sending, IsRepeatedEveryThreeSecondsAndLookedAtWhenItExpires) {
    CommandRecord command = command_in(kQueued);
    mark_sent(command, kNow);
    EXPECT_EQ(command.send_after, kNow + 3s);
    EXPECT_EQ(command.sent, kNow);
    mark_sent(command, kNow + 3s);
    EXPECT_EQ(command.sent, kNow) << "when it was sent first";
    EXPECT_EQ(command.sendings, 2);
    mark_sent(command, kNow + kLife - 1s);
    EXPECT_EQ(command.send_after, command.expires);
}

TEST(Sending, KnowsHowLongTheBrokerMayKeepIt) {
    EXPECT_EQ(life_left(kNow + kLife, kNow), kLife);
    EXPECT_EQ(life_left(kNow + kLife, kNow + 1ms), kLife - 1s);
    EXPECT_EQ(life_left(kNow + 1s, kNow), 1s);
    EXPECT_EQ(life_left(kNow + 1s, kNow + 1us), std::nullopt);
    EXPECT_EQ(life_left(kNow, kNow + 1h), std::nullopt);
}

TEST(Sending, OfOneInItsLastSecondHoldsTheNextUpOnlyForThatSecond) {
    CommandRecord command = command_in(kSent);
    mark_asleep(command, command.expires - 500ms);
    EXPECT_EQ(command.send_after, command.expires);
    mark_asleep(command, command.expires);
    EXPECT_EQ(command.send_after, command.expires + kCommandAsleep);
}

TEST(Births, LoseSightOfWhatTheDeviceForgot) {
    const auto again = forgotten_after_birth(kDevice, 50, false, false);
    EXPECT_EQ(again.queued_until, 50);
    EXPECT_EQ(again.accepted_above, topics::limits::kIntegerMax);
    EXPECT_EQ(again.sent_above, topics::limits::kIntegerMax);
    const auto fresh = forgotten_after_birth(kDevice, 50, true, false);
    EXPECT_EQ(fresh.accepted_above, 50);
    EXPECT_EQ(fresh.sent_above, topics::limits::kIntegerMax) << "it is repeated, and run once";
    const auto forgot = forgotten_after_birth(kDevice, 50, true, true);
    EXPECT_EQ(forgot.accepted_above, 0);
    EXPECT_EQ(forgot.sent_above, 0);
    EXPECT_EQ(forgotten_after_birth(kDevice, kCommandNumberMax + 1, true, false).queued_until, 0)
        << "a number beyond reason is not believed";
    for (const CommandState state : {kQueued, kSent, kAccepted}) {
        CommandRecord command = command_in(state);
        const Step step = lose_sight(command, kNow);
        EXPECT_EQ(db::name_of(command.state), db::name_of(kUnknown));
        EXPECT_TRUE(step.doubt);
        EXPECT_TRUE(step.ended);
    }
    CommandRecord over = command_in(kDone);
    EXPECT_FALSE(lose_sight(over, kNow).changed);
}

TEST(Sending, ThatMustWaitSleeps) {
    CommandRecord command = command_in(kQueued);
    mark_asleep(command, kNow);
    EXPECT_EQ(command.send_after, kNow + kCommandAsleep);
    EXPECT_EQ(command.state, kQueued);
    EXPECT_EQ(command.overdue, command.expires) << "it ends all the same";
}

}  // namespace
}  // namespace klyuchnik::handlers
