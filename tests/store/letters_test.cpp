// What was set aside is tried again, on a real database.
#include "handlers/runtime/letters.hpp"

#include <future>

#include "handlers/runtime/alarms.hpp"
#include "tests/store/store.hpp"
#include "topics/codec.hpp"

namespace klyuchnik::test {
namespace {

using handlers::FactItem;
using handlers::Work;
using topics::Instant;

constexpr Instant kStart = topics::from_unix_seconds(1'800'000'000);
constexpr const char* kSource = "kc-hall1:3:1041";

/// A domain that notes what it gets, and is refused by the database while `poison` is set.
class Noting final : public handlers::Domain {
 public:
    std::string_view name() const override { return "keys"; }
    handlers::Filters filters(const std::string&) const override { return {}; }
    bool owns(const topics::ParsedTopic&) const override { return false; }
    void apply(Work& work, db::Tx&) override {
        for (handlers::Item& item : work.items) {
            if (auto* fact = std::get_if<FactItem>(&item)) {
                facts.push_back(*fact);
                fact->outcome = db::Outcome::applied;
                work.log(*fact, "keys", "key_taken", "key:1");
            }
            if (auto* ask = std::get_if<handlers::AskItem>(&item)) {
                ++asks;
                topics::AskResult done;
                done.loan = topics::LoanId{100};
                ask->outcome = done;
            }
        }
        if (fault) std::rethrow_exception(fault);
        if (poison) throw db::Fault{"refused again", db::Fault::Retry::one_by_one, "22003"};
    }
    std::vector<FactItem> facts;
    int asks = 0;
    bool poison = false;
    std::exception_ptr fault;
};

class Letters : public Store {
 protected:
    process::ManualClock clock_{kStart};
    Noting domain_;
    db::Connection connection_{as("kl_keys")};

    void set_aside(const std::string& source, const std::string& kind, const std::string& payload) {
        owner_.rows(
            "insert into runtime.dead_letters (domain, source, kind, payload, why, set_aside_at, "
            "state, changed_by) values ('keys', $1, $2, $3, 'why', now(), 'retrying', 'account:1')",
            {source, kind, payload});
    }
    void set_fact_aside(const std::string& kind = "key.taken",
                        const std::string& content = R"({"sl":12,"tg":"04A2"})") {
        owner_.rows(
            "insert into runtime.facts values ('kc-hall1', 3, 1041, $1, now(), 'boot', now(), 77, "
            "'set_aside', $2::jsonb, 2, 9)",
            {kind, content});
        set_aside(kSource, kind, content);
    }
    std::size_t retry() {
        std::vector<handlers::Outgoing> out;
        return handlers::retry_letters(domain_, connection_, clock_, 10, out, tries_);
    }
    handlers::LetterTries tries_;
    std::string letter(const std::string& column) {
        return owner_.text("select " + column + " from runtime.dead_letters");
    }
    std::string outcome() { return owner_.text("select outcome from runtime.facts"); }
    std::int64_t events(const std::string& type) {
        return owner_.number("select count(*) from log.events where type = $1", {type});
    }
};

TEST_F(Letters, AFactIsAppliedAsItCameAndItsOutcomeSaysSo) {
    set_fact_aside();
    EXPECT_EQ(retry(), 1U);
    ASSERT_EQ(domain_.facts.size(), 1U);
    const FactItem& fact = domain_.facts[0];
    EXPECT_EQ(fact.source, kSource);
    EXPECT_EQ(fact.time_source, db::TimeSource::boot);
    EXPECT_EQ(fact.first.epoch, topics::Epoch{2});
    EXPECT_EQ(std::get<topics::KeyTaken>(fact.fact.body).slot, topics::Slot{12});
    EXPECT_EQ(letter("state"), "applied");
    EXPECT_EQ(letter("tries"), "1");
    EXPECT_EQ(outcome(), "applied");
    EXPECT_EQ(events("letter_applied"), 1);
    EXPECT_EQ(owner_.text("select actor from log.events where type = 'letter_applied'"),
              "account:1");
    EXPECT_EQ(owner_.number("select count(*) from log.events where source = $1", {kSource}), 1);
    EXPECT_EQ(retry(), 0U);
    EXPECT_EQ(domain_.facts.size(), 1U);
}

TEST_F(Letters, RefusedAgainIsOpenAgainWithTheNewReason) {
    set_fact_aside();
    domain_.poison = true;
    EXPECT_EQ(retry(), 1U);
    EXPECT_EQ(letter("state"), "open");
    EXPECT_EQ(letter("why"), "refused again");
    EXPECT_EQ(letter("tries"), "1");
    EXPECT_EQ(outcome(), "set_aside");
    EXPECT_EQ(events("letter_failed"), 1);
    EXPECT_EQ(events("key_taken"), 0);
    EXPECT_EQ(owner_.number("select count(*) from runtime.alarms where kind = 'dead_letter'"), 1);
    EXPECT_EQ(retry(), 0U);
}

TEST_F(Letters, OneThatFailsHoldsUpNoOtherAndIsOpenAgainAfterItsTries) {
    set_fact_aside();
    set_aside("kc-hall1:3:1", "key.taken", "{}");  // Its fact is forgotten: settled at once.
    domain_.fault = std::make_exception_ptr(std::runtime_error{"a mistake of ours"});
    for (int i = 1; i < handlers::kLetterTriesMax; ++i) {
        EXPECT_EQ(retry(), i == 1 ? 2U : 1U);
        EXPECT_FALSE(tries_.empty());
        EXPECT_EQ(owner_.number("select count(*) from runtime.dead_letters where state = 'open'"),
                  1);
    }
    EXPECT_EQ(retry(), 1U);
    EXPECT_TRUE(tries_.empty());
    EXPECT_EQ(owner_.text("select why from runtime.dead_letters where source = $1 and state = "
                          "'open'",
                          {kSource}),
              "a mistake of ours");
    EXPECT_EQ(retry(), 0U);
}

TEST_F(Letters, OneThatBreaksTheConnectionEachTimeIsGivenUp) {
    set_fact_aside();
    domain_.fault = std::make_exception_ptr(db::Fault{"gone", db::Fault::Retry::after_reconnect});
    for (int i = 0; i < handlers::kLetterTriesMax; ++i) {
        EXPECT_THROW(retry(), db::Fault);
        EXPECT_EQ(letter("state"), "retrying");
    }
    EXPECT_EQ(retry(), 1U);
    EXPECT_EQ(letter("state"), "open");
    EXPECT_EQ(letter("why"), "gone");
}

TEST_F(Letters, OneThatIsSettledElsewhereIsNotRemembered) {
    set_fact_aside();
    domain_.fault = std::make_exception_ptr(std::runtime_error{"no"});
    retry();
    owner_.rows("update runtime.dead_letters set state = 'applied'");
    EXPECT_EQ(retry(), 0U);
    EXPECT_TRUE(tries_.empty());
}

TEST_F(Letters, OneThatSomebodyElseTriesIsPassedOver) {
    set_fact_aside();
    OwnerConnection other{cluster_, database_.name()};
    other.rows("begin");
    other.rows("select * from runtime.dead_letters for update");
    EXPECT_EQ(retry(), 0U);
    other.rows("rollback");
    EXPECT_EQ(retry(), 1U);
    EXPECT_EQ(domain_.facts.size(), 1U);
}

TEST_F(Letters, AFactOfTheRuntimesOwnIsAppliedByIt) {
    set_fact_aside("journal.bad", R"({"crc":1,"n":2})");
    EXPECT_EQ(retry(), 1U);
    EXPECT_TRUE(domain_.facts.empty());
    EXPECT_EQ(letter("state"), "applied");
    EXPECT_EQ(outcome(), "logged");
    EXPECT_EQ(owner_.number("select count(*) from runtime.device_gaps"), 1);
}

TEST_F(Letters, AFactThatIsForgottenIsNotMadeUp) {
    set_fact_aside();
    owner_.rows("delete from runtime.facts");
    EXPECT_EQ(retry(), 1U);
    EXPECT_EQ(letter("state"), "open");
    EXPECT_TRUE(domain_.facts.empty());
}

TEST_F(Letters, AnAskIsDoneAndItsKeptAnswerReplaced) {
    owner_.rows(
        "insert into accounts.accounts (login, password_hash, role, created_at) values "
        "('anna', '$argon2id$x', 'admin', now())");
    const std::string account =
        "account:" + owner_.text("select account_id from accounts.accounts");
    topics::Ask ask;
    ask.id = "a-1";
    ask.by = {account, topics::Via::session};
    ask.body = topics::IssueKey{topics::CardSerial{"12345ABC"}, topics::KeyName{"101"}};
    owner_.rows("insert into runtime.inbox values ($1, 'a-1', 1, 'set aside', now(), false)",
                {account});
    set_aside("ask:" + account + ":a-1", "keys.issue_key", topics::encode(ask));
    EXPECT_EQ(retry(), 1U);
    EXPECT_EQ(domain_.asks, 1);
    EXPECT_EQ(letter("state"), "applied");
    const auto answer = topics::decode_ask_answer(owner_.text("select answer from runtime.inbox"));
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->rc, 0);
    EXPECT_EQ(answer->id, "a-1");
}

TEST_F(Letters, AnAskOfSomebodyWhoMayNotAnyMoreIsRefused) {
    topics::Ask ask;
    ask.id = "a-1";
    ask.by = {"account:99", topics::Via::session};
    ask.body = topics::IssueKey{topics::CardSerial{"12345ABC"}, topics::KeyName{"101"}};
    set_aside("ask:account:99:a-1", "keys.issue_key", topics::encode(ask));
    EXPECT_EQ(retry(), 1U);
    EXPECT_EQ(domain_.asks, 0);
    const auto answer = topics::decode_ask_answer(owner_.text("select answer from runtime.inbox"));
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->code.value_or(""), "unknown_account");
    EXPECT_EQ(owner_.text("select ids->>'why' from log.events where type = 'letter_applied'"),
              "refused");
}

}  // namespace
}  // namespace klyuchnik::test
