#include "bridge/rest/pending_asks.hpp"

#include <thread>

#include <gtest/gtest.h>

#include "bridge/rest/secrets.hpp"
#include "topics/limits.hpp"

namespace klyuchnik::bridge {
namespace {

using std::chrono::steady_clock;
using namespace std::chrono_literals;
using Outcome = PendingAsks::Outcome;

topics::AskAnswer answer(std::string id, std::int64_t rc = 0) {
    topics::AskAnswer one;
    one.id = std::move(id);
    one.rc = rc;
    return one;
}

TEST(WireId, IsTheSameForTheSameCallerAndKeyAndDiffersForAnotherCaller) {
    start_secrets();
    EXPECT_EQ(wire_id("account:1", "k"), wire_id("account:1", "k"));
    EXPECT_NE(wire_id("account:1", "k"), wire_id("account:2", "k"));
    EXPECT_NE(wire_id("account:1", "k"), wire_id("account:1", "l"));
}

TEST(WireId, FitsTheContractHoweverLongTheKeyIs) {
    for (std::size_t size = 1; size <= 64; ++size) {
        const std::string id = wire_id("account:1", std::string(size, 'x'));
        EXPECT_LE(id.size(), static_cast<std::size_t>(topics::limits::kAskIdCharsMax));
    }
    EXPECT_NE(wire_id("account:1", std::string(63, 'x') + "a"),
              wire_id("account:1", std::string(63, 'x') + "b"));
}

TEST(PendingAsks, GivesTheAnswerToTheOneWhoWaitsForIt) {
    PendingAsks asks{4};
    auto [outcome, ticket] = asks.join("a", "body");
    ASSERT_EQ(outcome, Outcome::waiting);
    std::thread network{[&] { EXPECT_TRUE(asks.answered(answer("a", 409))); }};
    const auto got = ticket.wait(steady_clock::now() + 30s);
    network.join();
    ASSERT_TRUE(got);
    EXPECT_EQ(got->rc, 409);
}

TEST(PendingAsks, KeepsTwoWaitersApartByTheirIds) {
    PendingAsks asks{4};
    auto first = asks.join(wire_id("account:1", "k"), "x");
    auto second = asks.join(wire_id("account:2", "k"), "x");
    asks.answered(answer(wire_id("account:2", "k"), 2));
    EXPECT_EQ(second.ticket.wait(steady_clock::now() + 30s)->rc, 2);
    EXPECT_FALSE(first.ticket.wait(steady_clock::now()));
}

TEST(PendingAsks, TheSameAskTwiceAtOnceGetsTheSameAnswer) {
    PendingAsks asks{4};
    auto first = asks.join("a", "body");
    auto second = asks.join("a", "body");
    ASSERT_EQ(second.outcome, Outcome::waiting);
    asks.answered(answer("a", 7));
    asks.answered(answer("a", 8));
    EXPECT_EQ(first.ticket.wait(steady_clock::now() + 30s)->rc, 7);
    EXPECT_EQ(second.ticket.wait(steady_clock::now() + 30s)->rc, 7);
}

topics::AskAnswer not_done(std::string id, topics::Code code) {
    topics::AskAnswer one = answer(std::move(id), topics::info(code).rc);
    one.code = std::string{topics::info(code).name};
    return one;
}

TEST(PendingAsks, BelievesThatNothingWasDoneOnlyWhenEveryCopySaysSo) {
    for (const topics::Code code : {topics::Code::unavailable, topics::Code::busy}) {
        PendingAsks asks{4};
        auto [outcome, ticket] = asks.join("a", "body");
        ticket.sending();
        ticket.sending();
        asks.answered(not_done("a", code));
        EXPECT_FALSE(ticket.wait(steady_clock::now())) << "the other copy may have been done";
        asks.answered(not_done("a", code));
        const auto got = ticket.wait(steady_clock::now() + 30s);
        ASSERT_TRUE(got);
        EXPECT_EQ(got->rc, topics::info(code).rc);
    }
}

TEST(PendingAsks, TakesTheAnswerOfTheCopyThatWasDone) {
    PendingAsks asks{4};
    auto [outcome, ticket] = asks.join("a", "body");
    ticket.sending();
    ticket.sending();
    asks.answered(not_done("a", topics::Code::unavailable));
    asks.answered(answer("a", 0));
    const auto got = ticket.wait(steady_clock::now() + 30s);
    ASSERT_TRUE(got);
    EXPECT_EQ(got->rc, 0);
}

TEST(PendingAsks, ACopyThatDidNotGoOutIsNotWaitedFor) {
    PendingAsks asks{4};
    auto [outcome, ticket] = asks.join("a", "body");
    ticket.sending();
    ticket.sending();
    ticket.not_sent();
    asks.answered(not_done("a", topics::Code::unavailable));
    EXPECT_TRUE(ticket.wait(steady_clock::now() + 30s));
}

TEST(PendingAsks, AnotherBodyUnderAnIdThatIsOnItsWayIsTurnedAway) {
    PendingAsks asks{4};
    const auto first = asks.join("a", "body");
    EXPECT_EQ(asks.join("a", "other").outcome, Outcome::other_body);
    EXPECT_EQ(asks.waiting(), 1U);
}

TEST(PendingAsks, TurnsTheNextOneAwayAtItsLimitAndHasRoomAgainAfterwards) {
    PendingAsks asks{2};
    const auto first = asks.join("a", "x");
    {
        const auto second = asks.join("b", "x");
        EXPECT_EQ(asks.join("c", "x").outcome, Outcome::full);
        EXPECT_EQ(asks.join("a", "x").outcome, Outcome::full);
    }
    EXPECT_EQ(asks.waiting(), 1U);
    EXPECT_EQ(asks.join("c", "x").outcome, Outcome::waiting);
}

TEST(PendingAsks, AnAnswerThatNobodyWaitsForIsKnownAsLate) {
    PendingAsks asks{2};
    EXPECT_FALSE(asks.answered(answer("a")));
    { const auto gone = asks.join("a", "x"); }
    EXPECT_FALSE(asks.answered(answer("a")));
    EXPECT_EQ(asks.waiting(), 0U);
}

}  // namespace
}  // namespace klyuchnik::bridge
