#include "bridge/rest/server.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <httplib.h>
#include <poll.h>
#include <sys/socket.h>

#include "bridge/rest/json.hpp"
#include "bridge/rest/problem.hpp"
#include "bridge/rest/read_pool.hpp"
#include "bridge/rest/secrets.hpp"
#include "bridge/rest/tls.hpp"
#include "db/access/fault.hpp"
#include "process/log.hpp"

namespace klyuchnik::bridge {
namespace {

using std::chrono::steady_clock;
using namespace std::chrono_literals;

/// What may come in besides the body's own bytes, chunk sizes and line ends: a quarter of them.
constexpr std::size_t kChunkOverheadDivisor = 4;
constexpr std::chrono::seconds kStartMax{10};
constexpr std::chrono::days kCertificateWarning{14};
/// How long a new connection may say nothing while others wait for its thread.
constexpr auto kFirstByteHurried = 500ms;
/// How soon an idle connection notices that others wait for its thread, or that all ends.
constexpr int kIdleLookMs = 50;

constexpr std::string_view kTooManyConnections =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n"
    "Retry-After: 1\r\nConnection: close\r\nContent-Length: 113\r\n\r\n"
    R"({"type":"urn:klyuchnik:problem:busy","title":"Service Unavailable","status":503,)"
    R"("detail":"Too many connections"} )";

/// One client's socket with budgets of time and bytes, which the library's own stream has not.
class Connection final : public httplib::Stream {
 public:
    enum class Broken { no, closed, timed_out, too_big };

    /// `tls` none: plain TCP.
    Connection(socket_t socket, std::unique_ptr<TlsConnection> tls, const ServerSettings& settings)
        : socket_{socket}, tls_{std::move(tls)}, settings_{settings} {
        // A piece of a record is readable and yet nothing can be read of it.
        if (tls_) ::fcntl(socket_, F_SETFL, ::fcntl(socket_, F_GETFL) | O_NONBLOCK);
    }

    bool secure() const { return tls_ != nullptr; }

    /// True when TLS has come about, at once where there is none to come. Waits at most
    /// kHandshakeMax, less when `leave` says so: nothing has been asked yet.
    template <class Leave>
    bool shake_hands(Leave leave) {
        if (!tls_) return true;
        const auto until = steady_clock::now() + kHandshakeMax;
        while (true) {
            const auto state = tls_->handshake();
            if (state == TlsConnection::State::done) return true;
            if (!waits(state)) return false;
            do {
                if (leave() || steady_clock::now() >= until) return false;
            } while (!ready(state, kIdleLookMs));
        }
    }

    /// True when the next request has begun. Waits at most kKeepAliveMax, less when `leave` says
    /// so.
    template <class Leave>
    bool wait_for_request(Leave leave) {
        const auto until = steady_clock::now() + kKeepAliveMax;
        while (!has_buffered()) {
            if (leave() || steady_clock::now() >= until) return false;
            pollfd one{socket_, POLLIN, 0};
            if (::poll(&one, 1, kIdleLookMs) > 0) return (one.revents & POLLIN) != 0;
        }
        return true;
    }

    /// Bytes of a further request have come already.
    bool has_buffered() const { return at_ < filled_ || (tls_ && tls_->pending()); }

    void begin_head() {
        answer_until_.reset();
        linger_ = kLinger;
        budget_ = kHeadBytesMax;
        deadline_ = steady_clock::now() + kHeadTimeMax;
        broken_ = Broken::no;
        routed_ = false;
        body_read_ = true;
    }
    /// The headers are read: from here on so many bytes of body may come.
    void begin_body(std::size_t bytes_max) {
        budget_ = bytes_max + bytes_max / kChunkOverheadDivisor;
        deadline_ =
            steady_clock::now() + (bytes_max > kBodyBytesMax ? kLargeBodyTimeMax : kBodyTimeMax);
    }

    /// An answer of so many bytes begins: all of it must be taken by then.
    void begin_answer(std::size_t bytes) { answer_until_ = write_end(bytes); }
    /// Who sends may send a large body.
    void linger_for_large_body() { linger_ = kLargeLinger; }

    Broken broken() const { return broken_; }
    bool routed() const { return routed_; }
    void set_routed() { routed_ = true; }
    bool body_read() const { return body_read_; }
    void set_body_read(bool read) { body_read_ = read; }

    bool is_readable() const override { return has_buffered() || readable(0); }
    bool is_writable() const override { return !hung_up(); }

    ssize_t read(char* out, size_t size) override {
        if (broken_ != Broken::no) return -1;
        if (budget_ == 0) return fail(Broken::too_big);
        if (at_ == filled_ && !fill()) return -1;
        const std::size_t given = std::min({size, filled_ - at_, budget_});
        std::copy_n(buffer_.data() + at_, given, out);
        at_ += given;
        budget_ -= given;
        return static_cast<ssize_t>(given);
    }

    ssize_t write(const char* data, size_t size) override {
        std::size_t written = 0;
        const auto until = answer_until_.value_or(write_end(size));
        while (written < size) {
            const Step step = transmit(data + written, size - written);
            if (step.state == TlsConnection::State::done) {
                written += step.bytes;
                if (written < size && steady_clock::now() >= until) return -1;
                continue;
            }
            if (!waits(step.state) || !ready_before(step.state, until)) return -1;
        }
        return static_cast<ssize_t>(size);
    }

    void get_remote_ip_and_port(std::string& ip, int& port) const override {
        sockaddr_storage address{};
        socklen_t length = sizeof address;
        ::getpeername(socket_, as_sockaddr(address), &length);
        std::array<char, NI_MAXHOST> host{};
        std::array<char, NI_MAXSERV> service{};
        if (::getnameinfo(as_sockaddr(address), length, host.data(), host.size(), service.data(),
                          service.size(), NI_NUMERICHOST | NI_NUMERICSERV) == 0) {
            ip = host.data();
            port = std::atoi(service.data());
        }
    }
    void get_local_ip_and_port(std::string& ip, int& port) const override {
        ip.clear();
        port = 0;
    }
    socket_t socket() const override { return socket_; }

    /// The other end has closed, for good or by half: nobody reads an answer for long after that.
    bool hung_up() const {
        pollfd one{socket_, POLLRDHUP, 0};
        return ::poll(&one, 1, 0) > 0 && (one.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
    }

    /// For those who would take an end without it for one that somebody else made.
    void say_goodbye() {
        if (tls_) tls_->say_goodbye();
    }

    void linger() {
        say_goodbye();
        ::shutdown(socket_, SHUT_WR);
        const auto until = steady_clock::now() + linger_.time;
        std::size_t read_bytes = 0;
        while (read_bytes < linger_.bytes_max) {
            const auto left =
                std::chrono::ceil<std::chrono::milliseconds>(until - steady_clock::now());
            if (left <= 0ms || !readable(static_cast<int>(left.count()))) return;
            const ssize_t got = ::recv(socket_, buffer_.data(), buffer_.size(), 0);
            if (got <= 0) return;
            read_bytes += static_cast<std::size_t>(got);
        }
    }

 private:
    static sockaddr* as_sockaddr(sockaddr_storage& address) {
        return reinterpret_cast<sockaddr*>(&address);
    }
    using Step = TlsConnection::Step;
    using State = TlsConnection::State;

    steady_clock::time_point write_end(std::size_t bytes) const {
        return steady_clock::now() + write_time_max(bytes, settings_.write_time_max,
                                                    settings_.write_bytes_per_second_min);
    }
    static bool waits(State state) {
        return state == State::wants_read || state == State::wants_write;
    }
    bool ready(State state, int wait_ms) const {
        pollfd one{socket_, static_cast<short>(state == State::wants_read ? POLLIN : POLLOUT), 0};
        return ::poll(&one, 1, wait_ms) > 0;
    }
    bool ready_before(State state, steady_clock::time_point until) const {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - steady_clock::now());
        return left > 0ms && ready(state, static_cast<int>(left.count()));
    }
    bool readable(int wait_ms) const { return ready(State::wants_read, wait_ms); }

    static Step step_of(ssize_t result, State wants) {
        if (result > 0) return {State::done, static_cast<std::size_t>(result)};
        const bool later =
            result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
        return {later ? wants : State::closed, 0};
    }
    Step receive() {
        if (tls_) return tls_->read(buffer_.data(), buffer_.size());
        return step_of(::recv(socket_, buffer_.data(), buffer_.size(), MSG_DONTWAIT),
                       State::wants_read);
    }
    Step transmit(const char* data, std::size_t size) {
        if (tls_) return tls_->write(data, size);
        return step_of(::send(socket_, data, size, MSG_NOSIGNAL | MSG_DONTWAIT),
                       State::wants_write);
    }
    bool fill() {
        while (steady_clock::now() < deadline_) {
            const Step step = receive();
            if (step.state == State::done) {
                at_ = 0;
                filled_ = step.bytes;
                return true;
            }
            if (!waits(step.state)) {
                fail(Broken::closed);
                return false;
            }
            if (!ready_before(step.state, deadline_)) break;
        }
        fail(Broken::timed_out);
        return false;
    }
    ssize_t fail(Broken why) {
        broken_ = why;
        return -1;
    }

    const socket_t socket_;
    const std::unique_ptr<TlsConnection> tls_;
    const ServerSettings& settings_;
    std::array<char, 8192> buffer_{};
    std::size_t at_ = 0;
    std::size_t filled_ = 0;
    std::size_t budget_ = 0;
    steady_clock::time_point deadline_;
    std::optional<steady_clock::time_point> answer_until_;
    Linger linger_ = kLinger;
    Broken broken_ = Broken::no;
    bool routed_ = false;
    bool body_read_ = true;
};

/// The library hands requests to handlers without their connection; a thread serves one at a time.
thread_local Connection* t_connection = nullptr;
/// Set while a task runs only to tell its client that there is no room.
thread_local bool t_refusing = false;

/// A fixed number of threads and a bounded queue. The library's own queue has no end.
class Pool final : public httplib::TaskQueue {
 public:
    Pool(std::size_t threads, std::atomic<std::size_t>& queued) : queued_{queued} {
        for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
    }
    void enqueue(std::function<void()> task) override {
        bool room = false;
        {
            const std::lock_guard lock{mutex_};
            room = tasks_.size() < kConnectionsQueuedMax;
            if (room) tasks_.push_back(std::move(task));
            queued_ = tasks_.size();
        }
        if (!room) {
            // The task owns the socket: dropping it would leak a descriptor for ever.
            t_refusing = true;
            task();  // NOLINT(bugprone-use-after-move): moved only when there was room
            t_refusing = false;
            return;
        }
        arrived_.notify_one();
    }
    void shutdown() override {
        {
            const std::lock_guard lock{mutex_};
            ended_ = true;
        }
        arrived_.notify_all();
        for (std::thread& thread : threads_) thread.join();
    }

 private:
    void run() {
        while (true) {
            std::function<void()> task;
            {
                std::unique_lock lock{mutex_};
                arrived_.wait(lock, [this] { return !tasks_.empty() || ended_; });
                if (tasks_.empty()) return;
                task = std::move(tasks_.front());
                tasks_.pop_front();
                queued_ = tasks_.size();
            }
            task();
        }
    }

    std::mutex mutex_;
    std::condition_variable arrived_;
    std::deque<std::function<void()>> tasks_;
    bool ended_ = false;
    std::atomic<std::size_t>& queued_;
    std::vector<std::thread> threads_;
};

class Library final : public httplib::Server {
 public:
    std::atomic<bool> stopping{false};
    std::atomic<std::size_t> queued{0};
    const TlsServer* tls = nullptr;            ///< Set before it listens; none = plain TCP.
    const ServerSettings* settings = nullptr;  ///< Set before it listens.
    process::Counter* handshakes_failed = nullptr;

    /// The library listens with a backlog of 5; listening again on the same socket changes it.
    void widen_backlog() { ::listen(svr_sock_.load(), kListenBacklog); }

 private:
    bool process_and_close_socket(socket_t socket) override {
        if (t_refusing) {
            // Over TLS it could not be read, and this thread, which accepts, must not shake hands.
            if (tls == nullptr) {
                ::send(socket, kTooManyConnections.data(), kTooManyConnections.size(),
                       MSG_NOSIGNAL | MSG_DONTWAIT);
            }
            ::close(socket);
            return false;
        }
        std::unique_ptr<TlsConnection> secured = tls == nullptr ? nullptr : tls->accept(socket);
        if (tls != nullptr && !secured) {
            ::close(socket);
            return false;
        }
        Connection connection{socket, std::move(secured), *settings};
        // An idle connection gives its thread up as soon as others wait for one; a new one, which
        // may only be slow to begin, a moment later.
        auto patience = steady_clock::now() + kFirstByteHurried;
        const auto leave = [&] {
            return stopping.load() || (queued.load() > 0 && steady_clock::now() >= patience);
        };
        if (!connection.shake_hands(leave)) {
            handshakes_failed->inc();
            ::close(socket);
            return false;
        }
        t_connection = &connection;
        bool linger = false;
        for (std::size_t served = 1;; ++served) {
            if (served > 1) patience = steady_clock::now();
            // Asked also when the next request is here already: whoever sends many in advance would
            // otherwise keep its thread for all of them. They are not begun, so they may be
            // repeated.
            if (served > 1 && leave()) {
                linger = connection.has_buffered();
                break;
            }
            if (!connection.wait_for_request(leave)) break;
            connection.begin_head();
            const bool last = served >= kRequestsPerConnectionMax || stopping.load();
            bool closed = false;
            const bool good =
                process_request(connection, last, closed, [&](httplib::Request& request) {
                    connection.begin_body(kBodyBytesMax);
                    // Neither is needed here, and both have been ways to make a small request
                    // expensive.
                    request.ranges.clear();
                    request.headers.erase("Accept-Encoding");
                });
            // What could not be read to its end leaves the connection at an unknown place.
            linger = !connection.routed() || !connection.body_read() ||
                     connection.broken() != Connection::Broken::no;
            if (!good || closed || last || linger) break;
        }
        // From one who has closed nothing more comes.
        if (linger && connection.broken() != Connection::Broken::closed) {
            connection.linger();
        } else {
            connection.say_goodbye();
        }
        t_connection = nullptr;
        ::close(socket);
        return true;
    }
};

std::string lower(std::string text) {
    std::ranges::transform(text, text.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    });
    return text;
}

bool good_request_id(std::string_view text) {
    return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_';
    });
}

/// Statuses that any route may answer before or instead of its own.
constexpr std::array kServerStatuses{400, 408, 413, 414, 415, 431, 500, 503};

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool decode_part(std::string_view text, std::string& out) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+') {
            out += ' ';
        } else if (text[i] == '%') {
            if (i + 2 >= text.size()) return false;
            const int high = hex_digit(text[i + 1]);
            const int low = hex_digit(text[i + 2]);
            if (high < 0 || low < 0) return false;
            out += static_cast<char>(high * 16 + low);
            i += 2;
        } else {
            out += text[i];
        }
    }
    return std::ranges::none_of(
               out, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }) &&
           is_utf8(out);
}

class Sink final : public StreamSink {
 public:
    Sink(httplib::DataSink& sink, const Connection& connection, const std::atomic<bool>& stopping)
        : sink_{sink}, connection_{connection}, stopping_{stopping} {}
    bool write(std::string_view bytes) override {
        return open() && sink_.write(bytes.data(), bytes.size());
    }
    bool open() const override { return !stopping_.load() && !connection_.hung_up(); }

 private:
    httplib::DataSink& sink_;
    const Connection& connection_;
    const std::atomic<bool>& stopping_;
};

}  // namespace

bool parse_query(std::string_view text, std::map<std::string, std::string>& out) {
    while (!text.empty()) {
        const std::size_t end = text.find('&');
        const std::string_view pair = text.substr(0, end);
        text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
        if (pair.empty()) continue;
        const std::size_t equals = pair.find('=');
        std::string name;
        std::string value;
        if (!decode_part(pair.substr(0, equals), name)) return false;
        if (equals != std::string_view::npos && !decode_part(pair.substr(equals + 1), value)) {
            return false;
        }
        out[name] = std::move(value);
    }
    return true;
}

struct Server::Impl {
    ServerSettings settings;
    const Routes& routes;
    process::Metrics& metrics;
    std::unique_ptr<TlsServer> tls;
    process::Gauge* certificate_end = nullptr;
    Library library;
    std::thread acceptor;
    std::atomic<std::size_t> streams{0};
    process::Gauge& streams_open;
    process::Counter& undocumented;
    std::map<int, process::Counter*> by_status;
    std::map<const Route*, process::Counter*> by_route;
    std::map<const Route*, process::Histogram*> seconds;

    Impl(ServerSettings settings_, const Routes& routes_, process::Metrics& metrics_)
        : settings{std::move(settings_)},
          routes{routes_},
          metrics{metrics_},
          streams_open{metrics_.gauge("klyuchnik_http_streams", "Streams open now")},
          undocumented{metrics_.counter("klyuchnik_http_undocumented_total",
                                        "Answers with a status that the route does not declare")} {
        library.settings = &settings;
        if (!settings.tls_cert_file.empty()) {
            tls = std::make_unique<TlsServer>(settings.tls_cert_file, settings.tls_key_file);
            library.tls = tls.get();
            library.handshakes_failed =
                &metrics.counter("klyuchnik_http_handshakes_failed_total",
                                 "Connections that were closed before TLS came about");
            certificate_end = &metrics.gauge("klyuchnik_http_certificate_end_seconds",
                                             "Unix time at which the certificate in use ends");
            tell_certificate();
        }
        for (const int status : {200, 201, 202, 204, 400, 401, 403, 404, 405, 408, 409,
                                 411, 413, 414, 415, 422, 429, 431, 500, 501, 503, 504}) {
            by_status[status] =
                &metrics.counter("klyuchnik_http_responses_total", "Answers by status",
                                 {{"status", std::to_string(status)}});
        }
        for (const Route& route : routes.all()) {
            const process::Labels labels{{"route", route.method + " " + route.path}};
            by_route[&route] =
                &metrics.counter("klyuchnik_http_requests_total", "Requests by route", labels);
            seconds[&route] = &metrics.histogram("klyuchnik_http_seconds",
                                                 "From request to answer, streams left out",
                                                 process::kSecondsBuckets, labels);
        }
    }

    void tell_certificate() const {
        const auto end = tls->ends();
        certificate_end->set(static_cast<double>(end.time_since_epoch().count()));
        const auto days = std::chrono::duration_cast<std::chrono::days>(
            end - std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()));
        if (days < kCertificateWarning) {
            process::log::warn("certificate {} ends in {} days: renew it", settings.tls_cert_file,
                               days.count());
        } else {
            process::log::info("certificate {} is good for {} days", settings.tls_cert_file,
                               days.count());
        }
    }

    Request request_of(const httplib::Request& in) const {
        Request request;
        request.method = in.method;
        request.path = in.path;
        for (const auto& [name, value] : in.headers) {
            // The library adds this one itself, and a client could send it as well.
            std::string small = lower(name);
            if (small == "remote_addr" || small == "remote_port" || small == "local_addr" ||
                small == "local_port") {
                continue;
            }
            request.headers.emplace_back(std::move(small), value);
        }
        request.peer = in.remote_addr;
        request.address =
            client_address(in.remote_addr, joined(in, "X-Forwarded-For"), settings.trusted_proxies);
        const auto peer = Address::parse(request.peer);
        const bool by_proxy = peer && contains(settings.trusted_proxies, *peer);
        const std::string_view outside = request.header("x-forwarded-proto");
        // A proxy knows how its client came, however it came to us itself.
        request.secure = by_proxy && !outside.empty()
                             ? outside == "https"
                             : t_connection != nullptr && t_connection->secure();
        const std::string_view id = request.header("x-request-id");
        request.id = by_proxy && good_request_id(id) ? std::string{id} : random_hex(8);
        return request;
    }

    static std::string joined(const httplib::Request& in, const char* name) {
        std::string text;
        for (std::size_t i = 0; i < in.get_header_value_count(name); ++i) {
            if (i > 0) text += ',';
            text += in.get_header_value(name, i);
        }
        return text;
    }

    /// What must be right before a byte of the body is read. Returns its length; none = chunked.
    static std::optional<std::size_t> body_length(const httplib::Request& in,
                                                  std::size_t bytes_max) {
        const bool chunked = in.has_header("Transfer-Encoding");
        const std::size_t lengths = in.get_header_value_count("Content-Length");
        if (chunked &&
            (lengths > 0 || lower(in.get_header_value("Transfer-Encoding")) != "chunked" ||
             in.get_header_value_count("Transfer-Encoding") > 1)) {
            throw bad_request("Content-Length or Transfer-Encoding: chunked, one of them, once");
        }
        if (in.has_header("Content-Encoding") &&
            lower(in.get_header_value("Content-Encoding")) != "identity") {
            throw Problem{415, "malformed", "Compressed bodies are not read"};
        }
        if (lower(in.get_header_value("Content-Type")).starts_with("multipart/")) {
            throw Problem{415, "malformed", "Multipart bodies are not read"};
        }
        if (chunked) return std::nullopt;
        if (lengths == 0) return 0;
        const std::string digits = in.get_header_value("Content-Length");
        if (lengths > 1 || digits.empty() || digits.size() > 12 ||
            !std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; })) {
            throw bad_request("Content-Length: expected one number");
        }
        const auto length = static_cast<std::size_t>(std::stoull(digits));
        if (length > bytes_max) throw too_big(bytes_max);
        return length;
    }
    static Problem too_big(std::size_t bytes_max) {
        return {413, "malformed",
                "The body is larger than " + std::to_string(bytes_max) + " bytes"};
    }
    static std::size_t body_bytes_max(const Route* route) {
        return route == nullptr ? kBodyBytesMax : route->body.bytes_max;
    }

    /// What `work` returns, or the answer to what it throws: here and nowhere else.
    template <class Work>
    static std::optional<Response> guarded(const Request& request, Work work) {
        try {
            return work();
        } catch (const Problem& problem) {
            return bridge::write(problem, request.id);
        } catch (const db::Fault& fault) {
            const bool passing = is_passing(fault);
            process::log::warn_every(passing ? "database away" : "database refuses", 1s,
                                     "request {}: {}", request.id, fault.what());
            return bridge::write(passing
                                     ? unavailable("The database is not answering")
                                     : Problem{500, "fault", "A fault of this server: see its log"},
                                 request.id);
        } catch (const std::exception& error) {
            process::log::error("request {}: {}", request.id, error.what());
            return bridge::write(Problem{500, "fault", "A fault of this server: see its log"},
                                 request.id);
        }
    }

    Response answer(Request& request, const Route** matched) {
        const auto started = steady_clock::now();
        Response response = *guarded(request, [&]() -> std::optional<Response> {
            if (request.path.size() > kPathBytesMax) {
                throw Problem{414, "malformed", "Path too long"};
            }
            Routes::Match match = routes.find(request.method, request.path);
            if (match.route == nullptr) {
                if (match.allowed.empty()) throw not_found("Nothing is served here");
                Problem problem{405, "malformed",
                                "This path is served, but not for " + request.method};
                std::string allow;
                for (const std::string& method : match.allowed) {
                    allow += (allow.empty() ? "" : ", ") + method;
                }
                problem.headers.emplace_back("Allow", allow);
                throw problem;
            }
            *matched = match.route;
            request.captures = std::move(match.captures);
            return match.route->handle(request);
        });
        finish(request, *matched, response, started);
        return response;
    }

    void finish(const Request& request, const Route* route, Response& response,
                steady_clock::time_point started) {
        response.with("X-Request-Id", request.id);
        response.with("Cache-Control", "no-store");
        response.with("X-Content-Type-Options", "nosniff");
        const std::chrono::duration<double> took = steady_clock::now() - started;
        const auto counter = by_status.find(response.status);
        if (counter != by_status.end()) counter->second->inc();
        if (route != nullptr) {
            by_route.at(route)->inc();
            if (!response.stream) seconds.at(route)->observe(took.count());
            if (!std::ranges::binary_search(route->statuses, response.status) &&
                std::ranges::find(kServerStatuses, response.status) == kServerStatuses.end()) {
                undocumented.inc();
                process::log::warn("{} {} answered {}, which it does not declare", route->method,
                                   route->path, response.status);
            }
        }
        // The path holds ids only; names and cards are in the query, which stays out of the log.
        process::log::info("{} {} {} {:.1f} ms from {} request {}", request.method, request.path,
                           response.status, took.count() * 1000.0, request.address, request.id);
    }

    /// The library says "close" itself when the client asked for it.
    static bool closing_unasked(const Request& request) {
        return !t_connection->body_read() && request.header("connection") != "close";
    }

    void send(const Request& request, Response response, httplib::Response& out) {
        if (response.stream && request.method != "HEAD") {
            if (streams.fetch_add(1) >= settings.streams_max) {
                streams.fetch_sub(1);
                response = bridge::write(
                    Problem{503, "busy", "Too many streams are open: try again later", 5},
                    request.id);
                response.with("X-Request-Id", request.id);
            }
        }
        out.status = response.status;
        for (const auto& [name, value] : response.headers) out.set_header(name, value);
        if (closing_unasked(request)) out.set_header("Connection", "close");
        if (!response.stream || request.method == "HEAD") {
            t_connection->begin_answer(response.body.size());
            if (!response.content_type.empty()) {
                out.set_content(response.body, response.content_type);
            }
            return;
        }
        out.set_chunked_content_provider(
            response.content_type,
            [this, run = std::move(response.stream), connection = t_connection](
                std::size_t, httplib::DataSink& raw) {
                Sink sink{raw, *connection, library.stopping};
                streams_open.inc();
                try {
                    run(sink);
                } catch (const std::exception& error) {
                    process::log::warn_every("stream", 1s, "a stream ended: {}", error.what());
                }
                streams_open.dec();
                raw.done();
                return true;
            },
            [this](bool) { streams.fetch_sub(1); });
    }

    /// Requests whose body, if any, is not wanted are answered here; true = done.
    bool before_body(const httplib::Request& in, httplib::Response& out) {
        t_connection->set_routed();
        const bool no_body = in.method == "GET" || in.method == "HEAD" || in.method == "OPTIONS";
        std::optional<Problem> refusal;
        std::optional<Response> stranger;
        std::optional<std::size_t> length = 0;
        Request request = request_of(in);
        try {
            const auto match = routes.find(in.method, in.path);
            const std::size_t bytes_max = body_bytes_max(match.route);
            const std::size_t query = in.target.find('?');
            if (query != std::string::npos &&
                !parse_query(std::string_view{in.target}.substr(query + 1), request.query)) {
                throw bad_request("The query cannot be read");
            }
            if (in.path.size() > kPathBytesMax) throw Problem{414, "malformed", "Path too long"};
            if (in.path.find('\0') != std::string::npos || !is_utf8(in.path)) {
                throw bad_request("The path cannot be read");
            }
            try {
                length = body_length(in, bytes_max);
            } catch (const Problem& problem) {
                // Strangers are told that they are, and not read any further for.
                if (problem.status == 413) {
                    stranger = guarded(request, [&]() -> std::optional<Response> {
                        admit(match.route, request);
                        return std::nullopt;
                    });
                }
                throw;
            }
            if (match.route != nullptr && !no_body && length != 0) {
                t_connection->begin_body(bytes_max);
                return false;
            }
        } catch (const Problem& problem) {
            refusal = problem;
        }
        // Whatever body there is stays unread, and so the connection cannot go on.
        t_connection->set_body_read(length == 0 && !refusal);
        const Route* matched = nullptr;
        Response response;
        if (refusal) {
            response = stranger ? std::move(*stranger) : bridge::write(*refusal, request.id);
            finish(request, nullptr, response, steady_clock::now());
        } else {
            response = answer(request, &matched);
        }
        send(request, std::move(response), out);
        return true;
    }

    /// Throws when the route takes large bodies and does not want one from this client.
    static void admit(const Route* route, Request& request) {
        if (route == nullptr || !route->body.admit) return;
        request.admitted = route->body.admit(request);
        if (route->body.bytes_max > kBodyBytesMax) t_connection->linger_for_large_body();
    }

    void with_body(const httplib::Request& in, httplib::Response& out,
                   const httplib::ContentReader& reader) {
        Request request = request_of(in);
        const std::size_t query = in.target.find('?');
        if (query != std::string::npos) {
            parse_query(std::string_view{in.target}.substr(query + 1), request.query);
        }
        const Routes::Match match = routes.find(in.method, in.path);
        const std::size_t bytes_max = body_bytes_max(match.route);
        bool fits = true;
        t_connection->set_body_read(false);
        if (match.route != nullptr && match.route->body.admit) {
            auto refused = guarded(request, [&]() -> std::optional<Response> {
                admit(match.route, request);
                return std::nullopt;
            });
            if (refused) {
                finish(request, match.route, *refused, steady_clock::now());
                send(request, std::move(*refused), out);
                return;
            }
        }
        const bool whole = reader([&](const char* data, std::size_t size) {
            fits = request.body.size() + size <= bytes_max;
            if (fits) request.body.append(data, size);
            return fits;
        });
        const auto broken = t_connection->broken();
        const Route* matched = nullptr;
        Response response;
        if (whole && fits) {
            t_connection->set_body_read(true);
            response = answer(request, &matched);
        } else {
            const bool big = !fits || broken == Connection::Broken::too_big;
            const bool late = broken == Connection::Broken::timed_out;
            response = bridge::write(
                big    ? too_big(bytes_max)
                : late ? Problem{408, "expired", "The body did not come in time"}
                       : bad_request("The body ended early or is not chunked as it says"),
                request.id);
            finish(request, nullptr, response, steady_clock::now());
        }
        send(request, std::move(response), out);
    }

    /// Answers that the library makes itself: it could not read the request, or does not know it.
    void by_library(const httplib::Request& in, httplib::Response& out) {
        if (!out.body.empty() || t_connection == nullptr || t_connection->routed()) return;
        const auto broken = t_connection->broken();
        if (broken == Connection::Broken::too_big) out.status = 431;
        if (broken == Connection::Broken::timed_out) out.status = 408;
        Request request = request_of(in);
        Response response = bridge::write(
            Problem{out.status, "malformed", "The request line or its headers cannot be read"},
            request.id);
        finish(request, nullptr, response, steady_clock::now());
        for (const auto& [name, value] : response.headers) out.set_header(name, value);
        out.set_header("Connection", "close");
        out.set_content(response.body, response.content_type);
    }
};

Server::Server(ServerSettings settings, const Routes& routes, process::Metrics& metrics)
    : impl_{std::make_unique<Impl>(std::move(settings), routes, metrics)} {}

Server::~Server() {
    stop();
}

int Server::start() {
    Impl& impl = *impl_;
    Library& library = impl.library;
    const std::size_t threads = impl.settings.workers + impl.settings.streams_max;
    library.new_task_queue = [&library, threads] { return new Pool{threads, library.queued}; };
    library.set_tcp_nodelay(true);
    // The library's default is SO_REUSEPORT: a second server on the same port would start without a
    // word and take half of the connections.
    library.set_socket_options([](socket_t socket) {
        const int yes = 1;
        ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    });
    // Only what the Keep-Alive header says; the waiting is done by our own loop.
    library.set_keep_alive_timeout(kKeepAliveMax.count());
    library.set_keep_alive_max_count(kRequestsPerConnectionMax);
    library.set_pre_routing_handler([&impl](const httplib::Request& in, httplib::Response& out) {
        return impl.before_body(in, out) ? httplib::Server::HandlerResponse::Handled
                                         : httplib::Server::HandlerResponse::Unhandled;
    });
    const auto with_body = [&impl](const httplib::Request& in, httplib::Response& out,
                                   const httplib::ContentReader& reader) {
        impl.with_body(in, out, reader);
    };
    constexpr const char* kAnyPath = "[\\s\\S]*";
    // One pattern for everything: which route it is was found out before, without expressions.
    library.Post(kAnyPath, with_body).Put(kAnyPath, with_body).Patch(kAnyPath, with_body);
    library.Delete(kAnyPath, with_body);
    library.set_error_handler(
        [&impl](const httplib::Request& in, httplib::Response& out) { impl.by_library(in, out); });
    // Nothing should get here; the library's own answer would show the text of the exception.
    library.set_exception_handler(
        // NOLINTNEXTLINE(performance-unnecessary-value-param): the library's signature
        [](const httplib::Request&, httplib::Response& out, std::exception_ptr) {
            out.status = 500;
            out.set_content("", "text/plain");
        });

    int port = impl.settings.port;
    const std::string& host = impl.settings.host;
    const bool bound =
        port == 0 ? (port = library.bind_to_any_port(host)) > 0 : library.bind_to_port(host, port);
    if (!bound) {
        throw std::runtime_error{"cannot listen on " + host + ":" +
                                 std::to_string(impl.settings.port) +
                                 ": the port is in use or the address is not of this machine"};
    }
    library.widen_backlog();
    impl.acceptor = std::thread{[&library] { library.listen_after_bind(); }};
    // The socket listens already; the thread is about to take it up, and the library has no event
    // for that.
    const auto deadline = std::chrono::steady_clock::now() + kStartMax;
    while (!library.is_running()) {
        if (std::chrono::steady_clock::now() > deadline) {
            throw std::runtime_error{"the HTTP server does not start"};
        }
        std::this_thread::sleep_for(1ms);
    }
    return port;
}

void Server::stop() {
    if (!impl_->acceptor.joinable()) return;
    impl_->library.stopping = true;
    impl_->library.stop();
    impl_->acceptor.join();
}

void Server::reload_certificate() {
    if (!impl_->tls) return;
    try {
        impl_->tls->reload();
        impl_->tell_certificate();
    } catch (const std::runtime_error& error) {
        process::log::error("the certificate in use stays: {}", error.what());
    }
}

Response Server::answer(Request request) {
    const Route* matched = nullptr;
    return impl_->answer(request, &matched);
}

}  // namespace klyuchnik::bridge
