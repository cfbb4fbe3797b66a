// POST /v1/claim and /v1/rotate, with the handlers' side played here.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "bridge/rest/api.hpp"
#include "bridge/rest/claim_codes.hpp"
#include "bridge/rest/secrets.hpp"
#include "bridge/rest/server.hpp"
#include "topics/codec.hpp"

namespace klyuchnik::bridge {
namespace {

using nlohmann::json;

constexpr const char* kCode = "7K2MD-09QXT-ZH4RA-M3W8C";
constexpr const char* kNonce = "0123456789abcdef";

struct Sent {
    std::string bytes;
    topics::Ask ask;
};

struct ClaimsTest : testing::Test {
    bool secrets = (start_secrets(), true);
    process::ManualClock clock{topics::from_unix_seconds(1'763'690'000)};
    process::Metrics metrics;
    ReadPool reads{{"host=/nonexistent dbname=none", "", "test"}, 1, metrics};
    Auth auth{{}, reads, clock, metrics};
    EventHub hub{reads, metrics};
    std::vector<Sent> sent;
    bool up = true;
    std::function<topics::Code(const topics::ClaimDevice&)> decide = [](const auto&) {
        return topics::Code::none;
    };
    AskClient asks{"bridge-1",
                   [this](const std::string& topic, std::string_view bytes, std::chrono::seconds) {
                       return publish(topic, bytes);
                   },
                   clock,
                   metrics,
                   {std::chrono::milliseconds{200},
                    {std::chrono::milliseconds{200}, std::chrono::milliseconds{200},
                     std::chrono::milliseconds{200}}}};
    Api api{
        {std::chrono::hours{12}, MqttPlace{"mqtt.example.org", 8883, "PEM"}, std::nullopt, nullptr},
        auth,
        asks,
        reads,
        hub,
        clock,
        metrics,
        [] { return true; }};
    Routes routes;
    std::unique_ptr<Server> server;

    void SetUp() override {
        add_claim_routes(routes, api);
        server = std::make_unique<Server>(ServerSettings{}, routes, metrics);
    }

    bool publish(const std::string& topic, std::string_view bytes) {
        if (!up) return false;
        EXPECT_EQ(topic, "kl/v1/ask/devices/claim_device/bridge-1");
        auto ask = topics::decode_ask("devices", "claim_device", bytes);
        EXPECT_TRUE(ask);
        const topics::Code code = decide(std::get<topics::ClaimDevice>(ask->body));
        topics::AskAnswer answer;
        answer.id = ask->id;
        if (code != topics::Code::none) {
            answer.rc = topics::info(code).rc;
            answer.code = std::string{topics::info(code).name};
            answer.text = std::string{topics::info(code).text};
        }
        sent.push_back({std::string{bytes}, std::move(*ask)});
        asks.on_answer(topics::encode(answer));
        return true;
    }

    Response claim(const json& body, const std::string& address = "192.0.2.1", bool secure = true) {
        Request request;
        request.method = "POST";
        request.path = "/v1/claim";
        request.body = body.dump();
        request.headers = {{"content-type", "application/json"}};
        request.address = request.peer = address;
        request.secure = secure;
        request.id = "one";
        return server->answer(request);
    }
    static json good() { return {{"device", "kc-hall1"}, {"code", kCode}, {"nonce", kNonce}}; }
    const topics::ClaimDevice& last() {
        return std::get<topics::ClaimDevice>(sent.back().ask.body);
    }
    static std::string header(const Response& response, const std::string& name) {
        for (const auto& [one, value] : response.headers) {
            if (one == name) return value;
        }
        return {};
    }
};

TEST_F(ClaimsTest, ADeviceGetsItsSecretAndWhereToConnect) {
    const Response response = claim(good());
    ASSERT_EQ(response.status, 201) << response.body;
    const json answer = json::parse(response.body);
    EXPECT_EQ(answer["device"], "kc-hall1");
    EXPECT_EQ(answer["secret"].get<std::string>().size(), 32U);
    EXPECT_EQ(answer["mqtt"], json({{"host", "mqtt.example.org"}, {"port", 8883}, {"ca", "PEM"}}));
    EXPECT_FALSE(answer.contains("certificate"));
    EXPECT_EQ(last().secret_sha256, sha256_hex(answer["secret"].get<std::string>()));
    EXPECT_FALSE(last().certificate_sha256);
    EXPECT_EQ(last().claim_sha256, sha256_hex(plain_claim_code(kCode)));
    EXPECT_EQ(last().nonce_sha256, sha256_hex(kNonce));
    EXPECT_EQ(sent.back().ask.by.account, "claim");
}

TEST_F(ClaimsTest, NeitherCodeNorNonceNorSecretTravelsOverMqtt) {
    const json answer = json::parse(claim(good()).body);
    const std::string& bytes = sent.back().bytes;
    EXPECT_EQ(bytes.find(kNonce), std::string::npos);
    EXPECT_EQ(bytes.find("7K2MD"), std::string::npos);
    EXPECT_EQ(bytes.find(answer["secret"].get<std::string>()), std::string::npos);
}

TEST_F(ClaimsTest, ARepeatWithTheSameNonceGivesTheSameSecretAndIsAskedAnew) {
    const Response first = claim(good());
    json typed = good();
    typed["code"] = "7k2md o9qxt zh4ra m3w8c";
    const Response second = claim(typed);
    EXPECT_EQ(first.body, second.body);
    ASSERT_EQ(sent.size(), 2U);
    EXPECT_NE(sent[0].ask.id, sent[1].ask.id);
    EXPECT_EQ(sent[0].ask.digest, sent[1].ask.digest);
    json other = good();
    other["nonce"] = "fedcba9876543210";
    EXPECT_NE(claim(other).body, first.body);
}

TEST_F(ClaimsTest, IsAnsweredOverHttpsOrToThisMachineOnly) {
    const std::size_t before = sent.size();
    EXPECT_EQ(claim(good(), "192.0.2.1", false).status, 403);
    EXPECT_EQ(claim(good(), "::ffff:192.0.2.1", false).status, 403);
    EXPECT_EQ(claim(good(), "2001:db8::1", false).status, 403);
    EXPECT_EQ(claim(good(), "", false).status, 403);
    EXPECT_EQ(sent.size(), before);
    EXPECT_EQ(claim(good(), "127.0.0.1", false).status, 201);
    EXPECT_EQ(claim(good(), "::1", false).status, 201);
    EXPECT_EQ(claim(good(), "2001:db8::1", true).status, 201);
}

TEST_F(ClaimsTest, GuessingIsSlowedMoreAndMore) {
    decide = [](const auto&) { return topics::Code::claim_refused; };
    for (int i = 0; i < kPairAttempts.free; ++i) EXPECT_EQ(claim(good()).status, 403);
    std::string pause_before = "0";
    for (const char* pause : {"1", "2", "4", "8"}) {
        const Response slowed = claim(good());
        EXPECT_EQ(slowed.status, 429);
        EXPECT_EQ(header(slowed, "Retry-After"), pause);
        const std::size_t asked = sent.size();
        EXPECT_EQ(claim(good()).status, 429);
        EXPECT_EQ(sent.size(), asked) << "nobody was asked";
        clock.advance(std::chrono::seconds{std::stoi(pause)});
        EXPECT_EQ(claim(good()).status, 403);
    }
    EXPECT_EQ(claim(good(), "192.0.2.2").status, 403) << "somebody else is free";
}

TEST_F(ClaimsTest, OneAddressThatTriesManyDevicesIsSlowedToo) {
    decide = [](const auto&) { return topics::Code::claim_refused; };
    for (int i = 0; i < kAddressAttempts.free; ++i) {
        json body = good();
        body["device"] = "kc-many" + std::to_string(i);
        EXPECT_EQ(claim(body).status, 403);
    }
    EXPECT_EQ(claim(good()).status, 429);
    EXPECT_EQ(claim(good(), "192.0.2.2").status, 403);
}

TEST_F(ClaimsTest, AllAddressesTogetherAreSlowedToo) {
    decide = [](const auto&) { return topics::Code::claim_refused; };
    const auto from_elsewhere = [&](int i) {
        json body = good();
        body["device"] = "kc-many" + std::to_string(i);
        return claim(body, "198.51." + std::to_string(i) + ".1").status;
    };
    for (int i = 0; i < kWrongClaimsPerSecondMax; ++i) EXPECT_EQ(from_elsewhere(i), 403) << i;
    const std::size_t asked = sent.size();
    EXPECT_EQ(from_elsewhere(200), 429);
    EXPECT_EQ(sent.size(), asked) << "nobody was asked";
    clock.advance(std::chrono::seconds{1});
    EXPECT_EQ(from_elsewhere(200), 403);
}

TEST_F(ClaimsTest, WhatIsRightIsNeverSlowed) {
    for (int i = 0; i < 100; ++i) {
        json body = good();
        body["device"] = "kc-many" + std::to_string(i);
        EXPECT_EQ(claim(body).status, 201);
    }
}

TEST_F(ClaimsTest, WhatWasNotDecidedDoesNotCount) {
    up = false;
    for (int i = 0; i < 6; ++i) EXPECT_EQ(claim(good()).status, 503);
    up = true;
    EXPECT_EQ(claim(good()).status, 201);
}

TEST_F(ClaimsTest, EveryNoLooksTheSame) {
    decide = [](const topics::ClaimDevice&) { return topics::Code::claim_refused; };
    std::vector<std::string> answers;
    for (const json& change :
         {json{{"code", "wrong"}}, json{{"code", "00000-00000-00000-00000"}},
          json{{"device", "kc-none1"}}, json{{"nonce", "another-nonce-0001"}}}) {
        json body = good();
        body.update(change);
        answers.push_back(claim(body, "192.0.2." + std::to_string(answers.size() + 10)).body);
    }
    for (const std::string& answer : answers) EXPECT_EQ(answer, answers.front());
}

TEST_F(ClaimsTest, WhatTheDeviceMayNotSayDoesNotCount) {
    json body = good();
    body.update({{"secret", "mine"},
                 {"secret_sha256", std::string(64, '1')},
                 {"claim_sha256", std::string(64, '2')},
                 {"generation", 9},
                 {"active", true},
                 {"ends_s", 1}});
    const json answer = json::parse(claim(body).body);
    EXPECT_NE(answer["secret"], "mine");
    EXPECT_EQ(last().secret_sha256, sha256_hex(answer["secret"].get<std::string>()));
    EXPECT_EQ(last().claim_sha256, sha256_hex(plain_claim_code(kCode)));
    EXPECT_FALSE(last().ends_s);
}

TEST_F(ClaimsTest, BodiesAreCheckedBeforeAnybodyIsAsked) {
    const auto with = [](const json& change) {
        json body = good();
        body.update(change);
        return body;
    };
    for (const char* id : {"kc-a/b12", "kc-a+b12", "kc-a#b12", "$kc-ab12", "kc-ab 12", "KC-ab12",
                           "kc-abc", "kc-ab12\n", ""}) {
        EXPECT_EQ(claim(with({{"device", id}})).status, 400) << id;
    }
    EXPECT_EQ(claim(with({{"device", std::string("kc-ab\0"
                                                 "12",
                                                 8)}}))
                  .status,
              400);
    EXPECT_EQ(claim(with({{"nonce", "short"}})).status, 400);
    EXPECT_EQ(claim(with({{"nonce", std::string(65, 'x')}})).status, 400);
    EXPECT_EQ(claim(with({{"nonce", 7}})).status, 400);
    EXPECT_EQ(claim(with({{"code", ""}})).status, 400);
    EXPECT_EQ(claim(with({{"code", std::string(65, 'A')}})).status, 400);
    EXPECT_EQ(claim(with({{"csr", std::string(100'000, 'A')}})).status, 400);
    EXPECT_EQ(claim(json::array()).status, 400);
    EXPECT_TRUE(sent.empty());
}

TEST_F(ClaimsTest, WithoutAnAuthorityACertificateIsNotServed) {
    json body = good();
    body["csr"] = "-----BEGIN CERTIFICATE REQUEST-----";
    EXPECT_EQ(claim(body).status, 501);
    EXPECT_TRUE(sent.empty());
}

TEST_F(ClaimsTest, RotationNeedsTheDevicesOwnSecretOverAPrivateLine) {
    Request request;
    request.method = "POST";
    request.path = "/v1/rotate";
    request.address = request.peer = "192.0.2.1";
    EXPECT_EQ(server->answer(request).status, 403);
    request.secure = true;
    const Response response = server->answer(request);
    EXPECT_EQ(response.status, 401);
    EXPECT_EQ(header(response, "WWW-Authenticate"), "Basic realm=\"klyuchnik\"");
    request.headers = {{"authorization", "Bearer " + random_token(32)}};
    EXPECT_EQ(server->answer(request).status, 401);
    request.headers = {{"authorization", "Basic " + base64("kc-hall1:secret")}};
    EXPECT_EQ(server->answer(request).status, 503) << "the database is away";
}

}  // namespace
}  // namespace klyuchnik::bridge
