// Commands: reported, once, in order, in time, after reboots.
#include <algorithm>

#include <fmt/format.h>

#include "firmware-sim/conformance/checks.hpp"

namespace klyuchnik::sim::conformance {
namespace {

using namespace std::chrono_literals;
using topics::Birth;
using topics::FactBatch;

constexpr std::int64_t kExpired = 408;
constexpr std::int64_t kNotPossible = 422;
constexpr std::int64_t kNotServed = 501;
constexpr std::int64_t kUnknown = 500;
constexpr std::chrono::seconds kLongAgo{-30};
constexpr std::int64_t kBuzzMs = 20;

std::string text_of(const CommandFate& fate) {
    if (fate.done == 0) return fmt::format("{} cmd.accepted, no cmd.done", fate.accepted);
    return fmt::format("{} cmd.accepted, {} cmd.done, rc {}", fate.accepted, fate.done, fate.rc);
}

/// Where cmd.accepted of a command stands among all facts.
std::size_t accepted_place(const Exam& exam, std::int64_t number) {
    const auto found = std::ranges::find_if(exam.facts(), [&](const SeenFact& seen) {
        const auto* accepted = std::get_if<topics::CommandAccepted>(&seen.fact.body);
        return accepted != nullptr && accepted->command == number;
    });
    return static_cast<std::size_t>(found - exam.facts().begin());
}

void check_reported(Exam& exam) {
    const std::int64_t number = exam.command(topics::Buzz{kBuzzMs});
    const Elapsed from = exam.now();
    exam.await_done(number);
    const CommandFate fate = exam.fate(number);
    const bool right = fate.accepted == 1 && fate.done == 1 && fate.rc != kExpired &&
                       accepted_place(exam, number) < fate.done_place;
    if (right) {
        exam.report().pass(kCommandReported);
        return;
    }
    std::string came = fmt::format("{}: {}", text_of(fate), exam.came_since(from));
    if (exam.facts().empty()) {
        came += "; no fact ever came: the broker's log says what it refused";
    }
    exam.report().fail(
        kCommandReported,
        fmt::format("cmd.accepted and then cmd.done of cs {}, which is in time", number),
        std::move(came));
    if (fate.done == 0) throw CannotGoOn{"no command is reported as done"};
}

void check_slots(Exam& exam) {
    if (!exam.is_cabinet()) {
        exam.report().skip(kSlotsReported, "not a key cabinet");
        return;
    }
    const std::size_t before = exam.count(topics::SlotsState::kKind);
    const std::int64_t number = exam.command(topics::SlotsReport{});
    const Elapsed from = exam.now();
    exam.await_done(number);
    exam.settle();
    if (exam.count(topics::SlotsState::kKind) > before && exam.fate(number).rc == 0) {
        exam.report().pass(kSlotsReported);
    } else {
        exam.report().fail(
            kSlotsReported, fmt::format("slots.state, and cmd.done of cs {} with rc 0", number),
            fmt::format("{}: {}", text_of(exam.fate(number)), exam.came_since(from)));
    }
}

void check_unknown(Exam& exam) {
    const std::int64_t number = exam.command(topics::UnknownCommand{"conformance.unknown"});
    exam.await_done(number);
    const CommandFate fate = exam.fate(number);
    if (fate.rc == kNotPossible || fate.rc == kNotServed) {
        exam.report().pass(kCommandUnknown);
    } else {
        exam.report().fail(kCommandUnknown, fmt::format("cmd.done of cs {} with rc 422", number),
                           text_of(fate));
    }
}

void check_expired(Exam& exam) {
    // What it would do is seen in the facts, so nobody has to stand beside the device.
    const std::size_t before = exam.count(topics::SlotsState::kKind);
    const std::int64_t number = exam.is_cabinet() ? exam.command(topics::SlotsReport{}, kLongAgo)
                                                  : exam.command(topics::Buzz{kBuzzMs}, kLongAgo);
    const Elapsed from = exam.now();
    exam.await_done(number);
    exam.pass_a_moment();
    const CommandFate fate = exam.fate(number);
    if (fate.rc == kExpired && exam.count(topics::SlotsState::kKind) == before) {
        exam.report().pass(kCommandExpired);
    } else {
        exam.report().fail(kCommandExpired,
                           fmt::format("cmd.done of cs {} with rc 408, and nothing done", number),
                           fmt::format("{}: {}", text_of(fate), exam.came_since(from)));
    }
}

void check_once(Exam& exam) {
    const std::int64_t number = exam.command(topics::Buzz{kBuzzMs});
    exam.await_done(number);
    const Elapsed from = exam.now();
    exam.command_again(number);
    exam.command_again(number);
    exam.pass_a_moment();
    exam.command_again(number);
    exam.pass_a_moment();
    const CommandFate fate = exam.fate(number);
    if (fate.accepted <= 1 && fate.done == 1) {
        exam.report().pass(kCommandOnce);
    } else {
        exam.report().fail(kCommandOnce, fmt::format("one cmd.done of cs {}", number),
                           fmt::format("{}: {}", text_of(fate), exam.came_since(from)));
    }
}

void check_order(Exam& exam) {
    const Elapsed from = exam.now();
    const std::int64_t first = exam.command(topics::Buzz{kBuzzMs});
    const std::int64_t second = exam.command(topics::Buzz{kBuzzMs});
    const bool done = exam.await_done(first) && exam.await_done(second);
    if (done && exam.fate(first).done_place < exam.fate(second).done_place &&
        accepted_place(exam, first) <= accepted_place(exam, second)) {
        exam.report().pass(kCommandOrder);
    } else {
        exam.report().fail(kCommandOrder, fmt::format("cs {} and then cs {}", first, second),
                           exam.came_since(from));
    }
}

void check_foreign(Exam& exam) {
    const std::int64_t number = exam.foreign_command(topics::Buzz{kBuzzMs});
    const Elapsed from = exam.now();
    exam.pass_a_moment();
    const CommandFate fate = exam.fate(number);
    if (fate.accepted == 0 && fate.done == 0) {
        exam.report().pass(kCommandForeign);
    } else {
        exam.report().fail(kCommandForeign, fmt::format("nothing about cs {}", number),
                           fmt::format("{}: {}", text_of(fate), exam.came_since(from)));
    }
}

}  // namespace

void check_commands(Exam& exam) {
    exam.tell("commands");
    check_reported(exam);
    check_slots(exam);
    check_unknown(exam);
    check_expired(exam);
    check_once(exam);
    check_order(exam);
    check_foreign(exam);
}

void check_reboot(Exam& exam) {
    exam.tell("reboot: commands one, with facts in the journal");
    exam.answers.batches = false;
    const InFlight* waiting = exam.fresh_batch(2);
    if (waiting == nullptr) waiting = exam.fresh_batch(1);
    if (waiting == nullptr) return;
    const FactBatch before = waiting->batch;
    const Birth old = exam.birth();
    const Blame blame{exam.watch(), kRebootKeepsFacts};
    const Elapsed from = exam.now();
    exam.watch().rest();
    const std::int64_t number = exam.command(topics::Reboot{});
    const auto birth = exam.until<Birth>(
        exam.in(exam.settings().patience),
        [&](const Birth& its, const Heard&) { return its.cn != old.cn || its.boot != old.boot; });
    if (!birth) {
        exam.settle();
        exam.await_done(number);
        const std::int64_t rc = exam.fate(number).rc;
        if (rc == kNotPossible || rc == kNotServed) {
            const std::string why = fmt::format("the device says rc {} to reboot", rc);
            for (const Claim* claim : {&kRebootCounted, &kRebootKeepsFacts, &kRebootReported}) {
                exam.report().skip(*claim, why);
            }
            return;
        }
        exam.report().fail(kRebootCounted, fmt::format("a birth with b {}", old.boot + 1),
                           exam.came_since(from));
        throw CannotGoOn{"the device does not come back after a reboot command"};
    }
    if (birth->first.boot > old.boot && birth->first.epoch == old.epoch) {
        exam.report().pass(kRebootCounted);
    } else {
        exam.report().fail(kRebootCounted,
                           fmt::format("b above {} and ep {}", old.boot, old.epoch.value),
                           shown(birth->second));
    }
    std::vector<topics::Fact> after;
    while (after.size() < before.facts.size() &&
           exam.until_true(exam.in(exam.pace().prompt()),
                           [&] { return exam.in_flight().has_value(); })) {
        const FactBatch batch = exam.waiting().batch;
        after.insert(after.end(), batch.facts.begin(), batch.facts.end());
        exam.acknowledge(topics::Sequence{batch.first.value +
                                          static_cast<std::int64_t>(batch.facts.size()) - 1});
    }
    bool kept = after.size() >= before.facts.size();
    for (std::size_t i = 0; kept && i < before.facts.size(); ++i) {
        kept = after[i].digest == before.facts[i].digest;
    }
    if (kept) {
        exam.report().pass(kRebootKeepsFacts);
    } else {
        exam.report().fail(kRebootKeepsFacts,
                           fmt::format("the facts from {} again, {} of them", before.first.value,
                                       before.facts.size()),
                           exam.came_since(from));
    }
    exam.settle();
    exam.pass_a_moment();
    const CommandFate fate = exam.fate(number);
    if (fate.done == 1 && (fate.rc == 0 || fate.rc == kUnknown)) {
        exam.report().pass(kRebootReported);
    } else if (kept) {
        exam.report().fail(kRebootReported,
                           fmt::format("one cmd.done of cs {}, rc 0 or 500", number),
                           text_of(fate));
    } else {
        exam.report().skip(kRebootReported, "facts were lost at the reboot");
    }
}

}  // namespace klyuchnik::sim::conformance
