#include "bridge/rest/tls.hpp"

#include <csignal>
#include <cstring>
#include <ctime>
#include <mutex>
#include <stdexcept>
#include <utility>

#include <openssl/err.h>
#include <openssl/ssl.h>

namespace klyuchnik::bridge {
namespace {

struct Free {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
    void operator()(SSL* connection) const { SSL_free(connection); }
};

void require(bool good, const std::string& what) {
    if (good) return;
    // The first is the cause, the others are what each layer made of it.
    const unsigned long code = ERR_get_error();
    const char* reason = ERR_SYSTEM_ERROR(code) ? std::strerror(ERR_GET_REASON(code))
                                                : ERR_reason_error_string(code);
    const std::string text = what + ": " + (reason == nullptr ? "cannot be used" : reason);
    ERR_clear_error();
    throw std::runtime_error{text};
}

/// Without it OpenSSL would ask on the terminal, and the program would stand still at its start.
int no_password(char*, int, int, void*) {
    return 0;
}

std::chrono::sys_seconds end_of(const SSL_CTX* context) {
    std::tm end{};
    ASN1_TIME_to_tm(X509_get0_notAfter(SSL_CTX_get0_certificate(context)), &end);
    return std::chrono::sys_seconds{std::chrono::seconds{::timegm(&end)}};
}

}  // namespace

struct TlsConnection::Impl {
    std::unique_ptr<SSL, Free> ssl;
    bool greeted = false;
    bool over = false;  ///< Goodbye said, or failed: OpenSSL must not be asked any more.
};

TlsConnection::TlsConnection(std::unique_ptr<Impl> impl) : impl_{std::move(impl)} {}
TlsConnection::~TlsConnection() = default;

TlsConnection::State TlsConnection::state_after(int result) {
    switch (SSL_get_error(impl_->ssl.get(), result)) {
        case SSL_ERROR_NONE:
            return State::done;
        case SSL_ERROR_WANT_READ:
            return State::wants_read;
        case SSL_ERROR_WANT_WRITE:
            return State::wants_write;
        case SSL_ERROR_ZERO_RETURN:
            return State::closed;
        default:
            // A client that just goes, without close_notify, is here too: HTTP itself says where
            // messages end, so nothing is lost by not telling the two apart.
            impl_->over = true;
            ERR_clear_error();
            return State::failed;
    }
}

TlsConnection::State TlsConnection::handshake() {
    if (impl_->over) return State::failed;
    ERR_clear_error();
    const State state = state_after(SSL_accept(impl_->ssl.get()));
    impl_->greeted = state == State::done;
    return state;
}

TlsConnection::Step TlsConnection::read(char* out, std::size_t size) {
    if (impl_->over) return {};
    ERR_clear_error();
    Step step;
    const int result = SSL_read_ex(impl_->ssl.get(), out, size, &step.bytes);
    step.state = state_after(result);
    return step;
}

TlsConnection::Step TlsConnection::write(const char* data, std::size_t size) {
    if (impl_->over) return {};
    if (size == 0) return {State::done, 0};
    ERR_clear_error();
    Step step;
    const int result = SSL_write_ex(impl_->ssl.get(), data, size, &step.bytes);
    step.state = state_after(result);
    return step;
}

bool TlsConnection::pending() const {
    return SSL_pending(impl_->ssl.get()) > 0;
}

void TlsConnection::say_goodbye() {
    if (std::exchange(impl_->over, true) || !impl_->greeted) return;
    ERR_clear_error();
    SSL_shutdown(impl_->ssl.get());
    ERR_clear_error();
}

struct TlsServer::Impl {
    std::string cert_file;
    std::string key_file;
    mutable std::mutex mutex;
    std::shared_ptr<SSL_CTX> context;

    std::shared_ptr<SSL_CTX> load() const {
        ERR_clear_error();
        std::shared_ptr<SSL_CTX> fresh{SSL_CTX_new(TLS_server_method()), Free{}};
        require(fresh != nullptr, "TLS");
        SSL_CTX* tls = fresh.get();
        SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
        require(SSL_CTX_set_cipher_list(tls, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1, "TLS");
        SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
        // A full handshake costs about a millisecond; what is not kept cannot be stolen.
        SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_num_tickets(tls, 0);
        SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
        SSL_CTX_set_default_passwd_cb(tls, no_password);
        require(SSL_CTX_use_certificate_chain_file(tls, cert_file.c_str()) == 1, cert_file);
        require(SSL_CTX_use_PrivateKey_file(tls, key_file.c_str(), SSL_FILETYPE_PEM) == 1,
                key_file);
        return fresh;
    }
    std::shared_ptr<SSL_CTX> current() const {
        const std::lock_guard lock{mutex};
        return context;
    }
};

TlsServer::TlsServer(std::string cert_file, std::string key_file)
    : impl_{std::make_unique<Impl>()} {
    // OpenSSL writes to sockets with write(), which raises it when the client has gone.
    std::signal(SIGPIPE, SIG_IGN);
    impl_->cert_file = std::move(cert_file);
    impl_->key_file = std::move(key_file);
    impl_->context = impl_->load();
}

TlsServer::~TlsServer() = default;

void TlsServer::reload() {
    auto fresh = impl_->load();
    const std::lock_guard lock{impl_->mutex};
    impl_->context = std::move(fresh);
}

std::chrono::sys_seconds TlsServer::ends() const {
    return end_of(impl_->current().get());
}

std::unique_ptr<TlsConnection> TlsServer::accept(int socket) const {
    auto connection = std::make_unique<TlsConnection::Impl>();
    // It holds the context for as long as it lives.
    connection->ssl.reset(SSL_new(impl_->current().get()));
    if (!connection->ssl || SSL_set_fd(connection->ssl.get(), socket) != 1) {
        ERR_clear_error();
        return nullptr;
    }
    return std::unique_ptr<TlsConnection>{new TlsConnection{std::move(connection)}};
}

}  // namespace klyuchnik::bridge
