#include "firmware-sim/device/mqtt_link.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

#include <mosquitto.h>

#include "topics/codec.hpp"

namespace klyuchnik::sim {
namespace {

constexpr std::chrono::seconds kGreetingMax{10};
constexpr int kRefusedGrant = 0x80;

/// The library's one global initialisation, for as long as the process lives.
void start_library() {
    static const int started = mosquitto_lib_init();
    (void)started;
}

}  // namespace

struct MqttLink::Impl {
    LinkSettings settings;
    std::string filter;
    mosquitto* client = nullptr;
    std::chrono::steady_clock::time_point since = std::chrono::steady_clock::now();
    bool subscribed = false;
    bool down = false;
    std::string why;
    std::vector<Heard> heard;

    void fail(std::string reason) {
        if (down) return;
        down = true;
        why = std::move(reason);
    }
    void check(int rc, const char* what) {
        if (rc == MOSQ_ERR_SUCCESS) return;
        fail(std::string{what} + ": " +
             (rc == MOSQ_ERR_ERRNO ? std::strerror(errno) : mosquitto_strerror(rc)));
    }

    static void on_connect(mosquitto* client, void* self, int rc) {
        auto& link = *static_cast<Impl*>(self);
        if (rc != 0) {
            link.fail(std::string{"refused: "} + mosquitto_connack_string(rc));
            return;
        }
        link.check(mosquitto_subscribe(client, nullptr, link.filter.c_str(), 0), "subscribe");
    }
    static void on_subscribe(mosquitto*, void* self, int, int count, const int* granted) {
        auto& link = *static_cast<Impl*>(self);
        if (count == 1 && granted[0] < kRefusedGrant) {
            link.subscribed = true;
        } else {
            link.fail("the subscription was refused");
        }
    }
    static void on_message(mosquitto*, void* self, const mosquitto_message* message) {
        auto& link = *static_cast<Impl*>(self);
        if (message->payloadlen < 0 ||
            static_cast<std::size_t>(message->payloadlen) > kHeardBytesMax) {
            return;
        }
        const auto parsed = topics::parse_topic(message->topic);
        const auto* topic = std::get_if<topics::DeviceTopic>(&parsed);
        if (topic == nullptr || topic->device != link.settings.id) return;
        link.heard.push_back(
            Heard{topic->level, std::string(static_cast<const char*>(message->payload),
                                            static_cast<std::size_t>(message->payloadlen))});
    }
    static void on_disconnect(mosquitto*, void* self, int rc) {
        static_cast<Impl*>(self)->fail(std::string{"disconnected: "} + mosquitto_strerror(rc));
    }
};

MqttLink::MqttLink(const LinkSettings& settings, topics::Connection cn)
    : impl_{std::make_unique<Impl>()} {
    start_library();
    Impl& impl = *impl_;
    impl.settings = settings;
    impl.filter = topics::device_filter(settings.id);
    impl.client = mosquitto_new(settings.id.text().c_str(), true, impl_.get());
    if (impl.client == nullptr) {
        impl.fail("no memory");
        return;
    }
    mosquitto_int_option(impl.client, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V311);
    mosquitto_int_option(impl.client, MOSQ_OPT_TCP_NODELAY, 1);
    mosquitto_connect_callback_set(impl.client, &Impl::on_connect);
    mosquitto_subscribe_callback_set(impl.client, &Impl::on_subscribe);
    mosquitto_message_callback_set(impl.client, &Impl::on_message);
    mosquitto_disconnect_callback_set(impl.client, &Impl::on_disconnect);
    if (!settings.secret.empty()) {
        impl.check(mosquitto_username_pw_set(impl.client, settings.id.text().c_str(),
                                             settings.secret.c_str()),
                   "credentials");
    }
    const std::string will = topics::encode(topics::Will{cn});
    const std::string topic = topics::device_topic(settings.id, topics::Level::state);
    impl.check(mosquitto_will_set(impl.client, topic.c_str(), static_cast<int>(will.size()),
                                  will.data(), 0, true),
               "will");
    // The asynchronous form does not wait for the TCP handshake, so a broker that stands still
    // holds nobody up.
    impl.check(mosquitto_connect_async(impl.client, settings.host.c_str(), settings.port,
                                       settings.keepalive_s),
               "connect");
}

MqttLink::~MqttLink() {
    if (impl_->client != nullptr) mosquitto_destroy(impl_->client);
}

int MqttLink::fd() const {
    return impl_->down ? -1 : mosquitto_socket(impl_->client);
}

bool MqttLink::wants_write() const {
    return !impl_->down && mosquitto_want_write(impl_->client);
}

void MqttLink::service(bool readable, bool writable) {
    Impl& impl = *impl_;
    if (impl.down) return;
    constexpr int kPacketsAtOnce = 64;
    if (writable) impl.check(mosquitto_loop_write(impl.client, kPacketsAtOnce), "write");
    if (!impl.down && readable) {
        impl.check(mosquitto_loop_read(impl.client, kPacketsAtOnce), "read");
    }
}

void MqttLink::misc(std::chrono::steady_clock::time_point now) {
    Impl& impl = *impl_;
    if (impl.down) return;
    impl.check(mosquitto_loop_misc(impl.client), "keep-alive");
    if (!impl.subscribed && now - impl.since > kGreetingMax) impl.fail("no greeting in time");
}

bool MqttLink::publish(topics::Level level, const std::string& payload, bool retained) {
    Impl& impl = *impl_;
    if (impl.down) return false;
    const std::string topic = topics::device_topic(impl.settings.id, level);
    const int rc = mosquitto_publish(impl.client, nullptr, topic.c_str(),
                                     static_cast<int>(payload.size()), payload.data(), 0, retained);
    impl.check(rc, "publish");
    return rc == MOSQ_ERR_SUCCESS;
}

bool MqttLink::subscribed() const {
    return impl_->subscribed && !impl_->down;
}
bool MqttLink::down() const {
    return impl_->down;
}
const std::string& MqttLink::why_down() const {
    return impl_->why;
}
std::vector<Heard> MqttLink::take_heard() {
    return std::exchange(impl_->heard, {});
}

}  // namespace klyuchnik::sim
