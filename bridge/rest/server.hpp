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
/// A whole answer must be taken within this and a second for each so many bytes, however its reader
/// trickles. An answer without end (a stream) has that long for each piece.
inline constexpr std::chrono::seconds kWriteTimeMax{10};
inline constexpr std::size_t kWriteBytesPerSecondMin = std::size_t{64} * 1024;
inline constexpr std::chrono::seconds kKeepAliveMax{5};  ///< Idle between two requests.
inline constexpr std::size_t kRequestsPerConnectionMax = 10'000;
inline constexpr std::size_t kHeadBytesMax = std::size_t{16} * 1024;  ///< Beyond it 431.
/// Accepted connections that wait for a thread; the next is told 503 and closed.
inline constexpr std::size_t kConnectionsQueuedMax = 1024;
inline constexpr int kListenBacklog = 1024;

/// After a refusal in mid-body so much more is read and thrown away before closing, since closing
/// on unread bytes resets the connection and the client would never see why.
struct Linger {
    std::size_t bytes_max;
    std::chrono::milliseconds time;
};
inline constexpr Linger kLinger{4 * kBodyBytesMax, std::chrono::seconds{1}};
/// For those alone whom a route for large bodies has admitted: above the largest body there is, so
/// that whoever sends a little more still reads the 413.
inline constexpr Linger kLargeLinger{12 * kBodyBytesMax, std::chrono::seconds{2}};

/// How long taking an answer of so many bytes may last.
constexpr std::chrono::milliseconds write_time_max(std::size_t bytes,
                                                   std::chrono::milliseconds at_least,
                                                   std::size_t bytes_per_second) {
    return at_least + std::chrono::milliseconds{bytes * 1000 / bytes_per_second};
}

struct ServerSettings {
    std::string host = "127.0.0.1";
    int port = 8080;                ///< 0 chooses a free one.
    std::size_t workers = 32;       ///< Threads for requests,
    std::size_t streams_max = 256;  ///< and as many more as there may be streams.
    Networks trusted_proxies;       ///< Who may say on whose behalf it asks.
    std::string tls_cert_file;      ///< PEM, a chain if need be; empty: plain HTTP.
    std::string tls_key_file;       ///< PEM, without a password.
    /// Programs use the constants above; tests cannot wait so long.
    std::chrono::milliseconds write_time_max = kWriteTimeMax;
    std::size_t write_bytes_per_second_min = kWriteBytesPerSecondMin;
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
