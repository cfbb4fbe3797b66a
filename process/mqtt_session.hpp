// One MQTT 5 session of one of our programs: connects, comes back, subscribes again, never blocks
// the caller.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace klyuchnik::process {

class Metrics;

struct MqttSettings {
    std::string host = "127.0.0.1";  ///< Name or address; an IPv6 address without brackets.
    std::int64_t port = 1884;
    std::string user;
    std::string password;
    std::string client_id;  ///< Empty = the user name, which is what our broker makes of it anyway.
    /// PEM file of the authorities that may have signed the broker's certificate, which must also
    /// be valid for `host`. Empty = plain TCP, for a broker on loopback only. Read at every
    /// connect, so a file that is replaced counts from the next one.
    std::string ca_file;
};

struct MqttMessage {
    std::string topic;
    std::string payload;    ///< Any bytes, NUL included.
    bool retained = false;  ///< True only for what the broker had stored when we subscribed.
};

/// Messages handed to publish() and not yet written to the socket (QoS 0) or acknowledged (QoS 1).
inline constexpr std::size_t kUnsentMax = 4096;
/// Their payload and topic bytes.
inline constexpr std::size_t kUnsentBytesMax = std::size_t{32} << 20;
/// QoS 1 messages without PUBACK; half of the broker's Receive Maximum when that is less. (Filling
/// the window makes the client library stop for a second at a time.)
inline constexpr std::size_t kUnackedMax = 500;
/// Largest payload and topic together that publish() takes, in bytes.
inline constexpr std::size_t kMqttMessageMax = std::size_t{128} << 10;
/// Largest packet that we ask the broker for; it keeps greater ones from us. Above everything the
/// broker admits.
inline constexpr std::size_t kMqttPacketMax = std::size_t{256} << 10;
/// QoS 1 messages that the broker may send us before we acknowledge.
inline constexpr std::uint16_t kReceiveMaximum = 500;
/// Pause before a reconnect: doubles from the first to the second, each time a random half to whole
/// of it.
inline constexpr std::chrono::milliseconds kReconnectPauseMin{200};
inline constexpr std::chrono::milliseconds kReconnectPauseMax{5000};
/// A connection on which something waits to be sent and nothing moves for this long is cut and made
/// anew.
inline constexpr std::chrono::milliseconds kStallMax{10'000};

/// MQTT 5, clean start, session expiry 0: the broker keeps nothing for us, and nothing depends on
/// it.
///
/// - Network thread: the MQTT library's, **one for all sessions of the process**.
///   Calls `on_message`.
/// - Session thread: this object's, from connect() to disconnect(). Connects, subscribes, calls
///   `on_state`.
/// - Any other thread: publish(), set_subscriptions(), unsubscribe_all(), connected(),
///   wait_connected().
///
/// `on_message` must only move bytes into a queue: while it runs, no session of the process
/// receives anything and an answered PUBACK proves nothing. It may publish(); it must not call
/// anything here that waits. The same holds for `on_state`. An exception that leaves one of them is
/// logged and swallowed. Neither is called after disconnect() returned.
///
/// Losing the broker loses what was not written; that is counted, not repaired here: every source
/// in this system repeats until it is answered.
class MqttSession {
 public:
    using OnMessage = std::function<void(MqttMessage&&)>;
    using OnState = std::function<void(bool connected)>;

    struct Subscription {
        std::string filter;
        int qos = 0;
        bool operator==(const Subscription&) const = default;
    };

    /// Opens no connection yet. `metrics` must outlive the session. Throws std::invalid_argument
    /// for settings that can never work: no user nor client id, a port out of range, a `ca_file`
    /// that cannot be read.
    MqttSession(MqttSettings settings, OnMessage on_message, OnState on_state, Metrics& metrics);
    /// disconnect() with two seconds.
    ~MqttSession();
    MqttSession(const MqttSession&) = delete;
    MqttSession& operator=(const MqttSession&) = delete;

    /// Presence of this program, before connect(): `online_payload` is published retained on
    /// `topic` at every connect, `will_payload` (retained) by the broker when we vanish and by us
    /// when we leave.
    void set_presence(std::string topic, std::string online_payload, std::string will_payload);

    /// Returns at once. Connecting and coming back happen on the session thread, for ever, until
    /// disconnect(). A refusal by the broker (wrong password) is logged as an error and tried
    /// again, for credentials may be put right while we wait. Calling it twice throws
    /// std::logic_error.
    void connect();

    /// True when connected() within `timeout`.
    bool wait_connected(std::chrono::milliseconds timeout) const;

    /// Connected, and the wanted subscriptions answered.
    bool connected() const;

    /// The wanted set of filters, replacing the one before. It is kept and subscribed at every
    /// (re)connect, before on_state(true). Filters that are subscribed already are left alone
    /// (their retained messages do not come again); those not in the set are unsubscribed.
    ///
    /// True when all were granted within `timeout`. False when not connected in time, or one was
    /// refused: that is logged as an error with the broker's reason. In both cases the set stays
    /// wanted. May be called before connect() with timeout 0: returns false, and the set is used.
    /// Throws std::invalid_argument for an empty filter, one with NUL or a QoS other than 0 and 1.
    /// Not from on_message or on_state: it would wait for itself.
    bool set_subscriptions(std::vector<Subscription> wanted, std::chrono::milliseconds timeout);

    /// "Stop reading": the wanted set becomes empty, the connection stays. True when the broker has
    /// answered. What was already on its way still arrives. set_subscriptions() again resumes, and
    /// retained messages come again.
    bool unsubscribe_all(std::chrono::milliseconds timeout);

    /// Hands a message over and returns at once; true says no more than that. False when not
    /// connected or one of the limits above is reached: the caller's source repeats. `expiry` 0 =
    /// none; under a second counts as one. Any thread, on_message included. Throws
    /// std::invalid_argument for a topic that is empty, holds a wildcard or NUL, std::length_error
    /// beyond kMqttMessageMax (the broker would cut the connection): faults of our own code.
    bool publish(const std::string& topic, std::string_view payload, int qos, bool retain = false,
                 std::chrono::seconds expiry = {});

    /// Messages that publish() took and that are neither written (QoS 0) nor acknowledged (QoS 1).
    std::size_t unsent() const;

    /// Waits until everything is written and acknowledged, at most `timeout`; then says goodbye
    /// (presence, a clean DISCONNECT) and ends the session thread. Returns within `timeout` plus
    /// about two seconds, also when the broker stands still. Final: a session cannot be connected
    /// again. Calling it twice is harmless.
    void disconnect(std::chrono::milliseconds timeout);

 private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace klyuchnik::process
