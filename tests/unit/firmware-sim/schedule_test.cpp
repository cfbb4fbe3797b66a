// A device under ten thousand random schedules (schedule.hpp), and under as many as it takes to see
// a planted mistake.
//
// KLYUCHNIK_SCHEDULE_SEED=4711 plays that one seed with every event on stderr.
#include "tests/unit/firmware-sim/schedule.hpp"

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace klyuchnik::test {
namespace {

constexpr std::uint64_t kSchedules = 12'000;
constexpr std::uint64_t kParts = 4;
/// No planted mistake may hide for longer.
constexpr std::uint64_t kSeedsToFind = 500;

std::optional<std::uint64_t> chosen_seed() {
    const char* text = std::getenv("KLYUCHNIK_SCHEDULE_SEED");
    if (text == nullptr) return std::nullopt;
    return std::strtoull(text, nullptr, 10);
}

class Schedules : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(Schedules, NothingIsLostDoubledMixedOrLateWhateverTheNetworkAndThePowerDo) {
    if (const auto seed = chosen_seed()) {
        EXPECT_THAT(play(*seed, {}, true).wrong, ::testing::IsEmpty()) << "seed " << *seed;
        return;
    }
    Outcome sum;
    for (std::uint64_t seed = 1 + GetParam(); seed <= kSchedules; seed += kParts) {
        const Outcome outcome = play(seed, {});
        ASSERT_THAT(outcome.wrong, ::testing::IsEmpty())
            << "seed " << seed << ": see it with KLYUCHNIK_SCHEDULE_SEED=" << seed;
        sum += outcome;
    }
    // Schedules without trouble would prove nothing.
    EXPECT_GT(sum.reboots, 3000);
    EXPECT_GT(sum.power_cuts, 1000);
    EXPECT_GT(sum.resent, 3000);
    EXPECT_GT(sum.epochs, 3000);
    EXPECT_GT(sum.commands_run, 1000);
    EXPECT_GT(sum.commands_expired, 100);
    EXPECT_GT(sum.rights_changed, 3000);
    EXPECT_GT(sum.downloads_resumed, 300);
    EXPECT_GT(sum.logs_fetched, 500);
    EXPECT_GT(sum.firmware_proven, 300);
    EXPECT_GT(sum.firmware_rolled_back, 30);
}

INSTANTIATE_TEST_SUITE_P(All, Schedules, ::testing::Range<std::uint64_t>(0, kParts));

struct Planted {
    const char* name;
    Plant plant;
};

class PlantedMistake : public ::testing::TestWithParam<Planted> {};

TEST_P(PlantedMistake, IsFound) {
    for (std::uint64_t seed = 1; seed <= kSeedsToFind; ++seed) {
        const Outcome outcome = play(seed, GetParam().plant);
        if (outcome.wrong.empty()) continue;
        RecordProperty("found_by_seed", std::to_string(seed));
        RecordProperty("as", outcome.wrong.front());
        return;
    }
    FAIL() << "not one of " << kSeedsToFind << " schedules sees it";
}

INSTANTIATE_TEST_SUITE_P(
    InTheDevice, PlantedMistake,
    ::testing::Values(Planted{"ForgetsBeforeTheAck", {.device = {.forgets_before_ack = true}}},
                      Planted{"DropsAtANewEpoch", {.device = {.drops_at_new_epoch = true}}},
                      Planted{"ReusesANumberAfterACrash", {.device = {.sends_before_flush = true}}},
                      Planted{"RunsAnExpiredCommand", {.device = {.runs_expired_commands = true}}},
                      Planted{"RunsARepeatedCommand", {.device = {.runs_repeated_commands = true}}},
                      Planted{"DoesNotMarkTheStartOfACommand",
                              {.device = {.starts_without_mark = true}}},
                      Planted{"AcceptsAStaleChunk", {.device = {.believes_any_chunk = true}}},
                      Planted{"ChecksNoHash", {.device = {.checks_no_hash = true}}},
                      Planted{"MixesTwoVersionsOfADocument", {.device = {.mixes_versions = true}}}),
    [](const auto& one) { return one.param.name; });

INSTANTIATE_TEST_SUITE_P(AroundIt, PlantedMistake,
                         ::testing::Values(Planted{"FlashThatDoesNotFlush", {.chip_lies = true}},
                                           Planted{"ServerThatAcknowledgesBeforeItCommits",
                                                   {.acks_before_commit = true}},
                                           Planted{"ServerThatDoesNotLookAtOldNumbers",
                                                   {.forgets_old_numbers = true}}),
                         [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace klyuchnik::test
