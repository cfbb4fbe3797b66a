#include "bridge/rest/api.hpp"
#include "bridge/rest/json.hpp"
#include "bridge/rest/problem.hpp"
#include "bridge/rest/secrets.hpp"

namespace klyuchnik::bridge {
namespace {

constexpr std::size_t kTokenBytes = 32;

std::string set_cookie(const Request& request, std::string_view token, std::int64_t seconds) {
    std::string text{kSessionCookie};
    text += "=" + std::string{token} +
            "; Path=/; HttpOnly; SameSite=Strict; Max-Age=" + std::to_string(seconds);
    // Over plain HTTP a browser would refuse to keep a Secure cookie.
    if (request.secure) text += "; Secure";
    return text;
}

/// POST /v1/session {login,password}: a new session, whose token is shown here and never again.
Response open(Api& api, const Request& request) {
    const SignIn wanted = sign_in_body(request);
    const db::SignInRow account = api.auth.sign_in(wanted.login, wanted.password, request);

    const std::string token = random_token(kTokenBytes);
    const auto seconds =
        std::chrono::duration_cast<std::chrono::seconds>(api.settings.session).count();
    const topics::Caller by{"account:" + std::to_string(account.account.value),
                            topics::Via::session};
    const auto expires = api.clock.now() + api.settings.session;
    content_of(api.asks.ask(by, random_hex(16),
                            topics::OpenSession{account.account, sha256_hex(token), seconds}));

    Response response = Response::json(
        201, to_json(SessionView{token, expires, account.account, account.login, account.role}));
    response.with("Location", "/v1/session");
    response.with("Set-Cookie", set_cookie(request, token, seconds));
    return response;
}

/// GET /v1/session: who the caller is.
Response show(Api& api, const Request& request) {
    const Caller caller = api.auth.require_admin(request);
    return Response::json(
        200, to_json(SessionView{"", caller.expires, caller.account, caller.login, caller.role}));
}

/// DELETE /v1/session: the caller's own; dead at once, everywhere.
Response close(Api& api, const Request& request) {
    const Caller caller = api.auth.require_admin(request);
    const AskOutcome outcome = api.asks.ask(caller.by, idempotency_key(request),
                                            topics::CloseSession{sha256_hex(caller.token)});
    return write(outcome, {204, {}, {}}).with("Set-Cookie", set_cookie(request, "", 0));
}

}  // namespace

void add_session_routes(Routes& routes, Api& api) {
    routes.add("POST", "/v1/session", writing({201}),
               [&api](const Request& request) { return open(api, request); });
    routes.add("GET", "/v1/session", reading({200}),
               [&api](const Request& request) { return show(api, request); });
    routes.add("DELETE", "/v1/session", writing({204}),
               [&api](const Request& request) { return close(api, request); });
}

}  // namespace klyuchnik::bridge
