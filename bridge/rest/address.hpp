#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// IP addresses and networks. Pure.
namespace klyuchnik::bridge {

/// An IPv4 address is kept in its IPv6 form (::ffff:a.b.c.d), as dual-stack sockets report it.
struct Address {
    std::array<std::uint8_t, 16> bytes{};
    bool v4 = false;

    static std::optional<Address> parse(std::string_view text);
    /// Who is slowed together: one IPv4 address, or the /64 that one IPv6 client owns whole.
    std::string group() const;
    /// 127.0.0.0/8 or ::1.
    bool is_loopback() const;
    bool operator==(const Address&) const = default;
};

class Network {
 public:
    /// "10.0.0.0/8", "fd00::/8", or one address. Bits behind the prefix must be zero: a network
    /// that is not written as one is more likely a slip than a wish.
    static std::optional<Network> parse(std::string_view text);
    bool contains(const Address& address) const;

 private:
    Address base_;
    int bits_ = 128;
};

using Networks = std::vector<Network>;

/// Throws std::invalid_argument naming the text that is no network.
Networks parse_networks(const std::vector<std::string>& texts);
bool contains(const Networks& networks, const Address& address);

/// The client behind `peer`: the last address of X-Forwarded-For that no proxy of ours wrote about
/// another proxy of ours. The header counts only when the peer itself is such a proxy; everything
/// left of the first foreign address could have been written by the client.
std::string client_address(std::string_view peer, std::string_view forwarded_for,
                           const Networks& trusted_proxies);

}  // namespace klyuchnik::bridge
