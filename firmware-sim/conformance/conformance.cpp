#include "firmware-sim/conformance/conformance.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "firmware-sim/conformance/checks.hpp"

namespace klyuchnik::sim::conformance {
namespace {

struct Check {
    std::string_view name;
    void (*make)(Exam&);
};

constexpr Check kChecks[] = {
    {"commands", check_commands}, {"repeats", check_repeats},       {"acks", check_acks},
    {"errors", check_ack_errors}, {"heartbeats", check_heartbeats}, {"reconnect", check_reconnect},
    {"requests", check_requests}, {"documents", check_documents},   {"reboot", check_reboot},
};

}  // namespace

std::vector<std::string_view> check_names() {
    std::vector<std::string_view> names;
    for (const Check& check : kChecks) names.push_back(check.name);
    return names;
}

Report examine(Line& line, const ExamSettings& settings) {
    Report report;
    Exam exam{line, settings, report};
    try {
        check_birth(exam);
        check_first_epoch(exam);
        for (const Check& check : kChecks) {
            const auto& only = settings.only;
            if (!only.empty() && std::ranges::find(only, check.name) == only.end()) continue;
            exam.await_admitted();
            check.make(exam);
            exam.settle();
        }
        // A device that has gone by now may have seemed to keep what is kept by saying nothing.
        exam.await_admitted();
        report.pass(kConnectionKept);
        if (!settings.only.empty()) report.skip_the_rest("not asked for");
    } catch (const CannotGoOn& end) {
        // Whoever could not be examined to the end has not shown that it is right.
        if (!report.any_failed()) {
            report.fail(kConnectionKept, "a device that can be examined to the end", end.what());
        }
        report.skip_the_rest(fmt::format("not reached: {}", end.what()));
    }
    return report;
}

}  // namespace klyuchnik::sim::conformance
