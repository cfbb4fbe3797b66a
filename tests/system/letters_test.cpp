// What the database refused is set aside, tried again by a person's wish, or given up.
#include <string>

#include <gtest/gtest.h>

#include "tests/system/hall.hpp"

namespace klyuchnik::test {
namespace {

class LettersSystem : public Hall {
 protected:
    RawAsker asker{world.broker()};
    int number = 0;

    void SetUp() override {
        Hall::SetUp();
        // A trap that the rules do not know, so that a fact is readable and can not be applied.
        world.db().rows("alter table keys.loans add constraint trap check (issued)");
    }
    void mend() { world.db().rows("alter table keys.loans drop constraint trap"); }
    topics::AskAnswer ask(const std::string& domain, const std::string& name,
                          const std::string& content) {
        return asker.ask(domain, name,
                         R"({"v":1,"id":"l-)" + std::to_string(++number) + R"(","x":)" +
                             std::to_string(now_s() + 60) + R"(,"by":{"account":")" +
                             world.account() + R"(","via":"session"},"d":)" + content + "}");
    }
    std::string letter() { return world.db().text("select letter_id from runtime.dead_letters"); }
    topics::AskAnswer retry() {
        return ask("devices", "retry_letter", R"({"letter":)" + letter() + "}");
    }
    ::testing::AssertionResult becomes(const std::string& state, std::int64_t tries) {
        return world.becomes("select count(*) from runtime.dead_letters where state = '" + state +
                                 "' and tries = " + std::to_string(tries),
                             1);
    }
    void set_aside_a_fact() {
        device.birth(kConnection, 0);
        EXPECT_EQ(device.facts(kConnection, 1, 1, 1, {taken(kTag, kAnnasCard)}).acked.value, 1);
        EXPECT_EQ(facts("outcome = 'set_aside'"), 1);
        EXPECT_EQ(world.count("select count(*) from runtime.alarms where kind = 'dead_letter'"), 1);
    }
};

TEST_F(LettersSystem, AFactIsAppliedOnceItsCauseIsMended) {
    set_aside_a_fact();
    EXPECT_EQ(retry().rc, 0);
    EXPECT_TRUE(becomes("open", 1)) << "refused again";
    EXPECT_EQ(loans(), 0);
    mend();
    EXPECT_EQ(retry().rc, 0);
    EXPECT_TRUE(becomes("applied", 2));
    EXPECT_EQ(loans("closed_at is null"), 1);
    EXPECT_EQ(facts("outcome = 'applied'"), 1);
    EXPECT_EQ(events("type = 'key_taken'"), 1);
    EXPECT_EQ(events("type = 'letter_applied' and actor = '" + world.account() + "'"), 1);
    EXPECT_EQ(retry().code.value_or(""), "not_open");
    // The device's journal went on meanwhile.
    device.facts(kConnection, 1, 2, 2, {returned(kTag, kAnnasCard)});
    EXPECT_TRUE(world.becomes("select count(*) from keys.loans where closed_at is null", 0));
}

TEST_F(LettersSystem, IsDoneOnceByTwoProcesses) {
    set_aside_a_fact();
    mend();
    world.start_handlers();
    EXPECT_EQ(retry().rc, 0);
    EXPECT_TRUE(becomes("applied", 1));
    EXPECT_EQ(loans(), 1);
    EXPECT_EQ(events("type = 'letter_applied'"), 1);
}

TEST_F(LettersSystem, IsDoneByTheDomainThatSetItAsideWhereverThatRuns) {
    set_aside_a_fact();
    mend();
    world.kill9_all_handlers();
    world.start_handlers({"KLYUCHNIK_DOMAINS=accounts,devices"});
    EXPECT_EQ(retry().rc, 0);
    EXPECT_EQ(world.count("select count(*) from runtime.dead_letters where state = 'retrying'"), 1);
    world.start_handlers({"KLYUCHNIK_DOMAINS=keys"});
    EXPECT_TRUE(becomes("applied", 1));
}

TEST_F(LettersSystem, GivenUpWithAReasonStaysAndIsNotTriedAgain) {
    set_aside_a_fact();
    const std::string id = R"({"letter":)" + letter();
    EXPECT_EQ(ask("devices", "discard_letter", id + R"(,"reason":"a test cabinet"})").rc, 0);
    EXPECT_TRUE(becomes("discarded", 0));
    EXPECT_EQ(world.db().text("select reason from runtime.dead_letters"), "a test cabinet");
    EXPECT_EQ(retry().code.value_or(""), "not_open");
    EXPECT_EQ(ask("devices", "retry_letter", R"({"letter":999})").code.value_or(""),
              "unknown_letter");
}

TEST_F(LettersSystem, AnAskThatWasSetAsideIsDoneUnderItsOwnId) {
    world.db().rows("alter table keys.loans add constraint other_trap check (not issued)");
    const std::string body = R"({"card":"12345ABC","key":"101"})";
    EXPECT_EQ(ask("keys", "issue_key", body).code.value_or(""), "set_aside");
    mend();
    world.db().rows("alter table keys.loans drop constraint other_trap");
    EXPECT_EQ(retry().rc, 0);
    EXPECT_TRUE(becomes("applied", 1));
    EXPECT_EQ(loans("issued"), 1);
    // Whoever asks again under the id learns what became of it.
    number = 0;
    const auto again = ask("keys", "issue_key", body);
    EXPECT_EQ(again.rc, 0);
    EXPECT_EQ(loans(), 1);
}

}  // namespace
}  // namespace klyuchnik::test
