#include "bridge/rest/http.hpp"

#include <stdexcept>

#include <gtest/gtest.h>

#include "bridge/rest/json.hpp"
#include "bridge/rest/server.hpp"

namespace klyuchnik::bridge {
namespace {

Routes some_routes() {
    Routes routes;
    const Handler handler = [](const Request&) { return Response::json(200, "{}"); };
    routes.add("GET", "/v1/people", {200}, handler);
    routes.add("POST", "/v1/people", {201}, handler);
    routes.add("GET", "/v1/people/{person}", {200}, handler);
    routes.add("GET", "/v1/events/{id}", {200}, handler);
    routes.add("GET", "/v1/events/stream", {200}, handler);
    routes.add("DELETE", "/v1/rights/{person}/{key}", {204}, handler);
    return routes;
}

TEST(Routes, MatchWholeSegmentsAndCaptureThem) {
    const Routes routes = some_routes();
    const auto match = routes.find("DELETE", "/v1/rights/3/4");
    ASSERT_NE(match.route, nullptr);
    EXPECT_EQ(match.captures.at("person"), "3");
    EXPECT_EQ(match.captures.at("key"), "4");
    for (const char* path : {"", "/", "/v1", "/v1/people/", "/v1/people/1/", "/v1/people/1/2",
                             "//v1/people", "/v1/rights//4", "/V1/people"}) {
        EXPECT_EQ(routes.find("GET", path).route, nullptr) << path;
        EXPECT_TRUE(routes.find("GET", path).allowed.empty()) << path;
    }
}

TEST(Routes, PreferALiteralToACapture) {
    const Routes routes = some_routes();
    EXPECT_EQ(routes.find("GET", "/v1/events/stream").route->path, "/v1/events/stream");
    EXPECT_EQ(routes.find("GET", "/v1/events/7").route->path, "/v1/events/{id}");
}

TEST(Routes, TellWhichMethodsAPathHas) {
    const Routes routes = some_routes();
    const auto match = routes.find("PUT", "/v1/people");
    EXPECT_EQ(match.route, nullptr);
    EXPECT_EQ(match.allowed, (std::vector<std::string>{"GET", "POST"}));
    EXPECT_NE(routes.find("HEAD", "/v1/people").route, nullptr);
}

TEST(Routes, RefuseTheSameOneTwice) {
    Routes routes = some_routes();
    EXPECT_THROW(routes.add("GET", "/v1/people", {200}, {}), std::logic_error);
}

TEST(Query, IsDecodedWholeEvenWithEqualsSignsInside) {
    std::map<std::string, std::string> query;
    ASSERT_TRUE(parse_query("v=abc=def&name=%D0%90+b%26&flag&&x=", query));
    EXPECT_EQ(query.at("v"), "abc=def");
    EXPECT_EQ(query.at("name"), "А b&");
    EXPECT_EQ(query.at("flag"), "");
    EXPECT_EQ(query.at("x"), "");
}

TEST(Query, RefusesBrokenEscapesControlCharactersAndWhatIsNotUtf8) {
    for (const char* bad :
         {"a=%", "a=%2", "a=%zz", "a=%00", "a=x%0Ay", "a=%ff", "%ff=a", "a=%C3"}) {
        std::map<std::string, std::string> query;
        EXPECT_FALSE(parse_query(bad, query)) << bad;
    }
}

TEST(Json, KnowsUtf8) {
    EXPECT_TRUE(is_utf8("ключ"));
    EXPECT_FALSE(is_utf8("\xff"));
    EXPECT_FALSE(is_utf8("\xed\xa0\x80"));
}

TEST(Json, FindsTheMemberOfAnAnswerThatNamesWhatWasMade) {
    EXPECT_EQ(member_text(R"({"person":12})", "person"), "12");
    EXPECT_EQ(member_text(R"({"device":"kc-hall1"})", "device"), "kc-hall1");
    EXPECT_EQ(member_text(R"({"person":12})", "key"), "");
    EXPECT_EQ(member_text("", "key"), "");
}

}  // namespace
}  // namespace klyuchnik::bridge
