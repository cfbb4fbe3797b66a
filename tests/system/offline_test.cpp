// A cabinet that is cut off for days: it goes on by the rights it holds, refuses when its lease has
// ended, and tells everything when it is back.
#include <chrono>
#include <iostream>

#include <gtest/gtest.h>

#include "tests/support/world.hpp"

namespace klyuchnik::test {
namespace {

using namespace std::chrono_literals;
using topics::KeyName;

constexpr int kRounds = 1250;  // Of four facts each.
constexpr auto kBetween = 3min;
constexpr auto kDrainedWithin = 60s;

TEST(Offline, DaysOfFactsAreDrainedInOrderAndOnceAndAnEndedLeaseIsObeyed) {
    World world;
    const Person anna = world.add_person("Anna Example", "0A0A0A0A");
    const Key key = world.add_key("101", "kc-hall1", 1, "TAG101");
    world.grant(anna, key);
    const auto cabinet = world.cabinet("kc-hall1", {key}, {}, [](sim::CabinetSettings& settings) {
        settings.journal.facts_max = 8192;
    });
    ASSERT_TRUE(cabinet->wait_online(10s));
    world.settle();
    const std::int64_t version =
        world.count("select rights_version from runtime.wanted where device_id = 'kc-hall1'");
    ASSERT_TRUE(cabinet->wait_rights_version(version, 10s));
    ASSERT_TRUE(cabinet->wait_acked(10s));

    cabinet->go_offline();
    ASSERT_TRUE(cabinet->wait_offline(10s));
    for (int round = 0; round < kRounds; ++round) {
        cabinet->advance(kBetween);
        const auto decided = cabinet->ask(anna.card, KeyName{"101"}, 5s);
        ASSERT_TRUE(decided && decided->granted && decided->offline)
            << "round " << round << ": " << (decided ? decided->code : "no decision");
        ASSERT_TRUE(cabinet->take(anna.card, KeyName{"101"}));
        ASSERT_TRUE(cabinet->return_key(anna.card, KeyName{"101"}));
        cabinet->append(topics::DoorClosed{});
    }
    const std::int64_t held = cabinet->counters().unacked;
    EXPECT_GE(held, 4 * kRounds);

    // Sixty-two hours have passed so far; the lease is of seventy-two.
    cabinet->advance(12h);
    const auto late = cabinet->ask(anna.card, KeyName{"101"}, 5s);
    ASSERT_TRUE(late);
    EXPECT_FALSE(late->granted);
    EXPECT_EQ(late->code, "lease_ended");

    const auto begun = std::chrono::steady_clock::now();
    cabinet->go_online();
    ASSERT_TRUE(cabinet->wait_acked(kDrainedWithin));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
    std::cout << held << " facts drained in " << took.count() << " s\n";

    world.expect_exactly_once({"kc-hall1"});
    EXPECT_EQ(world.count("select count(*) from keys.loans where closed_why = 'returned'"),
              kRounds);
    EXPECT_EQ(world.count("select count(*) from runtime.device_gaps"), 0);
    // In the order of their numbers; the clock of the cabinet ran ahead of ours, so times say
    // nothing.
    EXPECT_EQ(world.count("select count(*) from (select received_at < lag(received_at) over (order "
                          "by epoch, sequence) as early from runtime.facts) f where early"),
              0);
    EXPECT_EQ(world.count("select count(*) from (select split_part(opened_by, ':', 3)::bigint < "
                          "lag(split_part(closed_by, ':', 3)::bigint) over (order by loan_id) as "
                          "early from keys.loans) l where early"),
              0);
    // Back with the server, the card is asked about again.
    const auto again = cabinet->ask(anna.card, KeyName{"101"}, 10s);
    ASSERT_TRUE(again);
    EXPECT_TRUE(again->granted);
    EXPECT_FALSE(again->offline);
}

}  // namespace
}  // namespace klyuchnik::test
