#include "bridge/rest/problem.hpp"

#include <nlohmann/json.hpp>

namespace klyuchnik::bridge {

Problem::Problem(int status_, std::string code_, std::string detail_, int retry_after_s_)
    : status{status_},
      code{std::move(code_)},
      detail{std::move(detail_)},
      retry_after_s{retry_after_s_} {}

Problem problem_of(topics::Code code, std::string detail) {
    const topics::CodeInfo& row = topics::info(code);
    if (detail.empty()) detail = std::string{row.text};
    return {row.rc, std::string{row.name}, std::move(detail), row.rc == 429 ? 1 : 0};
}

Problem problem_of(const topics::AskAnswer& answer) {
    const std::string name = answer.code.value_or("");
    const std::string detail = answer.text.value_or("");
    const topics::Code known = topics::code_by_name(name);
    if (known != topics::Code::none) return problem_of(known, detail);
    const bool error = answer.rc >= 400 && answer.rc <= 599;
    return {error ? static_cast<int>(answer.rc) : 500, name.empty() ? "refused" : name, detail};
}

Problem bad_request(std::string detail) {
    return problem_of(topics::Code::malformed, std::move(detail));
}
Problem not_found(std::string detail) {
    return {404, "not_found", std::move(detail)};
}
Problem not_signed_in(std::string detail) {
    Problem problem{401, "not_signed_in", std::move(detail)};
    problem.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"klyuchnik\"");
    return problem;
}
Problem outcome_unknown() {
    return {504, "unknown",
            "No answer came in time: it may or may not have happened. Repeat it with the same "
            "Idempotency-Key; with another one it could happen twice."};
}
Problem done_and_not_shown() {
    return {504, "unknown",
            "It was done, but what became of it cannot be read just now. Repeat it with the same "
            "Idempotency-Key; with another one it could happen twice."};
}
Problem unavailable(std::string detail) {
    return {503, "unavailable", std::move(detail), 1};
}

std::string_view title_of(int status) {
    switch (status) {
        case 400:
            return "Bad Request";
        case 401:
            return "Unauthorized";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 408:
            return "Request Timeout";
        case 409:
            return "Conflict";
        case 411:
            return "Length Required";
        case 413:
            return "Content Too Large";
        case 414:
            return "URI Too Long";
        case 415:
            return "Unsupported Media Type";
        case 422:
            return "Unprocessable Content";
        case 429:
            return "Too Many Requests";
        case 431:
            return "Request Header Fields Too Large";
        case 500:
            return "Internal Server Error";
        case 501:
            return "Not Implemented";
        case 503:
            return "Service Unavailable";
        case 504:
            return "Gateway Timeout";
        default:
            return "Error";
    }
}

Response write(const Problem& problem, const std::string& request_id) {
    nlohmann::ordered_json out;
    out["type"] = "urn:klyuchnik:problem:" + problem.code;
    out["title"] = std::string{title_of(problem.status)};
    out["status"] = problem.status;
    out["code"] = problem.code;
    out["detail"] = problem.detail;
    out["request"] = request_id;
    // Details quote what was sent, and that need not be UTF-8.
    Response response = Response::json(
        problem.status, out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    response.content_type = "application/problem+json";
    response.headers = problem.headers;
    if (problem.retry_after_s > 0) {
        response.with("Retry-After", std::to_string(problem.retry_after_s));
    }
    return response;
}

}  // namespace klyuchnik::bridge
