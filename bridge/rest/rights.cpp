#include "bridge/rest/api.hpp"
#include "bridge/rest/json.hpp"
#include "bridge/rest/pages.hpp"
#include "bridge/rest/problem.hpp"

namespace klyuchnik::bridge {
namespace {

constexpr std::string_view kList = "rights";

std::string place_of(topics::PersonId person, topics::KeyId key) {
    return std::to_string(person.value) + "." + std::to_string(key.value);
}

db::RightPlace read_place(const Page& page) {
    if (!page.place) return {};
    const auto [person, key] = page.two_places();
    return {topics::PersonId{person}, topics::KeyId{key}};
}

/// POST /v1/rights {person,key}
Response grant(Api& api, const Request& request) {
    const Caller caller = api.auth.require_admin(request);
    const std::string key = idempotency_key(request);
    auto body = ask_body(request, "keys", "grant_right");
    const auto& right = std::get<topics::GrantRight>(body);
    const std::string location = "/v1/rights?person=" + std::to_string(right.person.value) +
                                 "&key=" + std::to_string(right.key.value);
    return write(api.asks.ask(caller.by, key, std::move(body)), {201, location, {}});
}

/// DELETE /v1/rights/{person}/{key}
Response revoke(Api& api, const Request& request) {
    const Caller caller = api.auth.require_admin(request);
    const std::string key = idempotency_key(request);
    const topics::RevokeRight body{topics::PersonId{id_in_path(request, "person")},
                                   topics::KeyId{id_in_path(request, "key")}};
    return write(api.asks.ask(caller.by, key, body), {204, {}, {}});
}

/// GET /v1/rights?person=&key=
Response list(Api& api, const Request& request) {
    api.auth.require_admin(request);
    const Page page = page_of(request, kList);
    db::RightsFilter filter;
    if (const auto id = id_in_query(request, "person")) filter.person = topics::PersonId{*id};
    if (const auto id = id_in_query(request, "key")) filter.key = topics::KeyId{*id};
    const db::RightPlace after = read_place(page);
    const auto rows =
        api.reads.read([&](db::Tx& tx) { return db::rights(tx, filter, after, page.rows()); });
    return write_page(
        page, kList, rows, [](const auto& row) { return to_json(row); },
        [](const auto& row) { return place_of(row.person, row.key); });
}

}  // namespace

void add_right_routes(Routes& routes, Api& api) {
    routes.add("POST", "/v1/rights", writing({201}),
               [&api](const Request& request) { return grant(api, request); });
    routes.add("DELETE", "/v1/rights/{person}/{key}", writing({204}),
               [&api](const Request& request) { return revoke(api, request); });
    routes.add("GET", "/v1/rights", reading({200, 400}),
               [&api](const Request& request) { return list(api, request); });
}

}  // namespace klyuchnik::bridge
