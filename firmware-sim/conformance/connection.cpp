// Births, wills, heartbeats: what a device says of being there.
#include <algorithm>

#include <fmt/format.h>

#include "firmware-sim/conformance/checks.hpp"
#include "topics/limits.hpp"

namespace klyuchnik::sim::conformance {
namespace {

using namespace std::chrono_literals;
using topics::AckError;
using topics::Birth;
using topics::Connection;

/// So many births show the doubling up to its end: 5, 10, 20, 40, 60, 60 s.
constexpr int kWaitsShown = 6;
/// Which wait follows an ack that gives a foreign connection an epoch, and which a plain one.
constexpr int kAfterForeignEpoch = 1;
constexpr int kAfterForeignAck = 2;
constexpr int kHeartbeatsShown = 3;
constexpr std::int64_t kAllBits = topics::limits::kConnectionMax;

Birth first_birth(Exam& exam) {
    const Elapsed from = exam.now();
    const Elapsed deadline = exam.in(exam.settings().patience);
    while (auto event = exam.hear(deadline)) {
        if (event->heard.level != topics::Level::state) continue;
        if (std::holds_alternative<Unreadable>(event->said)) {
            exam.report().fail(kBirthComplete, event->wrong.text(), shown(event->heard));
            throw CannotGoOn{"the birth can not be read"};
        }
        const auto* birth = std::get_if<Birth>(&event->said);
        if (birth == nullptr) continue;
        exam.report().pass(kBirthComplete);
        if (event->heard.retained) {
            exam.report().pass(kBirthRetained);
        } else {
            exam.report().fail(kBirthRetained, "the RETAIN flag", shown(event->heard));
        }
        return *birth;
    }
    exam.report().fail(kBirthComplete, "a birth on st", exam.came_since(from));
    throw CannotGoOn{"no birth came"};
}

bool same_birth(const Birth& one, const Birth& other) {
    return one.cn == other.cn && one.epoch == other.epoch && one.boot == other.boot;
}

/// For a connection that is not this one: whoever takes it changes its epoch, or stops to repeat.
void say_foreign_ack(Exam& exam, const Birth& birth, AckError error) {
    topics::Ack ack = exam.plain_ack();
    ack.cn = Connection{birth.cn.value ^ kAllBits};
    ack.epoch = birth.epoch;
    if (error == AckError::epoch) ++ack.epoch.value;
    ack.acked = birth.hi;
    ack.error = error;
    exam.say(ack);
}

}  // namespace

void check_birth(Exam& exam) {
    exam.tell("birth: cuts the connection, then listens to the repeats of an unanswered birth");
    exam.answers.births = false;
    exam.cut();
    const Birth born = first_birth(exam);
    Elapsed last = exam.now();
    for (int n = 0; n < kWaitsShown; ++n) {
        const bool foreign = n == kAfterForeignEpoch || n == kAfterForeignAck;
        if (n == kAfterForeignEpoch) say_foreign_ack(exam, born, AckError::epoch);
        if (n == kAfterForeignAck && born.epoch.value > 0) {
            say_foreign_ack(exam, born, AckError::none);
        }
        const auto again = exam.until<Birth>(last + exam.pace().longest(n) + 1s);
        if (!again) {
            exam.report().fail(foreign ? kForeignAck : kBirthRepeated,
                               foreign ? "the birth again: the ack had another cn"
                                       : "the birth again, no ack has answered it",
                               exam.came_since(last));
            return;
        }
        if (!same_birth(again->first, born)) {
            exam.report().fail(foreign ? kForeignAck : kBirthRepeated,
                               fmt::format("the same birth: cn {}, ep {}, b {}", born.cn.value,
                                           born.epoch.value, born.boot),
                               shown(again->second));
            return;
        }
        const Elapsed waited = again->second.at - last;
        last = again->second.at;
        if (const auto wrong = exam.pace().judge(n, waited)) {
            exam.report().fail(
                kBackoff, *wrong,
                fmt::format("{} after {}", shown(again->second), seconds_text(waited)));
        }
        if (foreign) exam.report().pass(kForeignAck);
    }
    exam.report().pass(kBirthRepeated);
    exam.report().pass(kBackoff);
}

void check_heartbeats(Exam& exam) {
    const auto ka = std::chrono::seconds{exam.birth().heartbeat_s};
    exam.tell(fmt::format("heartbeats: listens to some, one every {} s", ka.count()));
    exam.until_true(exam.in(ka * (kHeartbeatsShown + 1)), [&] {
        return exam.watch().heartbeats() >= kHeartbeatsShown ||
               exam.report().failed(kHeartbeatPeriod);
    });
    if (!exam.report().passed(kHeartbeatPeriod)) {
        exam.report().skip(kSettings, "there is no regular heartbeat to change");
        return;
    }

    const std::int64_t other =
        ka > topics::limits::kHeartbeatMin ? topics::limits::kHeartbeatMin.count() : ka.count() + 1;
    exam.tell(fmt::format("settings: one every {} s from now on", other));
    exam.watch().rest();
    const auto set_to = [&](std::int64_t seconds) {
        const std::int64_t number = exam.command(topics::SettingsCommand{{}, seconds});
        return exam.await_done(number) ? exam.fate(number).rc : -1;
    };
    const std::int64_t rc = set_to(other);
    if (rc == 422 || rc == 501) {
        exam.report().skip(kSettings, fmt::format("the device says rc {} to settings", rc));
        exam.watch().heartbeat_every(ka.count(), exam.now());
        return;
    }
    // The period that was running may end as it began; the two after it count.
    const Elapsed least = std::chrono::seconds{other} / 2 - exam.pace().slack();
    const Elapsed most = std::chrono::seconds{other} * 3 / 2 + exam.pace().slack();
    const Elapsed set_at = exam.now();
    auto beat = exam.until<topics::Heartbeat>(exam.in(ka * 3 / 2 + most));
    bool obeyed = rc == 0 && beat;
    std::string came = rc != 0 ? fmt::format("cmd.done rc {}", rc) : exam.came_since(set_at);
    for (int n = 0; obeyed && n < 2; ++n) {
        const Elapsed from = beat->second.at;
        beat = exam.until<topics::Heartbeat>(from + most);
        const Elapsed waited = beat ? beat->second.at - from : exam.now() - from;
        obeyed = beat && waited >= least;
        came = fmt::format("{} after {}", beat ? shown(beat->second) : "no heartbeat",
                           seconds_text(waited));
    }
    if (obeyed) {
        exam.report().pass(kSettings);
    } else {
        exam.report().fail(kSettings, fmt::format("a heartbeat every {} s", other), came);
    }
    set_to(ka.count());
    exam.watch().heartbeat_every(ka.count(), exam.now());
}

void check_reconnect(Exam& exam) {
    exam.tell("reconnect: cuts the connection");
    const Connection before = exam.cn();
    const Elapsed from = exam.now();
    exam.answers.births = false;
    exam.cut();
    // Whoever pulls the plug needs some time, and so may the broker to notice it.
    std::optional<std::pair<topics::Will, Heard>> will;
    std::optional<std::pair<Birth, Heard>> birth;
    const Elapsed deadline = exam.in(exam.settings().patience);
    while (!birth) {
        auto event = exam.hear(deadline);
        if (!event) break;
        if (auto* its = std::get_if<topics::Will>(&event->said)) will = {*its, event->heard};
        if (auto* its = std::get_if<Birth>(&event->said)) birth = {*its, event->heard};
    }
    if (!birth) {
        exam.report().fail(kFreshConnection, "a birth of a new connection", exam.came_since(from));
        throw CannotGoOn{"the device does not come back after its connection was cut"};
    }
    if (will && will->first.cn == before && will->second.retained) {
        exam.report().pass(kWill);
    } else {
        exam.report().fail(kWill, fmt::format("a retained will with cn {}", before.value),
                           will ? fmt::format("{}{}", shown(will->second),
                                              will->second.retained ? "" : ", not retained")
                                : "no will before the next birth");
    }
    if (birth->first.cn == before) {
        exam.report().fail(kFreshConnection, fmt::format("a cn that is not {}", before.value),
                           shown(birth->second));
    } else {
        exam.report().pass(kFreshConnection);
    }

    // A device may keep the command until it knows the time, but then it is late: by then x is
    // over.
    constexpr std::chrono::seconds kLife{2};
    const std::size_t states = exam.count(topics::SlotsState::kKind);
    const std::int64_t early = exam.is_cabinet() ? exam.command(topics::SlotsReport{}, kLife)
                                                 : exam.command(topics::Buzz{20}, kLife);
    const Elapsed sent = exam.now();
    const std::int64_t over = exam.utc_s() + kLife.count() + 1;
    while (exam.utc_s() <= over) exam.hear(exam.in(100ms));
    exam.answers.births = true;
    exam.answer_birth();
    exam.until_true(exam.in(exam.pace().prompt()), [&] { return exam.cursor().admitted; });
    exam.settle();
    const bool passed = exam.pass_a_moment();
    const CommandFate fate = exam.fate(early);
    if (!passed) {
        exam.report().skip(kCommandBeforeAck, "no command was reported afterwards");
    } else if (fate.rc == 0 || (exam.count(topics::SlotsState::kKind) > states && fate.rc != 408)) {
        exam.report().fail(kCommandBeforeAck,
                           fmt::format("nothing for cs {}, or cmd.done rc 408", early),
                           exam.came_since(sent));
    } else {
        exam.report().pass(kCommandBeforeAck);
    }
}

}  // namespace klyuchnik::sim::conformance
