// The MQTT session against a real Mosquitto that is killed, stopped and refuses.
#include "process/mqtt_session.hpp"

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>
#include <mosquitto.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "process/metrics.hpp"
#include "tests/support/bare_broker.hpp"
#include "tests/support/certificates.hpp"

namespace klyuchnik::process {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr auto kDeadline = 20s;

// Sanitizers keep memory of their own, so that memory says nothing about the session.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

using Broker = test::BareBroker;

/// Collects what a session receives; waits for conditions, never for time.
class Inbox {
 public:
    void add(MqttMessage&& message) {
        const std::lock_guard lock{mutex_};
        messages_.push_back(std::move(message));
        changed_.notify_all();
    }
    bool wait_for_count(std::size_t count, milliseconds timeout = kDeadline) {
        std::unique_lock lock{mutex_};
        return changed_.wait_for(lock, timeout, [&] { return messages_.size() >= count; });
    }
    std::vector<MqttMessage> all() const {
        const std::lock_guard lock{mutex_};
        return messages_;
    }

 private:
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<MqttMessage> messages_;
};

bool eventually(const std::function<bool()>& condition, milliseconds timeout = kDeadline) {
    std::mutex mutex;
    std::condition_variable never;
    std::unique_lock lock{mutex};
    const auto deadline = steady_clock::now() + timeout;
    while (!condition()) {
        if (steady_clock::now() > deadline) return false;
        never.wait_for(lock, 5ms);
    }
    return true;
}

struct Client {
    Client(const Broker& broker, const std::string& id,
           std::function<void(MqttMessage&&)> on_message = {})
        : Client{{"127.0.0.1", broker.port(), "", "", id, ""}, std::move(on_message)} {}
    explicit Client(const MqttSettings& settings,
                    std::function<void(MqttMessage&&)> on_message = {})
        : session{settings,
                  on_message ? std::move(on_message)
                             : [this](MqttMessage&& m) { inbox.add(std::move(m)); },
                  [this](bool up) {
                      const std::lock_guard lock{mutex};
                      states.push_back(up);
                  },
                  metrics} {}

    double metric(const std::string& name) {
        return metrics.counter(name, "", {{"client", "one"}}).value();
    }
    std::vector<bool> told() {
        const std::lock_guard lock{mutex};
        return states;
    }

    Metrics metrics;
    Inbox inbox;
    std::mutex mutex;
    std::vector<bool> states;
    MqttSession session;
};

/// The connections of this process to `port`: how many, and how many of them have TCP_NODELAY.
std::pair<int, int> connections_to(int port) {
    int all = 0;
    int without_delay = 0;
    for (int fd = 0; fd < 1024; ++fd) {
        sockaddr_in peer{};
        socklen_t size = sizeof peer;
        if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0 ||
            peer.sin_family != AF_INET || ntohs(peer.sin_port) != port)
            continue;
        ++all;
        int value = 0;
        size = sizeof value;
        ::getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &size);
        if (value != 0) ++without_delay;
    }
    return {all, without_delay};
}

std::size_t resident_bytes() {
    std::ifstream statm{"/proc/self/statm"};
    std::size_t total = 0;
    std::size_t resident = 0;
    statm >> total >> resident;
    return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

TEST(MqttSession, CarriesAnyBytesBothWays) {
    const Broker broker;
    Client one{broker, "one"};
    one.session.connect();
    ASSERT_TRUE(one.session.set_subscriptions({{"t/#", 1}}, kDeadline));
    const std::string binary{"a\0b\xff\r\n\0", 7};
    ASSERT_TRUE(one.session.publish("t/0", binary, 0));
    ASSERT_TRUE(one.session.publish("t/1", binary, 1));
    ASSERT_TRUE(one.session.publish("t/empty", "", 1));
    ASSERT_TRUE(one.session.publish("t/big", std::string(kMqttMessageMax - 5, 'x'), 1));
    ASSERT_TRUE(one.inbox.wait_for_count(4));
    const auto messages = one.inbox.all();
    EXPECT_EQ(messages[0].topic, "t/0");
    EXPECT_EQ(messages[0].payload, binary);
    EXPECT_EQ(messages[1].payload, binary);
    EXPECT_EQ(messages[2].payload, "");
    EXPECT_EQ(messages[3].payload.size(), kMqttMessageMax - 5);
    EXPECT_TRUE(eventually([&] { return one.session.unsent() == 0; }));
    EXPECT_EQ(one.metric("klyuchnik_mqtt_messages_published_total"), 4);
}

TEST(MqttSession, FaultsOfTheCallerAreThrown) {
    const Broker broker;
    Client one{broker, "one"};
    EXPECT_THROW(one.session.publish("", "x", 0), std::invalid_argument);
    EXPECT_THROW(one.session.publish("a/+", "x", 0), std::invalid_argument);
    EXPECT_THROW(one.session.publish(std::string("a\0b", 3), "x", 0), std::invalid_argument);
    EXPECT_THROW(one.session.publish("a", "x", 2), std::invalid_argument);
    EXPECT_THROW(one.session.publish("a", std::string(kMqttMessageMax, 'x'), 0), std::length_error);
    EXPECT_THROW(static_cast<void>(one.session.set_subscriptions({{"", 0}}, 0ms)),
                 std::invalid_argument);
    EXPECT_FALSE(one.session.publish("a", "x", 0)) << "not connected is an answer, not a fault";
    one.session.connect();
    EXPECT_THROW(one.session.connect(), std::logic_error);
    EXPECT_THROW(one.session.set_presence("p", "1", "0"), std::logic_error);
}

TEST(MqttSession, WaitsForABrokerThatStartsLater) {
    Broker broker;
    broker.kill9();
    Client one{broker, "one"};
    one.session.connect();
    EXPECT_FALSE(one.session.set_subscriptions({{"t", 0}}, 300ms)) << "no broker";
    EXPECT_FALSE(one.session.connected());
    broker.start();
    ASSERT_TRUE(one.session.wait_connected(kDeadline));
    ASSERT_TRUE(one.session.publish("t", "x", 0));
    EXPECT_TRUE(one.inbox.wait_for_count(1)) << "the set that was wanted before is subscribed";
}

TEST(MqttSession, ComesBackAndSubscribesAgainAfterTheBrokerWasKilled) {
    Broker broker;
    Client one{broker, "one"};
    ASSERT_FALSE(one.session.set_subscriptions({{"t/#", 0}}, 0ms));
    one.session.connect();
    ASSERT_TRUE(one.session.wait_connected(kDeadline));
    constexpr int kKills = 5;
    for (int i = 0; i < kKills; ++i) {
        broker.kill9();
        ASSERT_TRUE(eventually([&] { return !one.session.connected(); }));
        EXPECT_FALSE(one.session.publish("t/while-down", "x", 0));
        broker.start();
        ASSERT_TRUE(one.session.wait_connected(kDeadline));
        ASSERT_TRUE(one.session.publish("t/after", std::to_string(i), 1));
        ASSERT_TRUE(one.inbox.wait_for_count(static_cast<std::size_t>(i) + 1));
        EXPECT_EQ(one.inbox.all().back().payload, std::to_string(i));
        EXPECT_EQ(connections_to(broker.port()), std::pair(1, 1))
            << "one connection, without delay";
    }
    EXPECT_EQ(one.metric("klyuchnik_mqtt_connection_losses_total"), kKills)
        << "the fault happened each time";
    one.session.disconnect(5s);
    std::vector<bool> expected;
    for (int i = 0; i <= kKills; ++i) expected.insert(expected.end(), {true, false});
    EXPECT_EQ(one.told(), expected) << "states alternate, true only after subscribing";
}

/// Sends one message, waits for it, sends the next: the mean round trip of `count` of them.
template <class Send>
std::chrono::duration<double> mean_round_trip(int count, Inbox& inbox, const Send& send) {
    const std::size_t before = inbox.all().size();
    const auto start = steady_clock::now();
    for (int i = 0; i < count; ++i) {
        send();
        if (!inbox.wait_for_count(before + static_cast<std::size_t>(i) + 1))
            throw std::runtime_error{"a message did not come back"};
    }
    return (steady_clock::now() - start) / count;
}

TEST(MqttSession, ALoneMessageDoesNotWaitForADelayedAcknowledgement) {
    const Broker broker;
    Client one{broker, "one"};
    one.session.connect();
    ASSERT_TRUE(one.session.set_subscriptions({{"t", 1}}, kDeadline));
    EXPECT_EQ(connections_to(broker.port()), std::pair(1, 1));
    const auto with_session =
        mean_round_trip(100, one.inbox, [&] { ASSERT_TRUE(one.session.publish("t", "x", 1)); });

    Inbox witness_inbox;
    mosquitto_lib_init();
    mosquitto* witness = mosquitto_new("witness", true, &witness_inbox);
    mosquitto_int_option(witness, MOSQ_OPT_TCP_NODELAY, 1);
    mosquitto_message_callback_set(witness,
                                   [](mosquitto*, void* inbox, const mosquitto_message* message) {
                                       static_cast<Inbox*>(inbox)->add({message->topic, "", false});
                                   });
    ASSERT_EQ(mosquitto_connect(witness, "127.0.0.1", broker.port(), 30), MOSQ_ERR_SUCCESS);
    ASSERT_EQ(mosquitto_subscribe(witness, nullptr, "w", 1), MOSQ_ERR_SUCCESS);
    ASSERT_EQ(mosquitto_loop_start(witness), MOSQ_ERR_SUCCESS);
    const auto with_witness = mean_round_trip(
        100, witness_inbox, [&] { mosquitto_publish(witness, nullptr, "w", 1, "x", 1, false); });
    mosquitto_disconnect(witness);
    mosquitto_loop_stop(witness, false);
    mosquitto_destroy(witness);
    mosquitto_lib_cleanup();

    // Delayed acknowledgements make a factor of several hundred; threads and scheduling make two or
    // three.
    EXPECT_LT(with_session.count(), 20 * with_witness.count() + 0.005);
    RecordProperty("session_us", static_cast<int>(with_session.count() * 1e6));
    RecordProperty("witness_us", static_cast<int>(with_witness.count() * 1e6));
}

TEST(MqttSession, ABurstBeyondTheWindowGetsThroughWithoutAStall) {
    // The smallest windows are the ones in which the client library stops for seconds.
    for (const char* configuration :
         {"max_inflight_messages 20\n", "max_inflight_messages 1000\n", ""}) {
        const Broker broker{configuration};
        Client one{broker, "one"};
        one.session.connect();
        ASSERT_TRUE(one.session.set_subscriptions({{"t", 1}}, kDeadline));
        constexpr std::size_t kMessages = 5000;
        const auto start = steady_clock::now();
        for (std::size_t sent = 0; sent < kMessages;) {
            ASSERT_LT(steady_clock::now() - start, kDeadline) << "stalled at " << sent;
            if (one.session.publish("t", "x", 1))
                ++sent;
            else
                std::this_thread::yield();
        }
        EXPECT_TRUE(one.inbox.wait_for_count(kMessages)) << configuration;
        EXPECT_EQ(one.metric("klyuchnik_mqtt_stalls_total"), 0);
    }
}

TEST(MqttSession, PublishIsRefusedInBoundedTimeAndMemoryWhenTheBrokerStandsStill) {
    const Broker broker;
    Client one{broker, "one"};
    one.session.connect();
    ASSERT_TRUE(one.session.wait_connected(kDeadline));
    broker.freeze();
    const std::size_t memory = resident_bytes();
    const std::string payload(64 * 1024, 'x');
    std::size_t taken = 0;
    std::size_t refused = 0;
    auto longest = steady_clock::duration::zero();
    for (int i = 0; i < 20'000; ++i) {
        const auto start = steady_clock::now();
        (one.session.publish("t", payload, i % 2) ? taken : refused) += 1;
        longest = std::max(longest, steady_clock::now() - start);
    }
    EXPECT_GT(refused, 0U);
    EXPECT_LE(one.session.unsent(), kUnsentMax);
    EXPECT_LE(one.session.unsent() * payload.size(), kUnsentBytesMax);
    EXPECT_LT(longest, 1s) << "never blocks";
    if (!kSanitized) {
        EXPECT_LT(resident_bytes(), memory + 4 * kUnsentBytesMax);
    }

    broker.thaw();
    EXPECT_TRUE(eventually([&] { return one.session.unsent() == 0; }))
        << "all that was taken is written";
    EXPECT_TRUE(one.session.publish("t", "x", 1));
}

TEST(MqttSession, SmallMessagesAreLimitedByNumber) {
    const Broker broker;
    Client one{broker, "one"};
    one.session.connect();
    ASSERT_TRUE(one.session.wait_connected(kDeadline));
    broker.freeze();
    std::size_t acknowledged = 0;
    while (one.session.publish("t", "x", 1)) ++acknowledged;
    EXPECT_EQ(acknowledged, kUnackedMax);
    EXPECT_EQ(one.session.unsent(), kUnackedMax);
    // QoS 0 counts until it is written, and the socket takes some before it is full.
    const std::string payload(4096, 'x');
    std::size_t written_or_waiting = 0;
    while (one.session.publish("t", payload, 0) && written_or_waiting < 100'000)
        ++written_or_waiting;
    EXPECT_LT(written_or_waiting, 100'000U);
    EXPECT_LE(one.session.unsent(), kUnsentMax);
}

TEST(MqttSession, AFrozenBrokerIsLeftAndTheAccountsStartAnew) {
    const Broker broker;
    Client one{broker, "one"};
    one.session.connect();
    ASSERT_TRUE(one.session.set_subscriptions({{"t", 0}}, kDeadline));
    broker.freeze();
    const std::string payload(64 * 1024, 'x');
    while (one.session.publish("t", payload, 0)) {
    }
    ASSERT_TRUE(eventually([&] { return !one.session.connected(); }, 40s))
        << "cut, or found by keep-alive";
    EXPECT_TRUE(eventually([&] { return one.session.unsent() == 0; }));
    broker.thaw();
    ASSERT_TRUE(one.session.wait_connected(kDeadline));
    const std::size_t before = one.inbox.all().size();
    ASSERT_TRUE(one.session.publish("t", "again", 1));
    EXPECT_TRUE(one.inbox.wait_for_count(before + 1));
    EXPECT_TRUE(eventually([&] { return one.session.unsent() == 0; }));
}

TEST(MqttSession, DisconnectEndsInBoundedTimeWhenTheBrokerStandsStill) {
    const Broker broker;
    Client one{broker, "one"};
    one.session.set_presence("p", "1", "0");
    one.session.connect();
    ASSERT_TRUE(one.session.set_subscriptions({{"t", 0}}, kDeadline));
    broker.freeze();
    ASSERT_TRUE(one.session.publish("t", "x", 1));
    const auto start = steady_clock::now();
    one.session.disconnect(200ms);
    EXPECT_LT(steady_clock::now() - start, 10s);
    EXPECT_FALSE(one.session.connected());
    EXPECT_FALSE(one.session.publish("t", "x", 0));
}

TEST(MqttSession, DisconnectWritesWhatWasTaken) {
    const Broker broker;
    Client witness{broker, "witness"};
    witness.session.connect();
    ASSERT_TRUE(witness.session.set_subscriptions({{"t", 1}}, kDeadline));
    Client one{broker, "one"};
    one.session.connect();
    ASSERT_TRUE(one.session.wait_connected(kDeadline));
    std::size_t taken = 0;
    for (std::size_t i = 0; i < 2000; ++i)
        if (one.session.publish("t", "x", i % 4 == 0 ? 1 : 0)) ++taken;
    one.session.disconnect(10s);
    EXPECT_TRUE(witness.inbox.wait_for_count(taken));
    EXPECT_EQ(witness.inbox.all().size(), taken);
}

TEST(MqttSession, UnsubscribingStopsReadingAndSubscribingAgainBringsRetainedMessages) {
    const Broker broker;
    Client one{broker, "one"};
    one.session.connect();
    ASSERT_TRUE(one.session.wait_connected(kDeadline));
    ASSERT_TRUE(one.session.publish("t/state", "born", 1, true));
    ASSERT_TRUE(eventually([&] { return one.session.unsent() == 0; }));
    ASSERT_TRUE(one.session.set_subscriptions({{"t/#", 1}, {"mark", 1}}, kDeadline));
    ASSERT_TRUE(one.inbox.wait_for_count(1));
    EXPECT_TRUE(one.inbox.all()[0].retained);

    ASSERT_TRUE(one.session.unsubscribe_all(kDeadline));
    ASSERT_TRUE(one.session.publish("t/lost", "x", 1));
    ASSERT_TRUE(one.session.set_subscriptions({{"mark", 1}}, kDeadline));
    ASSERT_TRUE(one.session.publish("mark", "x", 1));
    ASSERT_TRUE(one.inbox.wait_for_count(2));
    EXPECT_EQ(one.inbox.all()[1].topic, "mark") << "nothing was read while unsubscribed";

    ASSERT_TRUE(one.session.set_subscriptions({{"mark", 1}, {"t/#", 1}}, kDeadline));
    ASSERT_TRUE(one.inbox.wait_for_count(3));
    EXPECT_EQ(one.inbox.all()[2].payload, "born");
    EXPECT_TRUE(one.inbox.all()[2].retained);
}

TEST(MqttSession, ARefusedSubscriptionIsSaidAndTheOthersWork) {
    Broker broker;
    broker.refuse_subscriptions_except("good");
    Client one{broker, "one"};
    one.session.connect();
    EXPECT_FALSE(one.session.set_subscriptions({{"bad", 0}, {"good", 0}}, kDeadline));
    EXPECT_TRUE(one.session.connected()) << "a refusal is no reason to be offline";
    ASSERT_TRUE(one.session.publish("good", "x", 0));
    EXPECT_TRUE(one.inbox.wait_for_count(1));
    EXPECT_TRUE(one.session.set_subscriptions({{"good", 0}}, kDeadline));
    EXPECT_FALSE(one.session.set_subscriptions({{"bad", 1}}, kDeadline));
}

TEST(MqttSession, ExpiredMessagesAreNotDelivered) {
    const Broker broker;
    Client one{broker, "one"};
    one.session.connect();
    ASSERT_TRUE(one.session.wait_connected(kDeadline));
    // Retained, so that the broker holds them until somebody asks.
    ASSERT_TRUE(one.session.publish("e/short", "x", 1, true, 1s));
    ASSERT_TRUE(one.session.publish("e/long", "x", 1, true, 600s));
    ASSERT_TRUE(eventually([&] { return one.session.unsent() == 0; }));
    int tries = 0;
    EXPECT_TRUE(eventually([&] {
        // A fresh reader each time: what it gets up to its own mark is what the broker still holds.
        Client reader{broker, "reader" + std::to_string(tries++)};
        reader.session.connect();
        if (!reader.session.set_subscriptions({{"e/#", 1}}, kDeadline)) return false;
        reader.session.publish("e/mark", "x", 1);
        reader.inbox.wait_for_count(1);
        eventually([&] {
            const auto all = reader.inbox.all();
            return std::any_of(all.begin(), all.end(),
                               [](const auto& m) { return m.topic == "e/mark"; });
        });
        const auto all = reader.inbox.all();
        const auto has = [&](const char* topic) {
            return std::any_of(all.begin(), all.end(),
                               [&](const auto& m) { return m.topic == topic; });
        };
        return has("e/long") && !has("e/short");
    }));
}

TEST(MqttSession, AnExceptionInACallbackIsSwallowedAndTheNextMessageFlows) {
    const Broker broker;
    Inbox inbox;
    Client one{broker, "one", [&inbox](MqttMessage&& message) {
                   if (message.payload == "poison") throw std::runtime_error{"poison"};
                   inbox.add(std::move(message));
               }};
    one.session.connect();
    ASSERT_TRUE(one.session.set_subscriptions({{"t", 1}}, kDeadline));
    ASSERT_TRUE(one.session.publish("t", "poison", 1));
    ASSERT_TRUE(one.session.publish("t", "good", 1));
    ASSERT_TRUE(inbox.wait_for_count(1));
    EXPECT_EQ(inbox.all()[0].payload, "good");
    EXPECT_EQ(one.metric("klyuchnik_mqtt_handler_errors_total"), 1);
}

TEST(MqttSession, MayPublishInsideTheCallback) {
    const Broker broker;
    Inbox inbox;
    MqttSession* session = nullptr;
    Client one{broker, "one", [&](MqttMessage&& message) {
                   if (message.topic == "ask") session->publish("answer", message.payload, 1);
                   inbox.add(std::move(message));
               }};
    session = &one.session;
    one.session.connect();
    ASSERT_TRUE(one.session.set_subscriptions({{"ask", 1}, {"answer", 1}}, kDeadline));
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(one.session.publish("ask", "x", 1));
    EXPECT_TRUE(inbox.wait_for_count(200));
}

TEST(MqttSession, PresenceIsRetainedAndChangesWhenWeLeave) {
    Broker broker;
    Client witness{broker, "witness"};
    witness.session.connect();
    ASSERT_TRUE(witness.session.set_subscriptions({{"presence", 1}}, kDeadline));
    Client one{broker, "one"};
    one.session.set_presence("presence", "online", "gone");
    one.session.connect();
    ASSERT_TRUE(witness.inbox.wait_for_count(1));
    one.session.disconnect(5s);
    ASSERT_TRUE(witness.inbox.wait_for_count(2));
    Client late{broker, "late"};
    late.session.connect();
    ASSERT_TRUE(late.session.set_subscriptions({{"presence", 1}}, kDeadline));
    ASSERT_TRUE(late.inbox.wait_for_count(1));
    EXPECT_EQ(witness.inbox.all()[0].payload, "online");
    EXPECT_EQ(witness.inbox.all()[1].payload, "gone");
    EXPECT_EQ(late.inbox.all()[0].payload, "gone");
    EXPECT_TRUE(late.inbox.all()[0].retained);
}

TEST(MqttSession, TheWillSpeaksWhenTheConnectionDies) {
    Broker broker;
    Client witness{broker, "witness"};
    witness.session.connect();
    ASSERT_TRUE(witness.session.set_subscriptions({{"presence", 1}}, kDeadline));
    Client one{broker, "one"};
    one.session.set_presence("presence", "online", "gone");
    one.session.connect();
    ASSERT_TRUE(witness.inbox.wait_for_count(1));
    // Another client with the same id: the broker throws the first one out, as it would a dead one.
    Client thief{broker, "one"};
    thief.session.connect();
    EXPECT_TRUE(eventually([&] {
        const auto all = witness.inbox.all();
        return std::any_of(all.begin(), all.end(),
                           [](const auto& m) { return m.payload == "gone"; });
    }));
}

TEST(MqttSession, ManySessionsOfOneProcessKnowTheirOwnSockets) {
    Broker broker;
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 8; ++i) {
        clients.push_back(std::make_unique<Client>(broker, "many-" + std::to_string(i)));
        clients.back()->session.connect();
    }
    for (auto& client : clients) ASSERT_TRUE(client->session.wait_connected(kDeadline));
    EXPECT_EQ(connections_to(broker.port()), std::pair(8, 8));
    broker.kill9();
    for (auto& client : clients)
        ASSERT_TRUE(eventually([&] { return !client->session.connected(); }));
    broker.start();
    for (auto& client : clients) ASSERT_TRUE(client->session.wait_connected(kDeadline));
    EXPECT_EQ(connections_to(broker.port()), std::pair(8, 8));
}

TEST(MqttSession, MayBeMadeAndEndedManyTimes) {
    const Broker broker;
    for (int i = 0; i < 30; ++i) {
        Client one{broker, "one"};
        one.session.connect();
        if (i % 3 == 0) continue;  // ended while it connects
        ASSERT_TRUE(one.session.set_subscriptions({{"t", 1}}, kDeadline)) << i;
        ASSERT_TRUE(one.session.publish("t", "x", 1));
        if (i % 3 == 1) {
            ASSERT_TRUE(one.inbox.wait_for_count(1));
        }
    }
    EXPECT_EQ(connections_to(broker.port()).first, 0);
}

// --- TLS

MqttSettings trusting(const std::string& ca_file, const Broker& broker) {
    return {"127.0.0.1", broker.port(), "", "", "one", ca_file};
}

/// It tries, is refused or refuses, and tries again: the second try says that the first has failed.
void expect_no_connection(Client& client, const Broker& broker) {
    // One connection is the test's own look whether the broker accepts.
    const std::size_t before = broker.connections_seen();
    client.session.connect();
    EXPECT_TRUE(eventually([&] { return broker.connections_seen() >= before + 2; }));
    EXPECT_FALSE(client.session.connected());
    EXPECT_EQ(client.metric("klyuchnik_mqtt_connects_total"), 0);
}

TEST(MqttSessionTls, CarriesSmallAndLargeMessagesBothWaysInABurst) {
    const test::Certificates certificates;
    const Broker broker{test::tls_lines(certificates)};
    Client one{trusting(certificates.file("service-ca.crt"), broker)};
    one.session.connect();
    ASSERT_TRUE(one.session.set_subscriptions({{"t/#", 1}}, kDeadline));
    EXPECT_EQ(connections_to(broker.port()), std::pair(1, 1));
    // More than one record of TLS each, and more than the socket takes at once.
    const std::string large(100'000, 'x');
    constexpr std::size_t kMessages = 2000;
    const auto start = steady_clock::now();
    for (std::size_t sent = 0; sent < kMessages;) {
        ASSERT_LT(steady_clock::now() - start, 2 * kDeadline) << "stalled at " << sent;
        if (one.session.publish("t/1", sent % 10 == 0 ? large : "y", 1))
            ++sent;
        else
            std::this_thread::yield();
    }
    ASSERT_TRUE(one.inbox.wait_for_count(kMessages));
    std::size_t whole = 0;
    for (const MqttMessage& message : one.inbox.all())
        if (message.payload == large || message.payload == "y") ++whole;
    EXPECT_EQ(whole, kMessages);
    EXPECT_EQ(one.metric("klyuchnik_mqtt_stalls_total"), 0);
}

TEST(MqttSessionTls, RefusesABrokerThatAnotherAuthoritySigned) {
    const test::Certificates certificates;
    const test::Certificates impostor;
    const Broker broker{test::tls_lines(impostor)};
    Client one{trusting(certificates.file("service-ca.crt"), broker)};
    expect_no_connection(one, broker);
}

TEST(MqttSessionTls, RefusesACertificateForAnotherName) {
    test::Certificates certificates;
    std::ofstream{certificates.file("names")} << "elsewhere.example\n";
    certificates.renew();
    const Broker broker{test::tls_lines(certificates)};
    Client one{trusting(certificates.file("service-ca.crt"), broker)};
    expect_no_connection(one, broker);
}

TEST(MqttSessionTls, NeverFallsBackToPlainTcp) {
    const test::Certificates certificates;
    const Broker plain;
    Client one{trusting(certificates.file("service-ca.crt"), plain)};
    expect_no_connection(one, plain);

    const Broker broker{test::tls_lines(certificates)};
    Client two{trusting("", broker)};
    expect_no_connection(two, broker);
}

TEST(MqttSessionTls, ComesBackAfterTheBrokerAndSubscribesAgain) {
    const test::Certificates certificates;
    Broker broker{test::tls_lines(certificates)};
    Client one{trusting(certificates.file("service-ca.crt"), broker)};
    one.session.connect();
    ASSERT_TRUE(one.session.set_subscriptions({{"t", 1}}, kDeadline));
    for (std::size_t round = 1; round <= 3; ++round) {
        broker.kill9();
        ASSERT_TRUE(eventually([&] { return !one.session.connected(); }));
        broker.start();
        ASSERT_TRUE(one.session.wait_connected(kDeadline));
        ASSERT_TRUE(one.session.publish("t", "x", 1));
        EXPECT_TRUE(one.inbox.wait_for_count(round));
    }
    EXPECT_EQ(connections_to(broker.port()), std::pair(1, 1));
}

TEST(MqttSessionTls, AnAuthorityThatIsReplacedCountsFromTheNextConnect) {
    const test::Certificates old;
    const test::Certificates renewed;
    const Broker broker{test::tls_lines(renewed)};
    const std::string ca_file = old.file("trusted.crt");
    std::filesystem::copy_file(old.file("service-ca.crt"), ca_file);
    Client one{trusting(ca_file, broker)};
    expect_no_connection(one, broker);
    std::filesystem::copy_file(renewed.file("service-ca.crt"), ca_file,
                               std::filesystem::copy_options::overwrite_existing);
    EXPECT_TRUE(one.session.wait_connected(kDeadline));
}

TEST(MqttSessionTls, AFrozenBrokerIsLeft) {
    const test::Certificates certificates;
    const Broker broker{test::tls_lines(certificates)};
    Client one{trusting(certificates.file("service-ca.crt"), broker)};
    one.session.connect();
    ASSERT_TRUE(one.session.set_subscriptions({{"t", 0}}, kDeadline));
    broker.freeze();
    const std::string payload(64 * 1024, 'x');
    while (one.session.publish("t", payload, 0)) {
    }
    ASSERT_TRUE(eventually([&] { return !one.session.connected(); }, 40s));
    broker.thaw();
    ASSERT_TRUE(one.session.wait_connected(kDeadline));
    const std::size_t before = one.inbox.all().size();
    ASSERT_TRUE(one.session.publish("t", "again", 1));
    EXPECT_TRUE(one.inbox.wait_for_count(before + 1));
}

TEST(MqttSessionTls, AnAuthorityFileThatCannotBeReadIsSaidSoAtOnce) {
    Metrics metrics;
    EXPECT_THROW(MqttSession(
                     {"127.0.0.1", 1884, "", "", "one", "/nowhere/ca.crt"}, [](MqttMessage&&) {},
                     {}, metrics),
                 std::invalid_argument);
}

}  // namespace
}  // namespace klyuchnik::process
