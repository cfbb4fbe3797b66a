// The routes about devices, from outside: every route, every kind of no, and what a stranger tries.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "tests/support/world.hpp"

namespace klyuchnik::test {
namespace {

using namespace std::chrono_literals;

const Headers kNobody{{"Authorization", ""}};

std::string base64(std::string_view bytes) {
    std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
    const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                     reinterpret_cast<const unsigned char*>(bytes.data()),
                                     static_cast<int>(bytes.size()));
    out.resize(static_cast<std::size_t>(size));
    return out;
}

Headers basic(const std::string& id, const std::string& secret) {
    return {{"Authorization", "Basic " + base64(id + ":" + secret)}};
}

std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) out += c == '\n' ? std::string{"\\n"} : std::string{c};
    return out + "\"";
}

struct Freed {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(X509_REQ* request) const { X509_REQ_free(request); }
    void operator()(BIO* bio) const { BIO_free(bio); }
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Key = std::unique_ptr<EVP_PKEY, Freed>;

template <class Write>
std::string pem(Write write) {
    const std::unique_ptr<BIO, Freed> out{BIO_new(BIO_s_mem())};
    write(out.get());
    char* bytes = nullptr;
    const auto size = BIO_get_mem_data(out.get(), &bytes);
    return {bytes, static_cast<std::size_t>(size)};
}

/// A device's own key, and its request for a certificate in the name of somebody else.
struct DeviceKey {
    Key key{EVP_EC_gen("P-256")};

    std::string request() const {
        const std::unique_ptr<X509_REQ, Freed> made{X509_REQ_new()};
        X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(made.get()), "CN", MBSTRING_ASC,
                                   reinterpret_cast<const unsigned char*>("handlers-1"), -1, -1, 0);
        X509_REQ_set_pubkey(made.get(), key.get());
        X509_REQ_sign(made.get(), key.get(), EVP_sha256());
        return pem([&](BIO* out) { PEM_write_bio_X509_REQ(out, made.get()); });
    }
    std::string private_pem() const {
        return pem([&](BIO* out) {
            PEM_write_bio_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
        });
    }
};

struct Case {
    std::string method;
    std::string path;
    std::string body;
    int status;
    Headers headers{};
    const char* type = "application/json";
};

class DevicesRest : public ::testing::Test {
 protected:
    static constexpr const char* kNonce = "0123456789abcdef";

    explicit DevicesRest(WorldOptions options = {}) : world{std::move(options)} {}

    World world;

    void expect(const std::vector<Case>& cases) {
        for (const Case& one : cases) {
            const HttpAnswer answer =
                world.send(one.method, one.path, one.body, one.headers, one.type);
            EXPECT_EQ(answer.status, one.status)
                << one.method << " " << one.path << " " << one.body.substr(0, 80) << ": "
                << answer.body.substr(0, 300);
            if (one.status >= 400) {
                EXPECT_EQ(answer.header("content-type"), "application/problem+json") << one.path;
                EXPECT_EQ(answer.number("status"), one.status) << one.path;
            }
        }
        EXPECT_EQ(world.bridge_metric("klyuchnik_http_undocumented_total"), 0);
    }

    /// Adds a device and returns its claim code.
    std::string code_of(const std::string& id, const std::string& more = "") {
        const HttpAnswer made =
            world.post("/v1/devices", R"({"device":")" + id + R"(","name":"Test")" + more + "}");
        EXPECT_EQ(made.status, 201) << made.body;
        return made.text("claim_code");
    }
    /// True when the secret is good for HTTP Basic: the body is refused then, not the credential.
    bool is_secret(const std::string& id, const std::string& secret) {
        const int status = world.post("/issue_key", "nonsense", basic(id, secret)).status;
        EXPECT_TRUE(status == 400 || status == 401) << status;
        return status == 400;
    }
    std::string device_member(const std::string& id, const std::string& member) {
        return world.get("/v1/devices/" + id).text(member);
    }
};

TEST_F(DevicesRest, EveryRouteAnswersWhatItPromises) {
    world.add_device("kc-hall1");
    const std::string no_body;
    const Headers once{{"Idempotency-Key", "once"}};
    std::vector<Case> cases;
    // Without a session nothing is answered, whatever it is about.
    for (const char* route : {"GET /v1/devices",
                              "POST /v1/devices",
                              "GET /v1/devices/kc-hall1",
                              "PATCH /v1/devices/kc-hall1",
                              "POST /v1/devices/kc-hall1/claim",
                              "POST /v1/devices/kc-hall1/swap",
                              "POST /v1/devices/kc-hall1/revoke",
                              "GET /v1/devices/kc-hall1/telemetry",
                              "GET /v1/devices/kc-hall1/gaps",
                              "GET /v1/devices/kc-hall1/documents",
                              "GET /v1/devices/kc-hall1/documents/logs",
                              "POST /v1/devices/kc-hall1/commands",
                              "GET /v1/commands",
                              "GET /v1/commands/1",
                              "GET /v1/alarms",
                              "GET /v1/alarms/1",
                              "POST /v1/alarms/1/acknowledge",
                              "POST /v1/alarms/1/snooze",
                              "POST /v1/alarms/1/resolve",
                              "GET /v1/dead-letters",
                              "GET /v1/dead-letters/1",
                              "POST /v1/dead-letters/1/retry",
                              "POST /v1/dead-letters/1/discard",
                              "POST /v1/firmware",
                              "GET /v1/firmware",
                              "POST /v1/firmware/1/rollouts",
                              "GET /v1/rollouts",
                              "GET /v1/rollouts/1",
                              "GET /v1/rollouts/1/devices",
                              "POST /v1/rollouts/1/stop",
                              "POST /v1/rotate"}) {
        const std::string text = route;
        const std::size_t space = text.find(' ');
        const std::string method = text.substr(0, space);
        cases.push_back({method, text.substr(space + 1), "{}", 401, kNobody});
        // A device's own secret is no session.
        if (!text.ends_with("/rotate")) {
            cases.push_back({method, text.substr(space + 1), "{}", 401,
                             basic("kc-hall1", world.add_device("kc-hall1"))});
        }
    }
    const std::vector<Case> more{
        // A session in a cookie changes nothing without the header that only our page sends.
        {"PATCH",
         "/v1/devices/kc-hall1",
         R"({"name":"x"})",
         403,
         {{"Authorization", ""}, {"Cookie", "klyuchnik_session=" + world.token()}}},
        // Lists and filters.
        {"GET", "/v1/devices?state=unknown&class=kc&active=true&away=false&q=hall", "", 200},
        {"GET", "/v1/devices?firmware=1.4.2&limit=1", "", 200},
        {"GET", "/v1/devices?state=lost", "", 400},
        {"GET", "/v1/devices?class=xx", "", 400},
        {"GET", "/v1/devices?active=1", "", 400},
        {"GET", "/v1/devices?away=", "", 400},
        {"GET", "/v1/devices?cursor=nonsense", "", 400},
        {"GET", "/v1/devices/kc-hall1", "", 200},
        {"GET", "/v1/devices/kc-none1", "", 404},
        {"GET", "/v1/devices/kc-hall1/telemetry", "", 200},
        {"GET", "/v1/devices/kc-hall1/telemetry?limit=0", "", 400},
        {"GET", "/v1/devices/kc-none1/telemetry", "", 404},
        {"GET", "/v1/devices/kc-hall1/gaps", "", 200},
        {"GET", "/v1/devices/kc-none1/gaps", "", 404},
        {"GET", "/v1/devices/kc-hall1/documents", "", 200},
        {"GET", "/v1/devices/kc-none1/documents", "", 404},
        {"GET", "/v1/devices/kc-hall1/documents/logs", "", 404},
        {"GET", "/v1/devices/kc-hall1/documents/logs?direction=in", "", 400},
        {"GET", "/v1/devices/kc-hall1/documents/logs?version=0", "", 400},
        // Ids that would widen a topic, in the path and in the body.
        {"GET", "/v1/devices/kc-a%2Fb12", "", 404},
        {"GET", "/v1/devices/kc-ab12+", "", 404},
        {"GET", "/v1/devices/kc-ab12%23", "", 404},
        {"GET", "/v1/devices/%24kc-ab12", "", 404},
        {"GET", "/v1/devices/kc-ab12%00", "", 400},
        {"POST", "/v1/devices/kc-ab12%2B/revoke", R"({"reason":"x"})", 404},
        {"POST", "/v1/devices", R"({"device":"kc-a/b12","name":"x"})", 400},
        {"POST", "/v1/devices", R"({"device":"kc-ab12+","name":"x"})", 400},
        {"POST", "/v1/devices", R"({"device":"kc-ab12#","name":"x"})", 400},
        {"POST", "/v1/devices", R"({"device":"$kc-ab12","name":"x"})", 400},
        {"POST", "/v1/devices", R"({"device":"kc-ab12\u0000","name":"x"})", 400},
        {"POST", "/v1/devices", R"({"device":"kc-ab12","name":""})", 400},
        {"POST", "/v1/devices", R"({"device":"kc-ab12","name":"x","claim_hours":0})", 400},
        {"POST", "/v1/devices", R"({"device":"kc-ab12","name":"x","claim_hours":721})", 400},
        {"POST", "/v1/devices", R"({"device":"kc-ab12"})", 400},
        {"POST", "/v1/devices", R"({"device":"kc-ab12","name":"x"})", 415, {}, "text/plain"},
        {"POST", "/v1/devices", R"({"device":"kc-hall1","name":"again"})", 409},
        // Changes.
        {"PATCH", "/v1/devices/kc-hall1", R"({"name":"Hall","place":"Left","lease_seconds":3600})",
         200},
        {"PATCH", "/v1/devices/kc-hall1", R"({"lease_seconds":1})", 400},
        {"PATCH", "/v1/devices/kc-hall1", R"({"name":""})", 400},
        {"PATCH", "/v1/devices/kc-none1", R"({"name":"x"})", 404},
        {"PUT", "/v1/devices/kc-hall1", "{}", 405},
        // Claim codes.
        {"POST", "/v1/devices/kc-hall1/claim", no_body, 201, {}, ""},
        {"POST", "/v1/devices/kc-hall1/claim", R"({"claim_hours":1})", 201, once},
        {"POST", "/v1/devices/kc-hall1/claim", R"({"claim_hours":2})", 422, once},
        {"POST", "/v1/devices/kc-none1/claim", "{}", 404},
        {"POST", "/v1/devices/kc-hall1/swap", "{}", 400},
        {"POST", "/v1/devices/kc-none1/swap", R"({"reason":"x"})", 404},
        {"POST", "/v1/devices/kc-none1/revoke", R"({"reason":"x"})", 404},
        {"POST", "/v1/devices/kc-hall1/revoke", "{}", 400},
        // Commands.
        {"POST", "/v1/devices/kc-hall1/commands", R"({"kind":"buzz"})", 202},
        {"POST", "/v1/devices/kc-hall1/commands", R"({"kind":"slot.unlock"})", 422},
        {"POST", "/v1/devices/kc-hall1/commands", R"({"kind":"slot.unlock","slot":0})", 400},
        {"POST", "/v1/devices/kc-hall1/commands", R"({"kind":"explode"})", 422},
        {"POST", "/v1/devices/kc-hall1/commands", R"({"kind":"buzz","life_seconds":90000})", 400},
        {"POST", "/v1/devices/kc-none1/commands", R"({"kind":"buzz"})", 404},
        {"GET", "/v1/commands?device=kc-hall1&state=queued", "", 200},
        {"GET", "/v1/commands?state=lost", "", 400},
        {"GET", "/v1/commands/999999", "", 404},
        {"GET", "/v1/commands/x", "", 404},
        // Alarms and dead letters that are not there.
        {"GET", "/v1/alarms?state=unresolved&kind=journal_gap&device=kc-hall1", "", 200},
        {"GET", "/v1/alarms?state=loud", "", 400},
        {"GET", "/v1/alarms/999999", "", 404},
        {"POST", "/v1/alarms/999999/acknowledge", no_body, 404, {}, ""},
        {"POST", "/v1/alarms/999999/snooze", R"({"seconds":60})", 404},
        {"POST", "/v1/alarms/999999/snooze", R"({"seconds":1})", 400},
        {"POST", "/v1/alarms/999999/resolve", R"({"reason":"x"})", 404},
        {"POST", "/v1/alarms/999999/resolve", "{}", 400},
        {"GET", "/v1/dead-letters?state=open", "", 200},
        {"GET", "/v1/dead-letters?state=lost", "", 400},
        {"GET", "/v1/dead-letters/999999", "", 404},
        {"POST", "/v1/dead-letters/999999/retry", no_body, 404, {}, ""},
        {"POST", "/v1/dead-letters/999999/discard", R"({"reason":"x"})", 404},
        {"POST", "/v1/dead-letters/999999/discard", "{}", 400},
        // Firmware that is not there.
        {"GET", "/v1/firmware", "", 200},
        {"GET", "/v1/rollouts", "", 200},
        {"GET", "/v1/rollouts/999999", "", 404},
        {"GET", "/v1/rollouts/999999/devices", "", 404},
        {"POST", "/v1/rollouts/999999/stop", R"({"reason":"x"})", 404},
        {"POST", "/v1/firmware/9.9.9/rollouts", R"({"devices":["kc-hall1"]})", 404},
        {"POST", "/v1/firmware/9.9.9/rollouts", R"({"devices":[]})", 400},
        // Claiming: what cannot be read is said so, before anything else.
        {"POST", "/v1/claim", "{}", 400, kNobody},
        {"POST", "/v1/claim", R"({"device":"kc-hall1","code":"x"})", 400, kNobody},
        {"POST", "/v1/claim", R"({"device":"kc-hall1","code":"x","nonce":"short"})", 400, kNobody},
        {"POST", "/v1/claim", R"({"device":"kc-ab12+","code":"x","nonce":"0123456789abcdef"})", 400,
         kNobody},
        {"POST", "/v1/claim",
         R"({"device":"kc-hall1","code":"x","nonce":"0123456789abcdef","csr":"x"})", 501, kNobody},
        {"POST", "/v1/claim", "x", 415, kNobody, "text/plain"},
        // The end of a device.
        {"POST", "/v1/devices/kc-hall1/revoke", R"({"reason":"lost"})", 204},
        {"POST", "/v1/devices/kc-hall1/revoke", R"({"reason":"lost"})", 409},
        {"POST", "/v1/devices/kc-hall1/claim", "{}", 409},
        {"POST", "/v1/devices/kc-hall1/commands", R"({"kind":"buzz"})", 409},
        {"POST", "/v1/devices/kc-hall1/swap", R"({"reason":"new one"})", 200},
    };
    cases.insert(cases.end(), more.begin(), more.end());
    expect(cases);
    EXPECT_EQ(device_member("kc-hall1", "generation"), "2");
    EXPECT_EQ(device_member("kc-hall1", "name"), "Hall");
    EXPECT_EQ(device_member("kc-hall1", "lease_seconds"), "3600");
}

TEST_F(DevicesRest, ACodeIsShownAgainForARepeatAndKeptByNobody) {
    const Headers same{{"Idempotency-Key", "device-1"}};
    const std::string body = R"({"device":"kc-fresh1","name":"Fresh"})";
    const HttpAnswer first = world.post("/v1/devices", body, same);
    ASSERT_EQ(first.status, 201) << first.body;
    EXPECT_EQ(first.header("location"), "/v1/devices/kc-fresh1");
    const std::string code = first.text("claim_code");
    EXPECT_EQ(code.size(), 23U);
    EXPECT_EQ(world.post("/v1/devices", body, same).body, first.body);
    const HttpAnswer other = world.post("/v1/devices", R"({"device":"kc-fresh2","name":"Fresh"})");
    EXPECT_NE(other.text("claim_code"), code);

    const std::string secret = world.claim("kc-fresh1", code).text("secret");
    EXPECT_EQ(secret.size(), 32U);
    EXPECT_EQ(device_member("kc-fresh1", "/claim/state"), "used");
    const auto is_dead = [](const HttpAnswer& answer) {
        EXPECT_EQ(answer.status, 409) << answer.body;
        EXPECT_EQ(answer.text("code"), "not_open");
    };
    is_dead(world.post("/v1/devices", body, same));
    const Headers again{{"Idempotency-Key", "device-2"}};
    const std::string claim = "/v1/devices/kc-fresh2/claim";
    ASSERT_EQ(world.post(claim, "{}", again).status, 201);
    EXPECT_EQ(world.post(claim, "{}", again).status, 201) << "it is the open one";
    ASSERT_EQ(world.post(claim, "{}").status, 201);
    is_dead(world.post(claim, "{}", again));
    EXPECT_EQ(device_member("kc-fresh1", "/credentials/0/state"), "living");
    std::string plain = code;
    std::erase(plain, '-');
    for (const std::string& text : {code, plain, secret, std::string{"a-nonce-of-the-tests"}}) {
        EXPECT_EQ(world.get("/v1/devices/kc-fresh1").body.find(text), std::string::npos);
        EXPECT_EQ(world.db().number("select count(*) from runtime.inbox where answer like $1",
                                    {"%" + text + "%"}),
                  0);
    }
}

TEST_F(DevicesRest, EveryNoToAClaimIsTheSameByteForByte) {
    const std::string good = code_of("kc-good1");
    const std::string used = code_of("kc-used1");
    EXPECT_EQ(world.claim("kc-used1", used, "the-first-nonce-1").status, 201);
    const std::string over = code_of("kc-over1");
    world.db().rows("update devices.claims set ends_at = now() where device_id = 'kc-over1'");
    const std::string gone = code_of("kc-gone1");
    EXPECT_EQ(world.post("/v1/devices/kc-gone1/revoke", R"({"reason":"x"})").status, 204);
    const std::string replaced = code_of("kc-twice1");
    EXPECT_EQ(world.post("/v1/devices/kc-twice1/claim", "{}").status, 201);

    struct Try {
        const char* what;
        std::string device;
        std::string code;
    };
    std::vector<std::string> answers;
    for (const Try& one :
         {Try{"wrong", "kc-good1", "00000-00000-00000-00000"},
          Try{"no code at all", "kc-good1", "?"}, Try{"used", "kc-used1", used},
          Try{"over", "kc-over1", over}, Try{"revoked", "kc-gone1", gone},
          Try{"replaced", "kc-twice1", replaced}, Try{"another device's", "kc-over1", good},
          Try{"of nobody", "kc-none1", good}}) {
        const HttpAnswer answer = world.post("/v1/claim",
                                             R"({"device":")" + one.device + R"(","code":")" +
                                                 one.code + R"(","nonce":"0123456789abcdef"})",
                                             kNobody);
        EXPECT_EQ(answer.status, 403) << one.what;
        std::string whole = answer.body;
        for (const auto& [name, value] : answer.headers) {
            whole.append(1, '\n').append(name).append(": ").append(value);
        }
        // The number of the request differs in any case.
        const std::string number = answer.text("request");
        for (std::size_t at = 0; (at = whole.find(number)) != std::string::npos;) {
            whole.replace(at, number.size(), "N");
        }
        answers.push_back(whole);
    }
    for (const std::string& answer : answers) EXPECT_EQ(answer, answers.front());
    EXPECT_EQ(world.claim("kc-good1", good).status, 201) << "and the right one is still good";
}

TEST_F(DevicesRest, GuessingACodeIsSlowedAndTheRightOneStillWorksAfterwards) {
    const std::string code = code_of("kc-safe1");
    int refused = 0;
    HttpAnswer answer;
    while ((answer = world.claim("kc-safe1", "00000-00000-00000-00000")).status == 403) ++refused;
    EXPECT_GE(refused, 5);
    EXPECT_EQ(answer.status, 429);
    EXPECT_GE(std::stoi(answer.header("retry-after")), 1);
    EXPECT_EQ(world.count("select count(*) from devices.credentials"), 0);
    EXPECT_TRUE(eventually([&] { return world.claim("kc-safe1", code).status == 201; }));
    EXPECT_GE(world.bridge_metric("klyuchnik_bridge_claims_refused_total"), 5);
    EXPECT_GE(world.bridge_metric("klyuchnik_bridge_claims_slowed_total"), 1);
}

TEST_F(DevicesRest, OfManyClaimsAtOnceWithOneCodeOneWins) {
    for (int round = 0; round < 5; ++round) {
        const std::string id = "kc-race" + std::to_string(round);
        const std::string code = code_of(id);
        std::vector<HttpAnswer> answers(4);
        std::vector<std::thread> devices;
        for (std::size_t i = 0; i < answers.size(); ++i) {
            devices.emplace_back([&, i] {
                answers[i] = world.claim(id, code, "the-nonce-of-device-" + std::to_string(i));
            });
        }
        for (std::thread& device : devices) device.join();
        int won = 0;
        for (const HttpAnswer& answer : answers) {
            EXPECT_TRUE(answer.status == 201 || answer.status == 403) << answer.body;
            if (answer.status != 201) continue;
            ++won;
            EXPECT_TRUE(is_secret(id, answer.text("secret")));
        }
        EXPECT_EQ(won, 1);
    }
    EXPECT_EQ(world.count("select count(*) from devices.credentials"), 5);
}

TEST_F(DevicesRest, ALostAnswerIsAskedForAgainWithTheSameNonce) {
    const std::string code = code_of("kc-hall1");
    const HttpAnswer first = world.claim("kc-hall1", code, kNonce);
    const HttpAnswer second = world.claim("kc-hall1", code, kNonce);
    EXPECT_EQ(first.status, 201);
    EXPECT_EQ(first.body, second.body);
    EXPECT_TRUE(is_secret("kc-hall1", first.text("secret")));
    EXPECT_EQ(world.count("select count(*) from devices.credentials"), 1);
}

TEST_F(DevicesRest, WhatNobodyMaySayDoesNotCount) {
    const std::string code =
        code_of("kc-mass1", R"(,"generation":9,"active":false,"secret":"x","secret_sha256":")" +
                                std::string(64, '1') + R"(","claim_sha256":")" +
                                std::string(64, '2') + R"(","claim_seconds":60,"state":"online")");
    EXPECT_EQ(device_member("kc-mass1", "generation"), "1");
    EXPECT_EQ(device_member("kc-mass1", "active"), "true");
    EXPECT_EQ(device_member("kc-mass1", "state"), "unknown");
    EXPECT_EQ(device_member("kc-mass1", "/credentials"), "[]");
    EXPECT_EQ(world.claim("kc-mass1", code).status, 201);
    EXPECT_EQ(world
                  .send("PATCH", "/v1/devices/kc-mass1",
                        R"({"device":"kc-other1","active":false,"generation":5,"name":"New"})")
                  .status,
              200);
    EXPECT_EQ(device_member("kc-mass1", "generation"), "1");
    EXPECT_EQ(device_member("kc-mass1", "active"), "true");
    EXPECT_EQ(device_member("kc-mass1", "name"), "New");
    EXPECT_EQ(world.count("select count(*) from devices.devices"), 1);
}

TEST_F(DevicesRest, ADeviceRotatesItsSecretAndBothAreGoodForTheOverlap) {
    const std::string old = world.add_device("kc-hall1");
    const std::string body = R"({"nonce":"0123456789abcdef","overlap_seconds":3600})";
    const HttpAnswer made = world.post("/v1/rotate", body, basic("kc-hall1", old));
    ASSERT_EQ(made.status, 200) << made.body;
    const std::string fresh = made.text("secret");
    EXPECT_NE(fresh, old);
    EXPECT_EQ(world.post("/v1/rotate", body, basic("kc-hall1", old)).body, made.body)
        << "a repeat gives the same";
    EXPECT_TRUE(is_secret("kc-hall1", old));
    EXPECT_TRUE(is_secret("kc-hall1", fresh));

    const HttpAnswer last =
        world.post("/v1/rotate", R"({"nonce":"fedcba9876543210","overlap_seconds":0})",
                   basic("kc-hall1", fresh));
    ASSERT_EQ(last.status, 200) << last.body;
    EXPECT_FALSE(is_secret("kc-hall1", old));
    EXPECT_FALSE(is_secret("kc-hall1", fresh));
    EXPECT_TRUE(is_secret("kc-hall1", last.text("secret")));

    expect({{"POST", "/v1/rotate", body, 401, basic("kc-hall1", old)},
            {"POST", "/v1/rotate", body, 401, basic("kc-none1", old)},
            {"POST", "/v1/rotate", body, 401, {{"Authorization", "Bearer " + world.token()}}},
            {"POST", "/v1/rotate", "{}", 400, basic("kc-hall1", last.text("secret"))},
            {"POST", "/v1/rotate", R"({"nonce":"0123456789abcdef","overlap_seconds":-1})", 400,
             basic("kc-hall1", last.text("secret"))}});
}

TEST_F(DevicesRest, ACommandIsWaitedForUntilItsEnd) {
    const auto cabinet = world.cabinet("kc-hall1");
    ASSERT_TRUE(cabinet->wait_online(20s));
    const Headers wait{{"Prefer", "respond-async, wait=20"}, {"Idempotency-Key", "buzz-1"}};
    const HttpAnswer done =
        world.post("/v1/devices/kc-hall1/commands", R"({"kind":"buzz","milliseconds":10})", wait);
    ASSERT_EQ(done.status, 200) << done.body;
    EXPECT_EQ(done.text("state"), "done");
    EXPECT_EQ(done.number("rc"), 0);
    EXPECT_EQ(done.number("/content/ms"), 10) << done.body;
    EXPECT_EQ(done.header("preference-applied"), "wait=20");
    const HttpAnswer again =
        world.post("/v1/devices/kc-hall1/commands", R"({"kind":"buzz","milliseconds":10})", wait);
    EXPECT_EQ(again.number("command"), done.number("command")) << "the same command";
    const std::string path = "/v1/commands/" + std::to_string(done.number("command"));
    EXPECT_EQ(world.get(path).text("state"), "done");
    EXPECT_EQ(world.get("/v1/commands?device=kc-hall1&state=done").size("items"), 1);
}

TEST_F(DevicesRest, ACommandForAnAbsentDeviceIsQueuedAndEndsInItsTime) {
    world.add_device("kc-hall1");
    const HttpAnswer queued = world.post("/v1/devices/kc-hall1/commands",
                                         R"({"kind":"slot.unlock","slot":3,"life_seconds":2})");
    ASSERT_EQ(queued.status, 202) << queued.body;
    EXPECT_EQ(queued.text("state"), "queued");
    EXPECT_EQ(queued.number("/content/sl"), 3) << queued.body;
    EXPECT_EQ(queued.header("preference-applied"), "");
    const std::string path = queued.header("location");
    EXPECT_EQ(path, "/v1/commands/" + std::to_string(queued.number("command")));
    const HttpAnswer ended = world.get(path, {{"Prefer", "wait=25"}});
    EXPECT_EQ(ended.status, 200);
    EXPECT_EQ(ended.text("state"), "expired") << ended.body;
}

TEST_F(DevicesRest, ADeviceHasSoManyOpenCommandsAndNoMore) {
    world.add_device("kc-hall1");
    int queued = 0;
    HttpAnswer answer;
    while ((answer = world.post("/v1/devices/kc-hall1/commands",
                                R"({"kind":"buzz","life_seconds":600})"))
               .status == 202) {
        ++queued;
    }
    EXPECT_EQ(queued, 64);
    EXPECT_EQ(answer.status, 409);
    EXPECT_EQ(answer.text("code"), "limit_reached");
    // Those who wait for commands are few; the wish of a fifth is not granted, and not an error.
    std::atomic<bool> not_granted{false};
    std::vector<std::thread> waiting;
    for (int i = 0; i < 5; ++i) {
        waiting.emplace_back([&] {
            const auto until = std::chrono::steady_clock::now() + 30s;
            while (!not_granted && std::chrono::steady_clock::now() < until) {
                const HttpAnswer command = world.get("/v1/commands/1", {{"Prefer", "wait=1"}});
                EXPECT_EQ(command.status, 200);
                if (command.header("preference-applied").empty()) not_granted = true;
            }
        });
    }
    for (std::thread& one : waiting) one.join();
    EXPECT_TRUE(not_granted);
}

TEST_F(DevicesRest, AnAlarmIsSeenSnoozedAndResolved) {
    RawDevice device = world.raw_device("kc-hall1");
    device.birth(1, 0);
    const std::string tag = "04A2B3C4D5E680";
    device.facts(1, 1, 5, 5, {taken(tag)});  // 1 to 4 are lost
    const std::string list = "/v1/alarms?state=unresolved&kind=journal_gap&device=kc-hall1";
    ASSERT_TRUE(eventually([&] { return world.get(list).size("items") == 1; }));
    const HttpAnswer alarm = world.get(list);
    const std::string path = "/v1/alarms/" + alarm.text("/items/0/alarm");
    EXPECT_EQ(alarm.text("/items/0/state"), "open");
    EXPECT_EQ(alarm.text("/items/0/device"), "kc-hall1");
    EXPECT_EQ(world.get("/v1/devices/kc-hall1/gaps").number("/items/0/first"), 1);
    EXPECT_EQ(world.get("/v1/devices/kc-hall1").number("/gaps/0/last"), 4);

    EXPECT_EQ(world.post(path + "/acknowledge", "").text("state"), "acknowledged");
    EXPECT_EQ(world.get(path).text("acknowledged_by"), world.account());
    EXPECT_EQ(world.post(path + "/snooze", R"({"seconds":600})").text("state"), "snoozed");
    const HttpAnswer resolved = world.post(path + "/resolve", R"({"reason":"flash was full"})");
    EXPECT_EQ(resolved.text("state"), "resolved");
    EXPECT_EQ(resolved.text("reason"), "flash was full");
    EXPECT_EQ(world.get(list).size("items"), 0);
    expect({{"POST", path + "/acknowledge", "", 409},
            {"POST", path + "/snooze", "{}", 409},
            {"POST", path + "/resolve", R"({"reason":"again"})", 409}});
}

TEST_F(DevicesRest, ADeadLetterIsLookedAtAndGivenUpWithAReason) {
    const std::string id = world.db().text(
        "insert into runtime.dead_letters (domain, source, kind, payload, why, set_aside_at) "
        "values ('keys', 'kc-hall1:1:1', 'key.taken', $1, 'planted', now()) returning letter_id",
        {R"({"t":1,"k":"key.taken"})"});
    const std::string path = "/v1/dead-letters/" + id;
    const HttpAnswer list = world.get("/v1/dead-letters?state=open");
    EXPECT_EQ(list.size("items"), 1);
    EXPECT_EQ(list.text("/items/0/payload"), "") << "card numbers are not in lists";
    EXPECT_EQ(world.get(path).text("payload"), R"({"t":1,"k":"key.taken"})");
    const HttpAnswer discarded = world.post(path + "/discard", R"({"reason":"a test"})");
    EXPECT_EQ(discarded.status, 200) << discarded.body;
    EXPECT_EQ(discarded.text("state"), "discarded");
    EXPECT_EQ(discarded.text("reason"), "a test");
    expect({{"POST", path + "/retry", "", 409, {}, ""},
            {"POST", path + "/discard", R"({"reason":"again"})", 409}});
}

TEST_F(DevicesRest, ADocumentIsAlwaysAnAttachmentAndWhole) {
    world.add_device("kc-hall1");
    std::string content;
    while (content.size() < 600'000) content += "line " + std::to_string(content.size()) + "\n";
    world.db().rows(
        "with b as (insert into runtime.blobs (sha256, bytes, content, used_at) "
        "select sha256(c), octet_length(c), c, now() from (select convert_to($1, 'UTF8')) as x(c) "
        "returning sha256, bytes) "
        "insert into runtime.documents (device_id, direction, name, version, sha256, bytes, "
        "made_at) "
        "select 'kc-hall1', d, n, 1, sha256, bytes, now() from b, "
        "(values ('up', 'logs'), ('up', '<b>\"'), ('down', 'firmware')) as n(d, n)",
        {content});
    const HttpAnswer list = world.get("/v1/devices/kc-hall1/documents");
    EXPECT_GE(list.size("items"), 3) << list.body;
    const HttpAnswer logs = world.get("/v1/devices/kc-hall1/documents/logs");
    ASSERT_EQ(logs.status, 200) << logs.body;
    EXPECT_EQ(logs.body, content);
    EXPECT_EQ(logs.header("content-type"), "text/plain; charset=utf-8");
    EXPECT_EQ(logs.header("content-disposition"), "attachment; filename=\"kc-hall1-logs-1.txt\"");
    EXPECT_EQ(logs.header("x-content-type-options"), "nosniff");
    const HttpAnswer odd = world.get("/v1/devices/kc-hall1/documents/%3Cb%3E%22");
    EXPECT_EQ(odd.status, 200);
    EXPECT_EQ(odd.header("content-disposition"), "attachment; filename=\"kc-hall1-_b__-1.bin\"");
    EXPECT_EQ(world.get("/v1/devices/kc-hall1/documents/firmware").status, 404);
    EXPECT_EQ(world.get("/v1/devices/kc-hall1/documents/firmware?direction=down").body, content);
    EXPECT_EQ(world.get("/v1/devices/kc-hall1/documents/logs?version=2").status, 404);
}

/// The keys of a deployment that signs its firmware.
class FirmwareRest : public DevicesRest {
 protected:
    Key signer{EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")};

    FirmwareRest() {
        std::array<unsigned char, 32> bytes{};
        std::size_t size = bytes.size();
        EVP_PKEY_get_raw_public_key(signer.get(), bytes.data(), &size);
        std::string hex;
        for (const unsigned char byte : bytes) {
            hex += "0123456789abcdef"[byte >> 4U];
            hex += "0123456789abcdef"[byte & 15U];
        }
        world.db().rows(
            "insert into devices.firmware_signers values ('test', decode($1, 'hex'), now())",
            {hex});
    }
    static std::string sha256_of(const std::string& content) {
        std::string hash(32, '\0');
        EVP_Digest(content.data(), content.size(), reinterpret_cast<unsigned char*>(hash.data()),
                   nullptr, EVP_sha256(), nullptr);
        return hash;
    }
    /// base64url without padding, as it goes into a query.
    std::string signature_of(const std::string& content) const {
        const std::string hash = sha256_of(content);
        std::string signature(64, '\0');
        std::size_t size = signature.size();
        const std::unique_ptr<EVP_MD_CTX, Freed> context{EVP_MD_CTX_new()};
        EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, signer.get());
        EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                       reinterpret_cast<const unsigned char*>(hash.data()), hash.size());
        std::string text = base64(signature);
        std::ranges::replace(text, '+', '-');
        std::ranges::replace(text, '/', '_');
        std::erase(text, '=');
        return text;
    }
    static std::string image_of(std::size_t bytes, char seed) {
        std::string image(bytes, '\0');
        for (std::size_t i = 0; i < bytes; ++i) {
            image[i] = static_cast<char>(i * 31 + i / 256 + static_cast<std::size_t>(seed));
        }
        return image;
    }
    HttpAnswer upload(const std::string& query, const std::string& image,
                      const Headers& headers = {}, const char* type = "application/octet-stream") {
        return world.send("POST", "/v1/firmware?" + query, image, headers, type);
    }
};

TEST_F(FirmwareRest, AnImageIsUploadedOfferedAndStopped) {
    const std::string image = image_of(std::size_t{3} << 20, 1);
    const std::string query = "version=1.5.0&notes=Hello&signature=" + signature_of(image);
    const HttpAnswer added = upload(query, image);
    ASSERT_EQ(added.status, 201) << added.body;
    EXPECT_EQ(world.count("select count(*) from runtime.blobs where octet_length(content) = "
                          "3145728"),
              1);
    const HttpAnswer list = world.get("/v1/firmware");
    EXPECT_EQ(list.size("items"), 1);
    EXPECT_EQ(list.text("/items/0/sha256"), added.text("sha256"));
    EXPECT_EQ(list.number("/items/0/bytes"), 3'145'728);
    EXPECT_EQ(list.text("/items/0/signer"), "test");

    world.add_device("kc-hall1");
    world.add_device("kc-hall2");
    const HttpAnswer started = world.post("/v1/firmware/1.5.0/rollouts",
                                          R"({"devices":["kc-hall1","kc-hall2"],"per_minute":1})");
    ASSERT_EQ(started.status, 201) << started.body;
    const std::string path = started.header("location");
    EXPECT_EQ(path, "/v1/rollouts/" + std::to_string(started.number("rollout")));
    EXPECT_EQ(world.get(path).text("state"), "running");
    EXPECT_EQ(world.get(path + "/devices").size("items"), 2);
    EXPECT_EQ(world.get("/v1/rollouts").size("items"), 1);
    const HttpAnswer stopped = world.post(path + "/stop", R"({"reason":"a test"})");
    EXPECT_EQ(stopped.status, 200) << stopped.body;
    EXPECT_EQ(stopped.text("state"), "stopped");
    expect({{"POST", path + "/stop", R"({"reason":"again"})", 409},
            {"POST", "/v1/firmware/1.5.0/rollouts", R"({"devices":["kc-none1"]})", 422}});
}

TEST_F(FirmwareRest, WhatIsNotSignedByATrustedKeyIsRefused) {
    const std::string image = image_of(100'000, 2);
    const std::string other = image_of(100'000, 3);
    EXPECT_EQ(upload("version=1&signature=" + signature_of(other), image).status, 422);
    EXPECT_EQ(upload("version=1&signature=" + std::string(86, 'A'), image).text("code"),
              "wrong_signature");
    EXPECT_EQ(world.count("select count(*) from devices.firmware"), 0);
}

TEST_F(FirmwareRest, AnUploadIsCheckedBeforeItsBodyIsRead) {
    const std::string image = image_of(2'000'000, 4);
    const std::string good = "version=1&signature=" + signature_of(image);
    EXPECT_EQ(upload(good, image, kNobody).status, 401);
    EXPECT_EQ(upload(good, image, {}, "application/json").status, 415);
    EXPECT_EQ(upload("signature=" + signature_of(image), image).status, 400);
    EXPECT_EQ(upload("version=1", image).status, 400);
    EXPECT_EQ(upload("version=1&signature=abc", image).status, 400);
    EXPECT_EQ(upload("version=" + std::string(41, '1') + "&signature=" + signature_of(image), image)
                  .status,
              400);
    EXPECT_EQ(upload(good, "").status, 400);
    EXPECT_EQ(upload(good, std::string((std::size_t{8} << 20) + 1, 'x')).status, 413);
    EXPECT_EQ(world.count("select count(*) from runtime.blob_parts"), 0);
    // Any other route still has the common limit.
    EXPECT_EQ(world.post("/v1/people", std::string(2'000'000, ' ')).status, 413);
}

TEST_F(FirmwareRest, AVersionIsTakenOnceAndARepeatIsTheSame) {
    const std::string image = image_of(8'388'608, 5);
    const std::string query = "version=2.0.0&signature=" + signature_of(image);
    const Headers same{{"Idempotency-Key", "firmware-1"}};
    const HttpAnswer first = upload(query, image, same);
    ASSERT_EQ(first.status, 201) << first.body;
    EXPECT_EQ(upload(query, image, same).body, first.body);
    EXPECT_EQ(upload(query, image).status, 409);
    const std::string other = image_of(1000, 6);
    EXPECT_EQ(upload("version=2.0.0&signature=" + signature_of(other), other).status, 409);
    EXPECT_EQ(upload("version=2.0.0&signature=" + signature_of(other), other, same).status, 422);
    EXPECT_EQ(world.count("select count(*) from devices.firmware"), 1);
}

class CertificateRest : public DevicesRest {
 protected:
    static WorldOptions with_tls() {
        WorldOptions options;
        options.tls = true;
        return options;
    }
    CertificateRest() : DevicesRest{with_tls()} {}

    HttpAnswer claim(const std::string& id, const std::string& code, const std::string& request) {
        return world.post("/v1/claim",
                          R"({"device":")" + id + R"(","code":")" + code + R"(","nonce":")" +
                              kNonce + R"(","csr":)" + quoted(request) + "}",
                          kNobody);
    }
    /// Connects as `id` with the certificate, to where the answer said.
    int connect(const std::string& id, const HttpAnswer& credential, const DeviceKey& key) {
        const auto write = [&](const char* name, const std::string& text) {
            const auto file = world.logs() / name;
            std::ofstream{file} << text;
            return file.string();
        };
        ClientOptions options;
        options.user = id;
        options.port = static_cast<int>(credential.number("/mqtt/port"));
        options.tls = TlsFiles{write("ca.pem", credential.text("/mqtt/ca")),
                               write("device.pem", credential.text("certificate")),
                               write("device.key", key.private_pem())};
        return RawClient{options}.connect();
    }
};

TEST_F(CertificateRest, ADeviceComesInWithItsOwnCertificateUntilItIsRevoked) {
    const DeviceKey key;
    const std::string code = code_of("kc-cert1");
    const HttpAnswer made = claim("kc-cert1", code, key.request());
    ASSERT_EQ(made.status, 201) << made.body;
    EXPECT_EQ(made.text("secret"), "");
    EXPECT_NE(made.text("ca").find("BEGIN CERTIFICATE"), std::string::npos);
    EXPECT_EQ(device_member("kc-cert1", "/credentials/0/kind"), "certificate");
    EXPECT_EQ(device_member("kc-cert1", "/credentials/0/ends_at"), made.text("ends"));
    EXPECT_TRUE(eventually([&] { return connect("kc-cert1", made, key) == 0; }));
    world.add_device("kc-other1");
    EXPECT_NE(connect("kc-other1", made, key), 0) << "it is good for one id only";

    // The answer was lost: another one takes its place.
    const HttpAnswer again = claim("kc-cert1", code, key.request());
    ASSERT_EQ(again.status, 201) << again.body;
    EXPECT_NE(again.text("certificate"), made.text("certificate"));
    EXPECT_TRUE(eventually([&] { return connect("kc-cert1", again, key) == 0; }));
    EXPECT_TRUE(eventually([&] { return connect("kc-cert1", made, key) != 0; }));

    EXPECT_EQ(world.post("/v1/devices/kc-cert1/revoke", R"({"reason":"lost"})").status, 204);
    EXPECT_TRUE(eventually([&] { return connect("kc-cert1", again, key) != 0; }));
}

TEST_F(CertificateRest, BadRequestsForCertificatesChangeNothing) {
    const std::string code = code_of("kc-cert1");
    expect({{"POST", "/v1/claim",
             R"({"device":"kc-cert1","code":")" + code +
                 R"(","nonce":"0123456789abcdef","csr":"garbage"})",
             400, kNobody},
            {"POST", "/v1/claim",
             R"({"device":"kc-cert1","code":")" + code + R"(","nonce":"0123456789abcdef","csr":")" +
                 std::string(100'000, 'A') + "\"}",
             400, kNobody}});
    DeviceKey rsa;
    rsa.key.reset(EVP_RSA_gen(2048));
    EXPECT_EQ(claim("kc-cert1", code, rsa.request()).status, 422);
    EXPECT_EQ(world.count("select count(*) from devices.credentials"), 0);
    EXPECT_EQ(claim("kc-cert1", code, DeviceKey{}.request()).status, 201);
}

TEST_F(CertificateRest, ASecretIsToldWhereToConnectOverTls) {
    const HttpAnswer made = world.claim("kc-hall1", code_of("kc-hall1"));
    ASSERT_EQ(made.status, 201) << made.body;
    EXPECT_EQ(made.number("/mqtt/port"), world.broker().devices_port(Entrance::tls));
    EXPECT_EQ(made.text("/mqtt/host"), "127.0.0.1");
    EXPECT_NE(made.text("/mqtt/ca").find("BEGIN CERTIFICATE"), std::string::npos);
}

}  // namespace
}  // namespace klyuchnik::test
