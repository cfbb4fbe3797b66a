#include "bridge/rest/address.hpp"

#include <algorithm>
#include <charconv>
#include <stdexcept>

#include <arpa/inet.h>

namespace klyuchnik::bridge {
namespace {

constexpr std::size_t kV4Offset = 12;
constexpr int kV4Bits = 96;

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    return text;
}

bool mapped(const std::array<std::uint8_t, 16>& bytes) {
    return std::all_of(bytes.begin(), bytes.begin() + 10, [](auto b) { return b == 0; }) &&
           bytes[10] == 0xFF && bytes[11] == 0xFF;
}

bool same_prefix(const Address& a, const Address& b, int bits) {
    for (std::size_t i = 0; i < a.bytes.size() && bits > 0; ++i, bits -= 8) {
        const auto mask = static_cast<std::uint8_t>(bits >= 8 ? 0xFF : 0xFF << (8 - bits));
        if ((a.bytes[i] & mask) != (b.bytes[i] & mask)) return false;
    }
    return true;
}

}  // namespace

std::optional<Address> Address::parse(std::string_view text) {
    const std::string zero_ended{text};
    Address address;
    if (inet_pton(AF_INET, zero_ended.c_str(), address.bytes.data() + kV4Offset) == 1) {
        address.bytes[10] = address.bytes[11] = 0xFF;
        address.v4 = true;
        return address;
    }
    if (inet_pton(AF_INET6, zero_ended.c_str(), address.bytes.data()) == 1) {
        address.v4 = mapped(address.bytes);
        return address;
    }
    return std::nullopt;
}

std::string Address::group() const {
    std::array<std::uint8_t, 16> shown = bytes;
    if (!v4) std::fill(shown.begin() + 8, shown.end(), std::uint8_t{0});
    std::array<char, INET6_ADDRSTRLEN> text{};
    inet_ntop(AF_INET6, shown.data(), text.data(), text.size());
    return text.data();
}

bool Address::is_loopback() const {
    if (v4) return bytes[12] == 127;
    return std::all_of(bytes.begin(), bytes.end() - 1, [](auto byte) { return byte == 0; }) &&
           bytes.back() == 1;
}

std::optional<Network> Network::parse(std::string_view text) {
    const std::size_t slash = text.find('/');
    const auto base = Address::parse(text.substr(0, slash));
    if (!base) return std::nullopt;
    Network network;
    network.base_ = *base;
    if (slash != std::string_view::npos) {
        const std::string_view digits = text.substr(slash + 1);
        int bits = 0;
        const auto [end, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), bits);
        const int most = base->v4 ? 32 : 128;
        if (error != std::errc{} || end != digits.data() + digits.size() || bits < 0 ||
            bits > most) {
            return std::nullopt;
        }
        network.bits_ = base->v4 ? kV4Bits + bits : bits;
    }
    for (int bit = network.bits_; bit < 128; ++bit) {
        const auto byte = network.base_.bytes[static_cast<std::size_t>(bit / 8)];
        if ((byte >> (7 - bit % 8) & 1) != 0) return std::nullopt;
    }
    return network;
}

bool Network::contains(const Address& address) const {
    // "::/0" is every IPv6 address; that it should let in all of IPv4 would surprise its writer.
    return address.v4 == base_.v4 && same_prefix(base_, address, bits_);
}

Networks parse_networks(const std::vector<std::string>& texts) {
    Networks networks;
    for (const std::string& text : texts) {
        const auto network = Network::parse(text);
        if (!network) {
            throw std::invalid_argument{"not a network: \"" + text +
                                        "\" (write 10.1.0.0/16, fd00::/8 or one address)"};
        }
        networks.push_back(*network);
    }
    return networks;
}

bool contains(const Networks& networks, const Address& address) {
    return std::ranges::any_of(networks, [&](const Network& one) { return one.contains(address); });
}

std::string client_address(std::string_view peer, std::string_view forwarded_for,
                           const Networks& trusted_proxies) {
    std::string client{peer};
    while (true) {
        const auto known = Address::parse(client);
        if (!known || !contains(trusted_proxies, *known)) return client;
        const std::size_t comma = forwarded_for.rfind(',');
        const std::string_view next = trimmed(
            comma == std::string_view::npos ? forwarded_for : forwarded_for.substr(comma + 1));
        // What is not an address cannot be anybody: the last proxy known stays responsible.
        if (!Address::parse(next)) return client;
        client = std::string{next};
        forwarded_for =
            comma == std::string_view::npos ? std::string_view{} : forwarded_for.substr(0, comma);
    }
}

}  // namespace klyuchnik::bridge
