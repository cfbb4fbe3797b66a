// The handler kills itself at every named point of its work, for facts and for asks; each time
// twice in one world.
#include <future>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/faults/load.hpp"

namespace klyuchnik::test {
namespace {

std::string trap(const std::string& point, int pass) {
    return "KLYUCHNIK_CRASH_AT=" + point + ":" + std::to_string(pass);
}

/// Narrows the process, so that what the test is about is the first to pass the point: births and
/// sign-ins pass it too, in other domains.
const std::string kKeysOnly = "KLYUCHNIK_DOMAINS=keys";

std::string readable(const ::testing::TestParamInfo<const char*>& info) {
    return info.param;
}

class CrashPoint : public ::testing::TestWithParam<const char*> {
 protected:
    std::string point = GetParam();
    bool committed() const { return point != "in_batch" && point != "before_commit"; }
};

TEST_P(CrashPoint, FactsAreAppliedExactlyOnce) {
    World world;
    const Building building{world, 2, 2};
    // A new rights document is announced by an ack, which would tell the cabinets what they are to
    // find out by repeating.
    world.settle();
    world.kill9_all_handlers();
    for (int time = 1; time <= 2; ++time) {
        const std::int64_t before = world.count("select count(*) from runtime.facts");
        const std::size_t armed = world.start_handlers({trap(point, 1), kKeysOnly});
        building.round();
        ASSERT_TRUE(world.died_at(armed, point));
        const std::int64_t stored = world.count("select count(*) from runtime.facts") - before;
        if (committed()) {
            EXPECT_GT(stored, 0);
        } else {
            EXPECT_EQ(stored, 0) << "what the handler worked on left no trace";
        }
        // The answer to what was committed may have got out before the end, but only where it was
        // given.
        if (point == "after_commit_before_answer") {
            EXPECT_EQ(building.unacked(), 8);
        }
        const std::int64_t skipped = world.count("select sum(skipped) from runtime.cursors");

        // Again without births: the answer to one would tell the cabinets that they need not
        // repeat.
        const std::size_t next = world.start_handlers({kKeysOnly});
        ASSERT_TRUE(building.wait_acked());
        if (point == "after_commit_before_answer") {
            EXPECT_GE(world.count("select sum(skipped) from runtime.cursors"), skipped + stored)
                << "the repeat of what was committed is known by its numbers";
        }
        EXPECT_GE(building.resent(), time);
        world.kill9_handlers(next);
    }
    world.start_handlers();
    EXPECT_TRUE(building.repeats_are_known(world));
    world.expect_exactly_once(building.ids());
}

TEST_P(CrashPoint, AnAskHappensOnceAndIsAnswered) {
    World world;
    const Person anna = world.add_person("Anna Example", "12345ABC");
    std::vector<std::string> names{"101", "102"};
    for (const std::string& name : names) world.grant(anna, world.add_key(name));
    world.kill9_all_handlers();
    for (int time = 1; time <= 2; ++time) {
        const std::string& name = names[static_cast<std::size_t>(time - 1)];
        const std::size_t armed = world.start_handlers({trap(point, 1), kKeysOnly});
        const std::string body = R"({"serial":"12345ABC","key":")" + name + R"("})";
        const Headers same{{"Idempotency-Key", "ask-" + name}};
        auto answer =
            std::async(std::launch::async, [&] { return world.post("/issue_key", body, same); });
        ASSERT_TRUE(world.died_at(armed, point));
        EXPECT_EQ(world.count("select count(*) from keys.loans"), committed() ? time : time - 1);

        const std::size_t next = world.start_handlers();
        const HttpAnswer first = answer.get();
        EXPECT_EQ(first.status, 200) << first.body;
        const HttpAnswer again = world.post("/issue_key", body, same);
        EXPECT_EQ(again.status, 200);
        EXPECT_EQ(again.body, first.body);
        EXPECT_EQ(world.count("select count(*) from keys.loans"), time);
        EXPECT_EQ(world.count("select count(*) from log.events where type = 'key_issued'"), time);
        EXPECT_EQ(
            world.count("select count(*) from runtime.inbox where ask_id like '%ask-" + name + "'"),
            1);
        EXPECT_GE(world.metric("klyuchnik_asks_repeated_total"), 1);
        world.kill9_handlers(next);
    }
    world.start_handlers();
    world.expect_gapless_feed();
}

INSTANTIATE_TEST_SUITE_P(Handler, CrashPoint,
                         ::testing::Values("in_batch", "before_commit",
                                           "after_commit_before_answer", "after_answer"),
                         readable);

/// A subscriber of the feed, like the bridge.
class Feed {
 public:
    explicit Feed(World& world) : ear_{world.broker().service("ops-1")} {
        if (ear_.connect() != 0 || ear_.subscribe("kl/v1/ev/#") > 1) {
            throw std::runtime_error{"the feed can not be heard"};
        }
    }
    /// Every position after `before` up to the newest one is heard.
    void expect_heard_after(std::int64_t before, World& world) {
        const std::int64_t last = last_position(world);
        const auto missing = [&] {
            listen();
            for (std::int64_t position = before + 1; position <= last; ++position) {
                if (!heard_.contains(position)) return position;
            }
            return std::int64_t{0};
        };
        std::int64_t first_missing = 0;
        EXPECT_TRUE(eventually([&] { return (first_missing = missing()) == 0; }, kHealed))
            << first_missing << " of " << before + 1 << ".." << last << " was not published";
    }
    /// What the relay has handed over up to here it does not publish again, though a killed
    /// process may have kept the last of it in its memory: subscribers read by position.
    static std::int64_t published(World& world) {
        return world.count("select position from log.published");
    }
    static std::int64_t last_position(World& world) {
        return world.count("select coalesce(max(position), 0) from log.positions");
    }

 private:
    void listen() {
        const std::string word = R"("position":)";
        for (const Message& message : ear_.take_all()) {
            const std::size_t at = message.payload.find(word);
            if (at == std::string::npos) continue;
            heard_.insert(std::stoll(message.payload.substr(at + word.size())));
        }
    }
    RawClient ear_;
    std::set<std::int64_t> heard_;
};

class RelayCrash : public ::testing::TestWithParam<const char*> {
 protected:
    std::string point = GetParam();
};

TEST_P(RelayCrash, EveryEventOfAFactHasOnePlaceAndTheNextRelayPublishesTheRest) {
    World world;
    const Building building{world, 1, 2};
    Feed feed{world};
    world.kill9_all_handlers();
    for (int time = 1; time <= 2; ++time) {
        const std::size_t armed = world.start_handlers({trap(point, 2 + time)});
        {
            const Load load{building};
            ASSERT_TRUE(world.died_at(armed, point));
        }
        const std::int64_t published = Feed::published(world);
        const std::size_t next = world.start_handlers();
        ASSERT_TRUE(building.wait_acked());
        world.expect_gapless_feed();
        feed.expect_heard_after(published, world);
        world.kill9_handlers(next);
    }
    world.start_handlers();
    world.expect_exactly_once(building.ids());
}

TEST_P(RelayCrash, EveryEventOfAnAskHasOnePlaceAndTheNextRelayPublishesTheRest) {
    World world;
    const Person anna = world.add_person("Anna Example", "12345ABC");
    const Key key = world.add_key("101");
    world.grant(anna, key);
    Feed feed{world};
    AskLoad asks{world, anna, key};
    for (int time = 1; time <= 2; ++time) {
        world.kill9_all_handlers();
        const std::size_t armed = world.start_handlers({trap(point, 2 + time)});
        ASSERT_TRUE(world.died_at(armed, point));
        const std::int64_t published = Feed::published(world);
        world.start_handlers();
        ASSERT_TRUE(asks.go_on_for(1));
        feed.expect_heard_after(published, world);
    }
    asks.stop();
    asks.expect_each_done_once(world);
    world.expect_gapless_feed();
}

INSTANTIATE_TEST_SUITE_P(Handler, RelayCrash, ::testing::Values("relay_placed", "relay_published"),
                         readable);

}  // namespace
}  // namespace klyuchnik::test
