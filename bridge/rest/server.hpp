#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "bridge/rest/address.hpp"
#include "bridge/rest/http.hpp"
#include "process/metrics.hpp"

namespace klyuchnik::bridge {

// Every connection has a thread of its own for as long as it lives, so each of these waits is also
// how long a stranger may keep one.
inline constexpr std::chrono::seconds kHandshakeMax{5};  ///< TLS, from the first byte to the last.
inline constexpr std::chrono::seconds kHeadTimeMax{5};   ///< From first byte to end of headers.
inline constexpr std::chrono::seconds kBodyTimeMax{20};  ///< The whole body, up to kBodyBytesMax;
inline constexpr std::chrono::seconds kLargeBodyTimeMax{120};  ///< one that may be larger.
inline constexpr std::chrono::seconds kWriteTimeMax{10};  ///< Any one write that does not move.
inline constexpr std::chrono::seconds kKeepAliveMax{5};   ///< Idle between two requests.
inline constexpr std::size_t kRequestsPerConnectionMax = 10'000;
inline constexpr std::size_t kHeadBytesMax = std::size_t{16} * 1024;  ///< Beyond it 431.
/// Accepted connections that wait for a thread; the next is told 503 and closed.
inline constexpr std::size_t kConnectionsQueuedMax = 1024;
inline constexpr int kListenBacklog = 1024;

struct ServerSettings {
    std::string host = "127.0.0.1";
    int port = 8080;                ///< 0 chooses a free one.
    std::size_t workers = 32;       ///< Threads for requests,
    std::size_t streams_max = 256;  ///< and as many more as there may be streams.
    Networks trusted_proxies;       ///< Who may say on whose behalf it asks.
    std::string tls_cert_file;      ///< PEM, a chain if need be; empty: plain HTTP.
    std::string tls_key_file;       ///< PEM, without a password.
};

/// HTTP/1.1 in front of routes. Hardened around its library: what it does not limit is limited here
/// (README.md has the list).
///
/// Threads: one that accepts, workers + streams_max that serve. Handlers run on the latter; a
/// Problem, a db::Fault or anything else that they throw becomes an answer here and nowhere else.
class Server {
 public:
    /// `routes` and `metrics` must outlive it. Throws std::runtime_error when the certificate
    /// cannot be used: it says which file and why.
    Server(ServerSettings settings, const Routes& routes, process::Metrics& metrics);
    ~Server();

    /// Listens and returns the port. Throws std::runtime_error, with what to do, when the address
    /// cannot be listened on.
    int start();

    /// Takes no more; requests that run are finished, streams end. Returns when all threads have.
    void stop();

    /// Reads certificate and key again, for new connections. What cannot be used is logged, and the
    /// one in use stays. Nothing without TLS. Any thread.
    void reload_certificate();

    /// Answers one request as a connection would, without a socket: for tests.
    Response answer(Request request);

 private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// "a=1&b=%20x" with percent and plus decoded. None when an escape is broken, or a value holds
/// control characters or is not UTF-8: no query here means such a thing, and PostgreSQL's library
/// would cut a text at its first NUL without a word.
bool parse_query(std::string_view text, std::map<std::string, std::string>& out);

}  // namespace klyuchnik::bridge
