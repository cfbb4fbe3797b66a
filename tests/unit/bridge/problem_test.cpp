#include "bridge/rest/problem.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace klyuchnik::bridge {
namespace {

topics::AskAnswer refused(std::int64_t rc, std::string code) {
    topics::AskAnswer answer;
    answer.rc = rc;
    answer.code = std::move(code);
    answer.text = "because";
    return answer;
}

TEST(Problem, EveryRefusalHasAnErrorStatusWithATitle) {
    for (int code = 1; code <= static_cast<int>(topics::Code::not_served); ++code) {
        const Problem problem = problem_of(static_cast<topics::Code>(code));
        EXPECT_GE(problem.status, 400) << problem.code;
        EXPECT_LE(problem.status, 599) << problem.code;
        EXPECT_NE(title_of(problem.status), "Error") << problem.status;
        EXPECT_FALSE(problem.detail.empty());
    }
}

TEST(Problem, TheStatusIsThatOfTheCodeTable) {
    EXPECT_EQ(problem_of(topics::Code::key_held_by_other).status, 409);
    EXPECT_EQ(problem_of(topics::Code::no_right).status, 403);
    EXPECT_EQ(problem_of(topics::Code::reused_id).status, 422);
    EXPECT_EQ(problem_of(refused(409, "taken")).status, 409);
    EXPECT_EQ(problem_of(refused(409, "taken")).detail, "because");
}

TEST(Problem, ACodeFromNewerHandlersKeepsItsStatusWhenThatIsAnError) {
    EXPECT_EQ(problem_of(refused(451, "brand_new")).status, 451);
    EXPECT_EQ(problem_of(refused(451, "brand_new")).code, "brand_new");
    EXPECT_EQ(problem_of(refused(302, "brand_new")).status, 500);
}

TEST(Problem, IsWrittenAsRfc9457WithTheRequestsId) {
    const Response response = write(problem_of(topics::Code::busy), "abc");
    EXPECT_EQ(response.status, 429);
    EXPECT_EQ(response.content_type, "application/problem+json");
    const auto body = nlohmann::json::parse(response.body);
    EXPECT_EQ(body["status"], 429);
    EXPECT_EQ(body["code"], "busy");
    EXPECT_EQ(body["type"], "urn:klyuchnik:problem:busy");
    EXPECT_EQ(body["request"], "abc");
    ASSERT_EQ(response.headers.size(), 1U);
    EXPECT_EQ(response.headers[0].first, "Retry-After");
}

TEST(Problem, CanBeWrittenWhateverBytesTheDetailQuotes) {
    const Response response = write(bad_request("\xff\x00 \"quoted\"\n"), "1");
    EXPECT_FALSE(nlohmann::json::parse(response.body).is_discarded());
}

TEST(Problem, AnUnknownOutcomeSaysToRepeatWithTheSameKey) {
    const Problem problem = outcome_unknown();
    EXPECT_EQ(problem.status, 504);
    EXPECT_NE(problem.detail.find("same Idempotency-Key"), std::string::npos);
}

}  // namespace
}  // namespace klyuchnik::bridge
