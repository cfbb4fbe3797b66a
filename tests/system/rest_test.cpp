#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <httplib.h>

#include "tests/system/hall.hpp"

namespace klyuchnik::test {
namespace {

class Rest : public Hall {
 protected:
    const Headers nobody{{"Authorization", ""}};
    const Headers stranger{{"Authorization", "Bearer nonsense"}};
};

TEST_F(Rest, EveryRouteAnswersWhatItPromises) {
    const std::string person = std::to_string(anna.id);
    const std::string key_id = std::to_string(key.id);
    struct Case {
        const char* method;
        std::string path;
        std::string body;
        int status;
        Headers headers{};
        const char* type = "application/json";
    };
    const Headers once{{"Idempotency-Key", "once"}};
    const std::vector<Case> cases{
        // Without a session, or with one that never was.
        {"GET", "/v1/people", "", 401, nobody},
        {"GET", "/v1/people", "", 401, stranger},
        {"GET", "/v1/events/stream", "", 401, nobody},
        {"POST", "/v1/people", R"({"full_name":"A"})", 401, nobody},
        {"POST", "/v1/session", R"({"login":"admin","password":"wrong"})", 401, nobody},
        {"POST", "/v1/session", R"({"login":"nobody","password":"wrong"})", 401, nobody},
        // A session in a cookie changes nothing without the header that only our page sends.
        {"POST",
         "/v1/people",
         R"({"full_name":"A"})",
         403,
         {{"Authorization", ""}, {"Cookie", "klyuchnik_session=" + world.token()}}},
        // What there is.
        {"GET", "/v1/session", "", 200},
        {"GET", "/v1/people", "", 200},
        {"GET", "/v1/people?name=anna", "", 200},
        {"GET", "/v1/people?card=12345ABC", "", 200},
        {"GET", "/v1/people/" + person, "", 200},
        {"GET", "/v1/keys", "", 200},
        {"GET", "/v1/keys/" + key_id, "", 200},
        {"GET", "/v1/keys/" + key_id + "/log", "", 200},
        {"GET", "/v1/rights?person=" + person, "", 200},
        {"GET", "/v1/loans", "", 200},
        {"GET", "/v1/loans?state=all", "", 200},
        {"GET", "/v1/conflicts", "", 200},
        {"GET", "/v1/devices", "", 200},
        {"GET", "/v1/devices/kc-hall1", "", 200},
        {"GET", "/v1/events?after=0", "", 200},
        {"GET", "/healthz", "", 200, nobody},
        {"GET", "/readyz", "", 200, nobody},
        {"GET", "/metrics", "", 200, nobody},
        {"GET", "/openapi.json", "", 200, nobody},
        // What there is not.
        {"GET", "/v1/people/999999", "", 404},
        {"GET", "/v1/people/x", "", 404},
        {"GET", "/v1/keys/999999", "", 404},
        {"GET", "/v1/keys/999999/log", "", 404},
        {"GET", "/v1/devices/kc-none1", "", 404},
        {"GET", "/v1/devices/%2e%2e", "", 404},
        {"GET", "/v1/nothing", "", 404},
        {"POST", "/v1/rights", R"({"person":999999,"key":)" + key_id + "}", 404},
        {"POST", "/v1/rights", R"({"person":)" + person + R"(,"key":999999})", 404},
        {"POST", "/v1/people/999999/deactivate", "", 404},
        {"PUT", "/v1/people/" + person + "/rights", R"({"keys":[999999]})", 404},
        {"DELETE", "/v1/people/" + person, "", 405},
        {"PATCH", "/v1/keys", "", 405},
        // Pages.
        {"GET", "/v1/people?limit=0", "", 400},
        {"GET", "/v1/people?limit=201", "", 400},
        {"GET", "/v1/people?cursor=nonsense", "", 400},
        {"GET", "/v1/loans?state=lost", "", 400},
        {"GET", "/v1/events?after=-1", "", 400},
        {"GET", "/v1/events?after=x", "", 400},
        // Bodies.
        {"POST", "/v1/people", R"({"full_name":"A"})", 415, {}, "text/plain"},
        {"POST", "/v1/keys", R"({"name":""})", 400},
        {"POST", "/v1/devices", R"({"device":"KC-1","name":"x"})", 400},
        {"POST", "/v1/keys", R"({"name":"7"})", 400, {{"Idempotency-Key", std::string(65, 'k')}}},
        {"POST", "/v1/people", std::string(1'100'000, ' ') + R"({"full_name":"A"})", 413},
        // What is in use.
        {"POST", "/v1/keys", R"({"name":"101"})", 409},
        {"POST", "/v1/keys", R"({"name":"102","tag":"04A2B3C4D5E680"})", 409},
        {"POST", "/v1/keys", R"({"name":"103","cabinet":"kc-hall1","slot":12})", 409},
        {"POST", "/v1/people", R"({"full_name":"A","cards":["12345ABC"]})", 409},
        {"POST", "/v1/devices", R"({"device":"kc-hall1","name":"again"})", 409},
        // Values that do not fit together.
        {"POST", "/v1/people", R"({"full_name":"A","cards":["SAME","SAME"]})", 422},
        // One key, one body.
        {"POST", "/v1/keys", R"({"name":"200"})", 201, once},
        {"POST", "/v1/keys", R"({"name":"200"})", 201, once},
        {"POST", "/v1/keys", R"({"name":"201"})", 422, once},
        // Writes.
        {"PUT", "/v1/people/" + person + "/rights", R"({"keys":[)" + key_id + "]}", 200},
        {"DELETE", "/v1/rights/" + person + "/" + key_id, "", 204},
        {"POST", "/v1/rights", R"({"person":)" + person + R"(,"key":)" + key_id + "}", 201},
        {"POST", "/v1/people/" + person + "/deactivate", "", 200},
        {"DELETE", "/v1/session", "", 204},
        {"GET", "/v1/session", "", 401},
    };
    for (const Case& one : cases) {
        const HttpAnswer answer = world.send(one.method, one.path, one.body, one.headers, one.type);
        EXPECT_EQ(answer.status, one.status)
            << one.method << " " << one.path << " " << one.body.substr(0, 80) << ": "
            << answer.body.substr(0, 300);
        if (one.status >= 400) {
            EXPECT_EQ(answer.header("content-type"), "application/problem+json") << one.path;
            EXPECT_EQ(answer.number("status"), one.status) << one.path;
        }
    }
    EXPECT_EQ(world.count("select count(*) from keys.keys where name = '200'"), 1);
    EXPECT_EQ(world.bridge_metric("klyuchnik_http_undocumented_total"), 0);
}

TEST_F(Rest, ListsArePagedWithoutLossOrRepeat) {
    for (int i = 0; i < 25; ++i) world.add_key(std::to_string(500 + i));
    std::vector<std::string> names;
    std::string cursor;
    do {
        const HttpAnswer page =
            world.get("/v1/keys?limit=10" + (cursor.empty() ? "" : "&cursor=" + cursor));
        ASSERT_EQ(page.status, 200) << page.body;
        for (std::int64_t i = 0; i < page.size("items"); ++i) {
            names.push_back(page.text("/items/" + std::to_string(i) + "/name"));
        }
        cursor = page.text("next");
        if (cursor == "null") cursor.clear();
    } while (!cursor.empty() && names.size() < 100);
    EXPECT_EQ(names.size(), 26U);
    std::ranges::sort(names);
    EXPECT_EQ(std::ranges::adjacent_find(names), names.end());
}

TEST_F(Rest, TheFeedIsGaplessAndHasEveryEvent) {
    device.birth(kConnection);
    for (int i = 0; i < 10; ++i) {
        device.facts(kConnection, 1, 2 * i + 1, 2 * i + 1,
                     {taken(kTag, kAnnasCard), returned(kTag, kAnnasCard)});
    }
    world.expect_gapless_feed();
    std::int64_t after = 0;
    std::int64_t seen = 0;
    while (true) {
        const HttpAnswer page = world.get("/v1/events?limit=7&after=" + std::to_string(after));
        ASSERT_EQ(page.status, 200);
        if (page.size("items") == 0) break;
        for (std::int64_t i = 0; i < page.size("items"); ++i) {
            const std::string item = "/items/" + std::to_string(i);
            EXPECT_EQ(page.number(item + "/position"), ++seen);
            EXPECT_EQ(page.text(item + "/specversion"), "1.0");
        }
        after = page.number("next");
    }
    EXPECT_EQ(seen, events("true"));
    EXPECT_GE(seen, 20);
}

TEST_F(Rest, TheStreamStartsWhereItIsToldAndHearsWhatHappensNext) {
    world.expect_gapless_feed();
    const std::int64_t last = world.count("select max(position) from log.positions");
    httplib::Client http{"127.0.0.1", world.http_port()};
    http.set_read_timeout(std::chrono::seconds{15});
    std::string heard;
    bool acted = false;
    const auto result = http.Get(
        ("/v1/events/stream?after=" + std::to_string(last - 1)).c_str(),
        httplib::Headers{{"Authorization", "Bearer " + world.token()}},
        [&](const char* data, std::size_t size) {
            heard.append(data, size);
            const bool has_last =
                heard.find("id: " + std::to_string(last) + "\n") != std::string::npos;
            if (has_last && !acted) {
                acted = true;
                EXPECT_EQ(world.post("/issue_key", R"({"serial":"12345ABC","key":"101"})").status,
                          200);
            }
            return heard.find("keys.key_issued") == std::string::npos;
        });
    EXPECT_TRUE(acted) << heard;
    EXPECT_NE(heard.find("id: " + std::to_string(last + 1)), std::string::npos) << heard;
    EXPECT_NE(heard.find("keys.key_issued"), std::string::npos) << heard;
    EXPECT_EQ(heard.find("id: " + std::to_string(last - 1) + "\n"), std::string::npos);
}

TEST_F(Rest, OldCabinetsGetTheAnswersTheyKnow) {
    const std::string secret = world.add_device(kDevice);
    httplib::Client http{"127.0.0.1", world.http_port()};
    http.set_read_timeout(std::chrono::seconds{15});
    http.set_basic_auth(kDevice, secret.c_str());
    const auto post = [&](const char* path, const std::string& body) {
        HttpAnswer answer;
        if (const auto result = http.Post(path, body, "application/json")) {
            answer.status = result->status;
            answer.body = result->body;
        }
        return answer;
    };
    struct Case {
        const char* path;
        const char* body;
        int status;
        const char* access;  ///< "" = the field is not there.
    };
    for (const Case& one : {
             Case{"/issue_key", "nonsense", 400, ""},
             Case{"/issue_key", R"({"key":"101"})", 400, ""},
             Case{"/issue_key", R"({"serial":"12345ABC"})", 400, ""},
             Case{"/issue_key", R"({"serial":12345,"key":"101"})", 400, ""},
             Case{"/issue_key", R"({"serial":" ","key":"101"})", 400, ""},
             Case{"/issue_key", R"({"serial":"12345ABC","key":[]})", 400, ""},
             Case{"/issue_key", R"({"serial":"NOBODY","key":"101"})", 404, ""},
             Case{"/issue_key", R"({"serial":"0A1B2C3D","key":"101"})", 403, "false"},
             Case{"/issue_key", R"({"serial":"12345ABC","key":"999"})", 403, "false"},
             Case{"/return_key", R"({"serial":"12345ABC","key":"101"})", 400, "false"},
             Case{"/issue_key", R"({"serial":"12345ABC","key":101})", 200, "true"},
             Case{"/issue_key", R"({"serial":"12345ABC","key":"101"})", 400, ""},
             Case{"/return_key", R"({"serial":"0A1B2C3D","key":"101"})", 400, "false"},
             Case{"/return_key", R"({"serial":"NOBODY","key":"101"})", 404, ""},
             Case{"/return_key", R"({"serial":"12345ABC","key":"101"})", 200, "true"},
             Case{"/return_key", R"({"serial":"12345ABC","key":"101"})", 400, "false"},
         }) {
        const HttpAnswer answer = post(one.path, one.body);
        EXPECT_EQ(answer.status, one.status) << one.path << one.body << answer.body;
        EXPECT_EQ(answer.text("access"), one.access) << one.path << one.body << answer.body;
        EXPECT_NE(answer.text(one.status == 200 ? "message" : "error"), "") << answer.body;
    }
    EXPECT_NE(post("/issue_key", R"({"serial":"12345ABC"})").text("error").find("key"),
              std::string::npos)
        << "the missing field is named";
    http.set_basic_auth(kDevice, "wrong");
    EXPECT_EQ(post("/issue_key", R"({"serial":"12345ABC","key":"101"})").status, 401);
    EXPECT_EQ(loans(), 1);
}

}  // namespace
}  // namespace klyuchnik::test
