#include "tests/support/raw_client.hpp"

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <utility>

#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <sys/socket.h>

namespace klyuchnik::test {
namespace {

/// How long the loop sleeps before it looks whether it shall end; packets wake it at once.
constexpr int kLoopWaitMs = 100;

void start_library() {
    static const int started = mosquitto_lib_init();
    if (started != MOSQ_ERR_SUCCESS) throw std::runtime_error{"mosquitto_lib_init failed"};
}

void require(int result, const char* what) {
    if (result != MOSQ_ERR_SUCCESS) {
        throw std::runtime_error{std::string{what} + ": " + mosquitto_strerror(result)};
    }
}

/// Over TLS the library finds the end of a connection in more ways than over plain TCP.
bool has_ended(int result) {
    return result == MOSQ_ERR_NO_CONN || result == MOSQ_ERR_CONN_LOST || result == MOSQ_ERR_TLS ||
           result == MOSQ_ERR_ERRNO;
}

}  // namespace

/// What the callbacks, on the library's thread, hand to the test's thread.
struct RawClient::State {
    explicit State(ClientOptions given) : options{std::move(given)} {}

    ClientOptions options;
    mosquitto* client = nullptr;
    /// Our own instead of mosquitto_loop_start(), which would reconnect whenever it is cut off.
    std::jthread loop;

    mutable std::mutex mutex;
    std::condition_variable changed;
    std::optional<int> connack;
    bool is_connected = false;
    bool was_cut = false;
    bool overflowed = false;
    std::map<int, int> published;   ///< Message id → reason code.
    std::map<int, int> subscribed;  ///< Message id → granted.
    std::map<int, int> unsubscribed;
    std::deque<Message> received;

    static State& of(void* object) { return *static_cast<State*>(object); }

    template <class Change>
    void update(Change change) {
        {
            const std::lock_guard lock{mutex};
            change();
        }
        changed.notify_all();
    }

    /// Waits until `done`; also ends when the connection has.
    template <class Done>
    bool wait(std::chrono::milliseconds deadline, Done done) {
        std::unique_lock lock{mutex};
        return changed.wait_for(lock, deadline, done);
    }

    int answer_to(std::map<int, int>& answers, int id, std::chrono::milliseconds deadline,
                  const char* what) {
        std::unique_lock lock{mutex};
        if (!changed.wait_for(lock, deadline, [&] { return answers.contains(id) || was_cut; })) {
            throw std::runtime_error{std::string{"no answer in time to "} + what};
        }
        const auto found = answers.find(id);
        return found == answers.end() ? kCutOff : found->second;
    }
};

RawClient::RawClient(ClientOptions options) : state_{std::make_unique<State>(std::move(options))} {
    start_library();
    State& state = *state_;
    const ClientOptions& chosen = state.options;
    const std::string& id = chosen.client_id.empty() ? chosen.user : chosen.client_id;
    state.client =
        mosquitto_new(id.empty() ? nullptr : id.c_str(), chosen.clean_start || id.empty(), &state);
    if (state.client == nullptr) throw std::runtime_error{"mosquitto_new failed"};

    mosquitto_int_option(state.client, MOSQ_OPT_PROTOCOL_VERSION,
                         chosen.protocol == Protocol::v5 ? MQTT_PROTOCOL_V5 : MQTT_PROTOCOL_V311);
    mosquitto_int_option(state.client, MOSQ_OPT_TCP_NODELAY, 1);
    if (!chosen.user.empty()) {
        require(
            mosquitto_username_pw_set(state.client, chosen.user.c_str(), chosen.password.c_str()),
            "mosquitto_username_pw_set");
    }
    if (chosen.tls) {
        const auto or_none = [](const std::string& file) {
            return file.empty() ? nullptr : file.c_str();
        };
        require(mosquitto_tls_set(state.client, chosen.tls->ca.c_str(), nullptr,
                                  or_none(chosen.tls->cert), or_none(chosen.tls->key), nullptr),
                "mosquitto_tls_set");
    }
    if (chosen.will) {
        require(
            mosquitto_will_set(state.client, chosen.will->topic.c_str(),
                               static_cast<int>(chosen.will->payload.size()),
                               chosen.will->payload.data(), chosen.will->qos, chosen.will->retain),
            "mosquitto_will_set");
    }

    mosquitto_connect_v5_callback_set(
        state.client, [](mosquitto*, void* object, int reason, int, const mosquitto_property*) {
            State& self = State::of(object);
            self.update([&] {
                self.connack = reason;
                self.is_connected = reason == 0;
            });
        });
    mosquitto_publish_v5_callback_set(state.client, [](mosquitto*, void* object, int id_of_message,
                                                       int reason, const mosquitto_property*) {
        State& self = State::of(object);
        self.update([&] { self.published[id_of_message] = reason; });
    });
    mosquitto_unsubscribe_callback_set(
        state.client, [](mosquitto*, void* object, int id_of_message) {
            State& self = State::of(object);
            self.update([&] { self.unsubscribed[id_of_message] = 0; });
        });
    mosquitto_subscribe_v5_callback_set(
        state.client, [](mosquitto*, void* object, int id_of_message, int, const int* granted,
                         const mosquitto_property*) {
            State& self = State::of(object);
            self.update([&] { self.subscribed[id_of_message] = *granted; });
        });
    mosquitto_message_v5_callback_set(
        state.client,
        [](mosquitto*, void* object, const mosquitto_message* message, const mosquitto_property*) {
            State& self = State::of(object);
            self.update([&] {
                if (self.received.size() >= kReceivedMax) {
                    self.overflowed = true;
                    return;
                }
                self.received.push_back({message->topic,
                                         std::string{static_cast<const char*>(message->payload),
                                                     static_cast<std::size_t>(message->payloadlen)},
                                         message->qos, message->retain});
            });
        });
}

RawClient::~RawClient() {
    disconnect();
    mosquitto_destroy(state_->client);
}

int RawClient::connect(std::chrono::milliseconds deadline) {
    State& state = *state_;
    mosquitto_property* properties = nullptr;
    if (state.options.session_expiry_s > 0) {
        require(mosquitto_property_add_int32(&properties, MQTT_PROP_SESSION_EXPIRY_INTERVAL,
                                             state.options.session_expiry_s),
                "mosquitto_property_add_int32");
    }
    const int connecting =
        mosquitto_connect_bind_v5(state.client, "127.0.0.1", state.options.port,
                                  state.options.keepalive_s, nullptr, properties);
    mosquitto_property_free_all(&properties);
    const bool cut = connecting == MOSQ_ERR_TLS || connecting == MOSQ_ERR_CONN_LOST ||
                     (connecting == MOSQ_ERR_ERRNO &&
                      (errno == EPROTO || errno == ECONNRESET || errno == EPIPE));
    if (state.options.tls && cut) return kNoTls;
    require(connecting, "mosquitto_connect");
    mosquitto_threaded_set(state.client, true);
    state.loop = std::jthread{[&state](const std::stop_token& stop) {
        while (!stop.stop_requested() &&
               mosquitto_loop(state.client, kLoopWaitMs, 1) == MOSQ_ERR_SUCCESS) {
        }
        state.update([&] {
            state.is_connected = false;
            state.was_cut = true;
        });
    }};
    if (!state.wait(deadline, [&] { return state.connack || state.was_cut; })) {
        throw std::runtime_error{"no CONNACK in time"};
    }
    const int reason = [&] {
        const std::lock_guard lock{state.mutex};
        return state.connack.value_or(state.options.tls ? kNoTls : kCutOff);
    }();
    return reason;
}

int RawClient::publish(std::string_view topic, std::string_view payload, int qos, bool retain,
                       std::chrono::milliseconds deadline) {
    int id = 0;
    const int result = mosquitto_publish_v5(state_->client, &id, std::string{topic}.c_str(),
                                            static_cast<int>(payload.size()), payload.data(), qos,
                                            retain, nullptr);
    if (has_ended(result)) return kCutOff;
    require(result, "mosquitto_publish");
    return state_->answer_to(state_->published, id, deadline, "PUBLISH");
}

int RawClient::subscribe(std::string_view filter, int qos, std::chrono::milliseconds deadline) {
    int id = 0;
    const int result =
        mosquitto_subscribe_v5(state_->client, &id, std::string{filter}.c_str(), qos, 0, nullptr);
    if (has_ended(result)) return kCutOff;
    require(result, "mosquitto_subscribe");
    return state_->answer_to(state_->subscribed, id, deadline, "SUBSCRIBE");
}

int RawClient::unsubscribe(std::string_view filter, std::chrono::milliseconds deadline) {
    int id = 0;
    const int result = mosquitto_unsubscribe(state_->client, &id, std::string{filter}.c_str());
    if (has_ended(result)) return kCutOff;
    require(result, "mosquitto_unsubscribe");
    return state_->answer_to(state_->unsubscribed, id, deadline, "UNSUBSCRIBE");
}

std::optional<Message> RawClient::wait_for(const std::function<bool(const Message&)>& wanted,
                                           std::chrono::milliseconds deadline) {
    State& state = *state_;
    std::unique_lock lock{state.mutex};
    std::optional<Message> found;
    state.changed.wait_for(lock, deadline, [&] {
        const auto match = std::ranges::find_if(state.received, wanted);
        if (match == state.received.end()) return state.overflowed;
        found = std::move(*match);
        state.received.erase(match);
        return true;
    });
    if (!found && state.overflowed) throw std::runtime_error{"more than kReceivedMax messages"};
    return found;
}

std::optional<Message> RawClient::wait_for_topic(std::string_view topic,
                                                 std::chrono::milliseconds deadline) {
    return wait_for([&](const Message& message) { return message.topic == topic; }, deadline);
}

bool RawClient::wait_for_count(std::size_t count, std::chrono::milliseconds deadline) {
    return state_->wait(deadline, [&] { return state_->received.size() >= count; });
}

std::vector<Message> RawClient::take_all() {
    const std::lock_guard lock{state_->mutex};
    std::vector<Message> all{std::make_move_iterator(state_->received.begin()),
                             std::make_move_iterator(state_->received.end())};
    state_->received.clear();
    return all;
}

bool RawClient::connected() const {
    const std::lock_guard lock{state_->mutex};
    return state_->is_connected;
}

bool RawClient::wait_until_cut(std::chrono::milliseconds deadline) {
    return state_->wait(deadline, [&] { return state_->was_cut; });
}

void RawClient::disconnect() {
    if (!state_->loop.joinable()) return;
    mosquitto_disconnect(state_->client);
    state_->loop.request_stop();
    state_->loop.join();
}

void RawClient::vanish() {
    if (!state_->loop.joinable()) return;
    // The loop sees the end of the connection as if the network had brought it.
    ::shutdown(mosquitto_socket(state_->client), SHUT_RDWR);
    state_->loop.join();
}

}  // namespace klyuchnik::test
