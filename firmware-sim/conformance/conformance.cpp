#include "firmware-sim/conformance/conformance.hpp"

#include <fmt/format.h>

#include "firmware-sim/conformance/checks.hpp"

namespace klyuchnik::sim::conformance {

Report examine(Line& line, const ExamSettings& settings) {
    Report report;
    Exam exam{line, settings, report};
    try {
        check_birth(exam);
        check_first_epoch(exam);
        for (const auto check : {check_commands, check_repeats, check_acks, check_ack_errors,
                                 check_heartbeats, check_reconnect, check_requests,
                                 check_documents, check_reboot}) {
            check(exam);
            exam.settle();
        }
    } catch (const CannotGoOn& end) {
        report.skip_the_rest(fmt::format("not reached: {}", end.what()));
    }
    return report;
}

}  // namespace klyuchnik::sim::conformance
