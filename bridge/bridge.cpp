#include "bridge/bridge.hpp"

#include <fstream>
#include <stdexcept>
#include <thread>

#include "bridge/rest/address.hpp"
#include "bridge/rest/api.hpp"
#include "bridge/rest/secrets.hpp"
#include "bridge/rest/server.hpp"
#include "process/bounded_queue.hpp"
#include "process/log.hpp"
#include "topics/codec.hpp"
#include "topics/names.hpp"

namespace klyuchnik::bridge {
namespace {

/// Answers and wake-ups between the network thread and ours. Lost ones are asked for again, or come
/// with the next look at the log.
constexpr std::size_t kMailboxMax = 8192;
constexpr std::size_t kMailboxBytesMax = std::size_t{16} << 20;
constexpr std::size_t kMailboxBatch = 256;
/// Of a file of certificates that a setting names.
constexpr std::size_t kPemBytesMax = std::size_t{64} << 10;

std::string checked_client(const std::string& name) {
    if (!topics::is_client_name(name)) {
        throw std::invalid_argument{"mqtt-user must be a client name like bridge-1, not \"" + name +
                                    "\""};
    }
    return name;
}

std::string text_of(const std::string& file) {
    std::ifstream in{file, std::ios::binary};
    std::string text(kPemBytesMax + 1, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
    if (text.empty() || text.size() > kPemBytesMax) {
        throw std::invalid_argument{file + ": cannot be read, or is no PEM file of at most 64 KiB"};
    }
    return text;
}

ApiSettings api_settings(const BridgeSettings& settings) {
    ApiSettings api;
    api.session = std::chrono::hours{settings.session_hours};
    if (!settings.public_mqtt_host.empty()) {
        MqttPlace place{settings.public_mqtt_host, settings.public_mqtt_port, {}};
        if (!settings.public_mqtt_ca_file.empty()) {
            place.ca_pem = text_of(settings.public_mqtt_ca_file);
        }
        api.mqtt = place;
        place.port = settings.public_mqtt_certificates_port;
        if (place.port != 0) api.mqtt_for_certificates = place;
    }
    if (settings.device_ca_cert_file.empty() != settings.device_ca_key.empty()) {
        throw std::invalid_argument{"device-ca-cert-file and device-ca-key-file: both or neither"};
    }
    if (!settings.device_ca_cert_file.empty()) {
        api.certificates = std::make_shared<DeviceCertificates>(
            text_of(settings.device_ca_cert_file), settings.device_ca_key);
    }
    return api;
}

}  // namespace

struct Bridge::Impl {
    BridgeSettings settings;
    const process::Clock& clock;
    process::Metrics& metrics;
    std::string client;
    process::BoundedQueue<process::MqttMessage> mailbox{kMailboxMax, kMailboxBytesMax};
    process::Counter& mailbox_full;
    ReadPool reads;
    Auth auth;
    EventHub hub;
    process::MqttSession mqtt;
    AskClient asks;
    Api api;
    Routes routes;
    Server server;
    std::thread postman;
    bool running = false;

    Impl(BridgeSettings settings_, const process::Clock& clock_, process::Metrics& metrics_)
        : settings{std::move(settings_)},
          clock{clock_},
          metrics{metrics_},
          client{checked_client(settings.mqtt.user)},
          mailbox_full{metrics.counter("klyuchnik_bridge_mailbox_full_total",
                                       "Messages dropped because too many waited")},
          reads{{settings.database, settings.database_role, "klyuchnik-bridge"},
                kReadConnections,
                metrics},
          auth{{parse_networks(settings.legacy_trusted_networks)}, reads, clock, metrics},
          hub{reads, metrics},
          mqtt{settings.mqtt,
               [this](process::MqttMessage&& message) {
                   const std::size_t bytes = message.payload.size();
                   if (!mailbox.push(std::move(message), bytes)) mailbox_full.inc();
               },
               [](bool connected) {
                   process::log::info("broker: {}", connected ? "connected" : "not connected");
               },
               metrics},
          asks{client,
               [this](const std::string& topic, std::string_view bytes,
                      std::chrono::seconds expiry) {
                   return mqtt.publish(topic, bytes, 1, false, expiry);
               },
               clock, metrics},
          api{api_settings(settings),
              auth,
              asks,
              reads,
              hub,
              clock,
              metrics,
              [this] { return mqtt.connected(); }},
          routes{all_routes(api)},
          server{{settings.http_host, static_cast<int>(settings.http_port),
                  static_cast<std::size_t>(settings.workers),
                  static_cast<std::size_t>(settings.streams_max),
                  parse_networks(settings.trusted_proxies), settings.tls_cert_file,
                  settings.tls_key_file},
                 routes,
                 metrics} {}

    static Routes all_routes(Api& api) {
        Routes routes;
        add_routes(routes, api);
        return routes;
    }

    void deliver() {
        std::vector<process::MqttMessage> batch;
        while (true) {
            batch.clear();
            mailbox.take_up_to(batch, kMailboxBatch,
                               std::chrono::steady_clock::now() + std::chrono::hours{1});
            if (batch.empty() && mailbox.closed()) return;
            bool news = false;
            for (const process::MqttMessage& message : batch) {
                const auto topic = topics::parse_topic(message.topic);
                if (std::holds_alternative<topics::EventTopic>(topic)) news = true;
                if (std::holds_alternative<topics::AskAnswerTopic>(topic)) {
                    asks.on_answer(message.payload);
                }
            }
            if (news) hub.wake();
        }
    }

    void start_mqtt() {
        const std::int64_t since = topics::unix_seconds(clock.now());
        mqtt.set_presence(topics::presence_topic("bridge", client),
                          topics::encode_presence(true, since), topics::encode_presence(false, 0));
        mqtt.set_subscriptions(
            {{topics::ask_answer_topic(client), 1}, {topics::all_events_filter(), 0}},
            std::chrono::milliseconds{0});
        mqtt.connect();
    }
};

Bridge::Bridge(BridgeSettings settings, const process::Clock& clock, process::Metrics& metrics) {
    start_secrets();
    if (settings.workers <= static_cast<std::int64_t>(kLongRequestsMax)) {
        throw std::invalid_argument{"workers must be more than the " +
                                    std::to_string(kLongRequestsMax) +
                                    " requests that may take long, or they would starve reads"};
    }
    if (settings.tls_cert_file.empty() != settings.tls_key_file.empty()) {
        throw std::invalid_argument{"tls-cert-file and tls-key-file: both or neither"};
    }
    impl_ = std::make_unique<Impl>(std::move(settings), clock, metrics);
}

Bridge::~Bridge() {
    stop();
}

int Bridge::start() {
    for (const std::string& network : impl_->settings.legacy_trusted_networks) {
        process::log::warn("/issue_key and /return_key need NO credential from {}", network);
    }
    const int port = impl_->server.start();
    impl_->running = true;
    impl_->postman = std::thread{[impl = impl_.get()] { impl->deliver(); }};
    impl_->hub.start();
    impl_->start_mqtt();
    return port;
}

void Bridge::reload_certificate() {
    impl_->server.reload_certificate();
}

void Bridge::stop() {
    if (!impl_ || !impl_->running) return;
    impl_->running = false;
    // Requests first: those that wait for an answer still need everything behind them.
    impl_->hub.stop();
    impl_->server.stop();
    impl_->mqtt.disconnect(std::chrono::seconds{1});
    impl_->mailbox.close();
    impl_->postman.join();
}

}  // namespace klyuchnik::bridge
