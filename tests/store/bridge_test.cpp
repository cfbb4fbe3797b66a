// What the bridge says of a write when the database fails between the handler's answer and its own.
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "bridge/rest/api.hpp"
#include "bridge/rest/secrets.hpp"
#include "bridge/rest/server.hpp"
#include "tests/store/store.hpp"
#include "topics/codec.hpp"

namespace klyuchnik::test {
namespace {

using namespace bridge;
using nlohmann::json;

/// Who asks is read from the database; what was done is read from one that is away, or from the
/// same.
class BridgeOnStore : public Store {
 protected:
    void SetUp() override {
        owner_.rows(
            "insert into accounts.accounts (login, password_hash, role, created_at) values "
            "('root', '$argon2id$none', 'admin', now())");
        owner_.rows(
            "insert into accounts.sessions (token_sha256, account_id, opened_at, expires_at) "
            "select decode($1, 'hex'), account_id, now(), now() + interval '1 hour' from "
            "accounts.accounts where login = 'root'",
            {sha256_hex(kToken)});
        add_routes(routes_, api_);
        server_ = std::make_unique<Server>(ServerSettings{}, routes_, metrics_);
    }

    bool answer(const std::string& topic, std::string_view bytes) {
        // kl/v1/ask/{domain}/{name}/{client}
        const std::size_t domain = std::string_view{"kl/v1/ask/"}.size();
        const std::size_t name = topic.find('/', domain) + 1;
        auto ask = topics::decode_ask(topic.substr(domain, name - 1 - domain),
                                      topic.substr(name, topic.rfind('/') - name), bytes);
        EXPECT_TRUE(ask) << topic;
        topics::AskAnswer yes;
        yes.id = ask->id;
        yes.content = content_;
        asked_.push_back(std::move(*ask));
        asks_.on_answer(topics::encode(yes));
        return true;
    }
    Response send(const std::string& method, const std::string& path, const json& body,
                  const std::string& authorization = std::string{"Bearer "} + kToken) {
        Request request;
        request.method = method;
        request.path = path;
        request.body = body.dump();
        request.headers = {{"content-type", "application/json"},
                           {"authorization", authorization},
                           {"idempotency-key", "one"}};
        request.address = request.peer = "127.0.0.1";
        request.id = "one";
        return server_->answer(request);
    }
    static std::string header(const Response& response, const std::string& name) {
        for (const auto& [one, value] : response.headers) {
            if (one == name) return value;
        }
        return {};
    }

    static constexpr const char* kToken = "a-token-of-the-tests";
    bool secrets_ = (start_secrets(), true);
    process::SystemClock clock_;
    process::Metrics metrics_;
    ReadPool good_{as("kl_bridge"), 2, metrics_};
    ReadPool away_{{"host=/nonexistent dbname=none", "", "test"}, 1, metrics_};
    Auth auth_{{}, good_, clock_, metrics_};
    std::string content_ = "{}";
    std::vector<topics::Ask> asked_;
    AskClient asks_{"bridge-1",
                    [this](const std::string& topic, std::string_view bytes, std::chrono::seconds) {
                        return answer(topic, bytes);
                    },
                    clock_, metrics_};
    EventHub hub_{away_, metrics_};
    Api api_{{}, auth_, asks_, away_, hub_, clock_, metrics_, [] { return true; }};
    Routes routes_;
    std::unique_ptr<Server> server_;
};

TEST_F(BridgeOnStore, WhatWasDoneAndCannotBeReadIsUnknownAndNeverNothing) {
    const struct {
        const char* method;
        const char* path;
        json body;
    } writes[]{{"POST", "/v1/devices", {{"device", "kc-hall1"}, {"name", "Hall"}}},
               {"POST", "/v1/devices/kc-hall1/claim", json::object()},
               {"POST", "/v1/devices/kc-hall1/swap", {{"reason", "broken"}}},
               {"PATCH", "/v1/devices/kc-hall1", {{"name", "Hall"}}},
               {"POST", "/v1/alarms/7/acknowledge", json::object()},
               {"POST", "/v1/alarms/7/snooze", json::object()},
               {"POST", "/v1/alarms/7/resolve", {{"reason", "mended"}}},
               {"POST", "/v1/dead-letters/7/retry", json::object()},
               {"POST", "/v1/dead-letters/7/discard", {{"reason", "old"}}},
               {"POST", "/v1/rollouts/7/stop", {{"reason", "bad"}}}};
    std::size_t asked = 0;
    for (const auto& write : writes) {
        const Response response = send(write.method, write.path, write.body);
        EXPECT_EQ(response.status, 504) << write.path << ": " << response.body;
        EXPECT_EQ(json::parse(response.body)["code"], "unknown") << write.path;
        EXPECT_EQ(asked_.size(), ++asked) << write.path;
    }
}

TEST_F(BridgeOnStore, ACommandThatIsQueuedIsSaidSoWithoutItsRow) {
    content_ = R"({"cmd":41})";
    const Response response = send("POST", "/v1/devices/kc-hall1/commands", {{"kind", "reboot"}});
    EXPECT_EQ(response.status, 202) << response.body;
    EXPECT_EQ(header(response, "Location"), "/v1/commands/41");
    EXPECT_EQ(response.body, "");
    EXPECT_EQ(send("GET", "/v1/commands/41", json::object()).status, 503)
        << "a read that fails has done nothing";
}

TEST_F(BridgeOnStore, ARotationSaysWhichSecretProvedIt) {
    owner_.rows(
        "insert into devices.devices (device_id, name, created_at) values ('kc-hall1', 'Hall', "
        "now())");
    owner_.rows(
        "insert into devices.credentials (device_id, place, generation, kind, sha256, made_at, "
        "why) values ('kc-hall1', 1, 1, 'secret', decode($1, 'hex'), now(), 'claimed')",
        {sha256_hex("shown")});
    const Response response = send("POST", "/v1/rotate", {{"nonce", "0123456789abcdef"}},
                                   "Basic " + base64("kc-hall1:shown"));
    ASSERT_EQ(response.status, 200) << response.body;
    ASSERT_EQ(asked_.size(), 1U);
    EXPECT_EQ(std::get<topics::RotateCredential>(asked_[0].body).shown_sha256, sha256_hex("shown"));
}

}  // namespace
}  // namespace klyuchnik::test
