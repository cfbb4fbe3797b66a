#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "bridge/legacy/cabinet_words.hpp"
#include "topics/refusal.hpp"

namespace klyuchnik::bridge::legacy {
namespace {

std::string error_of(std::string_view json) {
    const auto body = decode_cabinet_body(json, Language::english);
    const auto* bad = std::get_if<BadBody>(&body);
    return bad == nullptr ? "" : bad->error;
}

TEST(CabinetBody, TakesAKeyAsTextOrAsNumber) {
    for (const char* json : {R"({"serial":"12345ABC","key":"101"})",
                             R"({"serial":"12345ABC","key":101,"more":[1]})"}) {
        const auto body = std::get<CabinetBody>(decode_cabinet_body(json, Language::russian));
        EXPECT_EQ(body.serial, "12345ABC");
        EXPECT_EQ(body.key, "101");
    }
}

TEST(CabinetBody, NamesWhatIsWrong) {
    struct Row {
        std::string json;
        std::string named;
    };
    const Row rows[] = {
        {"", "JSON"},
        {"not json", "JSON"},
        {"[]", "JSON"},
        {"\"x\"", "JSON"},
        {R"({"serial":"a","serial":"b","key":1})", "JSON"},
        {R"({"key":"101"})", "Missing field serial"},
        {R"({"serial":null,"key":"101"})", "Missing field serial"},
        {R"({"serial":"a"})", "Missing field key"},
        {R"({"serial":5,"key":"101"})", "type of field serial"},
        {R"({"serial":"a","key":1.5})", "type of field key"},
        {R"({"serial":"a","key":true})", "type of field key"},
        {R"({"serial":"a","key":[101]})", "type of field key"},
        {R"({"serial":"a\u0001","key":101})", "type of field serial"},
        {R"({"serial":" ","key":101})", "Blank field serial"},
        {R"({"serial":"a","key":""})", "Blank field key"},
        {R"({"serial":")" + std::string(51, 'x') + R"(","key":101})", "too long: serial"},
        {R"({"serial":"a","key":")" + std::string(51, 'x') + R"("})", "too long: key"},
    };
    for (const Row& row : rows) {
        EXPECT_NE(error_of(row.json).find(row.named), std::string::npos)
            << row.json << " said: " << error_of(row.json);
    }
    EXPECT_EQ(error_of(R"({"serial":")" + std::string(50, 'x') + R"(","key":101})"), "");
}

struct Expected {
    topics::Code code;
    int issue;
    bool issue_denies;  ///< "access": false is there.
    int give_back;
    bool give_back_denies;
};

TEST(CabinetAnswer, KeepsTheOldStatusesAndFields) {
    using topics::Code;
    const Expected rows[] = {
        {Code::unknown_card, 404, false, 404, false},
        {Code::no_right, 403, true, 400, true},
        {Code::unknown_key, 403, true, 400, true},
        {Code::inactive_person, 403, true, 400, true},
        {Code::key_held_by_other, 400, false, 400, true},
        {Code::key_held_by_self, 400, false, 400, true},
        {Code::key_not_held, 400, true, 400, true},
        {Code::malformed, 400, false, 400, false},
        {Code::forbidden, 403, true, 403, true},
        {Code::busy, 503, false, 503, false},
        {Code::unavailable, 503, false, 503, false},
        {Code::expired, 504, false, 504, false},
        {Code::set_aside, 500, false, 500, false},
    };
    for (const Expected& row : rows) {
        for (const Act act : {Act::issue, Act::give_back}) {
            AskOutcome outcome;
            outcome.kind = AskOutcome::Kind::answered;
            outcome.answer.rc = topics::info(row.code).rc;
            outcome.answer.code = std::string{topics::info(row.code).name};
            const Response response = write_cabinet(act, outcome, Language::russian);
            const auto body = nlohmann::json::parse(response.body);
            const bool issue = act == Act::issue;
            EXPECT_EQ(response.status, issue ? row.issue : row.give_back)
                << topics::info(row.code).name;
            EXPECT_TRUE(body["error"].is_string());
            EXPECT_EQ(body.contains("access"), issue ? row.issue_denies : row.give_back_denies)
                << topics::info(row.code).name;
            if (body.contains("access")) {
                EXPECT_EQ(body["access"], false);
            }
        }
    }
}

TEST(CabinetAnswer, SaysDoneWithAccess) {
    AskOutcome outcome;
    outcome.kind = AskOutcome::Kind::answered;
    const Response response = write_cabinet(Act::issue, outcome, Language::russian);
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, R"({"message":"Ключ выдан","access":true})");
}

TEST(CabinetAnswer, AnUnknownOutcomeIs504AndATurnedAwayOne503) {
    EXPECT_EQ(write_cabinet(Act::issue, {AskOutcome::Kind::unknown, {}}, Language::english).status,
              504);
    EXPECT_EQ(write_cabinet(Act::issue, {AskOutcome::Kind::busy, {}}, Language::english).status,
              503);
    EXPECT_EQ(
        write_cabinet(Act::issue, {AskOutcome::Kind::unavailable, {}}, Language::english).status,
        503);
}

TEST(CabinetLanguage, IsRussianUnlessEnglishComesFirst) {
    EXPECT_EQ(language_of(""), Language::russian);
    EXPECT_EQ(language_of("de, fr"), Language::russian);
    EXPECT_EQ(language_of("en"), Language::english);
    EXPECT_EQ(language_of("EN-us,ru;q=0.5"), Language::english);
    EXPECT_EQ(language_of("de, en;q=0.5"), Language::english);
    EXPECT_EQ(language_of("ru, en"), Language::russian);
    EXPECT_EQ(language_of("english"), Language::russian);
}

}  // namespace
}  // namespace klyuchnik::bridge::legacy
