#include "bridge/rest/ask_client.hpp"

#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "bridge/rest/secrets.hpp"
#include "topics/codec.hpp"

namespace klyuchnik::bridge {
namespace {

constexpr AskTimes kQuick{std::chrono::seconds{2},
                          {std::chrono::milliseconds{50}, std::chrono::milliseconds{100},
                           std::chrono::milliseconds{200}}};

/// Stands for broker and handler: `answer` decides what comes back, and when.
struct Wire {
    std::mutex mutex;
    std::vector<std::string> sent;
    std::function<void(AskClient&, const topics::Ask&, std::size_t nth)> answer;
    std::atomic<bool> up{true};
    process::SystemClock clock;
    process::Metrics metrics;
    AskClient client{"bridge-1",
                     [this](const std::string& topic, std::string_view bytes,
                            std::chrono::seconds) { return publish(topic, bytes); },
                     clock, metrics, kQuick};

    bool publish(const std::string& topic, std::string_view bytes) {
        if (!up) return false;
        EXPECT_EQ(topic, "kl/v1/ask/keys/issue_key/bridge-1");
        std::size_t nth = 0;
        {
            const std::lock_guard lock{mutex};
            sent.emplace_back(bytes);
            nth = sent.size();
        }
        const auto ask = topics::decode_ask("keys", "issue_key", bytes);
        EXPECT_TRUE(ask);
        if (answer) answer(client, *ask, nth);
        return true;
    }
};

const topics::Caller kCabinet{"kc-hall1", topics::Via::legacy};

topics::AskBody body(std::string key = "101") {
    return topics::IssueKey{{"CARD"}, {std::move(key)}};
}

void reply(AskClient& client, const std::string& id, std::int64_t rc) {
    topics::AskAnswer answer;
    answer.id = id;
    answer.rc = rc;
    client.on_answer(topics::encode(answer));
}

TEST(AskClient, ReturnsTheAnswerOfItsAsk) {
    start_secrets();
    Wire wire;
    wire.answer = [](AskClient& client, const topics::Ask& ask, std::size_t) {
        EXPECT_EQ(ask.by.account, "kc-hall1");
        reply(client, ask.id, 0);
    };
    EXPECT_EQ(wire.client.ask(kCabinet, "k", body()).kind, AskOutcome::Kind::answered);
    EXPECT_EQ(wire.sent.size(), 1U);
}

TEST(AskClient, RepeatsTheSameBytesUntilTheAnswerComes) {
    Wire wire;
    wire.answer = [](AskClient& client, const topics::Ask& ask, std::size_t nth) {
        if (nth == 2) reply(client, ask.id, 0);
    };
    EXPECT_EQ(wire.client.ask(kCabinet, "k", body()).kind, AskOutcome::Kind::answered);
    ASSERT_EQ(wire.sent.size(), 2U);
    EXPECT_EQ(wire.sent[0], wire.sent[1]);
}

TEST(AskClient, IgnoresUnreadableAnswersAndThoseOfOthers) {
    Wire wire;
    wire.answer = [](AskClient& client, const topics::Ask& ask, std::size_t) {
        client.on_answer("{");
        client.on_answer("");
        reply(client, ask.id + "x", 409);
        reply(client, ask.id, 7);
    };
    EXPECT_EQ(wire.client.ask(kCabinet, "k", body()).answer.rc, 7);
}

TEST(AskClient, SaysBusyAtOnceWhenTooManyWaitAndUnknownToThoseNeverAnswered) {
    Wire wire;
    std::vector<std::thread> waiting;
    std::atomic<std::size_t> unknown{0};
    for (std::size_t i = 0; i < kWaitingWritesMax; ++i) {
        waiting.emplace_back([&, i] {
            const auto outcome = wire.client.ask(kCabinet, "key" + std::to_string(i), body());
            if (outcome.kind == AskOutcome::Kind::unknown) ++unknown;
        });
    }
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};
    const auto sent = [&] {
        const std::lock_guard lock{wire.mutex};
        return wire.sent.size();
    };
    while (sent() < kWaitingWritesMax && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::yield();
    }
    EXPECT_EQ(wire.client.ask(kCabinet, "one more", body()).kind, AskOutcome::Kind::busy);
    for (std::thread& thread : waiting) thread.join();
    EXPECT_EQ(unknown, kWaitingWritesMax);
    EXPECT_EQ(wire.sent.size(), kWaitingWritesMax * 4) << "once, and again after each pause";
}

TEST(AskClient, SaysUnavailableWhenNothingCouldBeSent) {
    Wire wire;
    wire.up = false;
    EXPECT_EQ(wire.client.ask(kCabinet, "k", body()).kind, AskOutcome::Kind::unavailable);
}

TEST(AskClient, TheSameKeyWithAnotherBodyIsTurnedAwayWhileTheFirstIsOnItsWay) {
    Wire wire;
    wire.answer = [&](AskClient& client, const topics::Ask& ask, std::size_t) {
        EXPECT_EQ(client.ask(kCabinet, "k", body("102")).kind, AskOutcome::Kind::reused_id);
        reply(client, ask.id, 0);
    };
    EXPECT_EQ(wire.client.ask(kCabinet, "k", body("101")).kind, AskOutcome::Kind::answered);
}

}  // namespace
}  // namespace klyuchnik::bridge
