// What a device does when a person waits and the server is silent.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "firmware-sim/conformance/checks.hpp"
#include "topics/limits.hpp"

namespace klyuchnik::sim::conformance {
namespace {

constexpr Elapsed kPersonMax = std::chrono::seconds{60};

/// A decision about the request: granted or denied, by whom is in `r`.
bool decides(const topics::Fact& fact, const topics::KeyRequest& asked) {
    if (const auto* granted = std::get_if<topics::AccessGranted>(&fact.body)) {
        return granted->card == asked.card && granted->key == asked.key;
    }
    if (const auto* denied = std::get_if<topics::AccessDenied>(&fact.body)) {
        return denied->card == asked.card && (!denied->key || *denied->key == asked.key);
    }
    return false;
}

/// `asked` was heard a moment ago and is not answered. `asked_again` rises while this runs.
void judge_late_answer(Exam& exam, const topics::KeyRequest& asked, std::int64_t number,
                       const std::size_t& asked_again) {
    const Elapsed from = exam.now();
    const std::size_t facts_before = exam.facts().size();
    const auto decisions = [&] {
        std::vector<const SeenFact*> found;
        for (std::size_t i = facts_before; i < exam.facts().size(); ++i) {
            if (decides(exam.facts()[i].fact, asked)) found.push_back(&exam.facts()[i]);
        }
        return found;
    };
    const auto wait = std::chrono::duration_cast<Elapsed>(
        Elapsed{topics::limits::kRequestDeadline} * exam.settings().scale);
    const Elapsed late = from + wait + exam.pace().slack();
    exam.until_true(late, [&] { return !decisions().empty(); });
    if (decisions().empty()) {
        exam.report().fail(
            kLateAnswer,
            fmt::format("access.granted or access.denied within {} without an answer",
                        seconds_text(late - from)),
            exam.came_since(from));
        return;
    }
    while (exam.now() < late) exam.hear(late);
    topics::RequestAnswer answer;
    answer.cn = exam.cn();
    answer.number = number;
    answer.slot = topics::Slot{1};
    exam.say(answer);
    exam.pass_a_moment();
    const auto made = decisions();
    if (made.size() > 1 + asked_again) {
        exam.report().fail(kLateAnswer,
                           fmt::format("one decision about request {}: its answer came after {}",
                                       number, seconds_text(late - from)),
                           fmt::format("{} and then {}: {}", made[0]->fact.kind, made[1]->fact.kind,
                                       exam.came_since(from)));
        return;
    }
    exam.report().pass(kLateAnswer);
}

}  // namespace

void check_requests(Exam& exam) {
    if (!exam.is_cabinet()) {
        exam.report().skip(kLateAnswer, "not a key cabinet");
        return;
    }
    if (!exam.settings().interactive && exam.key_requests() == 0) {
        exam.report().skip(kLateAnswer, "nobody asked for a key during the run: see --interactive");
        return;
    }
    exam.tell("request: present a card for a key, and wait for what the cabinet decides");
    std::optional<topics::KeyRequest> asked;
    std::int64_t number = 0;
    std::size_t asked_again = 0;
    exam.on_request = [&](const topics::Request& request) {
        const auto* body = std::get_if<topics::KeyRequest>(&request.body);
        if (body == nullptr) return false;
        if (asked) {
            // Decided for itself, so not a second decision about the first.
            if (body->card == asked->card && body->key == asked->key) ++asked_again;
            return false;
        }
        asked = *body;
        number = request.number;
        return true;
    };
    const bool came = exam.until_true(exam.in(kPersonMax), [&] { return asked.has_value(); });
    if (came) {
        judge_late_answer(exam, *asked, number, asked_again);
    } else {
        exam.report().skip(kLateAnswer, "no key.request came within 60 s");
    }
    exam.on_request = nullptr;
}

}  // namespace klyuchnik::sim::conformance
