// What the HTTP library leaves open, tried from outside over a socket.
#include "bridge/rest/server.hpp"

#include <atomic>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "bridge/rest/problem.hpp"
#include "bridge/rest/secrets.hpp"
#include "tests/support/certificates.hpp"

namespace klyuchnik::bridge {
namespace {

class Client {
 public:
    explicit Client(int port) : socket_{::socket(AF_INET, SOCK_STREAM, 0)} {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(port));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        timeval limit{30, 0};
        ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        EXPECT_EQ(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    }
    ~Client() { ::close(socket_); }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    bool send(std::string_view bytes) {
        while (!bytes.empty()) {
            const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent <= 0) return false;
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
        return true;
    }
    /// Until `until` is in it, or the other end closes.
    std::string read(std::string_view until = {}) {
        std::string out;
        char buffer[4096];
        while (until.empty() || out.find(until) == std::string::npos) {
            const ssize_t got = ::recv(socket_, buffer, sizeof buffer, 0);
            if (got <= 0) break;
            out.append(buffer, static_cast<std::size_t>(got));
        }
        return out;
    }
    int socket() const { return socket_; }

 private:
    int socket_;
};

struct ServerTest : testing::Test {
    Routes routes;
    process::Metrics metrics;
    std::atomic<int> streams{0};
    std::atomic<int> at_gate{0};
    std::atomic<bool> gate_open{false};
    static constexpr std::size_t kBig = std::size_t{32} << 20;
    std::unique_ptr<Server> server;
    int port = 0;

    void SetUp() override {
        start_secrets();
        routes.add("POST", "/echo", {200}, [](const Request& request) {
            return Response::json(200, std::to_string(request.body.size()) + ":" + request.body);
        });
        routes.add("GET", "/who", {200}, [](const Request& request) {
            return Response::text(
                200, request.address + " " + std::string{request.header("remote_addr")});
        });
        routes.add("GET", "/fault", {200},
                   [](const Request&) -> Response { throw std::runtime_error{"secret words"}; });
        routes.add("GET", "/stream", {200}, [this](const Request&) {
            Response response;
            response.content_type = "text/event-stream";
            response.stream = [this](StreamSink& sink) {
                ++streams;
                sink.write("hello\n\n");
                while (sink.open()) std::this_thread::yield();
                --streams;
            };
            return response;
        });
        routes.add("GET", "/big", {200},
                   [](const Request&) { return Response::text(200, std::string(kBig, 'x')); });
        routes.add("GET", "/gate", {200}, [this](const Request&) {
            ++at_gate;
            while (!gate_open) std::this_thread::yield();
            return Response::empty(200);
        });
        routes.add("GET", "/secure", {200}, [](const Request& request) {
            return Response::text(200, request.secure ? "secure" : "plain");
        });
        server = std::make_unique<Server>(settings(), routes, metrics);
        port = server->start();
    }

    virtual ServerSettings settings() {
        ServerSettings small;
        small.port = 0;
        small.workers = 4;
        small.streams_max = 2;
        return small;
    }

    std::string ask(std::string_view bytes) {
        Client client{port};
        client.send(bytes);
        return client.read();
    }
    static std::string status(const std::string& answer) { return answer.substr(9, 3); }
};

constexpr const char* kClose = "Host: x\r\nConnection: close\r\n";

TEST_F(ServerTest, ReadsABodyByLengthAndInChunks) {
    EXPECT_TRUE(ask(std::string{"POST /echo HTTP/1.1\r\n"} + kClose + "Content-Length: 2\r\n\r\nhi")
                    .ends_with("2:hi"));
    EXPECT_TRUE(ask(std::string{"POST /echo HTTP/1.1\r\n"} + kClose +
                    "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
                    .ends_with("2:hi"));
    EXPECT_TRUE(ask(std::string{"POST /echo HTTP/1.1\r\n"} + kClose + "\r\n").ends_with("0:"));
}

TEST_F(ServerTest, RefusesABodyOverTheLimitHoweverItIsSent) {
    const std::string big(kBodyBytesMax + 1, 'x');
    EXPECT_EQ(status(ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: " +
                         std::to_string(big.size()) + "\r\n\r\n" + big)),
              "413");
    EXPECT_EQ(status(ask(
                  "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n100001\r\n" +
                  big + "\r\n0\r\n\r\n")),
              "413");
    const std::string whole(kBodyBytesMax, 'x');
    EXPECT_EQ(status(ask(std::string{"POST /echo HTTP/1.1\r\n"} + kClose +
                         "Content-Length: " + std::to_string(whole.size()) + "\r\n\r\n" + whole)),
              "200");
}

TEST_F(ServerTest, RefusesAmbiguousOrHiddenLengths) {
    for (const char* headers :
         {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Content-Length: abc\r\n",
          "Content-Length: -1\r\n", "Content-Length: 1\r\nContent-Length: 2\r\n",
          "Transfer-Encoding: gzip\r\n", "Content-Length: 99999999999999999999\r\n"}) {
        EXPECT_EQ(status(ask(std::string{"POST /echo HTTP/1.1\r\nHost: x\r\n"} + headers +
                             "\r\n0\r\n\r\n")),
                  "400")
            << headers;
    }
    for (const char* headers :
         {"Content-Encoding: gzip\r\n", "Content-Type: multipart/form-data; boundary=x\r\n"}) {
        EXPECT_EQ(
            status(ask(std::string{"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"} +
                       headers + "\r\nhi")),
            "415")
            << headers;
    }
}

TEST_F(ServerTest, NeverTakesUnreadBodyBytesForTheNextRequest) {
    const std::string answer =
        ask("GET /who HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\nGET /fault "
            "HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_EQ(status(answer), "200");
    EXPECT_EQ(answer.find("HTTP/1.1", 8), std::string::npos);
}

TEST_F(ServerTest, BoundsHeadersWithoutAnEnd) {
    Client client{port};
    client.send("GET /who HTTP/1.1\r\nX: ");
    client.send(std::string(kHeadBytesMax, 'x'));
    EXPECT_EQ(status(client.read()), "431");
}

TEST_F(ServerTest, AnswersGarbageWithAProblem) {
    for (const char* bytes :
         {"GARBAGE\r\n\r\n", "\r\n\r\n", "GET\r\n\r\n", "FOO / HTTP/1.1\r\n\r\n",
          "GET /%00 HTTP/1.1\r\n\r\n", "GET /who?a=%00 HTTP/1.1\r\n\r\n"}) {
        const std::string answer = ask(bytes);
        EXPECT_EQ(status(answer), "400") << bytes;
        EXPECT_NE(answer.find("application/problem+json"), std::string::npos) << bytes;
    }
    EXPECT_EQ(status(ask("GET /" + std::string(2000, 'x') + " HTTP/1.1\r\n\r\n")), "414");
}

TEST_F(ServerTest, ServesSeveralRequestsOnOneConnectionInOrder) {
    Client client{port};
    client.send(
        "GET /who HTTP/1.1\r\nHost: x\r\n\r\nPOST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: "
        "2\r\n\r\nhi"
        "GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    const std::string answers = client.read();
    const auto first = answers.find("127.0.0.1");
    const auto second = answers.find("2:hi");
    const auto third = answers.find("404");
    EXPECT_LT(first, second);
    EXPECT_LT(second, third);
    EXPECT_NE(third, std::string::npos);
}

TEST_F(ServerTest, AClientCannotNameItsOwnAddress) {
    const std::string answer = ask(
        std::string{"GET /who HTTP/1.1\r\nREMOTE_ADDR: 1.2.3.4\r\nX-Forwarded-For: 1.2.3.4\r\n"} +
        kClose + "\r\n");
    EXPECT_EQ(answer.find("1.2.3.4"), std::string::npos);
}

TEST_F(ServerTest, ShowsNothingOfAnException) {
    const std::string answer = ask(std::string{"GET /fault HTTP/1.1\r\n"} + kClose + "\r\n");
    EXPECT_EQ(status(answer), "500");
    EXPECT_EQ(answer.find("secret words"), std::string::npos);
}

TEST_F(ServerTest, TellsWhichMethodsAreAllowed) {
    const std::string answer = ask(std::string{"GET /echo HTTP/1.1\r\n"} + kClose + "\r\n");
    EXPECT_EQ(status(answer), "405");
    EXPECT_NE(answer.find("Allow: POST"), std::string::npos);
}

TEST_F(ServerTest, StreamsHaveTheirOwnLimitAndLeaveRoomForRequests) {
    const std::string request = "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n";
    Client first{port};
    Client second{port};
    first.send(request);
    second.send(request);
    EXPECT_NE(first.read("hello").find("200 OK"), std::string::npos);
    EXPECT_NE(second.read("hello").find("200 OK"), std::string::npos);
    EXPECT_EQ(status(ask(std::string{"GET /stream HTTP/1.1\r\n"} + kClose + "\r\n")), "503");
    EXPECT_EQ(status(ask(std::string{"GET /who HTTP/1.1\r\n"} + kClose + "\r\n")), "200");
}

TEST_F(ServerTest, AStreamEndsWhenItsClientLeaves) {
    {
        Client client{port};
        client.send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
        client.read("hello");
        EXPECT_EQ(streams, 1);
    }
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};
    while (streams > 0 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    EXPECT_EQ(streams, 0);
}

TEST_F(ServerTest, StoppingEndsStreamsAndIdleConnections) {
    Client stream{port};
    stream.send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.read("hello");
    Client idle{port};
    idle.send("GET /who HTTP/1.1\r\nHost: x\r\n\r\n");
    idle.read("127.0.0.1");
    server->stop();
    EXPECT_EQ(streams, 0);
}

TEST_F(ServerTest, IdleConnectionsGiveWayToThoseThatWait) {
    std::vector<std::unique_ptr<Client>> idle;
    for (int i = 0; i < 6; ++i) {
        idle.push_back(std::make_unique<Client>(port));
        idle.back()->send("GET /who HTTP/1.1\r\nHost: x\r\n\r\n");
        idle.back()->read("127.0.0.1");
    }
    for (int i = 0; i < 12; ++i) {
        EXPECT_EQ(status(ask(std::string{"GET /who HTTP/1.1\r\n"} + kClose + "\r\n")), "200");
    }
}

TEST_F(ServerTest, RequestsSentInAdvanceGiveWayToThoseThatWait) {
    constexpr int kInAdvance = 1500;
    std::string requests = "GET /gate HTTP/1.1\r\nHost: x\r\n\r\n";
    for (int i = 0; i < kInAdvance; ++i) requests += "GET /who HTTP/1.1\r\nHost: x\r\n\r\n";
    std::vector<std::unique_ptr<Client>> eager;
    for (int i = 0; i < 6; ++i) {
        eager.push_back(std::make_unique<Client>(port));
        ASSERT_TRUE(eager.back()->send(requests));
    }
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};
    while (at_gate < 6 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    ASSERT_EQ(at_gate, 6) << "every thread";
    Client waiting{port};
    waiting.send(std::string{"GET /who HTTP/1.1\r\n"} + kClose + "\r\n");
    gate_open = true;
    EXPECT_EQ(status(waiting.read()), "200");
    int gave_way = 0;
    for (const auto& client : eager) {
        const std::string answers = client->read();
        int count = 0;
        for (std::size_t at = answers.find("HTTP/1.1 200"); at != std::string::npos;
             at = answers.find("HTTP/1.1 200", at + 1)) {
            ++count;
        }
        EXPECT_GE(count, 1) << "what was begun is answered";
        if (count < 1 + kInAdvance) ++gave_way;
    }
    EXPECT_GE(gave_way, 1);
}

struct SlowReaderTest : ServerTest {
    ServerSettings settings() override {
        ServerSettings hurried = ServerTest::settings();
        hurried.workers = 1;
        hurried.streams_max = 0;
        hurried.write_time_max = std::chrono::milliseconds{300};
        hurried.write_bytes_per_second_min = std::size_t{1} << 30;
        return hurried;
    }
};

TEST_F(SlowReaderTest, IsCutAlthoughItReadsAgainAndAgain) {
    Client client{port};
    // What the system keeps for it must be far less than the answer.
    const int kept = 256 * 1024;
    ::setsockopt(client.socket(), SOL_SOCKET, SO_RCVBUF, &kept, sizeof kept);
    client.send("GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    ASSERT_EQ(status(client.read("\r\n\r\n")), "200");
    std::atomic<std::size_t> taken{0};
    std::jthread reader{[&](const std::stop_token& stop) {
        char byte = 0;
        while (!stop.stop_requested() && ::recv(client.socket(), &byte, 1, 0) == 1) ++taken;
    }};
    // The only thread there is serves the next one as soon as the slow one is cut.
    EXPECT_EQ(status(ask(std::string{"GET /who HTTP/1.1\r\n"} + kClose + "\r\n")), "200");
    EXPECT_LT(taken, kBig / 2);
}

TEST(WriteTime, GrowsWithTheAnswer) {
    using std::chrono::milliseconds;
    EXPECT_EQ(write_time_max(0, kWriteTimeMax, kWriteBytesPerSecondMin), kWriteTimeMax);
    EXPECT_EQ(write_time_max(std::size_t{8} << 20, kWriteTimeMax, kWriteBytesPerSecondMin),
              kWriteTimeMax + std::chrono::seconds{128});
    EXPECT_EQ(write_time_max(500, milliseconds{7}, 1000), milliseconds{507});
}

TEST_F(ServerTest, APortInUseIsSaidSo) {
    ServerSettings settings;
    settings.port = port;
    Server other{settings, routes, metrics};
    EXPECT_THROW(other.start(), std::runtime_error);
}

// --- TLS

/// A client that checks the server's certificate and name, as a browser does.
class TlsClient {
 public:
    explicit TlsClient(int port, const std::string& ca_file, int version_max = TLS1_3_VERSION)
        : plain_{port}, context_{SSL_CTX_new(TLS_client_method()), &SSL_CTX_free} {
        // The versions that a server of today must refuse are refused by clients of today too.
        SSL_CTX_set_security_level(context_.get(), 0);
        SSL_CTX_set_max_proto_version(context_.get(), version_max);
        SSL_CTX_load_verify_file(context_.get(), ca_file.c_str());
        SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
        X509_VERIFY_PARAM_set1_ip_asc(SSL_CTX_get0_param(context_.get()), "127.0.0.1");
        ssl_.reset(SSL_new(context_.get()), &SSL_free);
        SSL_set_fd(ssl_.get(), plain_.socket());
    }
    bool shake_hands() { return SSL_connect(ssl_.get()) == 1; }
    bool send(std::string_view bytes) {
        std::size_t written = 0;
        return SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &written) == 1;
    }
    std::string read(std::string_view until = {}) {
        std::string out;
        char buffer[4096];
        std::size_t got = 0;
        while ((until.empty() || out.find(until) == std::string::npos) &&
               SSL_read_ex(ssl_.get(), buffer, sizeof buffer, &got) == 1) {
            out.append(buffer, got);
        }
        return out;
    }
    /// The server said goodbye before it closed.
    bool ended_well() const { return SSL_get_shutdown(ssl_.get()) == SSL_RECEIVED_SHUTDOWN; }
    bool renegotiate() {
        return SSL_renegotiate(ssl_.get()) == 1 && SSL_do_handshake(ssl_.get()) == 1;
    }
    /// What tells two certificates of one server apart.
    std::string certificate_number() const {
        const ASN1_INTEGER* number = X509_get0_serialNumber(SSL_get0_peer_certificate(ssl_.get()));
        return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(number)),
                static_cast<std::size_t>(ASN1_STRING_length(number))};
    }

 private:
    Client plain_;
    std::shared_ptr<SSL_CTX> context_;
    std::shared_ptr<SSL> ssl_;
};

struct TlsServerTest : ServerTest {
    test::Certificates certificates;

    ServerSettings settings() override {
        ServerSettings secure = ServerTest::settings();
        secure.tls_cert_file = certificates.file("http.crt");
        secure.tls_key_file = certificates.file("http.key");
        return secure;
    }
    std::string ca() const { return certificates.file("service-ca.crt"); }
    std::string ask(std::string_view bytes) const {
        TlsClient client{port, ca()};
        EXPECT_TRUE(client.shake_hands());
        client.send(bytes);
        std::string answer = client.read();
        EXPECT_TRUE(client.ended_well());
        return answer;
    }
};

TEST_F(TlsServerTest, AnswersOverTlsAndKnowsThatItIs) {
    EXPECT_TRUE(
        ask(std::string{"GET /secure HTTP/1.1\r\n"} + kClose + "\r\n").ends_with("\r\n\r\nsecure"));
    TlsClient old{port, ca(), TLS1_2_VERSION};
    ASSERT_TRUE(old.shake_hands());
    old.send(std::string{"GET /secure HTTP/1.1\r\n"} + kClose + "\r\n");
    EXPECT_TRUE(old.read().ends_with("secure"));
}

TEST_F(ServerTest, PlainHttpIsNotTakenForTls) {
    EXPECT_TRUE(ask(std::string{"GET /secure HTTP/1.1\r\n"} + kClose + "\r\n").ends_with("plain"));
    // A stranger is no proxy, whatever it says.
    EXPECT_TRUE(
        ask(std::string{"GET /secure HTTP/1.1\r\nX-Forwarded-Proto: https\r\n"} + kClose + "\r\n")
            .ends_with("plain"));
}

TEST_F(TlsServerTest, KeepsItsLimitsBehindTls) {
    const std::string whole(kBodyBytesMax, 'x');
    const std::string length = "Content-Length: " + std::to_string(whole.size()) + "\r\n\r\n";
    EXPECT_TRUE(
        ask(std::string{"POST /echo HTTP/1.1\r\n"} + kClose + length + whole).ends_with("x"));
    EXPECT_EQ(status(ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: " +
                         std::to_string(whole.size() + 1) + "\r\n\r\n")),
              "413");
    TlsClient endless{port, ca()};
    ASSERT_TRUE(endless.shake_hands());
    endless.send("GET /who HTTP/1.1\r\nX: ");
    endless.send(std::string(kHeadBytesMax, 'x'));
    EXPECT_EQ(status(endless.read()), "431");
}

TEST_F(TlsServerTest, ServesSeveralRequestsThatCameInOneRecord) {
    const std::string answers = ask(
        "GET /who HTTP/1.1\r\nHost: x\r\n\r\nPOST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: "
        "9000\r\n\r\n" +
        std::string(9000, 'y') + "GET /secure HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    EXPECT_NE(answers.find("127.0.0.1"), std::string::npos);
    EXPECT_NE(answers.find("9000:yyy"), std::string::npos);
    EXPECT_TRUE(answers.ends_with("secure"));
}

TEST_F(TlsServerTest, StreamsAndNoticesThatTheirClientHasLeft) {
    {
        TlsClient client{port, ca()};
        ASSERT_TRUE(client.shake_hands());
        client.send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
        EXPECT_NE(client.read("hello").find("200 OK"), std::string::npos);
        EXPECT_EQ(streams, 1);
    }
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};
    while (streams > 0 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    EXPECT_EQ(streams, 0);
}

TEST_F(TlsServerTest, PlainTextIsClosedUnanswered) {
    Client client{port};
    client.send("GET /secure HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_EQ(client.read().find("HTTP/1.1"), std::string::npos);
    EXPECT_EQ(ask(std::string{"GET /secure HTTP/1.1\r\n"} + kClose + "\r\n").substr(9, 3), "200");
}

TEST_F(TlsServerTest, RefusesOldVersionsAndRenegotiation) {
    TlsClient ancient{port, ca(), TLS1_1_VERSION};
    EXPECT_FALSE(ancient.shake_hands());
    TlsClient eager{port, ca(), TLS1_2_VERSION};
    ASSERT_TRUE(eager.shake_hands());
    EXPECT_FALSE(eager.renegotiate());
}

TEST_F(TlsServerTest, AStalledHandshakeIsCutAndOthersAreServedMeanwhile) {
    // More than there are threads: each sends the beginning of a ClientHello and then nothing.
    std::vector<std::unique_ptr<Client>> stalled;
    for (int i = 0; i < 12; ++i) {
        stalled.push_back(std::make_unique<Client>(port));
        stalled.back()->send({"\x16\x03\x01\x02\x00\x01", 6});
    }
    for (int i = 0; i < 8; ++i) {
        EXPECT_EQ(status(ask(std::string{"GET /who HTTP/1.1\r\n"} + kClose + "\r\n")), "200");
    }
    for (auto& client : stalled) EXPECT_EQ(client->read(), "");
}

TEST_F(TlsServerTest, StoppingDoesNotWaitForHandshakes) {
    Client stalled{port};
    stalled.send({"\x16\x03\x01\x02\x00\x01", 6});
    TlsClient idle{port, ca()};
    ASSERT_TRUE(idle.shake_hands());
    server->stop();
    EXPECT_EQ(stalled.read(), "");
    EXPECT_EQ(idle.read(), "");
}

TEST_F(TlsServerTest, ARenewedCertificateIsForNewConnectionsAndABadOneIsForNobody) {
    const auto shown = [&] {
        TlsClient client{port, ca()};
        EXPECT_TRUE(client.shake_hands());
        return client.certificate_number();
    };
    TlsClient earlier{port, ca()};
    ASSERT_TRUE(earlier.shake_hands());
    const std::string before = earlier.certificate_number();
    certificates.renew();
    EXPECT_EQ(shown(), before) << "nobody has told it yet";
    server->reload_certificate();
    const std::string after = shown();
    EXPECT_NE(after, before);
    earlier.send(std::string{"GET /secure HTTP/1.1\r\n"} + kClose + "\r\n");
    EXPECT_TRUE(earlier.read().ends_with("secure"));

    std::ofstream{certificates.file("http.crt")} << "no certificate\n";
    server->reload_certificate();
    EXPECT_EQ(shown(), after);
}

TEST_F(TlsServerTest, FilesThatCannotBeUsedAreSaidAtTheStart) {
    ServerSettings wrong = settings();
    wrong.tls_key_file = certificates.file("server.key");
    EXPECT_THROW((Server{wrong, routes, metrics}), std::runtime_error);
    wrong.tls_cert_file = "/nowhere/http.crt";
    try {
        Server{wrong, routes, metrics};
        FAIL() << "no certificate";
    } catch (const std::runtime_error& error) {
        EXPECT_NE(std::string{error.what()}.find("/nowhere/http.crt"), std::string::npos);
    }
}

}  // namespace
}  // namespace klyuchnik::bridge
