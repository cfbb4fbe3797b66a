// Who may say and hear what, on the real broker: one claim for each row of the table in
// broker/README.md. A refusal is shown beside the same message from somebody who may send it, so
// that no test passes just because nothing works.
#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <regex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/certificates.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/test_broker.hpp"

namespace klyuchnik::test {
namespace {

using std::string_literals::operator""s;

constexpr const char* kAnna = "kc-anna";  // cabinets
constexpr const char* kBoris = "kc-boris";
constexpr const char* kScales = "sg-scales";
constexpr const char* kControl = "$CONTROL/klyuchnik-guard/v1";
constexpr const char* kGuardSays = "kl/v1/sys/guard/1";
/// By when a revoked device must be gone; it takes milliseconds.
constexpr std::chrono::seconds kCutWithin{5};
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
        // A share that no test reaches: those of floods have brokers of their own.
        broker_ = new TestBroker{{.devices_tls = true, .more = {"--share-per-device", "100000"}}};
        broker_->add_devices({kAnna, kBoris, kScales});
        broker_->add_services({"handlers-1", "handlers-2", "bridge-1", "bridge-2", "ops-1"});
    }
    static void TearDownTestSuite() {
        delete broker_;
        broker_ = nullptr;
    }
    static TestBroker& broker() { return *broker_; }

    /// An operator hears everything of ours, so that what it did not hear did not go through. What
    /// the guard has retained is taken out.
    static std::unique_ptr<RawClient> witness() {
        auto client = std::make_unique<RawClient>(broker().service("ops-1"));
        EXPECT_EQ(client->connect(), 0);
        EXPECT_EQ(client->subscribe("kl/v1/#"), kGranted);
        EXPECT_TRUE(client->wait_for_topic(kGuardSays));
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

/// The scripted hostile device comes in by every listener, and in both versions of the protocol.
struct Way {
    Protocol protocol;
    Entrance entrance;
};

void PrintTo(const Way& way, std::ostream* out) {
    static const std::map<Entrance, const char*> entrances{
        {Entrance::plain, "Plain"}, {Entrance::tls, "Tls"}, {Entrance::certificate, "Certificate"}};
    *out << entrances.at(way.entrance) << (way.protocol == Protocol::v5 ? "Mqtt5" : "Mqtt311");
}

class AccessByEveryWay : public Access, public testing::WithParamInterface<Way> {
 protected:
    static Protocol protocol() { return GetParam().protocol; }
    static ClientOptions device(const char* id) {
        return broker().device(id, protocol(), GetParam().entrance);
    }
};
INSTANTIATE_TEST_SUITE_P(, AccessByEveryWay,
                         testing::Values(Way{Protocol::v311, Entrance::plain},
                                         Way{Protocol::v5, Entrance::plain},
                                         Way{Protocol::v311, Entrance::tls},
                                         Way{Protocol::v5, Entrance::tls},
                                         Way{Protocol::v311, Entrance::certificate},
                                         Way{Protocol::v5, Entrance::certificate}),
                         testing::PrintToStringParamName());

// -- what a device may publish

TEST_P(AccessByEveryWay, ADevicePublishesItsOwnLevelsAndNothingElse) {
    const auto ear = witness();
    const auto anna = connected(device(kAnna));
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
        EXPECT_EQ(anna->publish(topic, "refused"), refused_puback(protocol())) << topic;
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

TEST_P(AccessByEveryWay, ADeviceRetainsItsStateOnly) {
    const auto ear = witness();
    const auto anna = connected(device(kAnna));
    EXPECT_EQ(anna->publish(facts_of(kAnna), "kept", 1, true), refused_puback(protocol()));
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

TEST_P(AccessByEveryWay, AWillOnAnothersTopicIsNeverDelivered) {
    const auto ear = witness();
    ClientOptions options = device(kAnna);
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

TEST_P(AccessByEveryWay, ADeviceSubscribesItsOwnDownAndNothingElse) {
    const auto anna = connected(device(kAnna));
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
        EXPECT_EQ(anna->subscribe(filter), refusal(protocol())) << filter;
    }
    EXPECT_EQ(anna->subscribe(down_of(kAnna)), kGranted);

    const auto handlers = connected(broker().service("handlers-1"));
    EXPECT_TRUE(accepted(handlers->publish(down_of(kBoris, "cm"), "not yours")));
    EXPECT_TRUE(accepted(handlers->publish(down_of(kAnna, "cm"), "yours")));
    ASSERT_TRUE(anna->wait_for_topic(down_of(kAnna, "cm")));
    EXPECT_TRUE(anna->take_all().empty());
}

TEST_P(AccessByEveryWay, ADeviceCanNotStealFromTheHandlersShareGroup) {
    constexpr int kMessages = 100;
    const std::string filter = "$share/keys-secret/kl/v1/kc/+/up/ev";
    const auto handlers = connected(broker().service("handlers-1"));
    ASSERT_EQ(handlers->subscribe(filter), kGranted);
    const auto thief = connected(device(kBoris));
    EXPECT_EQ(thief->subscribe(filter), refusal(protocol()));

    const auto anna = connected(device(kAnna));
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

int refused_connack(Protocol protocol) {
    return protocol == Protocol::v5 ? kNotAuthorized : 5;
}

TEST_P(AccessByEveryWay, OnlyWhoItIsOnItsOwnListenerConnects) {
    const auto connects = [&](ClientOptions options) {
        options.protocol = protocol();
        return RawClient{options}.connect();
    };
    EXPECT_EQ(connects(device(kAnna)), 0);
    EXPECT_EQ(connects(broker().service("handlers-1")), 0);

    ClientOptions wrong = device(kAnna);
    if (GetParam().entrance != Entrance::certificate) {
        wrong.password = std::string(32, '0');
        EXPECT_EQ(connects(wrong), refused_connack(protocol()));
        wrong.password = device(kBoris).password;
        EXPECT_EQ(connects(wrong), refused_connack(protocol())) << "another's secret";
        wrong.password.clear();
        EXPECT_EQ(connects(wrong), refused_connack(protocol()));
    }
    wrong = device(kAnna);
    wrong.user.clear();
    wrong.client_id = kAnna;
    EXPECT_EQ(connects(wrong), refused_connack(protocol()));
    wrong = broker().service("handlers-1");
    wrong.tls = device(kAnna).tls;
    wrong.port = device(kAnna).port;
    EXPECT_EQ(connects(wrong), refused_connack(protocol())) << "a service among devices";
    ClientOptions crossed = broker().device(kAnna);
    crossed.port = broker().services_port();
    EXPECT_EQ(connects(crossed), refused_connack(protocol())) << "a device among services";

    for (const char* name : {"nobody", "kc-Anna", "kc-an/na", "#", "+", "kc-anna/up", "kc-unknown",
                             "kc-boris", "handlers-1"}) {
        ClientOptions bad = device(kAnna);
        bad.user = name;
        EXPECT_EQ(connects(bad), refused_connack(protocol())) << name;
    }
}

TEST_F(Access, ACertificateCountsOnlyWhenTheDevicesAuthoritySignedIt) {
    const ClientOptions good = broker().device(kAnna, Protocol::v5, Entrance::certificate);
    const auto connects = [&](const TlsFiles& files) {
        ClientOptions options = good;
        options.tls = files;
        return RawClient{options}.connect();
    };
    EXPECT_EQ(connects(*good.tls), 0);
    EXPECT_EQ(connects(broker().certificates().trust()), RawClient::kNoTls) << "none at all";

    Certificates impostor;
    TlsFiles foreign = impostor.device(kAnna);
    foreign.ca = good.tls->ca;
    EXPECT_EQ(connects(foreign), RawClient::kNoTls) << "of another authority";
    const TlsFiles of_services{good.tls->ca, broker().certificates().file("server.crt"),
                               broker().certificates().file("server.key")};
    EXPECT_EQ(connects(of_services), RawClient::kNoTls) << "of the services' authority";
}

TEST_F(Access, ACertificateCountsOnlyForItsDeviceAndWhileItIsKnown) {
    const ClientOptions good = broker().device(kAnna, Protocol::v5, Entrance::certificate);
    EXPECT_EQ(RawClient{good}.connect(), 0);
    ClientOptions other = good;
    other.user = kBoris;
    EXPECT_EQ(RawClient{other}.connect(), kNotAuthorized) << "the certificate is anna's";

    ClientOptions unknown = good;
    unknown.tls = broker().certificates().device(kAnna);
    EXPECT_EQ(RawClient{unknown}.connect(), kNotAuthorized) << "well signed, but nobody knows it";

    ClientOptions with_secret = broker().device(kBoris, Protocol::v5, Entrance::tls);
    const int boris = RawClient{with_secret}.connect();
    EXPECT_EQ(boris, 0);
    with_secret.port = broker().devices_port(Entrance::certificate);
    with_secret.tls = good.tls;
    EXPECT_EQ(RawClient{with_secret}.connect(), kNotAuthorized)
        << "a secret is not looked at there";
    ClientOptions without_secret = good;
    without_secret.port = broker().devices_port(Entrance::tls);
    EXPECT_EQ(RawClient{without_secret}.connect(), kNotAuthorized) << "nor a certificate here";
}

TEST_F(Access, WhoSpeaksPlainTextToTlsIsCutOffAndOthersAreServed) {
    ClientOptions plain = broker().device(kAnna, Protocol::v5, Entrance::tls);
    plain.tls.reset();
    EXPECT_EQ(RawClient{plain}.connect(), RawClient::kCutOff);
    const auto boris = connected(broker().device(kBoris, Protocol::v5, Entrance::tls));
    EXPECT_TRUE(accepted(boris->publish(facts_of(kBoris), "served")));
}

TEST_P(AccessByEveryWay, AnothersClientIdThrowsNobodyOut) {
    const auto boris = connected(device(kBoris));
    ASSERT_EQ(boris->subscribe(down_of(kBoris)), kGranted);
    ClientOptions options = device(kAnna);
    options.client_id = kBoris;
    const auto thief = connected(options);
    EXPECT_EQ(thief->subscribe(down_of(kBoris)), refusal(protocol()));

    const auto handlers = connected(broker().service("handlers-1"));
    EXPECT_TRUE(accepted(handlers->publish(down_of(kBoris, "ak"), "for boris")));
    EXPECT_TRUE(boris->wait_for_topic(down_of(kBoris, "ak")));
    EXPECT_TRUE(boris->connected());
    EXPECT_TRUE(thief->take_all().empty());

    // The counterpart: the same user a second time is the same client, and replaces the first.
    const auto again = connected(device(kBoris));
    EXPECT_TRUE(boris->wait_until_cut());
}

TEST_F(Access, ALastingSessionIsRefused) {
    ClientOptions options = broker().device(kAnna, Protocol::v311);
    options.clean_start = false;
    EXPECT_EQ(RawClient{options}.connect(), refused_connack(Protocol::v311));
    EXPECT_EQ(RawClient{broker().device(kAnna, Protocol::v311)}.connect(), 0);
}

/// Were the guard to refuse it again, this version of the broker would end it a second time, and
/// use it after it was freed: seen by its word "disconnected", which a cut connection does not get.
TEST_F(Access, WhatARevokedDeviceLeftBehindIsNotEndedTwiceWhenFilesAreReadAnew) {
    TestBroker own{{.devices_tls = true}};
    std::vector<std::string> left;
    for (const Entrance entrance : {Entrance::plain, Entrance::tls, Entrance::certificate}) {
        for (const bool is_there : {false, true}) {
            left.push_back("kc-left" + std::to_string(left.size()));
            ClientOptions options = own.device(left.back(), Protocol::v5, entrance);
            options.clean_start = false;
            options.session_expiry_s = 600;
            const auto leaver = connected(options);
            EXPECT_EQ(leaver->subscribe(down_of(left.back())), kGranted);
            if (!is_there) leaver->vanish();
            own.remove(left.back());
            EXPECT_TRUE(leaver->wait_until_cut(kCutWithin));
            EXPECT_EQ(RawClient{options}.connect(), kNotAuthorized);
        }
    }
    own.service_password("ops-later");  // Makes the broker read its files again.
    for (const std::string& id : left) {
        EXPECT_EQ(own.log().find("Client " + id + " disconnected."), std::string::npos) << id;
    }
    EXPECT_EQ(RawClient{own.device("kc-other")}.connect(), 0);
}

TEST_P(AccessByEveryWay, ARevokedDeviceIsCutOffAndStaysOut) {
    const ClientOptions options = device("kc-gone");
    const auto gone = connected(options);
    const auto anna = connected(device(kAnna));
    broker().remove("kc-gone");
    EXPECT_TRUE(gone->wait_until_cut(kCutWithin));
    EXPECT_EQ(RawClient{options}.connect(), refused_connack(protocol()));
    EXPECT_TRUE(anna->connected());
}

// -- sizes

TEST_P(AccessByEveryWay, ATooLargePayloadIsRefused) {
    constexpr std::size_t kPayloadMax = 131072;
    const auto ear = witness();
    const auto anna = connected(device(kAnna));
    EXPECT_TRUE(accepted(anna->publish(facts_of(kAnna), std::string(kPayloadMax, 'x'))));
    const auto largest = ear->wait_for_topic(facts_of(kAnna));
    ASSERT_TRUE(largest);
    EXPECT_EQ(largest->payload.size(), kPayloadMax);

    EXPECT_EQ(anna->publish(facts_of(kAnna), std::string(kPayloadMax + 1, 'x')),
              refused_puback(protocol()));
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

TEST_P(AccessByEveryWay, AKickCutsTheNamedDeviceAndSendsItsWill) {
    const auto ear = witness();
    ClientOptions options = device(kAnna);
    options.will = Will{state_of(kAnna), "kicked", 1, false};
    const auto anna = connected(options);
    const auto boris = connected(device(kBoris));
    const auto handlers = connected(broker().service("handlers-1", protocol()));

    EXPECT_TRUE(accepted(handlers->publish(kControl, "kick kc-anna")));
    EXPECT_TRUE(anna->wait_until_cut());
    EXPECT_TRUE(ear->wait_for_topic(state_of(kAnna)));
    EXPECT_TRUE(boris->connected());
    EXPECT_TRUE(handlers->connected());

    const auto back = connected(device(kAnna));
    const auto person = std::make_unique<RawClient>(broker().service("ops-1", protocol()));
    ASSERT_EQ(person->connect(), 0);
    EXPECT_TRUE(accepted(person->publish(kControl, "kick kc-anna\n")));
    EXPECT_TRUE(back->wait_until_cut());
}

TEST_P(AccessByEveryWay, OnlyHandlersAndOperatorsKick) {
    const auto boris = connected(device(kBoris));
    const auto anna = connected(device(kAnna));
    const auto bridge = connected(broker().service("bridge-1", protocol()));
    EXPECT_EQ(anna->publish(kControl, "kick kc-boris"), refused_puback(protocol()));
    EXPECT_EQ(bridge->publish(kControl, "kick kc-boris"), refused_puback(protocol()));

    // Both were decided when the next message of each was answered.
    EXPECT_TRUE(accepted(anna->publish(facts_of(kAnna), "marker")));
    EXPECT_TRUE(accepted(bridge->publish("kl/v1/ask/keys/issue_key/bridge-1", "marker")));
    EXPECT_TRUE(accepted(boris->publish(facts_of(kBoris), "alive")));
    EXPECT_TRUE(boris->connected());
}

TEST_F(Access, AMalformedControlPayloadIsRefusedWholeAndLogged) {
    const auto boris = connected(broker().device(kBoris));
    // A name of its own, whose lines in the log no other test has used up.
    const auto handlers = connected(broker().service("handlers-kick"));
    const std::string set = "set kc-boris s:" + std::string(64, 'a');
    for (const std::string& payload :
         {""s, "kick"s, "kick "s, "kick kc-boris kc-anna"s, "KICK kc-boris"s, "ban kc-boris"s,
          "kick handlers-1"s, "kick bridge-1"s, "kick kc-boris\0"s, "kick kc-boris\nban kc-boris"s,
          set + "\n" + set + "b"s, set + "\n\n"s, "begin a_b\ndrop kc-boris"s,
          std::string(100'000, 'k')}) {
        EXPECT_EQ(handlers->publish(kControl, payload), kNotAuthorized) << payload.substr(0, 40);
    }
    EXPECT_TRUE(accepted(handlers->publish(kControl, "kick kc-nobody\ndrop kc-nobody")))
        << "an absent device is no fault";
    EXPECT_TRUE(accepted(boris->publish(facts_of(kBoris), "alive")));
    EXPECT_TRUE(boris->connected());
    EXPECT_EQ(RawClient{broker().device(kBoris)}.connect(), 0) << "its secret still counts";
    EXPECT_TRUE(handlers->connected());
    EXPECT_NE(broker().log().find("not lines of kick"), std::string::npos);
}

// -- credentials

/// SHA-256 of the secrets below, by sha256sum.
constexpr const char* kOldSecret = "an-old-secret-of-this-device";
constexpr const char* kNewSecret = "a-new-secret-of-this-device";
const std::string kOldHash = "s:59af5f4e8839d3074c9499ec4e7bfe155e9aa95522582641c807efef994b3ebf";
const std::string kNewHash = "s:4b2c1f500c372551f7f027eabee9582591a61d88bbaeec17aa43cbc92b9930ff";

ClientOptions with_secret(ClientOptions options, const char* secret) {
    options.password = secret;
    return options;
}

TEST_F(Access, ANewCredentialCutsOnlySessionsOfTheRemovedOne) {
    const auto handlers = connected(broker().service("handlers-1"));
    const auto anna = connected(broker().device(kAnna));
    ClientOptions options;
    options.port = broker().devices_port();
    options.user = "kc-rotate";
    const ClientOptions old_one = with_secret(options, kOldSecret);
    const ClientOptions new_one = with_secret(options, kNewSecret);

    EXPECT_TRUE(accepted(handlers->publish(kControl, "set kc-rotate " + kOldHash)));
    const auto first = connected(old_one);
    EXPECT_EQ(RawClient{new_one}.connect(), kNotAuthorized);
    EXPECT_TRUE(
        accepted(handlers->publish(kControl, "set kc-rotate " + kOldHash + " " + kNewHash)));
    EXPECT_TRUE(accepted(first->publish(facts_of("kc-rotate"), "both are valid for a while")));

    EXPECT_TRUE(accepted(handlers->publish(kControl, "set kc-rotate " + kNewHash)));
    EXPECT_TRUE(first->wait_until_cut(kCutWithin));
    EXPECT_EQ(RawClient{old_one}.connect(), kNotAuthorized);
    const auto second = connected(new_one);

    EXPECT_TRUE(
        accepted(handlers->publish(kControl, "set kc-rotate " + kNewHash + " " + kOldHash)));
    EXPECT_TRUE(accepted(handlers->publish(kControl, "set kc-rotate " + kNewHash)));
    EXPECT_TRUE(accepted(second->publish(facts_of("kc-rotate"), "alive")));
    EXPECT_TRUE(second->connected()) << "its own credential was there all the time";
    EXPECT_TRUE(anna->connected());
    EXPECT_TRUE(accepted(handlers->publish(kControl, "drop kc-rotate")));
    EXPECT_TRUE(second->wait_until_cut(kCutWithin));
    EXPECT_EQ(RawClient{new_one}.connect(), kNotAuthorized);
}

TEST_F(Access, ACutOfACertificatesSessionLeavesTheOneOfTheSecretAndTheReverse) {
    const ClientOptions by_certificate =
        broker().device("kc-twoways", Protocol::v5, Entrance::certificate);
    const ClientOptions by_secret = broker().device("kc-twoways", Protocol::v5, Entrance::tls);
    const auto handlers = connected(broker().service("handlers-1"));
    const std::string fingerprint = "c:" + Certificates::fingerprint(by_certificate.tls->cert);
    const auto first = connected(by_certificate);
    EXPECT_TRUE(
        accepted(handlers->publish(kControl, "set kc-twoways " + fingerprint + " " + kNewHash)));
    EXPECT_TRUE(accepted(first->publish(facts_of("kc-twoways"), "alive")));
    EXPECT_EQ(RawClient{by_secret}.connect(), kNotAuthorized) << "its secret was replaced";
    EXPECT_TRUE(accepted(handlers->publish(kControl, "set kc-twoways " + kNewHash)));
    EXPECT_TRUE(first->wait_until_cut(kCutWithin));
    EXPECT_EQ(RawClient{by_certificate}.connect(), kNotAuthorized);
    const auto second = connected(with_secret(by_secret, kNewSecret));
    EXPECT_TRUE(
        accepted(handlers->publish(kControl, "set kc-twoways " + kNewHash + " " + fingerprint)));
    EXPECT_TRUE(accepted(second->publish(facts_of("kc-twoways"), "alive")));
    EXPECT_TRUE(second->connected());
}

/// What the guard says, to whoever may hear it.
std::optional<Message> heard_from_guard(RawClient& ear, const std::string& part) {
    return ear.wait_for([&](const Message& message) {
        return message.topic == kGuardSays && message.payload.find(part) != std::string::npos;
    });
}

TEST_F(Access, TheGuardAnswersWhenAllBeforeIsInForce) {
    const auto handlers = connected(broker().service("handlers-1"));
    ASSERT_EQ(handlers->subscribe("kl/v1/sys/guard/+"), kGranted);
    const auto presence = heard_from_guard(*handlers, R"("on":1)");
    ASSERT_TRUE(presence);
    EXPECT_TRUE(presence->retain);
    EXPECT_TRUE(std::regex_match(
        presence->payload, std::regex{R"(\{"v":1,"on":1,"boot":"[0-9a-f]{16}","devices":\d+\})"}))
        << presence->payload;

    EXPECT_TRUE(
        accepted(handlers->publish(kControl, "set kc-told1 " + kNewHash + "\ntell token-1\n")));
    const auto told = heard_from_guard(*handlers, R"("told":"token-1")");
    ASSERT_TRUE(told);
    EXPECT_FALSE(told->retain);
    EXPECT_TRUE(std::regex_match(
        told->payload,
        std::regex{R"(\{"v":1,"boot":"[0-9a-f]{16}","told":"token-1","devices":\d+\})"}))
        << told->payload;
    ClientOptions options;
    options.port = broker().devices_port();
    options.user = "kc-told1";
    EXPECT_EQ(RawClient{with_secret(options, kNewSecret)}.connect(), 0);
    EXPECT_TRUE(accepted(handlers->publish(kControl, "drop kc-told1")));
}

TEST_F(Access, NobodySpeaksAsTheGuard) {
    const auto ear = witness();
    for (const char* name : {"handlers-1", "bridge-1", "ops-2"}) {
        const auto service = connected(broker().service(name));
        EXPECT_EQ(service->publish(kGuardSays, "forged", 1, true), kNotAuthorized) << name;
        EXPECT_EQ(service->publish("kl/v1/sys/guard/2", "forged"), kNotAuthorized) << name;
    }
    const auto handlers = connected(broker().service("handlers-1"));
    EXPECT_TRUE(accepted(handlers->publish("kl/v1/sys/handlers/1", "marker")));
    ASSERT_TRUE(ear->wait_for_topic("kl/v1/sys/handlers/1"));
    for (const Message& message : ear->take_all()) EXPECT_NE(message.payload, "forged");
}

TEST_F(Access, ASnapshotDropsWhomItDoesNotName) {
    TestBroker own;
    const auto anna = connected(own.device(kAnna));
    const auto boris = connected(own.device(kBoris));
    const auto handlers = connected(own.service("handlers-1"));
    ASSERT_EQ(handlers->subscribe("kl/v1/sys/guard/+"), kGranted);
    ASSERT_TRUE(heard_from_guard(*handlers, R"("devices":0})"));

    EXPECT_TRUE(accepted(handlers->publish(kControl, "end never-begun\ntell 1")));
    ASSERT_TRUE(heard_from_guard(*handlers, R"("told":"1","devices":2})"));
    EXPECT_TRUE(anna->connected());

    const std::string list = own.devices_list();
    const std::size_t at = list.find("set kc-anna");
    const std::string line = list.substr(at, list.find('\n', at) - at);
    EXPECT_TRUE(accepted(handlers->publish(kControl, "begin snap-1\n" + line)));
    EXPECT_TRUE(accepted(handlers->publish(kControl, "set kc-third " + kNewHash)));
    EXPECT_TRUE(accepted(handlers->publish(kControl, "set kc-fourth " + kNewHash)));
    EXPECT_TRUE(boris->connected()) << "not before the end";
    EXPECT_TRUE(accepted(handlers->publish(kControl, "end snap-1\ntell 2")));
    EXPECT_TRUE(boris->wait_until_cut(kCutWithin));
    EXPECT_EQ(RawClient{own.device(kAnna)}.connect(), 0);
    ASSERT_TRUE(heard_from_guard(*handlers, R"("on":1)")) << "the number has changed";
    ASSERT_TRUE(heard_from_guard(*handlers, R"("told":"2","devices":3})"));
    EXPECT_EQ(own.devices_list().find("kc-boris"), std::string::npos) << "written anew";
}

TEST_F(Access, ARestartedBrokerKnowsItsDevicesBeforeAnybodyTells) {
    TestBroker own;
    const ClientOptions anna = own.device(kAnna);
    const ClientOptions boris = own.device(kBoris);
    own.remove(kBoris);
    const auto boot = [&] {
        RawClient ear{own.service("ops-1")};
        EXPECT_EQ(ear.connect(), 0);
        EXPECT_EQ(ear.subscribe("kl/v1/sys/guard/+"), kGranted);
        const auto presence = heard_from_guard(ear, R"("on":1)");
        return presence ? presence->payload.substr(0, 46) : "";
    };
    const std::string before = boot();
    own.kill9();
    own.restart();
    EXPECT_EQ(RawClient{anna}.connect(), 0);
    EXPECT_EQ(RawClient{boris}.connect(), kNotAuthorized);
    EXPECT_NE(boot(), before) << "every start has a name of its own";

    own.stop();
    own.add_device("kc-offline");
    own.restart();
    EXPECT_EQ(RawClient{own.device("kc-offline")}.connect(), 0) << "added while it did not run";
    EXPECT_EQ(RawClient{anna}.connect(), 0);
}

TEST_F(Access, GarbageInTheListIsAlarmedAndNeverLetsAnybodyIn) {
    TestBroker own;
    const ClientOptions anna = own.device(kAnna);
    const ClientOptions boris = own.device(kBoris);
    const std::string good = own.devices_list();
    const auto alarmed = [&] { return own.log().find("guard: alarm: ") != std::string::npos; };
    own.stop();
    own.write_devices_list("\x01garbage\nset handlers-1 " + kNewHash + "\n" + good +
                           "set kc-boris s:zz\nset kc-torn " + kNewHash.substr(0, 20));
    own.restart();
    EXPECT_TRUE(alarmed());
    EXPECT_EQ(RawClient{anna}.connect(), 0);
    EXPECT_EQ(RawClient{boris}.connect(), kNotAuthorized) << "what replaced its secret is lost";
    ClientOptions service;
    service.port = own.devices_port();
    service.user = "handlers-1";
    EXPECT_EQ(RawClient{with_secret(service, kNewSecret)}.connect(), kNotAuthorized);

    own.add_device("kc-later");  // The first change writes the list anew.
    own.restart();
    EXPECT_FALSE(alarmed()) << own.log();
    EXPECT_EQ(RawClient{anna}.connect(), 0);

    own.stop();
    own.write_devices_list("");
    own.restart();
    EXPECT_EQ(RawClient{anna}.connect(), kNotAuthorized) << "an empty list lets nobody in";
}

// -- floods

std::size_t resident_kib(pid_t pid) {
    std::ifstream status{"/proc/" + std::to_string(pid) + "/status"};
    for (std::string word; status >> word;) {
        std::size_t kib = 0;
        if (word == "VmRSS:" && status >> kib) return kib;
    }
    return 0;
}

TEST_F(Access, AFloodingDeviceIsSlowedThenCutAndAnHonestOneLosesNothing) {
    constexpr int kHonest = 300;    // Below what may be sent at once.
    constexpr int kFlood = 20'000;  // Far more than is sent before the cut.
    constexpr std::size_t kMostKib = 32 * 1024;
    TestBroker own{{.devices_tls = true, .more = {"--cut-seconds", "1"}}};
    const auto ear = connected(own.service("ops-1"));
    ASSERT_EQ(ear->subscribe(kGuardSays), kGranted);
    const auto handlers = connected(own.service("handlers-1"));
    ASSERT_EQ(handlers->subscribe("$share/g/kl/v1/kc/+/up/ev"), kGranted);
    const auto honest = connected(own.device(kAnna, Protocol::v5, Entrance::tls));
    ClientOptions options = own.device(kBoris, Protocol::v311, Entrance::tls);
    options.will = Will{state_of(kBoris), "cut", 1, false};
    const auto flooder = connected(options);
    ASSERT_EQ(handlers->subscribe("kl/v1/+/+/st"), kGranted);
    const std::size_t before = resident_kib(own.pid());

    std::atomic<bool> cut = false;
    std::jthread flood{[&] {
        for (int i = 0; i < kFlood && !cut; ++i) {
            cut =
                flooder->publish(facts_of(kBoris), std::string(500, 'f'), 0) == RawClient::kCutOff;
        }
    }};
    for (int i = 0; i < kHonest; ++i) {
        ASSERT_TRUE(accepted(honest->publish(facts_of(kAnna), std::to_string(i)))) << i;
    }
    flood.join();
    EXPECT_TRUE(flooder->wait_until_cut());
    EXPECT_TRUE(honest->connected());
    EXPECT_TRUE(handlers->wait_for_topic(state_of(kBoris))) << "its will says that it is gone";

    // The end of the flooder may be heard before the last honest word.
    for (int i = 0; i < kHonest; ++i) {
        const auto message = handlers->wait_for_topic(facts_of(kAnna));
        ASSERT_TRUE(message) << i;
        EXPECT_EQ(message->payload, std::to_string(i));
    }
    const auto rest = handlers->take_all();
    const auto flood_heard = std::ranges::count(rest, facts_of(kBoris), &Message::topic);
    EXPECT_GE(flood_heard, 400) << "its share";

    const auto slowed = heard_from_guard(*ear, R"("flood":"kc-boris","dropped":1,"cut":0})");
    EXPECT_TRUE(slowed) << "reported at once";
    const auto ended = heard_from_guard(*ear, R"("flood":"kc-boris")");
    ASSERT_TRUE(ended);
    EXPECT_NE(ended->payload.find(R"("cut":1})"), std::string::npos) << ended->payload;
    EXPECT_LT(resident_kib(own.pid()), before + kMostKib);

    EXPECT_NE(own.log().find("cut off"), std::string::npos);
    const auto connects = [&] { return RawClient{options}.connect() == 0; };
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    bool back = connects();
    while (!back && std::chrono::steady_clock::now() < deadline) back = connects();
    EXPECT_TRUE(back) << "kept out for a while only";
}

TEST_F(Access, ADeviceThatWasCutForItsFloodIsKeptOut) {
    TestBroker own{{.more = {"--share-per-device", "1", "--cut-after", "0"}}};
    const ClientOptions options = own.device(kAnna);
    const auto anna = connected(options);
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(accepted(anna->publish(facts_of(kAnna), "share")));
    EXPECT_EQ(anna->publish(facts_of(kAnna), "more"), RawClient::kCutOff);
    EXPECT_EQ(RawClient{options}.connect(), kNotAuthorized);
    EXPECT_NE(own.log().find("kept out"), std::string::npos);
    EXPECT_EQ(RawClient{own.device(kBoris)}.connect(), 0);
}

TEST_F(Access, WhatIsRefusedCountsAsSent) {
    TestBroker own{{.more = {"--share-per-device", "5", "--cut-after", "10"}}};
    const auto anna = connected(own.device(kAnna));
    int answer = kNotAuthorized;
    for (int i = 0; i < 1000 && answer == kNotAuthorized; ++i) {
        answer = anna->publish(facts_of(kBoris), "refused");
    }
    EXPECT_EQ(answer, RawClient::kCutOff);

    const auto boris = connected(own.device(kBoris));
    answer = kNotAuthorized;
    for (int i = 0; i < 1000 && answer == kNotAuthorized; ++i) answer = boris->subscribe("#");
    EXPECT_EQ(answer, RawClient::kCutOff);
}

TEST_F(Access, UnsubscribingCountsAsSent) {
    TestBroker own{{.more = {"--share-per-device", "5", "--cut-after", "10"}}};
    for (const Protocol protocol : {Protocol::v5, Protocol::v311}) {
        const std::string& id = protocol == Protocol::v5 ? kAnna : kBoris;
        const auto client = connected(own.device(id, protocol));
        EXPECT_EQ(client->unsubscribe(down_of(id)), 0) << "within its share";
        int answer = 0;
        for (int i = 0; i < 1000 && answer == 0; ++i) answer = client->unsubscribe("#");
        EXPECT_EQ(answer, RawClient::kCutOff);
        EXPECT_TRUE(client->wait_until_cut());
    }
}

/// The connection whose packet is being handled is ended in the middle of it, again and again, in
/// every way: the broker must outlive it.
TEST_F(Access, TheBrokerOutlivesTheCutsOfFloodingDevices) {
    constexpr int kCuts = 150;
    TestBroker own{{.devices_tls = true,
                    .more = {"--share-per-device", "1", "--cut-after", "0", "--cut-seconds", "0"}}};
    const auto ear = connected(own.service("ops-1"));
    ASSERT_EQ(ear->subscribe("kl/v1/#"), kGranted);
    const pid_t pid = own.pid();
    int cuts = 0;
    for (int i = 0; i < kCuts; ++i) {
        const std::string id = "kc-flood" + std::to_string(i % 6);
        ClientOptions options = own.device(id, i % 2 == 0 ? Protocol::v5 : Protocol::v311,
                                           i % 3 == 0 ? Entrance::tls : Entrance::plain);
        options.clean_start = options.protocol == Protocol::v311 || i % 5 != 0;
        options.will = Will{state_of(id), "gone " + std::to_string(i), 1, i % 4 == 0};
        RawClient client{options};
        ASSERT_EQ(client.connect(), 0);
        for (int sent = 0; sent < 200 && client.connected(); ++sent) {
            if (client.publish(facts_of(id), std::string(1000, 'x'), i % 7 == 0 ? 0 : 1) ==
                RawClient::kCutOff) {
                break;
            }
        }
        ASSERT_TRUE(client.wait_until_cut()) << i;
        ASSERT_TRUE(ear->wait_for([&](const Message& m) {
            return m.payload == "gone " + std::to_string(i);
        })) << "the will of "
            << i;
        (void)ear->take_all();
        ++cuts;
    }
    EXPECT_EQ(cuts, kCuts);
    EXPECT_EQ(own.pid(), pid);
    const auto anna = connected(own.device(kAnna));
    EXPECT_TRUE(accepted(anna->publish(facts_of(kAnna), "served")));
    EXPECT_TRUE(ear->wait_for_topic(facts_of(kAnna)));
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

TEST_F(Access, WhoIsRefusedAtTheDoorAllDayDoesNotFillTheLogEither) {
    ClientOptions options = broker().device(kAnna);
    options.user = "kc-knocking";
    for (int i = 0; i < 100; ++i) ASSERT_EQ(RawClient{options}.connect(), kNotAuthorized);
    const std::string log = broker().log();
    std::size_t lines = 0;
    for (std::size_t at = log.find("kc-knocking"); at != std::string::npos;
         at = log.find("kc-knocking", at + 1)) {
        ++lines;
    }
    EXPECT_GE(lines, 1U);
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
    own.service_password("ops-later");  // Makes the broker read its files again.
    check("after a reload");
    ClientOptions qos_2 = own.device(kAnna);
    RawClient anna{qos_2};
    ASSERT_EQ(anna.connect(), 0);
    EXPECT_EQ(anna.publish(facts_of(kAnna), "x", 2), kNotAuthorized)
        << "of max_qos the broker itself knows nothing any more";
    anna.disconnect();
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
