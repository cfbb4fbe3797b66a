// The examiner examined: a right device passes, and each of the wrong ones fails at the claim that
// it breaks and at no other.
#include "firmware-sim/conformance/conformance.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <vector>

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
using sim::conformance::Pace;
using sim::conformance::Report;
using sim::conformance::Verdict;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSubsetOf;

const topics::DeviceId kHall = *topics::DeviceId::parse("kc-hall1");

BenchSettings cabinet() {
    BenchSettings settings;
    settings.device.id = kHall;
    return settings;
}

/// A device with a fiftieth of the contract's waits.
BenchSettings hasty_cabinet() {
    BenchSettings settings = cabinet();
    settings.device.resend_first = 100ms;
    settings.device.resend_max = 1200ms;
    settings.device.request_deadline = 60ms;
    return settings;
}

ExamSettings exam() {
    ExamSettings settings;
    settings.device = kHall;
    settings.slack = 50ms;
    return settings;
}

constexpr Elapsed kNobody{0};

Report examined(const BenchSettings& cabinet, Mistake mistake, const ExamSettings& settings,
                Elapsed visits = 30s, std::uint64_t seed = 1) {
    MemoryLine line{cabinet, std::move(mistake), seed};
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

TEST(Conformance, OurOwnDeviceKeepsEveryClaimWhateverItsChances) {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        const Report report = examined(cabinet(), {}, exam(), 30s, seed);
        ASSERT_THAT(with(Verdict::fail, report), IsEmpty()) << seed << '\n' << to_text(report);
        ASSERT_THAT(with(Verdict::skip, report), IsEmpty()) << seed << '\n' << to_text(report);
    }
}

TEST(Conformance, SkipsWhatADeviceOfTheSmallestPacketsCanNotShow) {
    BenchSettings small = cabinet();
    small.device.packet_bytes_max = topics::limits::kSmallPacketBytes;
    const Report report = examined(small, {}, exam());
    EXPECT_THAT(with(Verdict::fail, report), IsEmpty()) << to_text(report);
    EXPECT_THAT(with(Verdict::skip, report),
                IsSubsetOf({"batch.packet", "ack.partial", "bad.halved"}));
}

TEST(Conformance, ADeviceOfLargePacketsFillsItsBatches) {
    BenchSettings large = cabinet();
    large.device.packet_bytes_max = 16'384;
    const Report report = examined(large, {}, exam());
    EXPECT_THAT(with(Verdict::fail, report), IsEmpty()) << to_text(report);
}

TEST(Conformance, ADeviceWithShorterWaitsPassesAtItsScale) {
    ExamSettings settings = exam();
    settings.scale = 0.02;
    const Report report = examined(hasty_cabinet(), {}, settings);
    EXPECT_THAT(with(Verdict::fail, report), IsEmpty()) << to_text(report);
}

TEST(Conformance, ADeviceWithShorterWaitsPassesByItsRatios) {
    ExamSettings settings = exam();
    settings.learn_pace = true;
    const Report report = examined(hasty_cabinet(), {}, settings);
    EXPECT_THAT(with(Verdict::fail, report), IsEmpty()) << to_text(report);
}

TEST(Conformance, ADeviceWithShorterWaitsFailsByTheContractsOwn) {
    const Report report = examined(hasty_cabinet(), {}, exam());
    EXPECT_THAT(with(Verdict::fail, report), ElementsAre("resend.backoff"));
}

TEST(Conformance, AFixedPaceIsFoundWhenOnlyRatiosCount) {
    ExamSettings settings = exam();
    settings.learn_pace = true;
    BenchSettings fixed = hasty_cabinet();
    fixed.device.resend_max = fixed.device.resend_first;
    const Report report = examined(fixed, {}, settings);
    EXPECT_THAT(with(Verdict::fail, report), ElementsAre("resend.backoff"));
}

TEST(Conformance, AsksGatewaysNothingAboutSlotsAndCards) {
    const auto gateway = *topics::DeviceId::parse("sg-scales1");
    BenchSettings its = cabinet();
    its.device.id = gateway;
    ExamSettings settings = exam();
    settings.device = gateway;
    const Report report = examined(its, {}, settings, kNobody);
    EXPECT_THAT(with(Verdict::fail, report), IsEmpty()) << to_text(report);
    EXPECT_THAT(with(Verdict::skip, report),
                ElementsAre("command.slots", "request.late_answer", "document.pulled",
                            "document.resumed", "document.hash"));
}

TEST(Conformance, SkipsTheLateAnswerWhenNobodyAsks) {
    const Report report = examined(cabinet(), {}, exam(), kNobody);
    EXPECT_THAT(with(Verdict::fail, report), IsEmpty()) << to_text(report);
    EXPECT_THAT(with(Verdict::skip, report), ElementsAre("request.late_answer"));
}

TEST(Conformance, ADeviceThatNeverConnectsFailsAtItsBirth) {
    MemoryLine line{cabinet(), {}};
    line.stay_away();
    const Report report = sim::conformance::examine(line, exam());
    EXPECT_THAT(with(Verdict::fail, report), ElementsAre("birth.complete"));
    EXPECT_THAT(with(Verdict::pass, report), IsEmpty());
    EXPECT_THAT(to_text(report), HasSubstr("(not reached: no birth came)"));
}

TEST(Conformance, ADeviceThatGoesAwayForGoodNeverPassesWhereverItWas) {
    const auto run = [](MemoryLine& line) {
        line.visit_every(30s);
        return sim::conformance::examine(line, exam());
    };
    MemoryLine whole{cabinet(), {}};
    ASSERT_FALSE(run(whole).any_failed());
    ASSERT_GT(whole.delivered(), 100);
    for (int messages = 1; messages < whole.delivered(); ++messages) {
        MemoryLine line{cabinet(), {}};
        line.leave_after(messages, Elapsed::max());
        const Report report = run(line);
        ASSERT_TRUE(report.any_failed()) << messages << '\n' << to_text(report);
        ASSERT_FALSE(report.passed(sim::conformance::kConnectionKept)) << messages;
    }
}

TEST(Conformance, ADeviceThatIsAwayForAMinuteIsExaminedToTheEndOrToldOfIt) {
    for (int messages = 1; messages < 400; messages += 7) {
        MemoryLine line{cabinet(), {}};
        line.visit_every(30s);
        line.leave_after(messages, 60s);
        const Report report = sim::conformance::examine(line, exam());
        EXPECT_TRUE(report.passed(sim::conformance::kConnectionKept) || report.any_failed())
            << messages << '\n'
            << to_text(report);
    }
}

TEST(Conformance, ACardThatIsShownAgainMayBeDecidedAgain) {
    MemoryLine line{cabinet(), {}};
    line.visit_every(2s);
    ExamSettings settings = exam();
    settings.only = {"requests"};
    const Report report = sim::conformance::examine(line, settings);
    EXPECT_TRUE(report.passed(sim::conformance::kLateAnswer)) << to_text(report);
}

TEST(Conformance, MakesOnlyTheChecksThatAreAskedFor) {
    ExamSettings settings = exam();
    settings.only = {"reconnect"};
    const Report report = examined(cabinet(), {}, settings);
    EXPECT_THAT(with(Verdict::fail, report), IsEmpty());
    EXPECT_TRUE(report.passed(sim::conformance::kWill));
    EXPECT_FALSE(report.passed(sim::conformance::kGap));
    EXPECT_THAT(to_text(report), HasSubstr("(not asked for)"));
}

TEST(Conformance, AFailureShowsWhatWasExpectedWhatCameAndWhereToRead) {
    const auto* broken = sim::conformance::find_broken("will-of-another-connection");
    const Report report = examined(cabinet(), broken->make(), exam());
    EXPECT_THAT(to_text(report),
                AllOf(HasSubstr("FAIL  will.cn "), HasSubstr("expected  a retained will with cn "),
                      HasSubstr(R"(came      st {"v":1,"on":0,"cn":)"),
                      HasSubstr("see       A connection, step by step")));
    EXPECT_THAT(to_json(report, "kc-hall1"),
                AllOf(HasSubstr(R"({"device":"kc-hall1","passed":)"),
                      HasSubstr(R"("claim":"will.cn","verdict":"FAIL")"),
                      HasSubstr(R"("came":"st {\"v\":1,\"on\":0,\"cn\":)")));
}

TEST(Conformance, ShowsBytesThatAreNoText) {
    EXPECT_EQ(sim::conformance::shown(std::string_view{"a\x01\xFFz"}), "a\\x01\\xFFz");
    EXPECT_THAT(sim::conformance::shown(std::string(5000, 'x')), EndsWith("x... (5000 bytes)"));
}

TEST(Conformance, EveryClaimHasADeviceThatBreaksIt) {
    std::set<const Claim*> broken;
    for (const BrokenDevice& device : sim::conformance::broken_devices()) {
        broken.insert(&device.fails);
    }
    for (const Claim* claim : sim::conformance::all_claims()) {
        EXPECT_TRUE(broken.contains(claim)) << claim->id;
    }
}

TEST(Conformance, EveryClaimSaysWhereTheContractSaysSo) {
    std::ifstream file{KLYUCHNIK_TOPICS_DIR "/README.md"};
    std::string contract{std::istreambuf_iterator<char>{file}, {}};
    std::erase(contract, '`');
    for (const Claim* claim : sim::conformance::all_claims()) {
        EXPECT_THAT(contract, HasSubstr(std::string{claim->see})) << claim->id;
    }
}

TEST(Pace, HoldsAKnownPaceToItsBounds) {
    const auto pace = [] { return Pace::known(5s, 0ms); };
    EXPECT_FALSE(pace().judge(0, 2500ms));
    EXPECT_FALSE(pace().judge(0, 7500ms));
    EXPECT_TRUE(pace().judge(0, 2499ms));
    EXPECT_TRUE(pace().judge(0, 7501ms));
    EXPECT_FALSE(pace().judge(3, 20s));
    EXPECT_TRUE(pace().judge(4, 91s)) << "the wait ends to grow at 60 s";
    EXPECT_FALSE(pace().judge(9, 90s));
}

TEST(Pace, HoldsALearntPaceToItsRatios) {
    Pace pace = Pace::learnt(0ms);
    EXPECT_FALSE(pace.judge(0, 100ms));
    EXPECT_FALSE(pace.judge(1, 200ms));
    EXPECT_EQ(pace.longest(0), 300ms);
    EXPECT_TRUE(pace.judge(3, 200ms)) << "400 ms at least, whatever the first was";
    EXPECT_FALSE(pace.judge(4, 1200ms));
}

class Broken : public ::testing::TestWithParam<std::size_t> {};

TEST_P(Broken, FailsAtTheClaimThatItBreaksAndAtNoOther) {
    const BrokenDevice& device = sim::conformance::broken_devices()[GetParam()];
    const Report report = examined(cabinet(), device.make(), exam());
    EXPECT_THAT(with(Verdict::fail, report), ElementsAre(std::string{device.fails.id}))
        << to_text(report);
}

INSTANTIATE_TEST_SUITE_P(Devices, Broken,
                         ::testing::Range(std::size_t{0},
                                          sim::conformance::broken_devices().size()),
                         [](const auto& each) {
                             std::string name{sim::conformance::broken_devices()[each.param].name};
                             std::replace(name.begin(), name.end(), '-', '_');
                             return name;
                         });

}  // namespace
}  // namespace klyuchnik::test
