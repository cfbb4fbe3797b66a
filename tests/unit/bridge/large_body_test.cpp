// Routes with large bodies, over a socket.
#include <atomic>
#include <memory>
#include <string>
#include <string_view>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "bridge/rest/places.hpp"
#include "bridge/rest/problem.hpp"
#include "bridge/rest/secrets.hpp"
#include "bridge/rest/server.hpp"

namespace klyuchnik::bridge {
namespace {

constexpr std::size_t kLarge = 4 * kBodyBytesMax;

struct LargeBody : testing::Test {
    Routes routes;
    process::Metrics metrics;
    Places places{1};
    std::atomic<int> admitted{0};
    std::atomic<int> handled{0};
    std::unique_ptr<Server> server;
    int port = 0;

    void SetUp() override {
        start_secrets();
        routes.add("POST", "/large", {200, 401, 503},
                   [this](const Request& request) {
                       ++handled;
                       return Response::text(200, std::to_string(request.body.size()));
                   },
                   {kLarge, [this](const Request& request) -> std::shared_ptr<void> {
                        if (!request.has_header("authorization")) throw not_signed_in("who?");
                        if (request.header("authorization") == "fault")
                            throw std::runtime_error{"x"};
                        ++admitted;
                        auto place = places.take();
                        if (!place) throw unavailable("full");
                        return place;
                    }});
        ServerSettings settings;
        settings.port = 0;
        settings.workers = 4;
        settings.streams_max = 0;
        server = std::make_unique<Server>(settings, routes, metrics);
        port = server->start();
    }

    /// Sends as much as the other end takes, and returns all that it said.
    std::string ask(std::string_view bytes) const {
        const int client = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(port));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        timeval limit{30, 0};
        ::setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        EXPECT_EQ(::connect(client, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        while (!bytes.empty()) {
            const ssize_t sent = ::send(client, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent <= 0) break;
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
        std::string out;
        char buffer[4096];
        for (ssize_t got = 0; (got = ::recv(client, buffer, sizeof buffer, 0)) > 0;) {
            out.append(buffer, static_cast<std::size_t>(got));
        }
        ::close(client);
        return out;
    }
    std::string post(std::size_t bytes, const std::string& headers) const {
        return ask("POST /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " +
                   std::to_string(bytes) + "\r\n" + headers + "\r\n" + std::string(bytes, 'x'));
    }
    static std::string status(const std::string& answer) { return answer.substr(9, 3); }
};

TEST_F(LargeBody, IsReadWholeFromThoseWhoMaySendIt) {
    const std::string answer = post(kLarge, "Authorization: yes\r\n");
    EXPECT_EQ(status(answer), "200");
    EXPECT_TRUE(answer.ends_with(std::to_string(kLarge)));
}

TEST_F(LargeBody, HasALimitOfItsOwnHoweverItIsSent) {
    EXPECT_EQ(status(post(kLarge + 1, "Authorization: yes\r\n")), "413");
    EXPECT_EQ(handled, 0);
    EXPECT_EQ(status(ask("POST /large HTTP/1.1\r\nHost: x\r\nAuthorization: yes\r\n"
                         "Transfer-Encoding: chunked\r\n\r\n400001\r\n" +
                         std::string(kLarge + 1, 'x') + "\r\n0\r\n\r\n")),
              "413");
    EXPECT_EQ(handled, 0);
}

TEST_F(LargeBody, WhoMaySendItReadsTheRefusalOfOneMuchTooLarge) {
    EXPECT_EQ(status(post(2 * kLarge, "Authorization: yes\r\n")), "413");
    EXPECT_EQ(admitted, 1);
    EXPECT_EQ(status(post(2 * kLarge, "Authorization: yes\r\n")), "413")
        << "the place was given back";
    EXPECT_EQ(handled, 0);
}

TEST_F(LargeBody, AStrangerIsToldSoAlsoOfOneTooLarge) {
    for (const char* who : {"", "Authorization: fault\r\n"}) {
        const std::string answer =
            ask("POST /large HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(2 * kLarge) +
                "\r\n" + std::string{who} + "\r\n");
        EXPECT_EQ(status(answer), *who == '\0' ? "401" : "500");
    }
    EXPECT_LT(kLinger.bytes_max, kLargeLinger.bytes_max);
    EXPECT_LT(kLinger.time, kLargeLinger.time);
}

TEST_F(LargeBody, IsNotReadFromAnybodyElse) {
    EXPECT_EQ(status(post(kBodyBytesMax, "")), "401");
    EXPECT_EQ(status(ask("POST /large HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")), "401")
        << "answered although no byte of the body came";
    EXPECT_EQ(status(post(10, "Authorization: fault\r\n")), "500");
    EXPECT_EQ(handled, 0);
}

TEST_F(LargeBody, GivesItsPlaceBackWhenTheRequestIsOver) {
    for (int i = 0; i < 3; ++i) EXPECT_EQ(status(post(10, "Authorization: yes\r\n")), "200");
    const auto taken = places.take();
    EXPECT_EQ(status(post(10, "Authorization: yes\r\n")), "503");
    EXPECT_EQ(admitted, 4);
}

TEST(Routes, HaveNoLargeBodiesForEverybody) {
    Routes routes;
    EXPECT_THROW(routes.add("POST", "/x", {200}, {}, {kBodyBytesMax + 1, {}}), std::logic_error);
    EXPECT_NO_THROW(routes.add("POST", "/x", {200}, {}, {kBodyBytesMax, {}}));
}

TEST(Places, AreTakenOnceAndComeBack) {
    Places places{2};
    auto first = places.take();
    auto second = places.take();
    EXPECT_TRUE(first);
    EXPECT_TRUE(second);
    EXPECT_FALSE(places.take());
    first.reset();
    EXPECT_TRUE(places.take());
    std::shared_ptr<void> survivor;
    {
        Places brief{1};
        survivor = brief.take();
    }
    EXPECT_TRUE(survivor);
}

}  // namespace
}  // namespace klyuchnik::bridge
