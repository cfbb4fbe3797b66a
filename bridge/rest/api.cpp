#include "bridge/rest/api.hpp"

#include <algorithm>
#include <charconv>

#include "bridge/rest/json.hpp"
#include "bridge/rest/problem.hpp"
#include "bridge/rest/secrets.hpp"
#include "topics/limits.hpp"

namespace klyuchnik::bridge {
namespace {

std::optional<std::int64_t> as_id(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < 1 ||
        value > topics::limits::kIntegerMax) {
        return std::nullopt;
    }
    return value;
}

std::vector<int> merged(std::initializer_list<int> own, std::initializer_list<int> common) {
    std::vector<int> all{own};
    all.insert(all.end(), common);
    std::ranges::sort(all);
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
}

}  // namespace

void add_routes(Routes& routes, Api& api) {
    add_session_routes(routes, api);
    add_people_routes(routes, api);
    add_key_routes(routes, api);
    add_right_routes(routes, api);
    add_loan_routes(routes, api);
    add_conflict_routes(routes, api);
    add_device_routes(routes, api);
    add_claim_routes(routes, api);
    add_document_routes(routes, api);
    add_command_routes(routes, api);
    add_alarm_routes(routes, api);
    add_dead_letter_routes(routes, api);
    add_firmware_routes(routes, api);
    add_event_routes(routes, api);
    add_health_routes(routes, api);
    add_cabinet_routes(routes, api);
}

std::vector<int> reading(std::initializer_list<int> own) {
    return merged(own, {401, 403, 500, 503});
}

std::vector<int> writing(std::initializer_list<int> own) {
    return merged(own, {400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 501, 503, 504});
}

std::string idempotency_key(const Request& request) {
    if (!request.has_header("idempotency-key")) return random_hex(16);
    const std::string_view key = request.header("idempotency-key");
    const bool printable = std::ranges::all_of(key, [](char c) { return c > 0x20 && c < 0x7F; });
    if (key.empty() || key.size() > topics::limits::kAskIdCharsMax || !printable) {
        throw bad_request("Idempotency-Key: expected 1 to 64 printable ASCII characters");
    }
    return std::string{key};
}

std::int64_t id_in_path(const Request& request, const std::string& name) {
    const auto id = as_id(request.captures.at(name));
    if (!id) throw not_found("No such " + name);
    return *id;
}

topics::DeviceId device_in_path(const Request& request) {
    const auto id = topics::DeviceId::parse(request.captures.at("device"));
    if (!id) throw problem_of(topics::Code::unknown_device);
    return *id;
}

std::optional<std::string> word_in_query(const Request& request, const std::string& name,
                                         std::initializer_list<std::string_view> words) {
    auto text = request.parameter(name);
    if (!text || std::ranges::find(words, *text) != words.end()) return text;
    std::string expected;
    for (const std::string_view word : words) {
        expected += (expected.empty() ? "" : ", ") + std::string{word};
    }
    throw bad_request(name + ": expected one of " + expected);
}

std::optional<std::int64_t> id_in_query(const Request& request, const std::string& name) {
    const auto text = request.parameter(name);
    if (!text) return std::nullopt;
    const auto id = as_id(*text);
    if (!id) throw bad_request(name + ": expected an integer from 1");
    return id;
}

std::string content_of(const AskOutcome& outcome) {
    switch (outcome.kind) {
        case AskOutcome::Kind::answered:
            break;
        case AskOutcome::Kind::busy:
            throw Problem{503, "busy", "Too many writes wait for an answer: nothing was done", 1};
        case AskOutcome::Kind::reused_id:
            throw problem_of(topics::Code::reused_id);
        case AskOutcome::Kind::unavailable:
            throw unavailable("The message broker is away: nothing was done");
        case AskOutcome::Kind::unknown:
            throw outcome_unknown();
    }
    if (outcome.answer.rc >= 300) throw problem_of(outcome.answer);
    return outcome.answer.content;
}

Response write(const AskOutcome& outcome, const Done& done) {
    std::string content = content_of(outcome);
    if (done.status == 204) return Response::empty(204);
    Response response = Response::json(done.status, std::move(content));
    if (!done.location.empty()) {
        std::string location = done.location;
        if (!done.member.empty()) location += member_text(response.body, done.member);
        response.with("Location", location);
    }
    return response;
}

}  // namespace klyuchnik::bridge
