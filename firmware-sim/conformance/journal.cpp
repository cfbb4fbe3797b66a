// Batches, acks and epochs: what a device does with its facts.
#include <algorithm>
#include <initializer_list>
#include <vector>

#include <fmt/format.h>

#include "firmware-sim/conformance/checks.hpp"
#include "topics/limits.hpp"

namespace klyuchnik::sim::conformance {
namespace {

using namespace std::chrono_literals;
using topics::AckError;
using topics::Birth;
using topics::FactBatch;
using topics::Sequence;

constexpr int kRepeatsShown = 3;
constexpr int kRefusals = 3;
constexpr Elapsed kWatchFor = std::chrono::seconds{1};
constexpr const char* kTooFew = "no batch of several facts could be brought about";

Sequence last_of(const FactBatch& batch) {
    return Sequence{batch.first.value + static_cast<std::int64_t>(batch.facts.size()) - 1};
}

std::int64_t held_by(const Birth& birth) {
    if (birth.lo.value == 0 || birth.lo > birth.hi) return 0;
    return birth.hi.value - birth.lo.value + 1;
}

/// Whether a check can be made at all; whoever breaks `needed` was told so already.
bool can_judge(Exam& exam, const Claim& claim, std::initializer_list<const Claim*> needed) {
    for (const Claim* one : needed) {
        if (!exam.report().failed(*one)) continue;
        exam.report().skip(claim, fmt::format("{} fails", one->id));
        return false;
    }
    return true;
}

/// Judges that the next batch begins at `first`. What crossed the examiner's last word counts
/// neither way.
bool goes_on_at(Exam& exam, Sequence first, Elapsed deadline, const Claim& claim) {
    const Elapsed from = exam.now();
    while (const auto next = exam.until<FactBatch>(deadline)) {
        if (next->first.first == first) {
            exam.report().pass(claim);
            return true;
        }
        if (next->second.at > from + exam.pace().slack()) break;
    }
    exam.report().fail(claim, fmt::format("a batch from {}", first.value), exam.came_since(from));
    return false;
}

void check_gap(Exam& exam) {
    if (exam.fresh_batch(1) == nullptr) return;
    exam.provoke(1);
    // The answer to a heartbeat would say the same as this ack.
    exam.answers.heartbeats = false;
    const Sequence first = exam.waiting().batch.first;
    const Elapsed deadline = exam.repeat_deadline();
    exam.acknowledge(first, AckError::gap);
    goes_on_at(exam, Sequence{first.value + 1}, deadline, kGap);
    exam.settle();
}

void check_hello(Exam& exam) {
    const Elapsed from = exam.now();
    exam.complain(AckError::hello);
    const auto birth = exam.until<Birth>(exam.in(exam.pace().prompt()));
    if (birth && birth->first.cn == exam.cn()) {
        exam.report().pass(kHello);
    } else {
        exam.report().fail(kHello, fmt::format("a birth with cn {}", exam.cn().value),
                           exam.came_since(from));
    }
    exam.settle();
}

void check_slow(Exam& exam) {
    if (!can_judge(exam, kSlow, {&kBatchRepeated})) return;
    exam.answers.batches = false;
    if (exam.fresh_batch(1) == nullptr) return;
    // Longer than the repeat that would come without it.
    const Elapsed slack = exam.pace().slack();
    const auto wait = std::chrono::ceil<std::chrono::seconds>(exam.pace().longest(0) + slack) + 1s;
    const Elapsed from = exam.now();
    exam.complain(AckError::slow, wait.count());
    const std::string expected =
        fmt::format("nothing on up/ev for {} s, then the batch", wait.count());
    if (exam.until<FactBatch>(from + wait - slack) ||
        !exam.until<FactBatch>(from + wait + exam.pace().prompt())) {
        exam.report().fail(kSlow, expected, exam.came_since(from));
    } else {
        exam.report().pass(kSlow);
    }
    exam.settle();
}

/// Refuses the batch in flight until it is one fact.
bool halve(Exam& exam) {
    while (exam.waiting().batch.facts.size() > 1) {
        const std::size_t before = exam.waiting().batch.facts.size();
        const Sequence first = exam.waiting().batch.first;
        const Elapsed from = exam.now();
        const Elapsed deadline = exam.repeat_deadline();
        exam.complain(AckError::bad);
        const auto next =
            exam.until<FactBatch>(deadline, [&](const FactBatch& batch, const Heard& heard) {
                return batch.facts.size() < before || heard.at > from + exam.pace().slack();
            });
        if (!next || next->first.first != first || next->first.facts.size() > (before + 1) / 2) {
            exam.report().fail(kBadHalved,
                               fmt::format("a batch from {} with {} of its {} facts", first.value,
                                           before / 2, before),
                               exam.came_since(from));
            return false;
        }
        exam.report().pass(kBadHalved);
    }
    return true;
}

void check_bad(Exam& exam) {
    exam.answers.batches = false;
    if (exam.fresh_batch(2) == nullptr && exam.fresh_batch(1) == nullptr) return;
    const bool judged = can_judge(exam, kBadHalved, {&kOneInFlight});
    if (judged) exam.report().skip(kBadHalved, kTooFew);
    if (!judged || !halve(exam) ||
        !can_judge(exam, kBadSetAside, {&kBadHalved, &kBatchRepeated, &kOneInFlight})) {
        exam.settle();
        return;
    }
    const Sequence first = exam.waiting().batch.first;
    const auto replaced = [](const FactBatch& batch) {
        return std::holds_alternative<topics::JournalBad>(batch.facts.front().body);
    };
    for (int n = 1; n <= kRefusals; ++n) {
        const Elapsed from = exam.now();
        const Elapsed deadline = exam.repeat_deadline();
        exam.complain(AckError::bad);
        const auto next = exam.until<FactBatch>(deadline);
        const bool right =
            next && next->first.first == first && replaced(next->first) == (n == kRefusals);
        if (!right) {
            exam.report().fail(
                kBadSetAside,
                n == kRefusals
                    ? fmt::format("journal.bad under {} after the third refusal", first.value)
                    : fmt::format("the fact {} again after refusal {}", first.value, n),
                exam.came_since(from));
            break;
        }
        if (n == kRefusals) exam.report().pass(kBadSetAside);
    }
    exam.settle();
}

void check_epoch(Exam& exam) {
    exam.answers.batches = false;
    const InFlight* waiting = exam.fresh_batch(2);
    if (waiting == nullptr) waiting = exam.fresh_batch(1);
    if (waiting == nullptr) return;
    const FactBatch before = waiting->batch;
    const Blame blame{exam.watch(), kEpochKeepsFacts};
    const Elapsed from = exam.now();
    exam.give_epoch();
    const topics::Epoch epoch = exam.cursor().epoch;
    const auto birth =
        exam.until<Birth>(exam.in(exam.pace().prompt()),
                          [&](const Birth& its, const Heard&) { return its.epoch == epoch; });
    if (!birth) {
        exam.report().fail(kEpochTaken, fmt::format("a birth with ep {}", epoch.value),
                           exam.came_since(from));
        throw CannotGoOn{"the device takes no new epoch"};
    }
    std::vector<topics::Fact> after;
    while (after.size() < before.facts.size()) {
        if (!exam.until_true(exam.in(exam.pace().prompt()),
                             [&] { return exam.in_flight().has_value(); })) {
            break;
        }
        const FactBatch batch = exam.waiting().batch;
        after.insert(after.end(), batch.facts.begin(), batch.facts.end());
        exam.acknowledge(last_of(batch));
    }
    for (std::size_t i = 0; i < before.facts.size(); ++i) {
        const auto number = before.first.value + static_cast<std::int64_t>(i);
        const std::string was = fmt::format("{}:{}", before.epoch.value, number);
        if (i >= after.size() || after[i].digest != before.facts[i].digest) {
            exam.report().fail(kEpochKeepsFacts,
                               fmt::format("{} as fact {} of epoch {}, which was {}",
                                           before.facts[i].kind, i + 1, epoch.value, was),
                               exam.came_since(from));
            break;
        }
        const auto& old = after[i].old;
        if (!old || old->epoch != before.epoch || old->sequence.value != number) {
            exam.report().fail(kEpochOldNumbers, fmt::format("\"o\":\"{}\"", was),
                               exam.came_since(from));
        }
    }
    exam.report().pass(kEpochKeepsFacts);
    exam.report().pass(kEpochOldNumbers);
    exam.settle();
}

}  // namespace

void check_first_epoch(Exam& exam) {
    exam.tell("epoch: gives a new one");
    const Birth before = exam.birth();
    const Elapsed from = exam.now();
    exam.answers.births = true;
    exam.give_epoch();
    const topics::Epoch epoch = exam.cursor().epoch;
    const auto birth =
        exam.until<Birth>(exam.in(exam.pace().prompt()),
                          [&](const Birth& its, const Heard&) { return its.epoch == epoch; });
    if (!birth) {
        exam.report().fail(kEpochTaken, fmt::format("a birth with ep {}", epoch.value),
                           exam.came_since(from));
        throw CannotGoOn{"the device takes no epoch"};
    }
    exam.report().pass(kEpochTaken);
    const std::int64_t held = held_by(before);
    if (held > 0 && (birth->first.lo != Sequence{1} || birth->first.hi.value < held)) {
        exam.report().fail(kEpochKeepsFacts,
                           fmt::format("lo 1 and hi {} or more: so many were held", held),
                           shown(birth->second));
    }
    exam.settle();
}

void check_repeats(Exam& exam) {
    exam.tell("journal: leaves a batch unanswered");
    exam.answers.batches = false;
    if (exam.fresh_batch(1) == nullptr) {
        exam.report().fail(kDrains, "facts about the commands that were sent", "none");
        throw CannotGoOn{"the device reports no facts"};
    }
    const Sequence first = exam.waiting().batch.first;
    for (int n = 0; n < kRepeatsShown; ++n) {
        const Elapsed last = exam.waiting().heard.at;
        const auto again = exam.until<FactBatch>(
            last + exam.pace().longest(n) + 1s,
            [&](const FactBatch& batch, const Heard&) { return batch.first == first; });
        if (!again) {
            exam.report().fail(kBatchRepeated, fmt::format("the batch from {} again", first.value),
                               exam.came_since(last));
            break;
        }
        const Elapsed waited = again->second.at - last;
        if (const auto wrong = exam.pace().judge(n, waited)) {
            exam.report().fail(
                kBackoff, *wrong,
                fmt::format("{} after {}", shown(again->second), seconds_text(waited)));
        }
    }
    exam.report().pass(kBatchRepeated);
    // More facts than one batch may have, and than small packets hold: the next one waits alone.
    exam.provoke(topics::limits::kFactsPerBatchMax);
    if (exam.in_flight()) exam.acknowledge(last_of(exam.waiting().batch));
    const Elapsed later = exam.in(kWatchFor);
    while (exam.hear(later)) {
    }
    exam.settle();
    exam.report().pass(kDrains);
}

void check_acks(Exam& exam) {
    exam.tell("acks: one for a part, one that goes backwards");
    exam.answers.batches = false;
    if (exam.fresh_batch(2) == nullptr) {
        exam.report().skip(kPartialAck, kTooFew);
        if (exam.fresh_batch(1) == nullptr) return;
    } else {
        exam.answers.heartbeats = false;
        const Sequence first = exam.waiting().batch.first;
        const Elapsed deadline = exam.repeat_deadline();
        exam.acknowledge(first);
        if (!goes_on_at(exam, Sequence{first.value + 1}, deadline, kPartialAck)) {
            exam.settle();
            exam.answers.batches = false;
            if (exam.fresh_batch(1) == nullptr) return;
        }
    }
    if (can_judge(exam, kBackwardsAck, {&kBatchRepeated})) {
        const Blame blame{exam.watch(), kBackwardsAck};
        topics::Ack ack = exam.plain_ack();
        --ack.acked.value;
        const Elapsed deadline = exam.repeat_deadline();
        exam.say(ack);
        goes_on_at(exam, exam.waiting().batch.first, deadline, kBackwardsAck);
    }
    exam.settle();
}

void check_ack_errors(Exam& exam) {
    exam.tell("acks with er: gap, hello, slow, bad, epoch");
    exam.answers.batches = false;
    check_gap(exam);
    check_hello(exam);
    check_slow(exam);
    check_bad(exam);
    check_epoch(exam);
}

}  // namespace klyuchnik::sim::conformance
