// The two routes of cabinets from before MQTT, path for path and shape for shape.
//
//   POST /issue_key   {"serial","key"}   200 400 403 404 500   {"message","access"} |
//   {"error"[,"access"]} POST /return_key  the same
//
// Ours besides: 401 without a credential, 413/429/503/504 where the old server fell over. Such a
// cabinet sends no Idempotency-Key: each request is an ask of its own, and one that is repeated
// after a lost answer finds the key taken, by the person who asked.
#include "bridge/legacy/cabinet_words.hpp"
#include "bridge/rest/api.hpp"
#include "bridge/rest/problem.hpp"
#include "bridge/rest/secrets.hpp"
#include "db/access/fault.hpp"
#include "process/log.hpp"

namespace klyuchnik::bridge {
namespace {

using legacy::Act;
using legacy::BadBody;
using legacy::CabinetBody;
using legacy::Language;

topics::AskBody ask_for(Act act, CabinetBody body) {
    const topics::CardSerial card{std::move(body.serial)};
    const topics::KeyName key{std::move(body.key)};
    if (act == Act::issue) return topics::IssueKey{card, key};
    return topics::ReturnKey{card, key};
}

Response serve(Api& api, Act act, const Request& request) {
    const Language language = legacy::language_of(request.header("accept-language"));
    try {
        const Caller caller = api.auth.require_cabinet(request);
        auto body = legacy::decode_cabinet_body(request.body, language);
        if (const auto* bad = std::get_if<BadBody>(&body)) {
            return legacy::write_cabinet_error(400, bad->error);
        }
        const std::string key =
            request.has_header("idempotency-key") ? idempotency_key(request) : random_hex(16);
        return legacy::write_cabinet(
            act, api.asks.ask(caller.by, key, ask_for(act, std::get<CabinetBody>(body))), language);
    } catch (const Problem& problem) {
        // These clients read `error`, not problem details; everything else stays as it was decided.
        Response response = legacy::write_cabinet_refused(problem.status, language);
        response.headers = problem.headers;
        if (problem.retry_after_s > 0) {
            response.with("Retry-After", std::to_string(problem.retry_after_s));
        }
        return response;
    } catch (const db::Fault& fault) {
        process::log::warn_every("database away", std::chrono::seconds{1}, "request {}: {}",
                                 request.id, fault.what());
        return legacy::write_cabinet_refused(503, language);
    }
}

}  // namespace

void add_cabinet_routes(Routes& routes, Api& api) {
    const std::vector<int> statuses{200, 400, 401, 403, 404, 413, 415, 429, 500, 503, 504};
    routes.add("POST", "/issue_key", statuses,
               [&api](const Request& request) { return serve(api, Act::issue, request); });
    routes.add("POST", "/return_key", statuses,
               [&api](const Request& request) { return serve(api, Act::give_back, request); });
}

}  // namespace klyuchnik::bridge
