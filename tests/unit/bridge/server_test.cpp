// What the HTTP library leaves open, tried from outside over a socket.
#include "bridge/rest/server.hpp"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "bridge/rest/problem.hpp"
#include "bridge/rest/secrets.hpp"

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

 private:
    int socket_;
};

struct ServerTest : testing::Test {
    Routes routes;
    process::Metrics metrics;
    std::atomic<int> streams{0};
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
        ServerSettings settings;
        settings.port = 0;
        settings.workers = 4;
        settings.streams_max = 2;
        server = std::make_unique<Server>(settings, routes, metrics);
        port = server->start();
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

TEST_F(ServerTest, APortInUseIsSaidSo) {
    ServerSettings settings;
    settings.port = port;
    Server other{settings, routes, metrics};
    EXPECT_THROW(other.start(), std::runtime_error);
}

}  // namespace
}  // namespace klyuchnik::bridge
