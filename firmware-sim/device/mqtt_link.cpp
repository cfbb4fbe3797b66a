#include "firmware-sim/device/mqtt_link.hpp"

#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <stdexcept>
#include <utility>

#include <mosquitto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

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

// --- TLS

using TlsContext = std::shared_ptr<SSL_CTX>;

/// What is wrong with the certificate that this thread has just been shown. The library says "A TLS
/// error occurred" and has thrown the connection away by then, with all that it knew.
thread_local const char* t_verdict = nullptr;

int note_verdict(int good, X509_STORE_CTX* shown) {
    if (good == 0) t_verdict = X509_verify_cert_error_string(X509_STORE_CTX_get_error(shown));
    return good;
}

TlsContext make_tls_context(const LinkSettings& settings) {
    const auto require = [](bool good, const std::string& what) {
        if (good) return;
        // The first is the cause, the others are what each layer made of it.
        const unsigned long code = ERR_get_error();
        ERR_clear_error();
        const char* reason = ERR_SYSTEM_ERROR(code) ? std::strerror(ERR_GET_REASON(code))
                                                    : ERR_reason_error_string(code);
        throw std::runtime_error{what + ": " + (reason == nullptr ? "cannot be used" : reason)};
    };
    TlsContext context{SSL_CTX_new(TLS_client_method()), &SSL_CTX_free};
    require(context != nullptr, "TLS");
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    // A connection that is idle, as most are, gives its buffers back: 34 KB each.
    SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, note_verdict);
    require(SSL_CTX_load_verify_file(context.get(), settings.ca_file.c_str()) == 1,
            settings.ca_file);
    X509_VERIFY_PARAM* wanted = SSL_CTX_get0_param(context.get());
    require(X509_VERIFY_PARAM_set1_ip_asc(wanted, settings.host.c_str()) == 1 ||
                X509_VERIFY_PARAM_set1_host(wanted, settings.host.c_str(), 0) == 1,
            settings.host);
    if (!settings.cert_file.empty()) {
        require(SSL_CTX_use_certificate_chain_file(context.get(), settings.cert_file.c_str()) == 1,
                settings.cert_file);
        require(SSL_CTX_use_PrivateKey_file(context.get(), settings.key_file.c_str(),
                                            SSL_FILETYPE_PEM) == 1,
                settings.key_file);
    }
    return context;
}

/// The library would make one for every connection, which is more than the connection itself.
TlsContext tls_context(const LinkSettings& settings) {
    if (!settings.cert_file.empty()) return make_tls_context(settings);
    static std::mutex mutex;
    static std::map<std::pair<std::string, std::string>, std::weak_ptr<SSL_CTX>> shared;
    const std::lock_guard lock{mutex};
    std::weak_ptr<SSL_CTX>& known = shared[{settings.host, settings.ca_file}];
    TlsContext context = known.lock();
    if (!context) known = context = make_tls_context(settings);
    return context;
}

}  // namespace

void check_tls(const LinkSettings& settings) {
    if (!settings.ca_file.empty()) make_tls_context(settings);
}

struct MqttLink::Impl {
    LinkSettings settings;
    TlsContext tls;
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
        if (t_verdict != nullptr) why = std::string{"the broker's certificate: "} + t_verdict;
    }
    void check(int rc, const char* what) {
        if (rc == MOSQ_ERR_SUCCESS) return;
        fail(std::string{what} + ": " +
             (rc == MOSQ_ERR_ERRNO ? std::strerror(errno) : mosquitto_strerror(rc)));
    }
    bool shaking_hands() const {
        const SSL* connection = ssl();
        return connection != nullptr && SSL_in_init(connection) != 0;
    }
    SSL* ssl() const { return tls ? static_cast<SSL*>(mosquitto_ssl_get(client)) : nullptr; }

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
    if (!settings.ca_file.empty()) {
        try {
            impl.tls = tls_context(settings);
            impl.check(mosquitto_void_option(impl.client, MOSQ_OPT_SSL_CTX, impl.tls.get()), "TLS");
            // The library's defaults would overwrite ours, for all that share them.
            impl.check(mosquitto_int_option(impl.client, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0), "TLS");
        } catch (const std::runtime_error& error) {
            impl.fail(error.what());
            return;
        }
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
    if (impl_->down) return false;
    // The packet that waits behind the handshake would make a socket that is always ready to be
    // written to wake its poller without end.
    if (impl_->shaking_hands()) return SSL_in_before(impl_->ssl()) || SSL_want_write(impl_->ssl());
    return mosquitto_want_write(impl_->client);
}

void MqttLink::service(bool readable, bool writable) {
    Impl& impl = *impl_;
    if (impl.down) return;
    constexpr int kPacketsAtOnce = 64;
    t_verdict = nullptr;
    // The library goes on with a handshake when it reads and only then, also where it is the
    // socket's room for writing that it has waited for.
    if (impl.shaking_hands()) readable = readable || writable;
    if (writable) impl.check(mosquitto_loop_write(impl.client, kPacketsAtOnce), "write");
    if (!impl.down && readable) {
        impl.check(mosquitto_loop_read(impl.client, kPacketsAtOnce), "read");
        // What TLS has decrypted already no longer makes the socket readable.
        while (!impl.down && impl.ssl() != nullptr && SSL_pending(impl.ssl()) > 0) {
            impl.check(mosquitto_loop_read(impl.client, kPacketsAtOnce), "read");
        }
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
