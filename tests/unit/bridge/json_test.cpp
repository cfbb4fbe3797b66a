#include "bridge/rest/json.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "bridge/rest/claim_codes.hpp"
#include "bridge/rest/problem.hpp"

namespace klyuchnik::bridge {
namespace {

using nlohmann::json;

Request with_body(std::string body, std::string type = "application/json") {
    Request request;
    request.method = "POST";
    request.body = std::move(body);
    if (!type.empty()) request.headers = {{"content-type", std::move(type)}};
    return request;
}

template <class Work>
int status_of(Work work) {
    try {
        work();
        return 200;
    } catch (const Problem& problem) {
        return problem.status;
    }
}

TEST(AskBody, WhatTheRouteGivesBeatsTheBody) {
    const auto body = ask_body(with_body(R"({"device":"kc-other1","reason":"lost"})"), "devices",
                               "revoke_device", {{"device", std::string{"kc-hall1"}}});
    EXPECT_EQ(std::get<topics::RevokeDevice>(body).device.text(), "kc-hall1");
    EXPECT_EQ(std::get<topics::RevokeDevice>(body).reason, "lost");
}

TEST(AskBody, MayBeAbsentWhereTheRouteGivesEnough) {
    const auto body =
        ask_body(with_body("", ""), "devices", "snooze_alarm", {{"alarm", std::int64_t{7}}});
    EXPECT_EQ(std::get<topics::SnoozeAlarm>(body).alarm.value, 7);
    EXPECT_EQ(std::get<topics::SnoozeAlarm>(body).seconds, 3600);
    EXPECT_EQ(
        status_of([] {
            ask_body(with_body("", ""), "devices", "resolve_alarm", {{"alarm", std::int64_t{7}}});
        }),
        400)
        << "a reason is needed";
    EXPECT_EQ(status_of([] { ask_body(with_body("", ""), "keys", "add_key"); }), 415);
}

TEST(AskBody, ThatIsThereMustBeJson) {
    const auto status = [](std::string body, std::string type) {
        return status_of([&] {
            ask_body(with_body(std::move(body), std::move(type)), "devices", "snooze_alarm",
                     {{"alarm", std::int64_t{7}}});
        });
    };
    EXPECT_EQ(status("{}", "application/json; charset=utf-8"), 200);
    EXPECT_EQ(status("{}", "text/plain"), 415);
    EXPECT_EQ(status("[]", "application/json"), 400);
    EXPECT_EQ(status("{", "application/json"), 400);
    EXPECT_EQ(status(R"({"seconds":59})", "application/json"), 400);
}

TEST(ClaimAskBody, TakesHoursAndLetsNobodyChooseTheCode) {
    const auto seconds = [](const std::string& members) {
        const auto body = claim_ask_body(
            with_body(R"({"device":"kc-hall1","name":"Hall")" + members + "}"), "add_device");
        EXPECT_EQ(std::get<topics::AddDevice>(body).claim_sha256, std::string(64, '0'));
        return std::get<topics::AddDevice>(body).claim_seconds;
    };
    EXPECT_EQ(seconds(""), kClaimHoursDefault * 3600);
    EXPECT_EQ(seconds(R"(,"claim_hours":1)"), 3600);
    EXPECT_EQ(seconds(R"(,"claim_hours":720)"), 720 * 3600);
    EXPECT_EQ(seconds(R"(,"claim_seconds":60,"claim_sha256":")" + std::string(64, 'f') + "\""),
              kClaimHoursDefault * 3600);
    for (const char* hours : {"0", "721", "-1", "1.5", "\"1\"", "true", "18446744073709551615"}) {
        EXPECT_EQ(status_of([&] { seconds(R"(,"claim_hours":)" + std::string{hours}); }), 400)
            << hours;
    }
}

TEST(Json, ShowsADeviceWithWhatBelongsToIt) {
    DeviceView view;
    view.device.device = "kc-hall1";
    view.device.state = "online";
    view.device.telemetry = R"({"rssi":-61})";
    const auto now = topics::from_unix_seconds(1000);
    view.credentials = {{3, 1, "secret", now, {}, {}, "rotated"},
                        {2, 1, "secret", now, now, {}, "claimed"},
                        {1, 1, "certificate", now, {}, now, "claimed"}};
    view.claim = db::ClaimRow{now, "account:1", now + std::chrono::hours{1}, {}};
    const json shown = json::parse(to_json(view, now));
    EXPECT_EQ(shown["telemetry"]["rssi"], -61);
    EXPECT_EQ(shown["firmware"], nullptr);
    EXPECT_EQ(shown["credentials"][0]["state"], "living");
    EXPECT_EQ(shown["credentials"][1]["state"], "over");
    EXPECT_EQ(shown["credentials"][2]["state"], "revoked");
    EXPECT_EQ(shown["claim"]["state"], "open");
    EXPECT_EQ(json::parse(to_json(view, now + std::chrono::hours{1}))["claim"]["state"], "over");
    view.claim->used = now;
    EXPECT_EQ(json::parse(to_json(view, now))["claim"]["state"], "used");
    view.claim.reset();
    EXPECT_EQ(json::parse(to_json(view, now))["claim"], nullptr);
    EXPECT_EQ(shown["gaps"], json::array());
}

TEST(Json, ACredentialIsASecretOrACertificate) {
    CredentialView view;
    view.device = "kc-hall1";
    view.secret = "s";
    EXPECT_EQ(to_json(view), R"({"device":"kc-hall1","secret":"s"})");
    view.secret.clear();
    view.certificate_pem = "c";
    view.ca_pem = "a";
    view.ends = topics::from_unix_seconds(0);
    view.mqtt = MqttPlace{"h", 1, ""};
    EXPECT_EQ(to_json(view), R"({"device":"kc-hall1","certificate":"c","ca":"a","ends":)"
                             R"("1970-01-01T00:00:00.000000Z","mqtt":{"host":"h","port":1}})");
}

}  // namespace
}  // namespace klyuchnik::bridge
