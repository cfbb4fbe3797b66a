#include "bridge/rest/api.hpp"
#include "bridge/rest/json.hpp"
#include "bridge/rest/pages.hpp"
#include "bridge/rest/problem.hpp"
#include "db/access/api_views.hpp"
#include "db/access/fleet_views.hpp"

namespace klyuchnik::bridge {
namespace {

constexpr std::string_view kList = "alarms";

/// GET /v1/alarms?state=&kind=&device=: newest first.
Response list(Api& api, const Request& request) {
    api.auth.require_admin(request);
    const Page page = page_of(request, kList);
    db::AlarmsFilter filter;
    filter.state = word_in_query(request, "state",
                                 {"open", "acknowledged", "snoozed", "resolved", "unresolved"});
    filter.kind = request.parameter("kind");
    filter.device = request.parameter("device");
    const topics::AlarmId before{page.place_or(db::kFromTheNewest)};
    const auto rows =
        api.reads.read([&](db::Tx& tx) { return db::alarms(tx, filter, before, page.rows()); });
    return write_page(
        page, kList, rows, [](const auto& row) { return to_json(row); },
        [](const auto& row) { return std::to_string(row.alarm.value); });
}

Response show_row(Api& api, topics::AlarmId id) {
    const auto row = api.reads.read([&](db::Tx& tx) { return db::alarm(tx, id); });
    if (!row) throw problem_of(topics::Code::unknown_alarm);
    return Response::json(200, to_json(*row));
}

/// GET /v1/alarms/{alarm}
Response show(Api& api, const Request& request) {
    api.auth.require_admin(request);
    return show_row(api, topics::AlarmId{id_in_path(request, "alarm")});
}

/// POST /v1/alarms/{alarm}/acknowledge | snooze {seconds?} | resolve {reason}: the alarm as it is
/// then.
Response change(Api& api, const Request& request, std::string_view ask) {
    const Caller caller = api.auth.require_admin(request);
    const std::string key = idempotency_key(request);
    const std::int64_t id = id_in_path(request, "alarm");
    auto body = ask_body(request, "devices", ask, {{"alarm", id}});
    content_of(api.asks.ask(caller.by, key, std::move(body)));
    return read_done([&] { return show_row(api, topics::AlarmId{id}); });
}

}  // namespace

void add_alarm_routes(Routes& routes, Api& api) {
    routes.add("GET", "/v1/alarms", reading({200, 400}),
               [&api](const Request& request) { return list(api, request); });
    routes.add("GET", "/v1/alarms/{alarm}", reading({200, 404}),
               [&api](const Request& request) { return show(api, request); });
    routes.add(
        "POST", "/v1/alarms/{alarm}/acknowledge", writing({200}),
        [&api](const Request& request) { return change(api, request, "acknowledge_alarm"); });
    routes.add("POST", "/v1/alarms/{alarm}/snooze", writing({200}),
               [&api](const Request& request) { return change(api, request, "snooze_alarm"); });
    routes.add("POST", "/v1/alarms/{alarm}/resolve", writing({200}),
               [&api](const Request& request) { return change(api, request, "resolve_alarm"); });
}

}  // namespace klyuchnik::bridge
