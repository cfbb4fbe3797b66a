#include "bridge/rest/pages.hpp"

#include <gtest/gtest.h>

#include "bridge/rest/problem.hpp"
#include "bridge/rest/secrets.hpp"

namespace klyuchnik::bridge {
namespace {

Request with_query(std::map<std::string, std::string> query) {
    Request request;
    request.query = std::move(query);
    return request;
}

int status_of(const Request& request) {
    try {
        page_of(request, "people").place_or(0);
        return 200;
    } catch (const Problem& problem) {
        return problem.status;
    }
}

TEST(Pages, ACursorIsReadBackByItsOwnListOnly) {
    start_secrets();
    const std::string cursor = make_cursor("people", "42");
    EXPECT_EQ(read_cursor("people", cursor), "42");
    EXPECT_EQ(read_cursor("keys", cursor), std::nullopt);
    EXPECT_EQ(read_cursor("peop", cursor), std::nullopt);
    EXPECT_EQ(page_of(with_query({{"cursor", cursor}}), "people").place_or(0), 42);
}

TEST(Pages, RefusesCursorsThatItDidNotMake) {
    for (const std::string bad : {"", "x", "42", "====", "cGVvcGxl", "!!!"}) {
        EXPECT_EQ(status_of(with_query({{"cursor", bad}})), 400) << bad;
    }
    EXPECT_EQ(status_of(with_query({{"cursor", make_cursor("people", "abc")}})), 400);
    EXPECT_EQ(status_of(with_query({{"cursor", make_cursor("people", std::string(200, '1'))}})),
              400);
}

TEST(Pages, TakesALimitFromOneToItsMost) {
    EXPECT_EQ(page_of(with_query({}), "people").limit, kPageDefault);
    EXPECT_EQ(page_of(with_query({{"limit", "1"}}), "people").limit, 1U);
    EXPECT_EQ(page_of(with_query({{"limit", "200"}}), "people").limit, kPageMax);
    for (const char* bad : {"0", "201", "-1", "x", "1x", "", "99999999999999999999"}) {
        EXPECT_EQ(status_of(with_query({{"limit", bad}})), 400) << bad;
    }
}

TEST(Pages, ShowsOneRowLessThanItAskedForAndPointsBehindTheLastShown) {
    Page page;
    page.limit = 2;
    const auto body = [&](std::vector<int> rows) {
        return write_page(
                   page, "n", rows, [](int row) { return std::to_string(row); },
                   [](int row) { return std::to_string(row); })
            .body;
    };
    EXPECT_EQ(page.rows(), 3U);
    EXPECT_EQ(body({}), R"({"items":[],"next":null})");
    EXPECT_EQ(body({1, 2}), R"({"items":[1,2],"next":null})");
    EXPECT_EQ(body({1, 2, 3}), R"({"items":[1,2],"next":")" + make_cursor("n", "2") + R"("})");
}

}  // namespace
}  // namespace klyuchnik::bridge
