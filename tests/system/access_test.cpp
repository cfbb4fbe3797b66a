// Who may say and hear what, on the real broker: one claim for each row of the table in
// broker/README.md. A refusal is shown beside the same message from somebody who may send it, so
// that no test passes just because nothing works.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/raw_client.hpp"
#include "tests/support/test_broker.hpp"

namespace klyuchnik::test {
namespace {

using std::string_literals::operator""s;

constexpr const char* kAnna = "kc-anna";  // cabinets
constexpr const char* kBoris = "kc-boris";
constexpr const char* kScales = "sg-scales";
constexpr const char* kControl = "$CONTROL/klyuchnik-guard/v1";
constexpr int kGranted = 1;
constexpr int kNotAuthorized = 0x87;
constexpr int kFailure311 = 0x80;

int refusal(Protocol protocol) {
    return protocol == Protocol::v5 ? kNotAuthorized : kFailure311;
}

/// PUBACK of a refused message: MQTT 3.1.1 has no way to say it.
int refused_puback(Protocol protocol) {
    return protocol == Protocol::v5 ? kNotAuthorized : 0;
}

/// PUBACK of a message that the broker took. 0x10 says in addition that nobody hears the topic just
/// now.
bool accepted(int puback) {
    return puback == 0 || puback == 0x10;
}

std::string facts_of(const std::string& device) {
    return "kl/v1/" + device.substr(0, 2) + "/" + device + "/up/ev";
}
std::string state_of(const std::string& device) {
    return "kl/v1/" + device.substr(0, 2) + "/" + device + "/st";
}
std::string down_of(const std::string& device, const std::string& level = "+") {
    return "kl/v1/" + device.substr(0, 2) + "/" + device + "/dn/" + level;
}

/// One broker for all tests of this file; each test uses connections of its own.
class Access : public testing::Test {
 protected:
    static void SetUpTestSuite() {
        broker_ = new TestBroker;
        broker_->add_devices({kAnna, kBoris, kScales});
        for (const char* name : {"handlers-1", "handlers-2", "bridge-1", "bridge-2", "ops-1"}) {
            broker_->service_password(name);
        }
    }
    static void TearDownTestSuite() {
        delete broker_;
        broker_ = nullptr;
    }
    static TestBroker& broker() { return *broker_; }

    /// An operator hears everything of ours, so that what it did not hear did not go through.
    static std::unique_ptr<RawClient> witness() {
        auto client = std::make_unique<RawClient>(broker().service("ops-1"));
        EXPECT_EQ(client->connect(), 0);
        EXPECT_EQ(client->subscribe("kl/v1/#"), kGranted);
        return client;
    }

    static std::unique_ptr<RawClient> connected(ClientOptions options) {
        auto client = std::make_unique<RawClient>(std::move(options));
        EXPECT_EQ(client->connect(), 0);
        return client;
    }

 private:
    static inline TestBroker* broker_ = nullptr;
};

class AccessOfBothProtocols : public Access, public testing::WithParamInterface<Protocol> {};
INSTANTIATE_TEST_SUITE_P(, AccessOfBothProtocols, testing::Values(Protocol::v311, Protocol::v5),
                         [](const auto& chosen) {
                             return chosen.param == Protocol::v5 ? "Mqtt5" : "Mqtt311";
                         });

// -- what a device may publish

TEST_P(AccessOfBothProtocols, ADevicePublishesItsOwnLevelsAndNothingElse) {
    const auto ear = witness();
    const auto anna = connected(broker().device(kAnna, GetParam()));
    const std::array own{"up/ev", "up/rq", "up/tm", "up/ch", "st"};
    const std::array foreign{
        facts_of(kBoris),           // another device
        state_of(kBoris),           //
        facts_of(kScales),          // another class and device
        "kl/v1/sg/kc-anna/up/ev"s,  // another class
        down_of(kAnna, "ak"),       // its own ear
        down_of(kBoris, "cm"),      // another's ear
        "kl/v1/kc/kc-anna/up/xx"s,  // a level that does not exist
        "kl/v1/ask/keys/issue_key/kc-anna"s,
        "kl/v1/re/bridge-1"s,
        "kl/v1/ev/keys/keys.taken"s,
        "kl/v1/sys/handlers/1"s,
        "$SYS/broker/uptime"s,
        std::string{kControl},
    };
    for (const std::string& topic : foreign) {
        EXPECT_EQ(anna->publish(topic, "refused"), refused_puback(GetParam())) << topic;
        EXPECT_TRUE(accepted(anna->publish(topic, "refused", 0))) << topic;
    }
    for (const char* level : own) {
        EXPECT_TRUE(accepted(anna->publish(std::string{"kl/v1/kc/kc-anna/"} + level, "own")))
            << level;
    }

    // The connection is one queue in the broker: what went before the last one has been decided.
    ASSERT_TRUE(ear->wait_for_count(own.size()));
    const auto heard = ear->take_all();
    ASSERT_EQ(heard.size(), own.size());
    for (const Message& message : heard) EXPECT_EQ(message.payload, "own") << message.topic;
    EXPECT_TRUE(anna->connected()) << "a refusal does not cost the connection";
}

TEST_P(AccessOfBothProtocols, ADeviceRetainsItsStateOnly) {
    const auto ear = witness();
    const auto anna = connected(broker().device(kAnna, GetParam()));
    EXPECT_EQ(anna->publish(facts_of(kAnna), "kept", 1, true), refused_puback(GetParam()));
    EXPECT_TRUE(accepted(anna->publish("kl/v1/kc/kc-anna/up/tm", "kept", 0, true)));
    EXPECT_TRUE(accepted(anna->publish(facts_of(kAnna), "passing")));
    EXPECT_TRUE(accepted(anna->publish(state_of(kAnna), "born", 1, true)));
    ASSERT_TRUE(ear->wait_for_topic(state_of(kAnna)));
    const auto heard = ear->take_all();
    ASSERT_EQ(heard.size(), 1U) << "only the message that was not to be retained goes through";
    EXPECT_EQ(heard[0].payload, "passing");

    ear->disconnect();
    const auto late = witness();
    const auto kept = late->wait_for_topic(state_of(kAnna));
    ASSERT_TRUE(kept);
    EXPECT_TRUE(kept->retain);
    EXPECT_EQ(kept->payload, "born");

    EXPECT_TRUE(
        accepted(anna->publish(state_of(kAnna), "", 1, true)));  // Nothing is left for other tests.
    EXPECT_TRUE(accepted(anna->publish(facts_of(kAnna), "marker")));
    ASSERT_TRUE(late->wait_for_topic(facts_of(kAnna)));
    for (const Message& message : late->take_all()) {
        EXPECT_FALSE(message.retain) << message.topic << " was retained";
    }
}

TEST_P(AccessOfBothProtocols, AWillOnAnothersTopicIsNeverDelivered) {
    const auto ear = witness();
    ClientOptions options = broker().device(kAnna, GetParam());
    for (const bool retain : {false, true}) {
        options.will = Will{state_of(kBoris), "forged", 1, retain};
        connected(options)->vanish();
    }
    options.will = Will{state_of(kAnna), "own will", 1, false};
    connected(options)->vanish();

    ASSERT_TRUE(ear->wait_for([](const Message& m) { return m.payload == "own will"; }));
    EXPECT_TRUE(ear->take_all().empty());

    const auto late = connected(broker().service("handlers-1"));
    ASSERT_EQ(late->subscribe("kl/v1/+/+/st"), kGranted);
    const auto boris = connected(broker().device(kBoris));
    EXPECT_TRUE(accepted(boris->publish(state_of(kBoris), "true birth")));
    const auto state = late->wait_for_topic(state_of(kBoris));
    ASSERT_TRUE(state);
    EXPECT_EQ(state->payload, "true birth") << "the forged will was retained";
}

// -- what a device may hear

TEST_P(AccessOfBothProtocols, ADeviceSubscribesItsOwnDownAndNothingElse) {
    const auto anna = connected(broker().device(kAnna, GetParam()));
    for (const std::string filter : {"#",
                                     "+/#",
                                     "kl/v1/#",
                                     "kl/v1/kc/#",
                                     "kl/v1/kc/kc-anna/#",
                                     "kl/v1/kc/+/dn/+",
                                     "kl/v1/+/kc-anna/dn/+",
                                     "kl/v1/kc/kc-boris/dn/+",
                                     "kl/v1/sg/kc-anna/dn/+",
                                     "+/+/+/+/+/+",
                                     "kl/v1/kc/kc-anna/up/+",
                                     "kl/v1/+/+/st",
                                     "$SYS/#",
                                     "$CONTROL/#",
                                     "$share/keys-secret/kl/v1/kc/+/up/ev",
                                     "$share/g/kl/v1/kc/kc-anna/dn/+",
                                     "$share/g/#",
                                     "kl/v1/re/kc-anna",
                                     "kl/v1/ev/#",
                                     "kl/v1/sys/#",
                                     "kl/v1/ask/+/+/+"}) {
        EXPECT_EQ(anna->subscribe(filter), refusal(GetParam())) << filter;
    }
    EXPECT_EQ(anna->subscribe(down_of(kAnna)), kGranted);

    const auto handlers = connected(broker().service("handlers-1"));
    EXPECT_TRUE(accepted(handlers->publish(down_of(kBoris, "cm"), "not yours")));
    EXPECT_TRUE(accepted(handlers->publish(down_of(kAnna, "cm"), "yours")));
    ASSERT_TRUE(anna->wait_for_topic(down_of(kAnna, "cm")));
    EXPECT_TRUE(anna->take_all().empty());
}

TEST_P(AccessOfBothProtocols, ADeviceCanNotStealFromTheHandlersShareGroup) {
    constexpr int kMessages = 100;
    const std::string filter = "$share/keys-secret/kl/v1/kc/+/up/ev";
    const auto handlers = connected(broker().service("handlers-1"));
    ASSERT_EQ(handlers->subscribe(filter), kGranted);
    const auto thief = connected(broker().device(kBoris, GetParam()));
    EXPECT_EQ(thief->subscribe(filter), refusal(GetParam()));

    const auto anna = connected(broker().device(kAnna, GetParam()));
    for (int i = 0; i < kMessages; ++i) {
        ASSERT_TRUE(accepted(anna->publish(facts_of(kAnna), std::to_string(i))));
    }
    ASSERT_TRUE(handlers->wait_for_count(kMessages));
    const auto heard = handlers->take_all();
    for (int i = 0; i < kMessages; ++i) {
        EXPECT_EQ(heard[static_cast<std::size_t>(i)].payload, std::to_string(i));
    }
    EXPECT_TRUE(thief->take_all().empty());
}

TEST_F(Access, TwoHandlersDoShareAGroup) {
    // The counterpart: a member that may join does take its part.
    const std::string filter = "$share/keys-two/kl/v1/kc/+/up/ev";
    const auto first = connected(broker().service("handlers-1"));
    const auto second = connected(broker().service("handlers-2"));
    ASSERT_EQ(first->subscribe(filter), kGranted);
    ASSERT_EQ(second->subscribe(filter), kGranted);
    const auto anna = connected(broker().device(kAnna));
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(accepted(anna->publish(facts_of(kAnna), "fact")));
    EXPECT_TRUE(first->wait_for_count(5));
    EXPECT_TRUE(second->wait_for_count(5));
}

// -- who may connect

TEST_P(AccessOfBothProtocols, OnlyTheRightSecretOnTheRightListenerConnects) {
    const int not_authorised = GetParam() == Protocol::v5 ? kNotAuthorized : 5;
    const auto connects = [&](ClientOptions options) {
        options.protocol = GetParam();
        return RawClient{options}.connect();
    };
    EXPECT_EQ(connects(broker().device(kAnna)), 0);
    EXPECT_EQ(connects(broker().service("handlers-1")), 0);

    ClientOptions wrong = broker().device(kAnna);
    wrong.password = std::string(32, '0');
    EXPECT_EQ(connects(wrong), not_authorised);
    wrong.password.clear();
    EXPECT_EQ(connects(wrong), not_authorised);

    for (const int port : {broker().devices_port(), broker().services_port()}) {
        ClientOptions anonymous;
        anonymous.port = port;
        anonymous.client_id = "kc-anna";
        EXPECT_EQ(connects(anonymous), not_authorised);
    }

    ClientOptions crossed = broker().device(kAnna);
    crossed.port = broker().services_port();
    EXPECT_EQ(connects(crossed), not_authorised);
    crossed = broker().service("handlers-1");
    crossed.port = broker().devices_port();
    EXPECT_EQ(connects(crossed), not_authorised);

    for (const char* name :
         {"nobody", "kc-Anna", "kc-an/na", "#", "+", "kc-anna/up", "kc-unknown"}) {
        ClientOptions bad = broker().device(kAnna);
        bad.user = name;
        EXPECT_EQ(connects(bad), not_authorised) << name;
    }
}

TEST_F(Access, TheGuardRefusesABadNameThatIsInThePasswordFile) {
    // Somebody wrote it in by hand: the password alone would let it in.
    TestBroker own;
    const std::string secret = own.add_device(kAnna);
    const auto list = own.dir() / "broker/passwords-devices";
    ASSERT_EQ(std::system(("sed -i 'p;s/^kc-anna:/handlers-1:/;' " + list.string()).c_str()), 0);
    own.restart();
    ClientOptions options = own.device(kAnna);
    EXPECT_EQ(RawClient{options}.connect(), 0);
    options.user = "handlers-1";
    EXPECT_EQ(RawClient{options}.connect(), kNotAuthorized);
}

TEST_P(AccessOfBothProtocols, AnothersClientIdThrowsNobodyOut) {
    const auto boris = connected(broker().device(kBoris, GetParam()));
    ASSERT_EQ(boris->subscribe(down_of(kBoris)), kGranted);
    ClientOptions options = broker().device(kAnna, GetParam());
    options.client_id = kBoris;
    const auto thief = connected(options);
    EXPECT_EQ(thief->subscribe(down_of(kBoris)), refusal(GetParam()));

    const auto handlers = connected(broker().service("handlers-1"));
    EXPECT_TRUE(accepted(handlers->publish(down_of(kBoris, "ak"), "for boris")));
    EXPECT_TRUE(boris->wait_for_topic(down_of(kBoris, "ak")));
    EXPECT_TRUE(boris->connected());
    EXPECT_TRUE(thief->take_all().empty());

    // The counterpart: the same user a second time is the same client, and replaces the first.
    const auto again = connected(broker().device(kBoris, GetParam()));
    EXPECT_TRUE(boris->wait_until_cut());
}

TEST_F(Access, ARemovedDeviceIsCutOffAndStaysOut) {
    broker().add_device("kc-gone");
    const ClientOptions options = broker().device("kc-gone");
    const auto gone = connected(options);
    const auto anna = connected(broker().device(kAnna));
    broker().remove("kc-gone");
    EXPECT_TRUE(gone->wait_until_cut());
    EXPECT_EQ(RawClient{options}.connect(), kNotAuthorized);
    EXPECT_TRUE(anna->connected());
}

// -- sizes

TEST_P(AccessOfBothProtocols, ATooLargePayloadIsRefused) {
    constexpr std::size_t kPayloadMax = 131072;
    const auto ear = witness();
    const auto anna = connected(broker().device(kAnna, GetParam()));
    EXPECT_TRUE(accepted(anna->publish(facts_of(kAnna), std::string(kPayloadMax, 'x'))));
    const auto largest = ear->wait_for_topic(facts_of(kAnna));
    ASSERT_TRUE(largest);
    EXPECT_EQ(largest->payload.size(), kPayloadMax);

    EXPECT_EQ(anna->publish(facts_of(kAnna), std::string(kPayloadMax + 1, 'x')),
              refused_puback(GetParam()));
    EXPECT_TRUE(accepted(anna->publish(facts_of(kAnna), "marker")));
    const auto next = ear->wait_for_topic(facts_of(kAnna));
    ASSERT_TRUE(next);
    EXPECT_EQ(next->payload, "marker");
    EXPECT_TRUE(anna->connected());
}

/// Speaks bytes, since the library keeps to the packet size that the broker announces.
TEST_F(Access, APacketBeyondTheLimitCutsTheConnection) {
    const auto ear = witness();
    const std::string secret = broker().device(kAnna).password;
    const auto text = [](const std::string& value) {
        return std::string{static_cast<char>(value.size() >> 8),
                           static_cast<char>(value.size() & 0xFF)} +
               value;
    };
    const auto packet = [](char type, const std::string& body) {
        std::string bytes{type};
        std::size_t left = body.size();
        do {
            const auto digit = static_cast<char>(left & 0x7F);
            left >>= 7;
            bytes.push_back(left > 0 ? static_cast<char>(digit | '\x80') : digit);
        } while (left > 0);
        return bytes + body;
    };
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const timeval patience{kPatience.count(), 0};
    ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(broker().devices_port()));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    const auto send = [&](const std::string& bytes) {
        for (std::size_t sent = 0; sent < bytes.size();) {
            const auto n = ::send(socket, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
            if (n <= 0) return;  // Cut in the middle: what the test is about.
            sent += static_cast<std::size_t>(n);
        }
    };
    send(packet('\x10', text("MQTT") + std::string{"\x04\xC2\x00\x3C", 4} + text(kAnna) +
                            text(kAnna) + text(secret)));
    std::array<char, 16> answer{};
    ASSERT_EQ(::recv(socket, answer.data(), 4, MSG_WAITALL), 4);
    ASSERT_EQ(answer[3], 0) << "CONNACK";

    send(packet('\x30', text(facts_of(kAnna)) + "fits"));
    ASSERT_TRUE(ear->wait_for_topic(facts_of(kAnna)));
    send(packet('\x30', text(facts_of(kAnna)) + std::string(140'000, 'x')));
    const auto end = ::recv(socket, answer.data(), answer.size(), 0);
    EXPECT_TRUE(end == 0 || (end < 0 && errno == ECONNRESET)) << "still connected";
    ::close(socket);

    const auto boris = connected(broker().device(kBoris));
    EXPECT_TRUE(accepted(boris->publish(facts_of(kBoris), "others are served")));
    ASSERT_TRUE(ear->wait_for_topic(facts_of(kBoris)));
    EXPECT_TRUE(ear->take_all().empty());
}

// -- services

TEST_F(Access, HandlersSayTheirAnswersAndHearWhatIsTheirs) {
    const auto ear = witness();
    const auto handlers = connected(broker().service("handlers-1"));
    const std::array allowed{down_of(kAnna, "ak"), down_of(kScales, "cm"), "kl/v1/re/bridge-1"s,
                             "kl/v1/ev/keys/keys.taken"s};
    const std::array refused{facts_of(kAnna),
                             state_of(kAnna),
                             "kl/v1/sg/kc-anna/dn/ak"s,
                             "kl/v1/ask/keys/issue_key/handlers-1"s,
                             "kl/v1/ask/keys/issue_key/bridge-1"s,
                             "$SYS/x"s,
                             "$CONTROL/dynamic-security/v1"s};
    for (const std::string& topic : refused) {
        EXPECT_EQ(handlers->publish(topic, "refused"), kNotAuthorized) << topic;
    }
    for (const std::string& topic : allowed) {
        EXPECT_EQ(handlers->publish(topic, "retained", 1, true), kNotAuthorized) << topic;
        EXPECT_TRUE(accepted(handlers->publish(topic, "allowed"))) << topic;
    }
    ASSERT_TRUE(ear->wait_for_count(allowed.size()));
    const auto heard = ear->take_all();
    ASSERT_EQ(heard.size(), allowed.size());
    for (const Message& message : heard) EXPECT_EQ(message.payload, "allowed") << message.topic;

    for (const char* filter : {"$share/g/kl/v1/kc/+/up/rq", "$share/g/kl/v1/sg/+/up/tm",
                               "$share/keys-g/kl/v1/ask/keys/+/+", "kl/v1/+/+/st"}) {
        EXPECT_EQ(handlers->subscribe(filter), kGranted) << filter;
    }
    for (const char* filter : {"#", "kl/v1/#", "kl/v1/kc/+/up/ev", "kl/v1/re/+", "$SYS/#",
                               "$share/g/#", "$share/g/kl/v1/ask/+/+/+"}) {
        EXPECT_EQ(handlers->subscribe(filter), kNotAuthorized) << filter;
    }
}

TEST_F(Access, PresenceIsRetainedAndReachesTheBridge) {
    const auto handlers = connected(broker().service("handlers-1"));
    EXPECT_TRUE(accepted(handlers->publish("kl/v1/sys/handlers/1", "here", 1, true)));
    const auto bridge = connected(broker().service("bridge-1"));
    ASSERT_EQ(bridge->subscribe("kl/v1/sys/#"), kGranted);
    const auto presence = bridge->wait_for_topic("kl/v1/sys/handlers/1");
    ASSERT_TRUE(presence);
    EXPECT_TRUE(presence->retain);
    EXPECT_TRUE(accepted(handlers->publish("kl/v1/sys/handlers/1", "", 1, true)));
}

TEST_F(Access, ABridgeAsksInItsOwnNameOnly) {
    const auto handlers = connected(broker().service("handlers-1"));
    ASSERT_EQ(handlers->subscribe("$share/keys-g/kl/v1/ask/keys/+/+"), kGranted);
    const auto bridge = connected(broker().service("bridge-1"));
    EXPECT_EQ(bridge->publish("kl/v1/ask/keys/issue_key/bridge-2", "forged"), kNotAuthorized);
    EXPECT_EQ(bridge->publish("kl/v1/re/bridge-1", "forged"), kNotAuthorized);
    EXPECT_EQ(bridge->publish(facts_of(kAnna), "forged"), kNotAuthorized);
    EXPECT_EQ(bridge->publish(down_of(kAnna, "cm"), "forged"), kNotAuthorized);
    EXPECT_EQ(bridge->publish("kl/v1/ask/keys/issue_key/bridge-1", "kept", 1, true),
              kNotAuthorized);
    EXPECT_TRUE(accepted(bridge->publish("kl/v1/ask/keys/issue_key/bridge-1", "own")));
    const auto ask = handlers->wait_for_topic("kl/v1/ask/keys/issue_key/bridge-1");
    ASSERT_TRUE(ask);
    EXPECT_EQ(ask->payload, "own");
    EXPECT_TRUE(handlers->take_all().empty());
}

TEST_F(Access, ABridgeHearsItsOwnAnswersAndTheLogOnly) {
    const auto bridge = connected(broker().service("bridge-1"));
    for (const char* filter : {"kl/v1/re/bridge-2", "kl/v1/re/+", "kl/v1/re/#", "kl/v1/ask/+/+/+",
                               "#", "kl/v1/#", "kl/v1/+/+/st", "kl/v1/kc/+/up/ev", "$SYS/#",
                               "$share/g/kl/v1/ev/#", "$share/keys-secret/kl/v1/kc/+/up/ev"}) {
        EXPECT_EQ(bridge->subscribe(filter), kNotAuthorized) << filter;
    }
    EXPECT_EQ(bridge->subscribe("kl/v1/re/bridge-1"), kGranted);
    EXPECT_EQ(bridge->subscribe("kl/v1/ev/#"), kGranted);

    const auto handlers = connected(broker().service("handlers-1"));
    EXPECT_TRUE(accepted(handlers->publish("kl/v1/re/bridge-2", "for the other")));
    EXPECT_TRUE(accepted(handlers->publish("kl/v1/re/bridge-1", "answer")));
    EXPECT_TRUE(accepted(handlers->publish("kl/v1/ev/keys/keys.taken", "event")));
    ASSERT_TRUE(bridge->wait_for_topic("kl/v1/ev/keys/keys.taken"));
    const auto rest = bridge->take_all();
    ASSERT_EQ(rest.size(), 1U);
    EXPECT_EQ(rest[0].payload, "answer");
}

TEST_F(Access, TheOperatorListensAndSaysNothing) {
    const auto ear = witness();
    EXPECT_EQ(ear->subscribe("$SYS/#"), kGranted);
    EXPECT_TRUE(ear->wait_for_topic("$SYS/broker/version"));
    for (const char* filter : {"#", "$share/g/kl/v1/#", "$share/keys-secret/kl/v1/kc/+/up/ev"}) {
        EXPECT_EQ(ear->subscribe(filter), kNotAuthorized) << filter;
    }
    for (const std::string& topic : {down_of(kAnna, "cm"), facts_of(kAnna), "kl/v1/sys/ops/1"s}) {
        EXPECT_EQ(ear->publish(topic, "refused"), kNotAuthorized) << topic;
    }
}

// -- the kick

TEST_P(AccessOfBothProtocols, AKickCutsTheNamedDeviceAndSendsItsWill) {
    const auto ear = witness();
    ClientOptions options = broker().device(kAnna, GetParam());
    options.will = Will{state_of(kAnna), "kicked", 1, false};
    const auto anna = connected(options);
    const auto boris = connected(broker().device(kBoris, GetParam()));
    const auto handlers = connected(broker().service("handlers-1", GetParam()));

    EXPECT_TRUE(accepted(handlers->publish(kControl, "kick kc-anna")));
    EXPECT_TRUE(anna->wait_until_cut());
    EXPECT_TRUE(ear->wait_for_topic(state_of(kAnna)));
    EXPECT_TRUE(boris->connected());
    EXPECT_TRUE(handlers->connected());

    const auto back = connected(broker().device(kAnna, GetParam()));
    const auto person = std::make_unique<RawClient>(broker().service("ops-1", GetParam()));
    ASSERT_EQ(person->connect(), 0);
    EXPECT_TRUE(accepted(person->publish(kControl, "kick kc-anna\n")));
    EXPECT_TRUE(back->wait_until_cut());
}

TEST_P(AccessOfBothProtocols, OnlyHandlersAndOperatorsKick) {
    const auto boris = connected(broker().device(kBoris, GetParam()));
    const auto anna = connected(broker().device(kAnna, GetParam()));
    const auto bridge = connected(broker().service("bridge-1", GetParam()));
    EXPECT_EQ(anna->publish(kControl, "kick kc-boris"), refused_puback(GetParam()));
    EXPECT_EQ(bridge->publish(kControl, "kick kc-boris"), refused_puback(GetParam()));

    // Both were decided when the next message of each was answered.
    EXPECT_TRUE(accepted(anna->publish(facts_of(kAnna), "marker")));
    EXPECT_TRUE(accepted(bridge->publish("kl/v1/ask/keys/issue_key/bridge-1", "marker")));
    EXPECT_TRUE(accepted(boris->publish(facts_of(kBoris), "alive")));
    EXPECT_TRUE(boris->connected());
}

TEST_F(Access, AMalformedKickIsRefusedAndLoggedAndCutsNobody) {
    const auto boris = connected(broker().device(kBoris));
    // A name of its own, whose lines in the log no other test has used up.
    const auto handlers = connected(broker().service("handlers-kick"));
    for (const std::string& payload :
         {""s, "kick"s, "kick "s, "kick kc-boris kc-anna"s, "KICK kc-boris"s, "ban kc-boris"s,
          "kick handlers-1"s, "kick bridge-1"s, "kick kc-boris\0"s, std::string(100'000, 'k')}) {
        EXPECT_EQ(handlers->publish(kControl, payload), kNotAuthorized) << payload.substr(0, 40);
    }
    EXPECT_TRUE(accepted(handlers->publish(kControl, "kick kc-nobody")))
        << "an absent device is no fault";
    EXPECT_TRUE(accepted(boris->publish(facts_of(kBoris), "alive")));
    EXPECT_TRUE(boris->connected());
    EXPECT_TRUE(handlers->connected());
    EXPECT_NE(broker().log().find("not a 'kick <device>'"), std::string::npos);
}

// -- the guard's log, and the broker's own life

TEST_F(Access, ADeviceThatIsRefusedAllDayDoesNotFillTheLog) {
    const auto anna = connected(broker().device(kAnna));
    for (int i = 0; i < 200; ++i) {
        ASSERT_EQ(anna->publish("kl/v1/kc/kc-flooded/up/ev", "x"), kNotAuthorized);
    }
    const std::string log = broker().log();
    std::size_t lines = 0;
    for (std::size_t at = log.find("kc-flooded"); at != std::string::npos;
         at = log.find("kc-flooded", at + 1)) {
        ++lines;
    }
    EXPECT_LE(lines, 10U);
}

TEST_F(Access, RulesHoldAfterReloadAndAfterKillAndRestart) {
    TestBroker own;
    own.add_devices({kAnna, kBoris});
    const auto check = [&](const char* when) {
        SCOPED_TRACE(when);
        RawClient anna{own.device(kAnna)};
        ASSERT_EQ(anna.connect(), 0);
        EXPECT_EQ(anna.subscribe(down_of(kAnna)), kGranted);
        EXPECT_EQ(anna.subscribe("$share/g/kl/v1/kc/+/up/ev"), kNotAuthorized);
        EXPECT_EQ(anna.publish(facts_of(kBoris), "x"), kNotAuthorized);
    };
    check("after the start");
    own.add_device("kc-later");  // Makes the broker read its files again.
    check("after a reload");
    own.kill9();
    own.restart();
    check("after kill -9");
    own.pause();
    own.resume();
    check("after a pause");
    const pid_t before = own.pid();
    own.stop();
    EXPECT_EQ(own.pid(), 0);
    own.restart();
    EXPECT_NE(own.pid(), before);
    check("after an orderly stop");
}

}  // namespace
}  // namespace klyuchnik::test
