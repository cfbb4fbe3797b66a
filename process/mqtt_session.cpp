#include "process/mqtt_session.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <mutex>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include <dirent.h>
#include <fmt/core.h>
#include <mqtt/async_client.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "process/log.hpp"
#include "process/metrics.hpp"

namespace klyuchnik::process {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr seconds kKeepAlive{10};
constexpr seconds kConnectTimeout{3};
// The library looks at its connect timeout every few seconds only.
constexpr seconds kConnectGiveUp{10};
constexpr seconds kSubscribeTimeout{5};
constexpr milliseconds kGoodbyeStep{600};
constexpr milliseconds kStopSlice{100};
constexpr seconds kStopMax{2};
constexpr seconds kLogInterval{30};

// --- sockets
// --------------------------------------------------------------------------------------------------

/// A TCP connection of this process, told from a later one that reuses the descriptor by its local
/// port.
struct Socket {
    int fd = -1;
    in_port_t local_port = 0;
    bool operator==(const Socket&) const = default;
};

std::optional<in_port_t> port_of(const sockaddr_storage& address) {
    if (address.ss_family == AF_INET) return reinterpret_cast<const sockaddr_in&>(address).sin_port;
    if (address.ss_family == AF_INET6)
        return reinterpret_cast<const sockaddr_in6&>(address).sin6_port;
    return std::nullopt;
}

std::optional<Socket> socket_to(int fd, in_port_t remote_port) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
        port_of(address) != remote_port)
        return std::nullopt;
    size = sizeof address;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return std::nullopt;
    const auto local_port = port_of(address);
    if (!local_port) return std::nullopt;
    return Socket{fd, *local_port};
}

/// Every connection of this process to `port`. The library has no function that tells its
/// descriptor.
std::vector<Socket> sockets_to(std::int64_t port) {
    const in_port_t wanted = htons(static_cast<std::uint16_t>(port));
    std::vector<Socket> found;
    DIR* directory = ::opendir("/proc/self/fd");
    if (directory == nullptr) return found;
    while (const dirent* entry = ::readdir(directory))
        if (const auto socket =
                socket_to(std::atoi(static_cast<const char*>(entry->d_name)), wanted))
            found.push_back(*socket);
    ::closedir(directory);
    return found;
}

/// Sessions connect one at a time, so that the connection that is new afterwards is known to be
/// ours.
/// One at a time, for waits that must also notice a stop. (std::timed_mutex would do;
/// ThreadSanitizer of g++ 12 does not know its timed lock.)
class Gate {
 public:
    bool enter_within(milliseconds timeout) {
        std::unique_lock lock{mutex_};
        if (!left_.wait_for(lock, timeout, [this] { return free_; })) return false;
        free_ = false;
        return true;
    }
    void leave() {
        {
            const std::lock_guard lock{mutex_};
            free_ = true;
        }
        left_.notify_one();
    }

 private:
    std::mutex mutex_;
    std::condition_variable left_;
    bool free_ = true;
};

Gate& connect_gate() {
    static Gate gate;
    return gate;
}

// --- what travels with a publish through the library and back
// ---------------------------------------------------

/// Packed into the user-context pointer, so that accounting costs no allocation: the connection it
/// belongs to (a late answer for an older one must not be counted), the QoS and the bytes.
struct Ticket {
    std::uint32_t connection = 0;
    bool acknowledged = false;
    std::uint32_t bytes = 0;

    static_assert(sizeof(void*) == 8, "a ticket needs 64 bits");

    void* pack() const {
        const std::uint64_t bits = (std::uint64_t{connection & 0x7FFFFFFFU} << 33U) |
                                   (std::uint64_t{acknowledged} << 32U) | std::uint64_t{bytes};
        // NOLINTNEXTLINE(performance-no-int-to-ptr): the library hands one pointer back, and
        // nothing else.
        return reinterpret_cast<void*>(bits);
    }

    static Ticket unpack(void* context) {
        const auto bits = reinterpret_cast<std::uint64_t>(context);
        return {static_cast<std::uint32_t>(bits >> 33U), ((bits >> 32U) & 1U) != 0,
                static_cast<std::uint32_t>(bits & 0xFFFFFFFFU)};
    }
};

std::string uri(const MqttSettings& settings) {
    const bool is_ipv6 = settings.host.find(':') != std::string::npos;
    return fmt::format("{}://{}{}{}:{}", settings.ca_file.empty() ? "tcp" : "ssl",
                       is_ipv6 ? "[" : "", settings.host, is_ipv6 ? "]" : "", settings.port);
}

MqttSettings completed(MqttSettings settings) {
    if (settings.client_id.empty()) settings.client_id = settings.user;
    if (settings.client_id.empty())
        throw std::invalid_argument{"an MQTT session needs a user or a client id"};
    if (settings.port < 1 || settings.port > 65535)
        throw std::invalid_argument{"MQTT port out of range"};
    // The library would say "failed" at every connect and not why.
    if (!settings.ca_file.empty() && !std::ifstream{settings.ca_file})
        throw std::invalid_argument{"cannot read the MQTT CA file " + settings.ca_file};
    return settings;
}

mqtt::create_options create_options() {
    mqtt::create_options options{MQTTVERSION_5};
    // Without this the library refuses near 100 waiting messages even while it is connected. Our
    // own limit counts.
    options.set_max_buffered_messages(static_cast<int>(2 * kUnsentMax));
    return options;
}

bool is_refusal(int reason) {
    return reason >= 0x80 && reason <= 0xFF;
}

}  // namespace

struct MqttSession::Impl final : mqtt::iaction_listener {
    struct Presence {
        std::string topic;
        std::string online;
        std::string gone;
    };

    Impl(MqttSettings settings_in, OnMessage on_message_in, OnState on_state_in, Metrics& metrics)
        : settings{completed(std::move(settings_in))},
          on_message{std::move(on_message_in)},
          on_state{std::move(on_state_in)},
          connected_gauge{metrics.gauge("klyuchnik_mqtt_connected",
                                        "1 while the session is usable.", labels())},
          unsent_gauge{metrics.gauge("klyuchnik_mqtt_unsent_messages",
                                     "Published messages not yet written or acknowledged.",
                                     labels())},
          connects{metrics.counter("klyuchnik_mqtt_connects_total", "Connections made.", labels())},
          losses{metrics.counter("klyuchnik_mqtt_connection_losses_total",
                                 "Connections lost or cut.", labels())},
          stalls{metrics.counter("klyuchnik_mqtt_stalls_total",
                                 "Connections cut because nothing moved.", labels())},
          received{metrics.counter("klyuchnik_mqtt_messages_received_total", "Messages received.",
                                   labels())},
          received_bytes{metrics.counter("klyuchnik_mqtt_payload_bytes_received_total",
                                         "Payload bytes received.", labels())},
          published{metrics.counter("klyuchnik_mqtt_messages_published_total",
                                    "Messages written (QoS 0) or acknowledged (QoS 1).", labels())},
          unpublished{metrics.counter("klyuchnik_mqtt_messages_unpublished_total",
                                      "Messages taken by publish() and lost with their connection.",
                                      labels())},
          refused_offline{metrics.counter("klyuchnik_mqtt_publish_refused_total",
                                          "publish() answered false.", labels("offline"))},
          refused_full{metrics.counter("klyuchnik_mqtt_publish_refused_total",
                                       "publish() answered false.", labels("full"))},
          handler_errors{metrics.counter("klyuchnik_mqtt_handler_errors_total",
                                         "Exceptions that left a message or state callback.",
                                         labels())} {
        // All before connect(): setting them later can deadlock inside the library.
        client.set_message_callback(
            [this](const mqtt::const_message_ptr& message) { deliver(message); });
        client.set_connection_lost_handler([this](const std::string&) { link_is_lost(); });
        client.set_disconnected_handler([this](const mqtt::properties&, mqtt::ReasonCode reason) {
            log::error("mqtt {}: the broker ended the session: {}{}", settings.client_id,
                       mqtt::exception::reason_code_str(reason),
                       reason == mqtt::ReasonCode::SESSION_TAKEN_OVER
                           ? " (a second program runs with this client id; stop one of them)"
                           : "");
        });
    }

    Labels labels(const char* reason = nullptr) const {
        Labels set{{"client", settings.client_id}};
        if (reason != nullptr) set.emplace("reason", reason);
        return set;
    }

    // --- network thread
    // -----------------------------------------------------------------------------------------

    void deliver(const mqtt::const_message_ptr& message) noexcept {
        try {
            const std::lock_guard lock{delivery_mutex};
            if (!delivering) return;
            received.inc();
            received_bytes.inc(static_cast<double>(message->get_payload_ref().size()));
            on_message(MqttMessage{message->get_topic(), message->get_payload_str(),
                                   message->is_retained()});
        } catch (const std::exception& error) {
            handler_failed(error.what());
        } catch (...) {
            handler_failed("not a std::exception");
        }
    }

    void handler_failed(const char* what) noexcept {
        handler_errors.inc();
        log::warn_every("mqtt callback", kLogInterval, "mqtt {}: a callback threw: {}",
                        settings.client_id, what);
    }

    void link_is_lost() noexcept {
        {
            const std::lock_guard lock{mutex};
            up = false;
            lost = true;
        }
        changed.notify_all();
    }

    void on_success(const mqtt::token& token) override {
        settle(Ticket::unpack(token.get_user_context()), true);
    }
    void on_failure(const mqtt::token& token) override {
        settle(Ticket::unpack(token.get_user_context()), false);
    }

    void settle(const Ticket& ticket, bool sent) noexcept {
        {
            const std::lock_guard lock{mutex};
            if (ticket.connection != connection) return;
            --unsent;
            unsent_bytes -= ticket.bytes;
            if (ticket.acknowledged) --unacked;
            last_progress = steady_clock::now();
            unsent_gauge.set(static_cast<double>(unsent));
            if (unsent != 0) {
                (sent ? published : unpublished).inc();
                return;
            }
        }
        (sent ? published : unpublished).inc();
        changed.notify_all();
    }

    // --- any thread
    // -----------------------------------------------------------------------------------------------

    bool publish(const std::string& topic, std::string_view payload, int qos, bool retain,
                 seconds expiry) {
        check(topic, payload, qos);
        const std::size_t bytes = topic.size() + payload.size();
        Ticket ticket;
        {
            const std::lock_guard lock{mutex};
            if (!up || leaving) {
                refused_offline.inc();
                return false;
            }
            if (unsent >= kUnsentMax || unsent_bytes + bytes > kUnsentBytesMax ||
                (qos > 0 && unacked >= unacked_max)) {
                refused_full.inc();
                return false;
            }
            if (unsent == 0) last_progress = steady_clock::now();
            ticket = count_in(qos, bytes);
        }
        if (hand_over(topic, payload, qos, retain, expiry, ticket)) return true;
        refused_offline.inc();
        return false;
    }

    static void check(const std::string& topic, std::string_view payload, int qos) {
        constexpr std::string_view kForbidden{"+#\0", 3};
        if (topic.empty() || topic.find_first_of(kForbidden) != std::string::npos)
            throw std::invalid_argument{"cannot publish to topic \"" + one_line(topic) + "\""};
        if (qos != 0 && qos != 1) throw std::invalid_argument{"QoS must be 0 or 1"};
        if (topic.size() + payload.size() > kMqttMessageMax)
            throw std::length_error{
                fmt::format("a message of {} bytes for {} is over the limit of {}", payload.size(),
                            one_line(topic), kMqttMessageMax)};
    }

    /// Needs `mutex`.
    Ticket count_in(int qos, std::size_t bytes) {
        ++unsent;
        unsent_bytes += bytes;
        if (qos > 0) ++unacked;
        unsent_gauge.set(static_cast<double>(unsent));
        return {connection, qos > 0, static_cast<std::uint32_t>(bytes)};
    }

    /// Never called with `mutex` held: the library calls settle() with its own locks held.
    bool hand_over(const std::string& topic, std::string_view payload, int qos, bool retain,
                   seconds expiry, const Ticket& ticket) {
        try {
            mqtt::properties properties;
            if (expiry != seconds{}) {
                const auto whole = std::clamp<std::int64_t>(expiry.count(), 1, 0x7FFFFFFF);
                properties.add(
                    {mqtt::property::MESSAGE_EXPIRY_INTERVAL, static_cast<std::int32_t>(whole)});
            }
            client.publish(mqtt::message::create(topic, payload.data(), payload.size(), qos, retain,
                                                 properties),
                           ticket.pack(), *this);
            return true;
        } catch (const mqtt::exception& error) {
            settle(ticket, false);
            log::warn_every("mqtt publish " + settings.client_id, kLogInterval,
                            "mqtt {}: publish failed: {}", settings.client_id, error.what());
            return false;
        }
    }

    bool want(std::vector<Subscription> filters, milliseconds timeout) {
        std::unique_lock lock{mutex};
        wanted = std::move(filters);
        const std::uint64_t mine = ++wanted_version;
        changed.notify_all();
        const bool answered = changed.wait_for(
            lock, timeout, [&] { return (up && applied_version >= mine) || leaving; });
        return answered && up && applied_version >= mine && all_granted;
    }

    // --- session thread
    // -------------------------------------------------------------------------------------------

    void run() {
        milliseconds pause = kReconnectPauseMin;
        std::minstd_rand random{std::random_device{}()};
        while (!is_stopping()) {
            const auto start = steady_clock::now();
            if (open_link()) serve_link();
            const bool orderly = is_stopping();
            if (orderly) say_goodbye();
            close_link(orderly);
            if (orderly) break;
            // Two programs with one client id throw each other out at once: such a link does not
            // reset the pause.
            if (steady_clock::now() - start > 2 * kReconnectPauseMax) pause = kReconnectPauseMin;
            std::uniform_int_distribution<milliseconds::rep> jitter{pause.count() / 2,
                                                                    pause.count()};
            std::unique_lock lock{mutex};
            changed.wait_for(lock, milliseconds{jitter(random)}, [this] { return stopping; });
            pause = std::min(2 * pause, kReconnectPauseMax);
        }
    }

    bool is_stopping() const {
        const std::lock_guard lock{mutex};
        return stopping;
    }

    /// True when connected, subscribed and announced.
    bool open_link() {
        if (!connect_socket()) return false;
        linked = true;
        connects.inc();
        if (!apply_wanted()) {
            cut("the subscriptions were not answered");
            return false;
        }
        if (presence) announce(presence->online, kGoodbyeStep);
        {
            const std::lock_guard lock{mutex};
            if (lost) return false;
            up = true;
        }
        connected_gauge.set(1);
        changed.notify_all();
        log::info("mqtt {}: connected to {}, {} subscriptions", settings.client_id, uri(settings),
                  active.size());
        tell(true);
        return true;
    }

    bool connect_socket() {
        {
            const std::lock_guard lock{mutex};
            lost = false;
        }
        try {
            // Only after a cut that the library has not noticed in time; connect() would be ignored
            // (-18).
            if (client.is_connected()) client.disconnect()->wait_for(kGoodbyeStep);
            const mqtt::token_ptr token = start_connect();
            if (!token) return false;
            auto give_up = steady_clock::now() + kConnectGiveUp;
            while (!token->wait_for(kStopSlice)) {
                // Destroying the client while it connects is best avoided, so a stop waits for the
                // outcome, a little.
                if (is_stopping()) give_up = std::min(give_up, stop_deadline);
                if (steady_clock::now() > give_up)
                    return connect_failed("no answer from the broker");
            }
            start_accounts(token->get_connect_response());
            last_failure.clear();
            return true;
        } catch (const mqtt::exception& error) {
            return connect_failed(error.what());
        }
    }

    /// The library has one word for everything between the socket and the end of the handshake.
    std::string tls_hint() const {
        if (settings.ca_file.empty()) return {};
        return fmt::format(
            " (does the broker speak TLS there, did an authority of {} sign its certificate, and "
            "is it valid for {}?)",
            settings.ca_file, settings.host);
    }

    /// Sessions open their sockets one at a time, so that the connection that is new afterwards is
    /// ours. That takes about a millisecond; what follows (the library looks at new sockets once a
    /// second) they wait for together.
    mqtt::token_ptr start_connect() {
        while (!connect_gate().enter_within(kStopSlice))
            if (is_stopping()) return nullptr;
        struct Leave {
            ~Leave() { connect_gate().leave(); }
        } const leave;
        const std::vector<Socket> before = sockets_to(settings.port);
        mqtt::token_ptr token = client.connect(connect_options());
        const auto give_up = steady_clock::now() + kConnectTimeout;
        socket = Socket{};
        while (!find_socket(before) && !token->wait_for(milliseconds{1}) && !is_stopping())
            if (steady_clock::now() > give_up) break;
        // The library may have been faster than the look around.
        if (socket.fd < 0 && !find_socket(before))
            log::warn("mqtt {}: the socket to {} was not found; single messages may be 44 ms late",
                      settings.client_id, uri(settings));
        return token;
    }

    bool connect_failed(const std::string& why) {
        if (is_stopping()) return false;
        // A broker that is away says the same thing every few seconds: the first time is news.
        if (why != last_failure)
            log::error("mqtt {}: cannot connect to {}: {}{}; trying again", settings.client_id,
                       uri(settings), why, tls_hint());
        else
            log::warn_every("mqtt connect " + settings.client_id, kLogInterval,
                            "mqtt {}: still cannot connect to {}: {}", settings.client_id,
                            uri(settings), why);
        last_failure = why;
        return false;
    }

    mqtt::connect_options connect_options() const {
        mqtt::connect_options options;
        options.set_mqtt_version(MQTTVERSION_5);
        options.set_clean_start(true);
        options.set_keep_alive_interval(kKeepAlive);
        options.set_connect_timeout(kConnectTimeout);
        // The library's reconnect counts in whole seconds, has no jitter at the start and does not
        // subscribe again; mixing it with connect() calls crashes. So it stays off and run()
        // reconnects.
        options.set_automatic_reconnect(false);
        // The default of 10 would be a window that fills. The real one is kUnackedMax.
        options.set_max_inflight(65535);
        if (!settings.user.empty()) options.set_user_name(settings.user);
        if (!settings.password.empty()) options.set_password(settings.password);
        mqtt::properties properties;
        properties.add({mqtt::property::SESSION_EXPIRY_INTERVAL, 0});
        properties.add({mqtt::property::RECEIVE_MAXIMUM, kReceiveMaximum});
        properties.add(
            {mqtt::property::MAXIMUM_PACKET_SIZE, static_cast<std::int32_t>(kMqttPacketMax)});
        options.set_properties(std::move(properties));
        if (!settings.ca_file.empty()) options.set_ssl(tls_options());
        if (presence)
            options.set_will_message(mqtt::message::create(presence->topic, presence->gone.data(),
                                                           presence->gone.size(), 1, true));
        return options;
    }

    mqtt::ssl_options tls_options() const {
        mqtt::ssl_options options;
        options.set_trust_store(settings.ca_file);
        // Both are needed: the first checks who signed the certificate, the second whose it is.
        options.set_enable_server_cert_auth(true);
        options.set_verify(true);
        // For TLS 1.2; the library's own default admits suites without a certificate.
        options.set_enabled_cipher_suites("ECDHE+AESGCM:ECDHE+CHACHA20");
        return options;
    }

    bool find_socket(const std::vector<Socket>& before) {
        for (const Socket& candidate : sockets_to(settings.port)) {
            if (std::find(before.begin(), before.end(), candidate) != before.end()) continue;
            socket = candidate;
            // Without it a lone message waits for the delayed acknowledgement of the one before: 44
            // ms instead of 1.
            const int on = 1;
            if (::setsockopt(socket.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0)
                log::warn(
                    "mqtt {}: TCP_NODELAY could not be set; single messages may be 44 ms late",
                    settings.client_id);
            return true;
        }
        return false;
    }

    void start_accounts(const mqtt::connect_response& answer) {
        std::size_t window = 65535;
        if (answer.get_properties().contains(mqtt::property::RECEIVE_MAXIMUM))
            window =
                mqtt::get<std::uint16_t>(answer.get_properties(), mqtt::property::RECEIVE_MAXIMUM);
        const std::lock_guard lock{mutex};
        connection = (connection + 1) & 0x7FFFFFFFU;
        clear_accounts();
        unacked_max = std::clamp<std::size_t>(window / 2, 1, kUnackedMax);
    }

    /// Needs `mutex`.
    void clear_accounts() {
        unsent = 0;
        unsent_bytes = 0;
        unacked = 0;
        unsent_gauge.set(0);
        last_progress = steady_clock::now();
    }

    /// Makes the broker's set ours. False when the link does not answer; a refused filter is no
    /// such failure.
    bool apply_wanted() {
        std::vector<Subscription> target;
        std::uint64_t version = 0;
        {
            const std::lock_guard lock{mutex};
            target = wanted;
            version = wanted_version;
        }
        std::vector<Subscription> leave;
        std::vector<Subscription> join;
        const auto lacks = [](const std::vector<Subscription>& set, const Subscription& one) {
            return std::find(set.begin(), set.end(), one) == set.end();
        };
        for (const Subscription& one : active)
            if (lacks(target, one)) leave.push_back(one);
        for (const Subscription& one : target)
            if (lacks(active, one) && lacks(join, one)) join.push_back(one);

        bool granted = true;
        if (!unsubscribe(leave, kSubscribeTimeout) || !subscribe(join, granted)) return false;
        {
            const std::lock_guard lock{mutex};
            applied_version = version;
            all_granted = granted;
        }
        changed.notify_all();
        return true;
    }

    /// One packet per filter, all on their way at once: the library tells the broker's reason for
    /// single filters only.
    bool subscribe(const std::vector<Subscription>& filters, bool& granted) {
        std::vector<mqtt::token_ptr> tokens;
        const auto deadline = steady_clock::now() + kSubscribeTimeout;
        try {
            for (const Subscription& one : filters)
                tokens.push_back(client.subscribe(one.filter, one.qos));
        } catch (const mqtt::exception&) {
            return false;
        }
        for (std::size_t i = 0; i < filters.size(); ++i) {
            const auto reason = answer_to(*tokens[i], deadline);
            if (!reason) return false;
            if (is_refusal(*reason)) {
                granted = false;
                log::error("mqtt {}: the broker refused the subscription {}: {} ({})",
                           settings.client_id, filters[i].filter,
                           mqtt::exception::reason_code_str(*reason), *reason);
            } else {
                active.push_back(filters[i]);
            }
        }
        return true;
    }

    bool unsubscribe(const std::vector<Subscription>& filters, milliseconds timeout) {
        std::vector<mqtt::token_ptr> tokens;
        const auto deadline = steady_clock::now() + timeout;
        try {
            for (const Subscription& one : filters)
                tokens.push_back(client.unsubscribe(one.filter));
        } catch (const mqtt::exception&) {
            return false;
        }
        for (std::size_t i = 0; i < filters.size(); ++i) {
            if (!answer_to(*tokens[i], deadline)) return false;
            std::erase(active, filters[i]);
        }
        return true;
    }

    /// The broker's reason code, or nothing when it has not answered.
    std::optional<int> answer_to(mqtt::token& token, steady_clock::time_point deadline) {
        try {
            for (;;) {
                const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
                if (token.wait_for(std::clamp<milliseconds>(left, milliseconds{0}, kStopSlice)))
                    break;
                if (left <= milliseconds{0} || is_lost()) return std::nullopt;
            }
            const int reason = token.get_reason_code();
            return reason;
        } catch (const mqtt::exception& error) {
            if (is_refusal(error.get_reason_code())) return error.get_reason_code();
            return std::nullopt;
        }
    }

    bool is_lost() const {
        const std::lock_guard lock{mutex};
        return lost;
    }

    bool announce(const std::string& payload, milliseconds timeout) {
        try {
            return client
                .publish(
                    mqtt::message::create(presence->topic, payload.data(), payload.size(), 1, true))
                ->wait_for(timeout);
        } catch (const mqtt::exception& error) {
            log::warn("mqtt {}: presence was not published: {}", settings.client_id, error.what());
            return false;
        }
    }

    /// Returns when the link is lost, cut, or the session is to end.
    void serve_link() {
        for (;;) {
            bool behind = false;
            bool stalled = false;
            {
                std::unique_lock lock{mutex};
                changed.wait_for(lock, seconds{1}, [this] {
                    return stopping || lost || applied_version != wanted_version;
                });
                if (stopping || lost) return;
                behind = applied_version != wanted_version;
                stalled = unsent > 0 && steady_clock::now() - last_progress > kStallMax;
            }
            if (stalled) {
                stalls.inc();
                return cut("messages wait and nothing moves");
            }
            if (behind && !apply_wanted()) return cut("a change of subscriptions was not answered");
        }
    }

    /// Ends a connection that no longer answers. Closing our socket under the library makes it see
    /// an ordinary loss; its own disconnect would wait behind what cannot be written.
    void cut(const char* why) {
        if (!is_lost()) log::warn("mqtt {}: {}: cutting the connection", settings.client_id, why);
        const in_port_t port = htons(static_cast<std::uint16_t>(settings.port));
        if (socket.fd >= 0 && socket_to(socket.fd, port) == socket)
            ::shutdown(socket.fd, SHUT_RDWR);
        std::unique_lock lock{mutex};
        up = false;
        changed.wait_for(lock, seconds{1}, [this] { return lost; });
    }

    void say_goodbye() {
        if (!linked || is_lost()) return;
        // The answer to the last UNSUBSCRIBE comes behind every message, so none is in a callback
        // afterwards.
        if (!unsubscribe(std::vector<Subscription>{active}, kGoodbyeStep))
            return cut("no answer at the end");
        if (presence && !announce(presence->gone, kGoodbyeStep)) return cut("no answer at the end");
        try {
            if (client.disconnect()->wait_for(kGoodbyeStep)) {
                linked = false;
                return;
            }
        } catch (const mqtt::exception&) {
            if (is_lost()) return;
        }
        cut("no answer at the end");
    }

    void close_link(bool orderly) {
        {
            const std::lock_guard lock{mutex};
            up = false;
            applied_version = 0;
            if (unsent > 0) unpublished.inc(static_cast<double>(unsent));
            connection = (connection + 1) & 0x7FFFFFFFU;
            clear_accounts();
        }
        changed.notify_all();
        active.clear();
        connected_gauge.set(0);
        if (std::exchange(linked, false) && !orderly) {
            losses.inc();
            log::warn("mqtt {}: connection to {} lost", settings.client_id, uri(settings));
        }
        tell(false);
    }

    /// Tells changes only.
    void tell(bool connected) noexcept {
        if (std::exchange(told, connected) == connected || !on_state) return;
        try {
            on_state(connected);
        } catch (const std::exception& error) {
            handler_failed(error.what());
        } catch (...) {
            handler_failed("not a std::exception");
        }
    }

    const MqttSettings settings;
    const OnMessage on_message;
    const OnState on_state;
    std::optional<Presence> presence;  // set before the thread starts

    Gauge& connected_gauge;
    Gauge& unsent_gauge;
    Counter& connects;
    Counter& losses;
    Counter& stalls;
    Counter& received;
    Counter& received_bytes;
    Counter& published;
    Counter& unpublished;
    Counter& refused_offline;
    Counter& refused_full;
    Counter& handler_errors;

    std::mutex delivery_mutex;  // held while on_message runs
    bool delivering = true;

    mutable std::mutex mutex;  // guards what follows; never held while the library is called
    mutable std::condition_variable changed;
    bool started = false;
    bool stopping = false;
    steady_clock::time_point stop_deadline;
    bool leaving = false;
    bool up = false;
    bool lost = false;
    std::vector<Subscription> wanted;
    std::uint64_t wanted_version = 1;
    std::uint64_t applied_version = 0;
    bool all_granted = false;
    std::uint32_t connection = 0;
    std::size_t unsent = 0;
    std::size_t unsent_bytes = 0;
    std::size_t unacked = 0;
    std::size_t unacked_max = kUnackedMax;
    steady_clock::time_point last_progress;

    // Of the session thread alone.
    std::vector<Subscription> active;
    Socket socket;
    bool linked = false;
    bool told = false;
    std::string last_failure;

    std::mutex ending_mutex;  // one caller of disconnect() at a time
    std::thread thread;

    // The last member, so that it goes first: until it is gone it may call what is above.
    mqtt::async_client client{uri(settings), settings.client_id, create_options()};
};

MqttSession::MqttSession(MqttSettings settings, OnMessage on_message, OnState on_state,
                         Metrics& metrics)
    : impl_{std::make_unique<Impl>(std::move(settings), std::move(on_message), std::move(on_state),
                                   metrics)} {}

MqttSession::~MqttSession() {
    disconnect(seconds{2});
}

void MqttSession::set_presence(std::string topic, std::string online_payload,
                               std::string will_payload) {
    Impl::check(topic, online_payload, 1);
    Impl::check(topic, will_payload, 1);
    const std::lock_guard lock{impl_->mutex};
    if (impl_->started) throw std::logic_error{"set_presence() comes before connect()"};
    impl_->presence =
        Impl::Presence{std::move(topic), std::move(online_payload), std::move(will_payload)};
}

void MqttSession::connect() {
    const std::lock_guard lock{impl_->mutex};
    if (impl_->started || impl_->leaving)
        throw std::logic_error{"an MQTT session is connected once"};
    impl_->started = true;
    impl_->thread = std::thread{[impl = impl_.get()] { impl->run(); }};
}

bool MqttSession::wait_connected(std::chrono::milliseconds timeout) const {
    std::unique_lock lock{impl_->mutex};
    return impl_->changed.wait_for(lock, timeout, [this] { return impl_->up; });
}

bool MqttSession::connected() const {
    const std::lock_guard lock{impl_->mutex};
    return impl_->up;
}

bool MqttSession::set_subscriptions(std::vector<Subscription> wanted,
                                    std::chrono::milliseconds timeout) {
    for (const Subscription& one : wanted)
        if (one.filter.empty() || one.filter.find('\0') != std::string::npos || one.qos < 0 ||
            one.qos > 1)
            throw std::invalid_argument{"cannot subscribe to \"" + one_line(one.filter) + "\""};
    return impl_->want(std::move(wanted), timeout);
}

bool MqttSession::unsubscribe_all(std::chrono::milliseconds timeout) {
    return impl_->want({}, timeout);
}

bool MqttSession::publish(const std::string& topic, std::string_view payload, int qos, bool retain,
                          std::chrono::seconds expiry) {
    return impl_->publish(topic, payload, qos, retain, expiry);
}

std::size_t MqttSession::unsent() const {
    const std::lock_guard lock{impl_->mutex};
    return impl_->unsent;
}

void MqttSession::disconnect(std::chrono::milliseconds timeout) {
    const std::lock_guard one_at_a_time{impl_->ending_mutex};
    {
        std::unique_lock lock{impl_->mutex};
        impl_->leaving = true;
        impl_->changed.notify_all();
        impl_->changed.wait_for(lock, timeout, [this] { return impl_->unsent == 0 || !impl_->up; });
        impl_->stopping = true;
        impl_->stop_deadline = steady_clock::now() + kStopMax;
    }
    impl_->changed.notify_all();
    if (impl_->thread.joinable()) impl_->thread.join();
    {
        const std::lock_guard lock{impl_->delivery_mutex};
        if (!std::exchange(impl_->delivering, false)) return;
    }
    try {
        impl_->client.disable_callbacks();
    } catch (const mqtt::exception&) {
        // Refused while a connect is under way; the callbacks find a session that is told to be
        // quiet.
    }
}

}  // namespace klyuchnik::process
