// The examiner examined: a right device passes, and each of the wrong ones fails at the claim that
// it breaks and at no other.
#include "firmware-sim/conformance/conformance.hpp"

#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "firmware-sim/conformance/broken.hpp"
#include "tests/unit/firmware-sim/conformance_line.hpp"

namespace klyuchnik::test {
namespace {

using namespace std::chrono_literals;
using sim::conformance::BenchSettings;
using sim::conformance::BrokenDevice;
using sim::conformance::Claim;
using sim::conformance::ExamSettings;
using sim::conformance::Finding;
using sim::conformance::Mistake;
using sim::conformance::Report;
using sim::conformance::Verdict;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const topics::DeviceId kHall = *topics::DeviceId::parse("kc-hall1");

BenchSettings cabinet() {
    BenchSettings settings;
    settings.device.id = kHall;
    return settings;
}

ExamSettings exam() {
    ExamSettings settings;
    settings.device = kHall;
    settings.slack = 50ms;
    return settings;
}

Report examined(const BenchSettings& cabinet, Mistake mistake, const ExamSettings& settings,
                Elapsed visits = 30s) {
    MemoryLine line{cabinet, std::move(mistake)};
    line.visit_every(visits);
    return sim::conformance::examine(line, settings);
}

std::vector<std::string> with(Verdict verdict, const Report& report) {
    std::vector<std::string> ids;
    for (const Finding& finding : report.findings()) {
        if (finding.verdict == verdict) ids.emplace_back(finding.claim->id);
    }
    return ids;
}

TEST(Conformance, OurOwnDeviceKeepsEveryClaim) {
    const Report report = examined(cabinet(), {}, exam());
    EXPECT_THAT(with(Verdict::fail, report), IsEmpty()) << to_text(report);
    EXPECT_THAT(with(Verdict::skip, report), IsEmpty()) << to_text(report);
}

class Broken : public ::testing::TestWithParam<std::size_t> {};

TEST_P(Broken, FailsAtTheClaimThatItBreaksAndAtNoOther) {
    const BrokenDevice& device = sim::conformance::broken_devices()[GetParam()];
    const Report report = examined(cabinet(), device.make(), exam());
    EXPECT_THAT(with(Verdict::fail, report), ElementsAre(std::string{device.fails.id}))
        << to_text(report);
}

INSTANTIATE_TEST_SUITE_P(
    Devices, Broken, ::testing::Range(std::size_t{0}, sim::conformance::broken_devices().size()),
    [](const auto& each) {
        std::string name{sim::conformance::broken_devices()[each.param].name};
        std::replace(name.begin(), name.end(), '-', '_');
        return name;
    });

}  // namespace
}  // namespace klyuchnik::test
