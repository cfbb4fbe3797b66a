#include "bridge/rest/address.hpp"

#include <stdexcept>

#include <gtest/gtest.h>

namespace klyuchnik::bridge {
namespace {

bool inside(const char* network, const char* address) {
    const auto parsed = Network::parse(network);
    EXPECT_TRUE(parsed) << network;
    return parsed->contains(*Address::parse(address));
}

TEST(Network, HoldsTheAddressesOfItsPrefixAndNoOthers) {
    EXPECT_TRUE(inside("10.1.0.0/16", "10.1.255.3"));
    EXPECT_FALSE(inside("10.1.0.0/16", "10.2.0.0"));
    EXPECT_TRUE(inside("10.1.2.128/25", "10.1.2.200"));
    EXPECT_FALSE(inside("10.1.2.128/25", "10.1.2.127"));
    EXPECT_TRUE(inside("192.168.7.7", "192.168.7.7"));
    EXPECT_FALSE(inside("192.168.7.7", "192.168.7.8"));
    EXPECT_TRUE(inside("0.0.0.0/0", "8.8.8.8"));
    EXPECT_TRUE(inside("fd00::/8", "fd12::1"));
    EXPECT_FALSE(inside("fd00::/8", "fe80::1"));
}

TEST(Address, KnowsThisMachine) {
    for (const char* own : {"127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"}) {
        EXPECT_TRUE(Address::parse(own)->is_loopback()) << own;
    }
    for (const char* other : {"128.0.0.1", "0.0.0.0", "::", "::2", "1::1", "::ffff:10.0.0.127"}) {
        EXPECT_FALSE(Address::parse(other)->is_loopback()) << other;
    }
}

TEST(Network, KnowsAnIpv4AddressBehindAnIpv6Socket) {
    EXPECT_TRUE(inside("10.1.0.0/16", "::ffff:10.1.2.3"));
}

TEST(Network, DoesNotLetAllOfOneFamilyInThroughTheOther) {
    EXPECT_FALSE(inside("::/0", "10.1.2.3"));
    EXPECT_FALSE(inside("0.0.0.0/0", "fd00::1"));
}

TEST(Network, RefusesWhatIsNotWrittenAsOne) {
    for (const char* text : {"", "10.1.0.0/33", "10.1.0.1/16", "10.1/16", "x", "10.0.0.0/",
                             "::/129", "10.0.0.0/8x", "10.0.0.0/-1", "fd00::1/8"}) {
        EXPECT_FALSE(Network::parse(text)) << text;
    }
    EXPECT_THROW(parse_networks({"10.0.0.0/8", "nonsense"}), std::invalid_argument);
}

TEST(Address, OneIpv6ClientCountsWithItsWholeNetwork) {
    EXPECT_EQ(Address::parse("2001:db8:1:2:aaaa::1")->group(),
              Address::parse("2001:db8:1:2:bbbb::2")->group());
    EXPECT_NE(Address::parse("2001:db8:1:2::1")->group(),
              Address::parse("2001:db8:1:3::1")->group());
    EXPECT_NE(Address::parse("10.0.0.1")->group(), Address::parse("10.0.0.2")->group());
}

TEST(ClientAddress, IsThePeerUnlessAProxyOfOursSpeaksForIt) {
    const Networks proxies = parse_networks({"127.0.0.1", "10.9.0.0/16"});
    EXPECT_EQ(client_address("203.0.113.5", "1.2.3.4", proxies), "203.0.113.5");
    EXPECT_EQ(client_address("127.0.0.1", "203.0.113.5", proxies), "203.0.113.5");
    EXPECT_EQ(client_address("127.0.0.1", "203.0.113.5, 10.9.1.1", proxies), "203.0.113.5");
    EXPECT_EQ(client_address("127.0.0.1", "203.0.113.5", {}), "127.0.0.1");
}

TEST(ClientAddress, IgnoresWhatTheClientItselfHasWrittenToTheLeft) {
    const Networks proxies = parse_networks({"127.0.0.1"});
    EXPECT_EQ(client_address("127.0.0.1", "10.0.0.1, 203.0.113.5", proxies), "203.0.113.5");
    EXPECT_EQ(client_address("127.0.0.1", "10.0.0.1, garbage", proxies), "127.0.0.1");
    EXPECT_EQ(client_address("127.0.0.1", "", proxies), "127.0.0.1");
}

}  // namespace
}  // namespace klyuchnik::bridge
