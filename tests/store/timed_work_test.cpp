// Regular work on a real database, with a clock that the test sets.
#include "handlers/runtime/timed_work.hpp"

#include "handlers/runtime/alarms.hpp"
#include "tests/store/store.hpp"

namespace klyuchnik::test {
namespace {

using namespace std::chrono_literals;
using handlers::Outgoing;
using handlers::TimedTask;
using handlers::Work;
using topics::Instant;

constexpr Instant kStart = topics::from_unix_seconds(1'800'000'000);
constexpr const char* kTask = "devices.test_task";

/// A domain that only has regular work.
class Regular final : public handlers::Domain {
 public:
    explicit Regular(TimedTask task) : task_{std::move(task)} {}
    std::string_view name() const override { return "devices"; }
    handlers::Filters filters(const std::string&) const override { return {}; }
    bool owns(const topics::ParsedTopic&) const override { return false; }
    void apply(Work&, db::Tx&) override {}
    std::vector<TimedTask> timed() override { return {task_}; }

 private:
    TimedTask task_;
};

class Timed : public Store {
 protected:
    process::ManualClock clock_{kStart};
    process::Metrics metrics_;
    int done_ = 0;
    bool failing_ = false;
    bool mistaken_ = false;
    bool sends_ = false;

    std::unique_ptr<handlers::TimedWork> worker(std::chrono::seconds every = 10s) {
        auto timed = std::make_unique<handlers::TimedWork>(as("kl_devices"), clock_, metrics_);
        timed->add(std::make_unique<Regular>(
                       TimedTask{kTask, every,
                                 [this](Work& work, db::Tx&) {
                                     ++done_;
                                     work.log("devices", "test_done", "test:1", "timed:test");
                                     work.alarm("test_alarm", "test:1", 1);
                                     work.out.push_back({"a/topic", "x"});
                                     if (mistaken_) throw std::runtime_error{"a mistake"};
                                     if (failing_)
                                         throw db::Fault{"no", db::Fault::Retry::one_by_one};
                                 },
                                 sends_}),
                   as("kl_devices"));
        return timed;
    }
    std::int64_t events() {
        return owner_.number("select count(*) from log.events where type = 'test_done'");
    }
};

TEST_F(Timed, IsDoneWhenItIsDueInOneTransactionWithWhatItLogsAndRaises) {
    const auto timed = worker();
    std::vector<Outgoing> out;
    EXPECT_EQ(timed->work(out), kStart + 10s);
    EXPECT_EQ(done_, 1);
    EXPECT_EQ(events(), 1);
    EXPECT_EQ(out.size(), 1U);
    EXPECT_EQ(owner_.number("select count(*) from runtime.alarms where kind = 'test_alarm'"), 1);
    clock_.advance(9s);
    EXPECT_EQ(timed->work(out), kStart + 10s);
    EXPECT_EQ(done_, 1);
    clock_.advance(1s);
    timed->work(out);
    EXPECT_EQ(done_, 2);
}

TEST_F(Timed, IsDoneByOneOfTwoProcesses) {
    const auto one = worker();
    const auto two = worker();
    std::vector<Outgoing> out;
    for (int round = 1; round <= 3; ++round) {
        one->work(out);
        two->work(out);
        EXPECT_EQ(done_, round);
        clock_.advance(10s);
    }
    EXPECT_EQ(events(), 3);
}

TEST_F(Timed, ThatSomebodyElseIsAtIsLeftToHim) {
    const auto timed = worker();
    std::vector<Outgoing> out;
    timed->work(out);
    clock_.advance(10s);
    OwnerConnection other{cluster_, database_.name()};
    other.rows("begin");
    other.rows("select * from runtime.chores where name = $1 for update", {kTask});
    timed->work(out);
    EXPECT_EQ(done_, 1);
    other.rows("rollback");
    timed->work(out);
    EXPECT_EQ(done_, 2);
}

TEST_F(Timed, ThatFailsLeavesNothingAndIsTriedAgainNotAtOnce) {
    const auto timed = worker(1s);
    std::vector<Outgoing> out;
    failing_ = true;
    EXPECT_EQ(timed->work(out), kStart + handlers::TimedWork::kTryAgain);
    EXPECT_EQ(events(), 0);
    EXPECT_TRUE(out.empty());
    clock_.advance(handlers::TimedWork::kTryAgain - 1s);
    timed->work(out);
    EXPECT_EQ(done_, 1);
    failing_ = false;
    clock_.advance(1s);
    timed->work(out);
    EXPECT_EQ(done_, 2);
    EXPECT_EQ(events(), 1);
}

TEST_F(Timed, AMistakeOfOursEndsNothingButThatRound) {
    const auto timed = worker();
    std::vector<Outgoing> out;
    mistaken_ = true;
    EXPECT_NO_THROW(timed->work(out));
    EXPECT_EQ(events(), 0);
    mistaken_ = false;
    clock_.advance(10s);
    timed->work(out);
    EXPECT_EQ(events(), 1);
}

TEST_F(Timed, WhatSendsWaitsForTheBroker) {
    sends_ = true;
    const auto timed = worker();
    std::vector<Outgoing> out;
    EXPECT_EQ(timed->work(out, false), kStart + handlers::TimedWork::kBrokerAway);
    EXPECT_EQ(done_, 0);
    timed->work(out, true);
    EXPECT_EQ(done_, 1);
}

TEST_F(Timed, OneThatLostItsConnectionGoesOnWithAnother) {
    const auto timed = worker();
    std::vector<Outgoing> out;
    timed->work(out);
    owner_.rows(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = "
        "current_database() and application_name = 'store-test'");
    clock_.advance(10s);
    timed->work(out);
    clock_.advance(handlers::TimedWork::kTryAgain);
    timed->work(out);
    EXPECT_EQ(done_, 2);
}

TEST_F(Timed, ThePeriodInTheProgramCounts) {
    std::vector<Outgoing> out;
    worker(10s)->work(out);
    clock_.advance(10s);
    EXPECT_EQ(worker(2s)->work(out), kStart + 12s);
    EXPECT_EQ(owner_.text("select every::text from runtime.chores where name = $1", {kTask}),
              "00:00:02");
}

TEST_F(Timed, MoreOftenThanOnceASecondIsAMistake) {
    handlers::TimedWork timed{as("kl_devices"), clock_, metrics_};
    EXPECT_THROW(timed.add(std::make_unique<Regular>(TimedTask{kTask, 0s, {}}), as("kl_devices")),
                 std::logic_error);
}

}  // namespace
}  // namespace klyuchnik::test
