#include "firmware-sim/conformance/mqtt_line.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <deque>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>

#include "process/shutdown.hpp"
#include "topics/guard.hpp"

namespace klyuchnik::sim::conformance {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using topics::Level;

constexpr std::chrono::seconds kGreetingMax{10};
/// How long a wish to stop may go unnoticed.
constexpr std::chrono::milliseconds kLookEvery{100};
constexpr int kKeepalive_s = 30;
constexpr int kRefused = 0x80;
/// A device that floods is examined no further; this bounds what is kept until it is looked at.
constexpr std::size_t kWaitingMax = 10'000;
/// What the device wanted retained is said with each message, and what the broker kept from earlier
/// is not sent: it may be days old.
constexpr int kSubscription = MQTT_SUB_OPT_RETAIN_AS_PUBLISHED | MQTT_SUB_OPT_SEND_RETAIN_NEVER;

[[noreturn]] void lost(const std::string& what) {
    throw std::runtime_error{"the broker: " + what};
}

void check(int rc, const char* what) {
    if (rc == MOSQ_ERR_SUCCESS) return;
    lost(fmt::format("{}: {}", what,
                     rc == MOSQ_ERR_ERRNO ? std::strerror(errno) : mosquitto_strerror(rc)));
}

/// Another run at the same time must not share the group, or each would hear half.
std::string random_word() {
    std::random_device random;
    return fmt::format("{:08x}{:08x}", random(), random());
}

}  // namespace

struct MqttLine::Impl {
    MqttLineSettings settings;
    mosquitto* client = nullptr;
    steady_clock::time_point began = steady_clock::now();
    std::deque<Heard> heard;
    int greeted = -1;  ///< Reason code of CONNACK.
    int granted = 0;   ///< Filters that were granted,
    int refused = 0;   ///< and those that were not.
    std::string why_down;

    ~Impl() {
        if (client == nullptr) return;
        mosquitto_disconnect(client);
        mosquitto_destroy(client);
    }

    Elapsed now() const { return std::chrono::duration_cast<Elapsed>(steady_clock::now() - began); }

    void loop(std::chrono::milliseconds wait) {
        const int rc = mosquitto_loop(client, static_cast<int>(wait.count()), 1);
        if (rc != MOSQ_ERR_SUCCESS) lost(why_down.empty() ? mosquitto_strerror(rc) : why_down);
    }

    template <class Condition>
    void loop_until(Condition condition, const char* what) {
        const auto deadline = steady_clock::now() + kGreetingMax;
        while (!condition()) {
            if (steady_clock::now() >= deadline) lost(fmt::format("{}: no answer", what));
            loop(kLookEvery);
        }
    }

    static void on_connect(mosquitto*, void* self, int reason, int, const mosquitto_property*) {
        static_cast<Impl*>(self)->greeted = reason;
    }
    static void on_subscribe(mosquitto*, void* self, int, int count, const int* granted) {
        auto& its = *static_cast<Impl*>(self);
        for (int i = 0; i < count; ++i) ++(granted[i] < kRefused ? its.granted : its.refused);
    }
    static void on_disconnect(mosquitto*, void* self, int rc) {
        static_cast<Impl*>(self)->why_down =
            fmt::format("disconnected: {}", mosquitto_strerror(rc));
    }
    static void on_message(mosquitto*, void* self, const mosquitto_message* message) {
        auto& its = *static_cast<Impl*>(self);
        const auto parsed = topics::parse_topic(message->topic);
        const auto* topic = std::get_if<topics::DeviceTopic>(&parsed);
        if (topic == nullptr || topic->device != its.settings.device) return;
        if (its.heard.size() >= kWaitingMax) return;
        its.heard.push_back(Heard{topic->level,
                                  std::string(static_cast<const char*>(message->payload),
                                              static_cast<std::size_t>(message->payloadlen)),
                                  message->retain, its.now()});
    }
};

MqttLine::MqttLine(const MqttLineSettings& settings) : impl_{std::make_unique<Impl>()} {
    Impl& impl = *impl_;
    impl.settings = settings;
    static const int started = mosquitto_lib_init();
    (void)started;
    impl.client = mosquitto_new(settings.user.c_str(), true, &impl);
    if (impl.client == nullptr) lost("no memory");
    check(mosquitto_int_option(impl.client, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5), "MQTT 5");
    mosquitto_connect_v5_callback_set(impl.client, &Impl::on_connect);
    mosquitto_subscribe_callback_set(impl.client, &Impl::on_subscribe);
    mosquitto_disconnect_callback_set(impl.client, &Impl::on_disconnect);
    mosquitto_message_callback_set(impl.client, &Impl::on_message);
    check(mosquitto_username_pw_set(impl.client, settings.user.c_str(), settings.password.c_str()),
          "credentials");
    if (!settings.ca_file.empty()) {
        check(mosquitto_tls_set(impl.client, settings.ca_file.c_str(), nullptr, nullptr, nullptr,
                                nullptr),
              settings.ca_file.c_str());
    }
    check(
        mosquitto_connect_bind_v5(impl.client, settings.host.c_str(),
                                  static_cast<int>(settings.port), kKeepalive_s, nullptr, nullptr),
        "connect");
    impl.loop_until([&] { return impl.greeted >= 0; }, "connect");
    if (impl.greeted != 0) {
        lost(fmt::format("connect: {}", mosquitto_reason_string(impl.greeted)));
    }

    const std::string share = random_word();
    std::vector<std::string> filters{topics::all_states_filter()};
    for (const Level level : {Level::facts, Level::request, Level::telemetry, Level::chunk_up}) {
        filters.push_back(
            topics::shared_device_filter(share, "conformance", settings.device.cls(), level));
    }
    for (const std::string& filter : filters) {
        check(
            mosquitto_subscribe_v5(impl.client, nullptr, filter.c_str(), 0, kSubscription, nullptr),
            "subscribe");
    }
    impl.loop_until([&] { return std::cmp_equal(impl.granted + impl.refused, filters.size()); },
                    "subscribe");
    if (impl.refused > 0) {
        lost(fmt::format("{} may not hear devices: the user must be a handlers-*", settings.user));
    }
}

MqttLine::~MqttLine() = default;

Elapsed MqttLine::now() const {
    return impl_->now();
}

std::int64_t MqttLine::utc_s() const {
    return std::chrono::duration_cast<std::chrono::seconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

void MqttLine::send(Level level, const std::string& payload) {
    const std::string topic = topics::device_topic(impl_->settings.device, level);
    check(mosquitto_publish(impl_->client, nullptr, topic.c_str(), static_cast<int>(payload.size()),
                            payload.data(), 0, false),
          "publish");
}

std::optional<Heard> MqttLine::wait(Elapsed until) {
    while (impl_->heard.empty()) {
        if (process::Shutdown::requested()) throw std::runtime_error{"stopped before the end"};
        const Elapsed left = until - now();
        if (left <= 0us) return std::nullopt;
        impl_->loop(std::min(kLookEvery, std::chrono::ceil<std::chrono::milliseconds>(left)));
    }
    Heard heard = std::move(impl_->heard.front());
    impl_->heard.pop_front();
    return heard;
}

bool MqttLine::cut() {
    if (!impl_->settings.kick) return false;
    const std::string line = topics::guard_kick_line(impl_->settings.device);
    check(mosquitto_publish(impl_->client, nullptr, topics::guard_control_topic().c_str(),
                            static_cast<int>(line.size()), line.data(), 1, false),
          "kick");
    return true;
}

void MqttLine::tell(const std::string& text) {
    std::fprintf(stderr, "%s\n", text.c_str());
}

}  // namespace klyuchnik::sim::conformance
