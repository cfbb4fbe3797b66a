#include "bridge/rest/api.hpp"
#include "bridge/rest/json.hpp"
#include "bridge/rest/pages.hpp"
#include "bridge/rest/problem.hpp"
#include "db/access/api_views.hpp"
#include "db/access/fleet_views.hpp"

namespace klyuchnik::bridge {
namespace {

constexpr std::string_view kList = "dead-letters";

/// GET /v1/dead-letters?state=: what was set aside, newest first. Payloads are shown one by one
/// only: there are card numbers in them.
Response list(Api& api, const Request& request) {
    api.auth.require_admin(request);
    const Page page = page_of(request, kList);
    const auto state =
        word_in_query(request, "state", {"open", "retrying", "applied", "discarded"});
    const topics::LetterId before{page.place_or(db::kFromTheNewest)};
    const auto rows = api.reads.read(
        [&](db::Tx& tx) { return db::dead_letters(tx, state, before, page.rows()); });
    return write_page(
        page, kList, rows, [](const auto& row) { return to_json(row); },
        [](const auto& row) { return std::to_string(row.letter.value); });
}

Response show_row(Api& api, topics::LetterId id) {
    const auto row = api.reads.read([&](db::Tx& tx) { return db::dead_letter(tx, id); });
    if (!row) throw problem_of(topics::Code::unknown_letter);
    return Response::json(200, to_json(*row));
}

/// GET /v1/dead-letters/{letter}: with the payload, as it came.
Response show(Api& api, const Request& request) {
    api.auth.require_admin(request);
    return show_row(api, topics::LetterId{id_in_path(request, "letter")});
}

/// POST /v1/dead-letters/{letter}/retry: soon, by the domain that set it aside.
Response retry(Api& api, const Request& request) {
    const Caller caller = api.auth.require_admin(request);
    const std::string key = idempotency_key(request);
    const std::int64_t id = id_in_path(request, "letter");
    content_of(api.asks.ask(caller.by, key, topics::RetryLetter{topics::LetterId{id}}));
    Response response = read_done([&] { return show_row(api, topics::LetterId{id}); });
    response.status = 202;
    return response.with("Location", "/v1/dead-letters/" + std::to_string(id));
}

/// POST /v1/dead-letters/{letter}/discard {reason}
Response discard(Api& api, const Request& request) {
    const Caller caller = api.auth.require_admin(request);
    const std::string key = idempotency_key(request);
    const std::int64_t id = id_in_path(request, "letter");
    auto body = ask_body(request, "devices", "discard_letter", {{"letter", id}});
    content_of(api.asks.ask(caller.by, key, std::move(body)));
    return read_done([&] { return show_row(api, topics::LetterId{id}); });
}

}  // namespace

void add_dead_letter_routes(Routes& routes, Api& api) {
    routes.add("GET", "/v1/dead-letters", reading({200, 400}),
               [&api](const Request& request) { return list(api, request); });
    routes.add("GET", "/v1/dead-letters/{letter}", reading({200, 404}),
               [&api](const Request& request) { return show(api, request); });
    routes.add("POST", "/v1/dead-letters/{letter}/retry", writing({202}),
               [&api](const Request& request) { return retry(api, request); });
    routes.add("POST", "/v1/dead-letters/{letter}/discard", writing({200}),
               [&api](const Request& request) { return discard(api, request); });
}

}  // namespace klyuchnik::bridge
