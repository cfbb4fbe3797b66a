// One MQTT 3.1.1 connection of one device, driven by somebody else's poll loop.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "topics/ids.hpp"
#include "topics/names.hpp"

namespace klyuchnik::sim {

struct LinkSettings {
    std::string host = "127.0.0.1";
    int port = 1883;
    topics::DeviceId id;
    std::string secret;  ///< Empty: no user name and password are sent.
    int keepalive_s = 30;
    /// PEM files. With `ca_file` the connection is TLS 1.2 or newer, and the broker's certificate
    /// must be signed by one of those authorities and valid for `host`; empty: plain TCP.
    std::string ca_file;
    std::string cert_file;  ///< The device's own certificate, where its listener wants one,
    std::string key_file;   ///< and its key. Both or neither, and only with `ca_file`.
};

/// Throws std::runtime_error, with the file and what is wrong, when TLS is wanted and its files
/// cannot be used: for a program that would rather not start than never connect.
void check_tls(const LinkSettings& settings);

struct Heard {
    topics::Level level;
    std::string payload;
};

/// Larger messages are counted and dropped before they are copied.
inline constexpr std::size_t kHeardBytesMax = 131'072;

/// From connect to loss; a reconnect is a new object, because the will carries the number of the
/// connection.
///
/// Everything is QoS 0, the session is clean, the one subscription is the device's own `dn/+`.
/// Nothing blocks and no thread is made: call service() when fd() is ready, and misc() about once a
/// second. The destructor closes the socket without DISCONNECT, as a device that lost its power
/// does, so that the broker publishes the will. Not thread-safe; objects are independent of each
/// other, but for what TLS connections to one host with one `ca_file` and without a certificate of
/// their own share: the authorities, read when the first of them is made. A TLS connection costs
/// about 46 KB of memory here and 21 KB in the broker (5000 at once, in 3 s), a plain one 2 KB.
class MqttLink {
 public:
    /// Starts to connect. A broker that refuses at once shows as down(), files that cannot be used
    /// too.
    MqttLink(const LinkSettings& settings, topics::Connection cn);
    ~MqttLink();
    MqttLink(const MqttLink&) = delete;
    MqttLink& operator=(const MqttLink&) = delete;

    int fd() const;  ///< -1 when down.
    bool wants_write() const;
    void service(bool readable, bool writable);
    /// Keep-alive. Also gives up a connection that was not granted its subscription within 10 s.
    void misc(std::chrono::steady_clock::time_point now);

    /// False when it is certain that nothing was sent; true promises nothing (QoS 0).
    bool publish(topics::Level level, const std::string& payload, bool retained);

    bool subscribed() const;  ///< The broker granted the subscription.
    bool down() const;
    const std::string& why_down() const;
    /// What arrived since the last call, in order.
    std::vector<Heard> take_heard();

 private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace klyuchnik::sim
