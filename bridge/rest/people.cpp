#include "bridge/rest/api.hpp"
#include "bridge/rest/json.hpp"
#include "bridge/rest/pages.hpp"
#include "bridge/rest/problem.hpp"

namespace klyuchnik::bridge {
namespace {

constexpr std::string_view kList = "people";

/// POST /v1/people {full_name,cards}
Response add(Api& api, const Request& request) {
    const Caller caller = api.auth.require_admin(request);
    const std::string key = idempotency_key(request);
    auto body = ask_body(request, "accounts", "add_person");
    return write(api.asks.ask(caller.by, key, std::move(body)), {201, "/v1/people/", "person"});
}

/// GET /v1/people?name=&card=
Response list(Api& api, const Request& request) {
    api.auth.require_admin(request);
    const Page page = page_of(request, kList);
    const db::PeopleFilter filter{request.parameter("name"), request.parameter("card")};
    const auto rows = api.reads.read([&](db::Tx& tx) {
        return db::people(tx, filter, topics::PersonId{page.place_or(0)}, page.rows());
    });
    return write_page(
        page, kList, rows, [](const auto& row) { return to_json(row); },
        [](const auto& row) { return std::to_string(row.person.value); });
}

/// GET /v1/people/{person}
Response show(Api& api, const Request& request) {
    api.auth.require_admin(request);
    const topics::PersonId id{id_in_path(request, "person")};
    const auto row = api.reads.read([&](db::Tx& tx) { return db::person(tx, id); });
    if (!row) throw problem_of(topics::Code::unknown_person);
    return Response::json(200, to_json(*row));
}

/// POST /v1/people/{person}/deactivate: the cards open nothing from now on.
Response deactivate(Api& api, const Request& request) {
    const Caller caller = api.auth.require_admin(request);
    const std::string key = idempotency_key(request);
    const topics::PersonId id{id_in_path(request, "person")};
    return write(api.asks.ask(caller.by, key, topics::DeactivatePerson{id}), {200, {}, {}});
}

/// PUT /v1/people/{person}/rights {keys}: exactly these from now on.
Response set_rights(Api& api, const Request& request) {
    const Caller caller = api.auth.require_admin(request);
    const std::string key = idempotency_key(request);
    auto body =
        ask_body(request, "keys", "set_rights", {{"person", id_in_path(request, "person")}});
    return write(api.asks.ask(caller.by, key, std::move(body)), {200, {}, {}});
}

}  // namespace

void add_people_routes(Routes& routes, Api& api) {
    routes.add("POST", "/v1/people", writing({201}),
               [&api](const Request& request) { return add(api, request); });
    routes.add("GET", "/v1/people", reading({200, 400}),
               [&api](const Request& request) { return list(api, request); });
    routes.add("GET", "/v1/people/{person}", reading({200, 404}),
               [&api](const Request& request) { return show(api, request); });
    routes.add("POST", "/v1/people/{person}/deactivate", writing({200}),
               [&api](const Request& request) { return deactivate(api, request); });
    routes.add("PUT", "/v1/people/{person}/rights", writing({200}),
               [&api](const Request& request) { return set_rights(api, request); });
}

}  // namespace klyuchnik::bridge
