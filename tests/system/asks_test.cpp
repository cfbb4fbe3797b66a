#include <string>

#include <gtest/gtest.h>

#include "tests/system/hall.hpp"

namespace klyuchnik::test {
namespace {

class Asks : public Hall {
 protected:
    RawAsker asker{world.broker()};

    std::string issue(const std::string& id, const std::string& card = kAnnasCard,
                      std::int64_t expires = now_s() + 60) {
        return bytes(id, world.account(), "session", R"({"card":")" + card + R"(","key":"101"})",
                     expires);
    }
    static std::string bytes(const std::string& id, const std::string& account,
                             const std::string& via, const std::string& content,
                             std::int64_t expires = now_s() + 60) {
        return R"({"v":1,"id":")" + id + R"(","x":)" + std::to_string(expires) +
               R"(,"by":{"account":")" + account + R"(","via":")" + via + R"("},"d":)" + content +
               "}";
    }
    std::int64_t kept(const std::string& id) {
        return world.db().number("select count(*) from runtime.inbox where ask_id = $1", {id});
    }
};

TEST_F(Asks, TheSameAskTwiceIsOneEffectAndTheSameAnswer) {
    const std::string ask = issue("a1");
    asker.send("keys", "issue_key", ask);
    const std::string first = asker.next_raw();
    asker.send("keys", "issue_key", ask);
    EXPECT_EQ(asker.next_raw(), first);
    EXPECT_NE(first.find(R"("rc":0)"), std::string::npos) << first;
    EXPECT_EQ(loans(), 1);
    EXPECT_EQ(events("type = 'key_issued'"), 1);
    EXPECT_EQ(kept("a1"), 1);
    EXPECT_TRUE(world.metric_reaches("klyuchnik_asks_repeated_total", 1));
}

TEST_F(Asks, ManyOfTheSameAtOnceAreOneEffectAndAllAreAnswered) {
    const std::string ask = issue("a1");
    for (int i = 0; i < 20; ++i) asker.send("keys", "issue_key", ask);
    const std::string first = asker.next_raw();
    for (int i = 1; i < 20; ++i) EXPECT_EQ(asker.next_raw(), first);
    EXPECT_EQ(loans(), 1);
}

TEST_F(Asks, AnotherBodyUnderTheSameIdIsRefused) {
    EXPECT_EQ(asker.ask("keys", "issue_key", issue("a1")).rc, 0);
    const auto answer = asker.ask("keys", "issue_key", issue("a1", kBorissCard));
    EXPECT_EQ(answer.rc, 422);
    EXPECT_EQ(answer.code.value_or(""), "reused_id");
    EXPECT_EQ(asker.ask("keys", "issue_key", issue("a1")).rc, 0) << "the first answer stays";
    EXPECT_EQ(loans(), 1);
}

TEST_F(Asks, ALateAskIsRefusedAndRecordedAndAskingAgainInTimeIsANewAttempt) {
    const std::string late = issue("late", kAnnasCard, now_s() - 1);
    for (int time = 0; time < 2; ++time) {
        const auto answer = asker.ask("keys", "issue_key", late);
        EXPECT_EQ(answer.rc, 408);
        EXPECT_EQ(answer.code.value_or(""), "expired");
        EXPECT_EQ(kept("late"), 1);
        EXPECT_EQ(loans(), 0);
    }
    asker.send("keys", "issue_key", issue("late"));
    const std::string done = asker.next_raw();
    EXPECT_NE(done.find(R"("rc":0)"), std::string::npos) << done;
    asker.send("keys", "issue_key", issue("late"));
    EXPECT_EQ(asker.next_raw(), done);
    asker.send("keys", "issue_key", late);
    EXPECT_EQ(asker.next_raw(), done) << "what is done stays done, however late it is asked for";
    EXPECT_EQ(kept("late"), 1);
    EXPECT_EQ(loans(), 1);
}

TEST_F(Asks, WhoMayAskIsLookedUpByTheHandler) {
    const std::string content = R"({"card":"12345ABC","key":"101"})";
    struct Case {
        const char* account;
        const char* via;
        int rc;
    };
    int number = 0;
    for (const Case& one : {Case{"account:999", "session", 404}, Case{"account:x", "session", 404},
                            Case{"kc-nobody1", "legacy", 404}, Case{"kc-hall1", "session", 403}}) {
        const auto answer =
            asker.ask("keys", "issue_key",
                      bytes("w" + std::to_string(++number), one.account, one.via, content));
        EXPECT_EQ(answer.rc, one.rc) << one.account << " via " << one.via;
    }
    EXPECT_EQ(loans(), 0);
    // A cabinet gives keys out, and does nothing else.
    EXPECT_EQ(asker.ask("keys", "issue_key", bytes("w9", "kc-hall1", "legacy", content)).rc, 0);
    EXPECT_EQ(
        asker.ask("keys", "add_key", bytes("w10", "kc-hall1", "legacy", R"({"name":"7"})")).rc,
        403);
    EXPECT_EQ(asker
                  .ask("accounts", "add_person",
                       bytes("w11", "trusted-network", "legacy", R"({"full_name":"X"})"))
                  .rc,
              403);
}

TEST_F(Asks, ANameThatIsNotKnownIsToldSo) {
    const auto answer =
        asker.ask("keys", "paint_key", bytes("u1", world.account(), "session", "{}"));
    EXPECT_EQ(answer.rc, 404);
    EXPECT_EQ(answer.code.value_or(""), "unknown_ask");
}

TEST_F(Asks, EveryRefusalOfIssueAndReturnHasItsCode) {
    int number = 0;
    const auto code = [&](const std::string& name, const std::string& card,
                          const std::string& which) {
        return asker
            .ask("keys", name,
                 bytes("r" + std::to_string(++number), world.account(), "session",
                       R"({"card":")" + card + R"(","key":")" + which + R"("})"))
            .code.value_or("done");
    };
    EXPECT_EQ(code("issue_key", "NOBODY", "101"), "unknown_card");
    EXPECT_EQ(code("issue_key", kAnnasCard, "999"), "unknown_key");
    EXPECT_EQ(code("issue_key", kBorissCard, "101"), "no_right");
    EXPECT_EQ(code("return_key", kAnnasCard, "101"), "key_not_held");
    EXPECT_EQ(code("issue_key", kAnnasCard, "101"), "done");
    EXPECT_EQ(code("issue_key", kAnnasCard, "101"), "key_held_by_self");
    world.grant(boris, key);
    EXPECT_EQ(code("issue_key", kBorissCard, "101"), "key_held_by_other");
    EXPECT_EQ(code("return_key", kBorissCard, "101"), "key_not_held");
    EXPECT_EQ(code("return_key", kAnnasCard, "101"), "done");
    EXPECT_EQ(loans(), 1);
}

TEST_F(Asks, TwentyPeopleAtOnceAndOneKeyAreOneHolder) {
    for (int i = 0; i < 20; ++i) {
        const std::string card = "CARD" + std::to_string(i);
        world.grant(world.add_person("Person " + std::to_string(i), card), key);
    }
    world.start_handlers();
    for (int i = 0; i < 20; ++i) {
        asker.send("keys", "issue_key", issue("p" + std::to_string(i), "CARD" + std::to_string(i)));
    }
    int done = 0;
    for (int i = 0; i < 20; ++i) {
        const auto answer = asker.next();
        if (answer.rc == 0) {
            ++done;
        } else {
            EXPECT_EQ(answer.code.value_or(""), "key_held_by_other");
        }
    }
    EXPECT_EQ(done, 1);
    EXPECT_EQ(loans(), 1);
}

}  // namespace
}  // namespace klyuchnik::test
