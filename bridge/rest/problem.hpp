#pragma once

#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "bridge/rest/http.hpp"
#include "topics/asks.hpp"
#include "topics/refusal.hpp"

/// Everything that is not a success, in one form: RFC 9457 problem details.
namespace klyuchnik::bridge {

/// What a client gets when the answer is no. Thrown by routes, turned into an answer in one place.
/// `code` is for programs (a refusal code, or one of this page's own words), `detail` for people.
struct Problem : std::exception {
    int status = 500;
    std::string code;
    std::string detail;
    int retry_after_s = 0;  ///< 0 = say nothing.
    std::vector<std::pair<std::string, std::string>> headers;

    Problem(int status_, std::string code_, std::string detail_, int retry_after_s_ = 0);
    const char* what() const noexcept override { return code.c_str(); }
};

/// A refusal's own status is `rc` of its row in topics::info.
Problem problem_of(topics::Code code, std::string detail = {});
/// Of an answer that refuses. A code that this bridge does not know yet keeps the answer's rc, if
/// that is an error status at all.
Problem problem_of(const topics::AskAnswer& answer);

Problem bad_request(std::string detail);
Problem not_found(std::string detail);
/// 401 with the challenges that this server knows.
Problem not_signed_in(std::string detail);
/// 504: nobody knows whether it happened; only the same Idempotency-Key makes a repeat safe.
Problem outcome_unknown();
/// 504: it was done, and what became of it cannot be read just now. The same Idempotency-Key gets
/// the same answer, without doing it twice.
Problem done_and_not_shown();
/// 503 now, for `what`; the request had no effect.
Problem unavailable(std::string detail);

/// The reason phrase of RFC 9110 for a status we use.
std::string_view title_of(int status);

/// {"type","title","status","code","detail","request"}
Response write(const Problem& problem, const std::string& request_id);

}  // namespace klyuchnik::bridge
