#include <gtest/gtest.h>

#include "bridge/rest/problem.hpp"
#include "bridge/rest/server.hpp"
#include "tests/unit/bridge/api_fixture.hpp"

namespace klyuchnik::bridge {
namespace {

struct ApiTest : testing::Test {
    ApiFixture fixture;
    Server server{{}, fixture.routes, fixture.metrics};

    Response send(std::string method, std::string path, std::string body = {},
                  std::vector<std::pair<std::string, std::string>> headers = {}) {
        Request request;
        request.method = std::move(method);
        request.path = std::move(path);
        request.body = std::move(body);
        request.headers = std::move(headers);
        request.address = request.peer = "192.0.2.1";
        return server.answer(std::move(request));
    }
};

TEST_F(ApiTest, NoRouteOfThePlatformAnswersAStranger) {
    for (const Route& route : fixture.routes.all()) {
        if (!route.path.starts_with("/v1/")) continue;
        // Whoever signs in or claims is a stranger still; claims_test.cpp has the latter.
        if (route.path == "/v1/session" && route.method == "POST") continue;
        if (route.path == "/v1/claim" || route.path == "/v1/rotate") continue;
        std::string path = route.path;
        for (std::size_t at = path.find('{'); at != std::string::npos; at = path.find('{')) {
            path.replace(at, path.find('}') - at + 1, "1");
        }
        EXPECT_EQ(send(route.method, path).status, 401) << route.method << " " << path;
        EXPECT_EQ(send(route.method, path, "", {{"authorization", "Basic a2M6eA=="}}).status, 401);
        EXPECT_EQ(send(route.method, path, "", {{"authorization", "Bearer "}}).status, 401);
        EXPECT_EQ(send(route.method, path, "", {{"authorization", "nonsense"}}).status, 401);
    }
}

TEST_F(ApiTest, OldCabinetsNeedACredentialAndHearItInTheirOwnForm) {
    const Response response = send("POST", "/issue_key", R"({"serial":"a","key":1})");
    EXPECT_EQ(response.status, 401);
    EXPECT_EQ(response.body, R"({"error":"Нужны имя и секрет устройства"})");
}

TEST_F(ApiTest, WithoutADatabaseReadsAre503AndSayNothingOfIt) {
    const Response response =
        send("GET", "/v1/people", "", {{"authorization", "Bearer " + random_token(32)}});
    EXPECT_EQ(response.status, 503);
    EXPECT_EQ(response.body.find("nonexistent"), std::string::npos);
    EXPECT_EQ(send("GET", "/healthz").status, 200);
    const Response ready = send("GET", "/readyz");
    EXPECT_EQ(ready.status, 503);
    EXPECT_EQ(ready.body,
              R"({"status":"not ready","mqtt":"not connected","database":"not answering"})");
}

TEST_F(ApiTest, SignInBodiesAreCheckedBeforeAnythingElse) {
    const std::pair<std::string, std::string> kJson{"content-type", "application/json"};
    for (const char* body : {"", "[]", "{}", R"({"login":"a"})", R"({"login":"a","password":5})",
                             R"({"login":"","password":"x"})"}) {
        EXPECT_EQ(send("POST", "/v1/session", body, {kJson}).status, 400) << body;
    }
    EXPECT_EQ(send("POST", "/v1/session", R"({"login":"a","password":"b"})").status, 415);
}

TEST_F(ApiTest, ADatabaseThatIsAwayDoesNotCountAsAWrongPassword) {
    for (int i = 0; i < 50; ++i) {
        EXPECT_EQ(send("POST", "/v1/session", R"({"login":"a","password":"b"})",
                       {{"content-type", "application/json"}})
                      .status,
                  503);
    }
}

TEST(IdempotencyKey, IsPrintableAndShort) {
    start_secrets();
    const auto status = [](std::string key) {
        Request request;
        request.headers = {{"idempotency-key", std::move(key)}};
        try {
            idempotency_key(request);
            return 200;
        } catch (const Problem& problem) {
            return problem.status;
        }
    };
    EXPECT_EQ(status("abc-1.2/3"), 200);
    EXPECT_EQ(status(std::string(64, 'x')), 200);
    EXPECT_EQ(status(std::string(65, 'x')), 400);
    EXPECT_EQ(status(""), 400);
    EXPECT_EQ(status("a b"), 400);
    EXPECT_EQ(status("\xd0\x90"), 400);
    EXPECT_NE(idempotency_key(Request{}), idempotency_key(Request{}));
}

TEST(ContentOf, TurnsEveryOutcomeWithoutAnAnswerIntoItsStatus) {
    const auto status = [](AskOutcome::Kind kind) {
        try {
            content_of({kind, {}});
            return 200;
        } catch (const Problem& problem) {
            return problem.status;
        }
    };
    EXPECT_EQ(status(AskOutcome::Kind::answered), 200);
    EXPECT_EQ(status(AskOutcome::Kind::busy), 503);
    EXPECT_EQ(status(AskOutcome::Kind::unavailable), 503);
    EXPECT_EQ(status(AskOutcome::Kind::reused_id), 422);
    EXPECT_EQ(status(AskOutcome::Kind::unknown), 504);
}

}  // namespace
}  // namespace klyuchnik::bridge
