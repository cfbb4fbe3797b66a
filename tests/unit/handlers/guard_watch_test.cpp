// What the feeder waits for from the guards: no services, and a clock that the test sets.
#include "handlers/devices/guard_watch.hpp"

#include <gtest/gtest.h>

namespace klyuchnik::handlers::devices {
namespace {

using namespace std::chrono_literals;
using Steady = GuardWatch::Steady;
using Telling = GuardWatch::Telling;

const Steady kStart{1000h};

topics::GuardReport report(const std::string& boot = "aaaa") {
    topics::GuardReport said;
    said.boot = boot;
    said.devices = 5;
    return said;
}
topics::GuardReport answer(const std::string& token) {
    topics::GuardReport said = report();
    said.told = token;
    return said;
}
GuardWatch::Told told(const std::string& token, Steady now, bool whole = false) {
    return {token, now + 2s, whole, {}};
}

TEST(GuardWatch, WaitsForEveryGuardThatItKnows) {
    GuardWatch watch;
    watch.note("1", report());
    watch.note("2", report());
    EXPECT_FALSE(watch.all_whole());
    watch.expect(told("t1", kStart, true), kStart);
    watch.note("1", answer("t1"));
    EXPECT_EQ(watch.telling(kStart + 1s), Telling::waiting);
    watch.note("2", answer("t0"));
    EXPECT_EQ(watch.telling(kStart + 1s), Telling::waiting) << "an older question's";
    watch.note("2", answer("t1"));
    EXPECT_EQ(watch.telling(kStart + 1s), Telling::answered);
    EXPECT_EQ(watch.finish().token, "t1");
    EXPECT_TRUE(watch.all_whole());
    watch.note("2", report("bbbb"));
    EXPECT_FALSE(watch.all_whole()) << "it has started anew";
}

TEST(GuardWatch, OneLostAnswerAfterAQuietHourForgetsNobody) {
    GuardWatch watch;
    watch.note("1", report());
    watch.expect(told("t1", kStart, true), kStart);
    watch.note("1", answer("t1"));
    watch.finish();
    const Steady later = kStart + 1h;
    watch.expect(told("t2", later), later);
    const auto silent = watch.give_up(later + 2s);
    ASSERT_EQ(silent.size(), 1U);
    EXPECT_FALSE(silent[0].forgotten);
    watch.expect(told("t3", later + 2s), later + 2s);
    EXPECT_EQ(watch.telling(later + 3s), Telling::waiting) << "it is still waited for";
}

TEST(GuardWatch, WhoLeavesEveryQuestionOfAMinuteUnansweredIsForgotten) {
    GuardWatch watch;
    watch.note("1", report());
    watch.note("2", report());
    Steady now = kStart;
    bool forgotten = false;
    int questions = 0;
    for (; !forgotten && questions < 100; ++questions, now += 2s) {
        watch.expect(told("t", now), now);
        watch.note("1", answer("t"));
        // What it says by itself is no answer.
        watch.note("2", report());
        const auto silent = watch.give_up(now + 2s);
        ASSERT_EQ(silent.size(), 1U);
        EXPECT_EQ(silent[0].instance, "2");
        forgotten = silent[0].forgotten;
        EXPECT_FALSE(watch.is_unanswered(now + 2s)) << "the other one does answer";
    }
    EXPECT_EQ(questions, 31);
    watch.expect(told("t", now), now);
    watch.note("1", answer("t"));
    EXPECT_EQ(watch.telling(now), Telling::answered);
}

TEST(GuardWatch, WithoutAKnownGuardAnyAnswerWillDoAndNoneIsNoAnswer) {
    GuardWatch watch;
    EXPECT_TRUE(watch.all_whole());
    watch.expect(told("t1", kStart), kStart);
    EXPECT_EQ(watch.telling(kStart + 1s), Telling::waiting);
    EXPECT_EQ(watch.telling(kStart + 2s), Telling::overdue);
    EXPECT_TRUE(watch.give_up(kStart + 2s).empty());
    watch.expect(told("t2", kStart + 2s), kStart + 2s);
    watch.note("1", answer("t2"));
    EXPECT_EQ(watch.telling(kStart + 3s), Telling::answered);
    EXPECT_FALSE(watch.all_whole()) << "it was not known, and is told all";
}

TEST(GuardWatch, WhenNobodyAnswersAnotherProcessShouldFeed) {
    GuardWatch watch;
    watch.note("1", report());
    watch.expect(told("t1", kStart), kStart);
    EXPECT_FALSE(watch.is_unanswered(kStart + GuardWatch::kUnansweredMax));
    watch.give_up(kStart + 2s);
    watch.expect(told("t2", kStart + 2s), kStart + 2s);
    EXPECT_TRUE(watch.is_unanswered(kStart + GuardWatch::kUnansweredMax + 1ms));
    watch.forget_told();
    EXPECT_FALSE(watch.until()) << "who does not lead waits for nothing";
    EXPECT_FALSE(watch.is_unanswered(kStart + 1h));
}

TEST(GuardWatch, DoubtsThoseWhoKnowAnotherNumberOfDevices) {
    GuardWatch watch;
    watch.note("1", report());
    watch.expect(told("t1", kStart, true), kStart);
    watch.note("1", answer("t1"));
    watch.finish();
    EXPECT_TRUE(watch.doubt_others_than(5).empty());
    EXPECT_TRUE(watch.all_whole());
    EXPECT_EQ(watch.doubt_others_than(4).size(), 1U);
    EXPECT_FALSE(watch.all_whole());
}

}  // namespace
}  // namespace klyuchnik::handlers::devices
