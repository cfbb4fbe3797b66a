// What a device does when a person waits and the server is silent.
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
        return denied->card == asked.card;
    }
    return false;
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
    exam.on_request = [&](const topics::Request& request) {
        const auto* body = std::get_if<topics::KeyRequest>(&request.body);
        if (body == nullptr || asked) return false;
        asked = *body;
        number = request.number;
        return true;
    };
    const bool came = exam.until_true(exam.in(kPersonMax), [&] { return asked.has_value(); });
    exam.on_request = nullptr;
    if (!came) {
        exam.report().skip(kLateAnswer, "no key.request came within 60 s");
        return;
    }
    const Elapsed from = exam.now();
    const std::size_t facts_before = exam.facts().size();
    const auto decision = [&]() -> const topics::Fact* {
        for (std::size_t i = facts_before; i < exam.facts().size(); ++i) {
            if (decides(exam.facts()[i].fact, *asked)) return &exam.facts()[i].fact;
        }
        return nullptr;
    };
    const auto wait = std::chrono::duration_cast<Elapsed>(
        Elapsed{topics::limits::kRequestDeadline} * exam.settings().scale);
    const Elapsed late = from + wait + exam.pace().slack();
    exam.until_true(late + exam.pace().prompt(), [&] { return decision() != nullptr; });
    while (exam.now() < late) exam.hear(late);
    if (decision() == nullptr) {
        exam.report().fail(kLateAnswer, "access.granted or access.denied without an answer",
                           exam.came_since(from));
        return;
    }
    topics::RequestAnswer answer;
    answer.cn = exam.cn();
    answer.number = number;
    answer.slot = topics::Slot{1};
    exam.say(answer);
    exam.pass_a_moment();
    for (std::size_t i = facts_before; i < exam.facts().size(); ++i) {
        const auto* granted = std::get_if<topics::AccessGranted>(&exam.facts()[i].fact.body);
        if (granted == nullptr || granted->request != number) continue;
        exam.report().fail(kLateAnswer,
                           fmt::format("no access.granted with r {}: its answer came after {}",
                                       number, seconds_text(late - from)),
                           exam.came_since(from));
    }
    exam.report().pass(kLateAnswer);
}

}  // namespace klyuchnik::sim::conformance
