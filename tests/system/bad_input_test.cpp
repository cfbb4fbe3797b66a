// Whatever is sent, the answer is defined, it is counted, nothing changes, and the next message
// flows.

#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/system/hall.hpp"
#include "topics/codec.hpp"

namespace klyuchnik::test {
namespace {

using topics::AckError;

const std::filesystem::path kBad{std::string{KLYUCHNIK_TOPICS_DIR} + "/golden/bad"};

struct Example {
    std::string name;
    std::string read_as;
    std::string expected;  ///< What the decoder says.
    std::string payload;
};

/// The bad examples of the contract, by what they claim to be.
std::vector<Example> examples() {
    std::vector<Example> all;
    std::ifstream table{kBad / "expected.tsv"};
    for (std::string line; std::getline(table, line);) {
        if (line.starts_with('#')) continue;
        std::istringstream words{line};
        Example one;
        std::getline(words, one.name, '\t');
        std::getline(words, one.read_as, '\t');
        std::getline(words, one.expected, '\t');
        one.payload = contents_of(kBad / one.name);
        all.push_back(std::move(one));
    }
    return all;
}

std::string nested(int depth) {
    return R"({"v":1,"cn":2718281,"ep":1,"lo":1,"s":1,"e":[{"t":1,"k":"door.opened","d":{"a":)" +
           std::string(static_cast<std::size_t>(depth), '[') +
           std::string(static_cast<std::size_t>(depth), ']') + "}}]}";
}

class BadInput : public Hall {
 protected:
    /// The next fact of the device is applied, whatever came before it.
    void expect_the_next_fact_flows() {
        ++last;
        const std::string batch = R"({"v":1,"cn":2718281,"ep":1,"lo":)" + std::to_string(last) +
                                  R"(,"s":)" + std::to_string(last) + R"(,"e":[)" +
                                  fact("door.opened") + "]}";
        device.publish("up/ev", batch);
        // Left to its repeat while another loop holds the device's cursor, as after a restart.
        EXPECT_TRUE(eventually([&] {
            const auto ack =
                device.client().wait_for_topic(device.topic("dn/ak"), std::chrono::seconds{1});
            if (!ack) device.publish("up/ev", batch);
            const auto read = topics::decode_ack(ack ? ack->payload : "");
            return read && read->acked.value == last;
        }));
        EXPECT_EQ(facts(), last);
        EXPECT_EQ(facts("outcome = 'logged'"), last);
    }
    double unreadable(const std::string& kind) {
        return world.metric("klyuchnik_unreadable_total", "kind=\"" + kind + "\"");
    }
    std::int64_t last = 0;
};

TEST_F(BadInput, EveryBadExampleOfTheContractIsCountedAndTheNextFactFlows) {
    RawAsker asker{world.broker()};
    device.birth(kConnection);
    std::set<std::string> expected;
    int facts_sent = 0;
    int requests_sent = 0;
    int births_sent = 0;
    int heartbeats_sent = 0;
    int asks_sent = 0;
    for (const Example& one : examples()) {
        expected.insert(one.expected);
        if (one.read_as == "facts") {
            device.publish("up/ev", one.payload);
            ++facts_sent;
        } else if (one.read_as == "request") {
            device.publish("up/rq", one.payload);
            ++requests_sent;
        } else if (one.read_as == "state") {
            device.publish("st", one.payload, true);
            ++births_sent;
        } else if (one.read_as == "heartbeat") {
            device.publish("up/tm", one.payload);
            ++heartbeats_sent;
        } else if (one.read_as.starts_with("ask:")) {
            const std::string name = one.read_as.substr(4);
            asker.send(name.substr(0, name.find('.')), name.substr(name.find('.') + 1),
                       one.payload);
            ++asks_sent;
        }
    }
    EXPECT_GT(facts_sent, 50);
    EXPECT_TRUE(eventually([&] {
        return unreadable("facts") == facts_sent && unreadable("request") == requests_sent &&
               unreadable("state") == births_sent && unreadable("telemetry") == heartbeats_sent &&
               unreadable("ask") == asks_sent;
    })) << unreadable("facts")
        << " of " << facts_sent << ", " << unreadable("request") << " of " << requests_sent << ", "
        << unreadable("state") << " of " << births_sent << ", " << unreadable("telemetry") << " of "
        << heartbeats_sent << ", " << unreadable("ask") << " of " << asks_sent;
    // Whoever could be recognised was told what was wrong, in the contract's own words.
    int told = 0;
    for (const Message& message : device.client().take_all()) {
        if (message.topic == device.topic("dn/ak")) {
            const auto ack = topics::decode_ack(message.payload);
            ASSERT_TRUE(ack) << message.payload;
            EXPECT_EQ(ack->error, AckError::bad);
            EXPECT_TRUE(expected.contains(ack->detail.value_or(""))) << message.payload;
            ++told;
        } else {
            const auto answer = topics::decode_request_answer(message.payload);
            ASSERT_TRUE(answer) << message.payload;
            EXPECT_EQ(answer->rc, 400);
            EXPECT_EQ(answer->code.value_or(""), "malformed");
        }
    }
    EXPECT_GT(told, 40);
    expect_the_next_fact_flows();
    asker.send("keys", "issue_key",
               R"({"v":1,"id":"good","x":)" + std::to_string(now_s() + 60) +
                   R"(,"by":{"account":")" + world.account() +
                   R"(","via":"session"},"d":{"card":"12345ABC","key":"101"}})");
    for (auto answer = asker.next();; answer = asker.next()) {
        if (answer.id == "good") {
            EXPECT_EQ(answer.rc, 0);
            break;
        }
        EXPECT_EQ(answer.rc, 400);
        EXPECT_EQ(answer.code.value_or(""), "malformed");
    }
}

TEST_F(BadInput, AnUnreadableBatchIsToldWhereAndWhat) {
    device.birth(kConnection);
    const auto ack =
        device.facts(kConnection, 1, 1, 1, {R"({"t":1763690000,"k":"key.taken","d":{"sl":0}})"});
    EXPECT_EQ(ack.error, AckError::bad);
    EXPECT_EQ(ack.cn.value, kConnection);
    EXPECT_NE(ack.detail.value_or("").find("e[0].d.sl"), std::string::npos)
        << ack.detail.value_or("");
    expect_the_next_fact_flows();
}

TEST_F(BadInput, DeepLongAndLargePayloadsAreRefusedWhole) {
    device.birth(kConnection);
    std::vector<std::string> too_many(33, fact("door.opened"));
    EXPECT_EQ(device.facts(kConnection, 1, 1, 1, too_many).error, AckError::bad);
    for (const int depth : {9, 1000, 60'000}) {
        device.publish("up/ev", nested(depth));
    }
    device.publish("up/ev", R"({"v":1,"cn":2718281,"ep":1,"lo":1,"s":1,"e":[],"x":")" +
                                std::string(131'000, 'x') + R"("})");
    device.publish("up/ev", std::string(131'072, '['));
    EXPECT_TRUE(eventually([&] { return unreadable("facts") == 6; })) << unreadable("facts");
    expect_the_next_fact_flows();
}

TEST_F(BadInput, APacketBeyondTheLimitCutsItsSenderOnly) {
    device.birth(kConnection);
    world.add_device("kc-other1");
    // A client of MQTT 5 is told the limit and would not even send it.
    RawClient other{world.broker().device("kc-other1", Protocol::v311)};
    ASSERT_EQ(other.connect(), 0);
    other.publish("kl/v1/kc/kc-other1/up/ev", std::string(200'000, 'x'), 0);
    EXPECT_TRUE(other.wait_until_cut());
    expect_the_next_fact_flows();
    RawDevice again{world.broker(), "kc-other1"};
    EXPECT_EQ(again.birth(6).epoch.value, 1);
}

TEST_F(BadInput, AnotherDevicesTopicsAndRetainedFactsReachNobody) {
    device.birth(kConnection);
    RawDevice other = world.raw_device("kc-other1");
    const std::string batch =
        R"({"v":1,"cn":2718281,"ep":1,"lo":1,"s":1,"e":[{"t":1763690000,"k":"door.forced"}]})";
    other.client().publish("kl/v1/kc/kc-hall1/up/ev", batch, 1);
    other.client().publish("kl/v1/kc/kc-hall1/st", R"({"v":1,"on":0,"cn":2718281})", 1, true);
    other.client().publish("kl/v1/ask/keys/issue_key/kc-other1", "{}", 1);
    expect_the_next_fact_flows();
    EXPECT_EQ(world.get("/v1/devices/kc-hall1").text("state"), "online");
    // As itself, but to be kept by the broker: not delivered, and nothing is kept.
    other.birth(5);
    other.publish("up/ev",
                  R"({"v":1,"cn":5,"ep":1,"lo":1,"s":1,"e":[)" + fact("door.forced") + "]}", true);
    if (!other.client().connected()) {
        RawDevice back{world.broker(), "kc-other1"};
        EXPECT_EQ(back.birth(6, 1).error, AckError::none);
    }
    EXPECT_EQ(facts("kind = 'door.forced'"), 0);
    world.kill9_handlers();
    world.start_handlers();
    expect_the_next_fact_flows();
    EXPECT_EQ(facts("kind = 'door.forced'"), 0);
}

TEST_F(BadInput, AnUnreadableAskIsAnsweredWhenItSaysWhoAsks) {
    RawAsker asker{world.broker()};
    const auto answer = asker.ask("keys", "issue_key", R"({"v":1,"id":"m1","x":1,"by":7,"d":{}})");
    EXPECT_EQ(answer.id, "m1");
    EXPECT_EQ(answer.rc, 400);
    EXPECT_EQ(answer.code.value_or(""), "malformed");
    EXPECT_NE(answer.text.value_or("").find("by"), std::string::npos);
    asker.send("keys", "issue_key", "nonsense");
    EXPECT_TRUE(eventually([&] { return unreadable("ask") == 2; }));
    EXPECT_EQ(loans(), 0);
}

TEST_F(BadInput, TextsOfEveryKindComeBackAsTheyWent) {
    for (const std::string name : {"O'Brien \\\"quoted\\\" \\\\ {curly}", "Ключник 鍵 🔑", "NULL"}) {
        const HttpAnswer made =
            world.post("/v1/people", R"({"full_name":")" + name + R"(","cards":["\"'\\)" +
                                         std::to_string(name.size()) + R"("]})");
        ASSERT_EQ(made.status, 201) << made.body;
        const HttpAnswer shown = world.get("/v1/people/" + made.text("person"));
        EXPECT_NE(shown.body.find(name), std::string::npos) << shown.body;
        EXPECT_EQ(shown.text("/cards/0"), "\"'\\" + std::to_string(name.size()));
    }
}

// == HTTP
// ==============================================================================================

/// Sends bytes as they are and returns what comes back until the connection ends; "" = nothing.
std::string raw_http(int port, const std::string& bytes) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    std::string answer;
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
        std::size_t sent = 0;
        while (sent < bytes.size()) {
            const auto n = ::send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
            if (n <= 0) break;
            sent += static_cast<std::size_t>(n);
        }
        constexpr int kWaitMs = 15'000;
        char buffer[4096];
        pollfd ready{fd, POLLIN, 0};
        while (answer.find("\r\n\r\n") == std::string::npos && ::poll(&ready, 1, kWaitMs) > 0) {
            const auto n = ::recv(fd, buffer, sizeof buffer, 0);
            if (n <= 0) break;
            answer.append(buffer, static_cast<std::size_t>(n));
        }
    }
    ::close(fd);
    return answer;
}

int status_of(const std::string& answer) {
    return answer.starts_with("HTTP/1.1 ") ? std::stoi(answer.substr(9, 3)) : 0;
}

TEST_F(BadInput, MalformedHttpIsRefusedAndTheNextRequestIsServed) {
    const std::string head = "POST /issue_key HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " +
                             world.token() + "\r\nContent-Type: application/json\r\n";
    struct Case {
        const char* what;
        std::string bytes;
        std::set<int> statuses;  ///< 0 = closed without an answer.
    };
    const std::vector<Case> cases{
        {"no HTTP at all", "HELLO\r\n\r\n", {0, 400}},
        {"binary", std::string("\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 11), {0, 400}},
        {"no such method", "FROB / HTTP/1.1\r\nHost: x\r\n\r\n", {0, 400, 404, 405, 501}},
        {"a length that is no number", head + "Content-Length: abc\r\n\r\n{}", {400}},
        {"a negative length", head + "Content-Length: -1\r\n\r\n{}", {400}},
        {"two lengths", head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", {400}},
        {"length and chunks",
         head + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         {400}},
        {"chunks that are none", head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", {400}},
        {"a compressed body",
         head + "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
         {415}},
        {"a body beyond the limit", head + "Content-Length: 10000000\r\n\r\n", {413}},
        {"a header beyond the limit",
         head + "X-Long: " + std::string(40'000, 'x') + "\r\n\r\n",
         {400, 431}},
        {"a path beyond the limit",
         "GET /" + std::string(3000, 'x') + " HTTP/1.1\r\nHost: x\r\n\r\n",
         {404, 414}},
        {"a broken escape", "GET /v1/people?name=%zz HTTP/1.1\r\nHost: x\r\n\r\n", {400}},
        {"a NUL in the query", "GET /v1/people?name=%00 HTTP/1.1\r\nHost: x\r\n\r\n", {400}},
    };
    for (const Case& one : cases) {
        const std::string answer = raw_http(world.http_port(), one.bytes);
        EXPECT_TRUE(one.statuses.contains(status_of(answer)))
            << one.what << ": " << answer.substr(0, 200);
        EXPECT_EQ(world.get("/healthz").status, 200) << "after " << one.what;
    }
    EXPECT_GE(world.bridge_metric("klyuchnik_http_responses_total", "status=\"400\""), 6);
    EXPECT_GE(world.bridge_metric("klyuchnik_http_responses_total", "status=\"413\""), 1);
    EXPECT_GE(world.bridge_metric("klyuchnik_http_responses_total", "status=\"415\""), 1);
    EXPECT_EQ(world.bridge_metric("klyuchnik_http_undocumented_total"), 0);
    EXPECT_EQ(world.post("/issue_key", R"({"serial":"12345ABC","key":"101"})").status, 200);
}

TEST_F(BadInput, MalformedJsonIsABadRequestEverywhere) {
    const std::vector<std::string> bodies{
        "",
        "nonsense",
        "[]",
        "null",
        "{",
        R"({"full_name":"A"}{"full_name":"B"})",
        R"({"full_name":"A","full_name":"B","cards":[]})",
        "{\"full_name\":\"\xff\xfe\",\"cards\":[]}",
        R"({"full_name":"A\u0000B","cards":[]})",
        R"({"full_name":7,"cards":[]})",
        R"({"full_name":"","cards":[]})",
        R"({"full_name":"A","cards":"12"})",
        R"({"full_name":"A","cards":[12]})",
        R"({"full_name":"A","cards":[1e999]})",
        R"({"full_name":"A","cards":)" + std::string(1000, '[') + std::string(1000, ']') + "}",
        R"({"full_name":")" + std::string(101, 'x') + R"(","cards":[]})",
    };
    const double before = world.bridge_metric("klyuchnik_http_responses_total", "status=\"400\"");
    for (const std::string& body : bodies) {
        const HttpAnswer answer = world.post("/v1/people", body);
        EXPECT_EQ(answer.status, 400) << body.substr(0, 80);
        EXPECT_EQ(answer.header("content-type"), "application/problem+json");
        EXPECT_EQ(answer.number("status"), 400);
        EXPECT_NE(answer.text("detail"), "");
        // The old cabinets' routes answer in their own words.
        const HttpAnswer old = world.post("/issue_key", body);
        EXPECT_EQ(old.status, 400) << body.substr(0, 80);
        EXPECT_NE(old.text("error"), "");
    }
    EXPECT_EQ(world.bridge_metric("klyuchnik_http_responses_total", "status=\"400\""),
              before + 2 * static_cast<double>(bodies.size()));
    EXPECT_EQ(world.count("select count(*) from accounts.people"), 2);
    EXPECT_EQ(world.post("/v1/people", R"({"full_name":"A","cards":[]})").status, 201);
}

}  // namespace
}  // namespace klyuchnik::test
