// The simulated device's connection over TLS, against a real Mosquitto.
#include "firmware-sim/device/mqtt_link.hpp"

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <poll.h>

#include "tests/support/bare_broker.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/raw_client.hpp"

namespace klyuchnik::test {
namespace {

using std::chrono::steady_clock;

constexpr int kLookMs = 20;

struct MqttLinkTls : testing::Test {
    Certificates certificates;

    static sim::LinkSettings device(const BareBroker& broker, const std::string& ca_file) {
        sim::LinkSettings settings;
        settings.port = broker.port();
        settings.id = *topics::DeviceId::parse("kc-hall1");
        settings.ca_file = ca_file;
        return settings;
    }
    sim::LinkSettings device(const BareBroker& broker) const {
        return device(broker, certificates.file("service-ca.crt"));
    }

    static void look(sim::MqttLink& link, int wait_ms) {
        const int events = link.wants_write() ? POLLIN | POLLOUT : POLLIN;
        pollfd one{link.fd(), static_cast<short>(events), 0};
        ::poll(&one, 1, wait_ms);
        link.service((one.revents & ~POLLOUT) != 0, (one.revents & POLLOUT) != 0);
        link.misc(steady_clock::now());
    }
    /// Polls as the fleet does. False when `done` never came.
    static bool serve(sim::MqttLink& link, const std::function<bool()>& done) {
        const auto deadline = steady_clock::now() + kPatience;
        while (steady_clock::now() < deadline) {
            if (done()) return true;
            if (link.down()) return false;
            look(link, kLookMs);
        }
        return false;
    }
    static bool subscribes(sim::MqttLink& link) {
        return serve(link, [&] { return link.subscribed(); });
    }
    /// Why it went down.
    static std::string refusal(sim::MqttLink& link) {
        EXPECT_TRUE(serve(link, [&] { return link.down(); }));
        EXPECT_FALSE(link.subscribed());
        return link.why_down();
    }
    RawClient server(const BareBroker& broker) const {
        ClientOptions options;
        options.port = broker.port();
        options.user = "server";
        options.tls = certificates.trust();
        return RawClient{options};
    }
};

TEST_F(MqttLinkTls, SpeaksWithABrokerWhoseAuthorityItTrusts) {
    const BareBroker broker{tls_lines(certificates)};
    sim::MqttLink link{device(broker), topics::Connection{7}};
    ASSERT_TRUE(subscribes(link)) << link.why_down();
    EXPECT_TRUE(link.publish(topics::Level::state, "x", false));
}

TEST_F(MqttLinkTls, HearsAllOfManySmallMessagesInOneRecord) {
    const BareBroker broker{tls_lines(certificates)};
    sim::MqttLink link{device(broker), topics::Connection{7}};
    ASSERT_TRUE(subscribes(link)) << link.why_down();
    RawClient sender = server(broker);
    ASSERT_EQ(sender.connect(), 0);
    const std::string topic =
        topics::device_topic(*topics::DeviceId::parse("kc-hall1"), topics::Level::ack);
    // They pile up in the socket and then come as few large pieces, with no more news behind them.
    constexpr std::size_t kMessages = 2000;
    for (std::size_t i = 1; i < kMessages; ++i) ASSERT_EQ(sender.publish(topic, "x", 0), 0);
    ASSERT_EQ(sender.publish(topic, "x", 1), 0);
    std::size_t heard = 0;
    EXPECT_TRUE(serve(link, [&] {
        heard += link.take_heard().size();
        return heard == kMessages;
    })) << heard;
}

TEST_F(MqttLinkTls, RefusesABrokerThatAnotherAuthoritySigned) {
    const Certificates impostor;
    const BareBroker broker{tls_lines(impostor)};
    sim::MqttLink link{device(broker), topics::Connection{7}};
    EXPECT_NE(refusal(link).find("certificate"), std::string::npos) << link.why_down();
}

TEST_F(MqttLinkTls, RefusesACertificateForAnotherName) {
    const BareBroker broker{tls_lines(certificates)};
    sim::LinkSettings elsewhere = device(broker);
    elsewhere.host = "127.0.0.2";
    const BareBroker other{"listener " + std::to_string(broker.port()) +
                           " 127.0.0.2\nallow_anonymous true\n" + tls_lines(certificates)};
    sim::MqttLink link{elsewhere, topics::Connection{7}};
    EXPECT_NE(refusal(link).find("IP address mismatch"), std::string::npos) << link.why_down();
}

TEST_F(MqttLinkTls, ABrokerThatSpeaksPlainTcpIsNone) {
    const BareBroker broker;
    sim::MqttLink link{device(broker), topics::Connection{7}};
    EXPECT_NE(refusal(link), "");
}

TEST_F(MqttLinkTls, ShowsItsOwnCertificateWhereTheListenerWantsOne) {
    const BareBroker broker{mutual_tls_lines(certificates)};
    sim::MqttLink without{device(broker), topics::Connection{7}};
    EXPECT_NE(refusal(without), "");

    const TlsFiles own = certificates.device("kc-hall1");
    sim::LinkSettings settings = device(broker);
    settings.cert_file = own.cert;
    settings.key_file = own.key;
    sim::MqttLink with{settings, topics::Connection{8}};
    EXPECT_TRUE(subscribes(with)) << with.why_down();

    Certificates impostor;
    const TlsFiles foreign = impostor.device("kc-hall1");
    settings.cert_file = foreign.cert;
    settings.key_file = foreign.key;
    sim::MqttLink forged{settings, topics::Connection{9}};
    EXPECT_NE(refusal(forged), "");
}

TEST_F(MqttLinkTls, SaysWhichFileCannotBeUsed) {
    const BareBroker broker{tls_lines(certificates)};
    const sim::MqttLink missing{device(broker, "/nowhere/ca.crt"), topics::Connection{7}};
    EXPECT_TRUE(missing.down());
    EXPECT_NE(missing.why_down().find("/nowhere/ca.crt"), std::string::npos) << missing.why_down();
    EXPECT_THROW(sim::check_tls(device(broker, "/nowhere/ca.crt")), std::runtime_error);
    EXPECT_NO_THROW(sim::check_tls(device(broker)));
    sim::LinkSettings settings = device(broker);
    settings.cert_file = certificates.file("server.crt");
    settings.key_file = certificates.file("http.key");
    const sim::MqttLink mixed{settings, topics::Connection{7}};
    EXPECT_NE(mixed.why_down().find("http.key"), std::string::npos) << mixed.why_down();
}

TEST_F(MqttLinkTls, ASilentBrokerDoesNotMakeItsPollerSpin) {
    const BareBroker broker{tls_lines(certificates)};
    broker.freeze();
    sim::MqttLink link{device(broker), topics::Connection{7}};
    // The packet behind the handshake waits, and yet nothing may be written until the broker
    // speaks.
    EXPECT_TRUE(serve(link, [&] { return !link.wants_write(); }));
    broker.thaw();
    EXPECT_TRUE(subscribes(link)) << link.why_down();
}

TEST_F(MqttLinkTls, ManyConnectionsOfOneProcessShareTheirAuthorities) {
    const BareBroker broker{tls_lines(certificates)};
    std::vector<std::unique_ptr<sim::MqttLink>> links;
    for (int i = 0; i < 200; ++i) {
        sim::LinkSettings settings = device(broker);
        settings.id = *topics::DeviceId::parse("kc-fleet" + std::to_string(i));
        links.push_back(std::make_unique<sim::MqttLink>(
            settings, topics::Connection{static_cast<std::uint32_t>(i + 1)}));
    }
    const auto all_subscribed = [&] {
        return std::ranges::all_of(links, [](const auto& link) { return link->subscribed(); });
    };
    const auto deadline = steady_clock::now() + kPatience;
    while (!all_subscribed() && steady_clock::now() < deadline) {
        for (auto& link : links) {
            ASSERT_FALSE(link->down()) << link->why_down();
            look(*link, 0);
        }
    }
    EXPECT_TRUE(all_subscribed());
}

}  // namespace
}  // namespace klyuchnik::test
