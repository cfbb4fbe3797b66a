#include "bridge/rest/api.hpp"
#include "bridge/rest/json.hpp"
#include "bridge/rest/pages.hpp"
#include "bridge/rest/problem.hpp"

namespace klyuchnik::bridge {
namespace {

constexpr std::string_view kList = "keys";
constexpr std::string_view kLog = "key-log";

/// POST /v1/keys {name,room,tag,cabinet,slot}
Response add(Api& api, const Request& request) {
    const Caller caller = api.auth.require_admin(request);
    const std::string key = idempotency_key(request);
    auto body = ask_body(request, "keys", "add_key");
    return write(api.asks.ask(caller.by, key, std::move(body)), {201, "/v1/keys/", "key"});
}

/// GET /v1/keys?name=
Response list(Api& api, const Request& request) {
    api.auth.require_admin(request);
    const Page page = page_of(request, kList);
    const auto rows = api.reads.read([&](db::Tx& tx) {
        return db::keys(tx, request.parameter("name"), topics::KeyId{page.place_or(0)},
                        page.rows());
    });
    return write_page(
        page, kList, rows, [](const auto& row) { return to_json(row); },
        [](const auto& row) { return std::to_string(row.key.value); });
}

/// GET /v1/keys/{key}
Response show(Api& api, const Request& request) {
    api.auth.require_admin(request);
    const topics::KeyId id{id_in_path(request, "key")};
    const auto row = api.reads.read([&](db::Tx& tx) { return db::key(tx, id); });
    if (!row) throw problem_of(topics::Code::unknown_key);
    return Response::json(200, to_json(*row));
}

/// GET /v1/keys/{key}/log: what happened to it, newest first.
Response log(Api& api, const Request& request) {
    api.auth.require_admin(request);
    const Page page = page_of(request, kLog);
    const topics::KeyId id{id_in_path(request, "key")};
    const std::string subject = "key:" + std::to_string(id.value);
    const auto rows = api.reads.read([&](db::Tx& tx) {
        return db::subject_events(tx, subject, page.place_or(db::kFromTheNewest), page.rows());
    });
    // Adding a key is in its log: an empty first page is a key that never was.
    if (rows.empty() && !page.place &&
        !api.reads.read([&](db::Tx& tx) { return db::key(tx, id).has_value(); })) {
        throw problem_of(topics::Code::unknown_key);
    }
    return write_page(
        page, kLog, rows, [](const auto& row) { return to_json(row); },
        [](const auto& row) { return std::to_string(row.event_id); });
}

}  // namespace

void add_key_routes(Routes& routes, Api& api) {
    routes.add("POST", "/v1/keys", writing({201}),
               [&api](const Request& request) { return add(api, request); });
    routes.add("GET", "/v1/keys", reading({200, 400}),
               [&api](const Request& request) { return list(api, request); });
    routes.add("GET", "/v1/keys/{key}", reading({200, 404}),
               [&api](const Request& request) { return show(api, request); });
    routes.add("GET", "/v1/keys/{key}/log", reading({200, 400, 404}),
               [&api](const Request& request) { return log(api, request); });
}

}  // namespace klyuchnik::bridge
