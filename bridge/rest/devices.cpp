#include "bridge/rest/api.hpp"
#include "bridge/rest/claim_codes.hpp"
#include "bridge/rest/json.hpp"
#include "bridge/rest/pages.hpp"
#include "bridge/rest/problem.hpp"
#include "bridge/rest/secrets.hpp"
#include "db/access/api_views.hpp"
#include "db/access/device_views.hpp"
#include "db/access/document_views.hpp"
#include "db/access/fleet_views.hpp"
#include "topics/limits.hpp"

namespace klyuchnik::bridge {
namespace {

constexpr std::string_view kList = "devices";
constexpr std::string_view kTelemetry = "telemetry";
constexpr std::string_view kGaps = "gaps";
/// Shown with the device itself; the rest of them has a list of its own, or is history.
constexpr std::size_t kCredentialsShown = 16;
constexpr std::size_t kGapsShown = 10;

void require_known(Api& api, const topics::DeviceId& id) {
    if (!api.reads.read([&](db::Tx& tx) { return db::device(tx, id).has_value(); })) {
        throw problem_of(topics::Code::unknown_device);
    }
}

/// Gives `ask` a claim code, asks it, and shows the code: here and never again; only its hash is
/// kept. The code is made from the session's token, the Idempotency-Key and what is asked, so that
/// a repeat with the same key in the same session is the same ask and shows the same code.
template <class Ask>
Response with_claim_code(Api& api, const Caller& caller, const std::string& key, Ask ask,
                         int status) {
    const topics::DeviceId device = ask.device;
    const std::string about = std::string{Ask::kName} + "\n" + device.text() + "\n" + key;
    const std::string code = make_claim_code(caller.token, about);
    const std::string code_sha256 = sha256_hex(plain_claim_code(code));
    ask.claim_sha256 = code_sha256;
    content_of(api.asks.ask(caller.by, key, std::move(ask)));
    // The end is the one that was stored: a repeat must not promise a later one.
    const auto ends = read_done([&] {
        return api.reads.read(
            [&](db::Tx& tx) { return db::open_claim_ends(tx, device, code_sha256); });
    });
    // A repeat of an old request: since then the code was used, replaced or ended, or the device
    // revoked.
    if (!ends) throw problem_of(topics::Code::not_open, "This claim code does not count any more");
    return Response::json(status, texts_json({{"device", device.text()},
                                              {"claim_code", code},
                                              {"claim_ends", topics::rfc3339(*ends)}}));
}

/// POST /v1/devices {device,name,place?,claim_hours?}
Response add(Api& api, const Request& request) {
    const Caller caller = api.auth.require_admin(request);
    const std::string key = idempotency_key(request);
    auto body = claim_ask_body(request, topics::AddDevice::kName);
    auto& ask = std::get<topics::AddDevice>(body);
    const std::string location = "/v1/devices/" + ask.device.text();
    return with_claim_code(api, caller, key, std::move(ask), 201).with("Location", location);
}

/// POST /v1/devices/{device}/claim {claim_hours?}: another code; an unused earlier one dies.
Response issue_claim(Api& api, const Request& request) {
    const Caller caller = api.auth.require_admin(request);
    const std::string key = idempotency_key(request);
    auto body = claim_ask_body(request, topics::IssueClaim::kName,
                               {{"device", device_in_path(request).text()}});
    return with_claim_code(api, caller, key, std::get<topics::IssueClaim>(std::move(body)), 201);
}

/// POST /v1/devices/{device}/swap {reason,claim_hours?}: new hardware takes over.
Response swap(Api& api, const Request& request) {
    const Caller caller = api.auth.require_admin(request);
    const std::string key = idempotency_key(request);
    auto body = claim_ask_body(request, topics::SwapDevice::kName,
                               {{"device", device_in_path(request).text()}});
    return with_claim_code(api, caller, key, std::get<topics::SwapDevice>(std::move(body)), 200);
}

/// POST /v1/devices/{device}/revoke {reason}: it is cut off within seconds and cannot return.
Response revoke(Api& api, const Request& request) {
    const Caller caller = api.auth.require_admin(request);
    const std::string key = idempotency_key(request);
    auto body =
        ask_body(request, "devices", "revoke_device", {{"device", device_in_path(request).text()}});
    content_of(api.asks.ask(caller.by, key, std::move(body)));
    return Response::empty(204);
}

/// PATCH /v1/devices/{device} {name?,place?,lease_seconds?,away_seconds?}
Response change(Api& api, const Request& request) {
    const Caller caller = api.auth.require_admin(request);
    const std::string key = idempotency_key(request);
    const topics::DeviceId id = device_in_path(request);
    auto body = ask_body(request, "devices", "change_device", {{"device", id.text()}});
    content_of(api.asks.ask(caller.by, key, std::move(body)));
    const auto row =
        read_done([&] { return api.reads.read([&](db::Tx& tx) { return db::device(tx, id); }); });
    if (!row) throw problem_of(topics::Code::unknown_device);
    return Response::json(200, to_json(*row));
}

std::optional<bool> yes_or_no(const Request& request, const std::string& name) {
    const auto word = word_in_query(request, name, {"true", "false"});
    if (!word) return std::nullopt;
    return *word == "true";
}

/// GET /v1/devices?state=&class=&firmware=&active=&away=&q=
Response list(Api& api, const Request& request) {
    api.auth.require_admin(request);
    const Page page = page_of(request, kList);
    db::DevicesFilter filter;
    filter.state = word_in_query(request, "state", {"online", "offline", "unknown"});
    filter.cls = word_in_query(request, "class", {"kc", "sg"});
    filter.firmware = request.parameter("firmware");
    filter.active = yes_or_no(request, "active");
    filter.away = yes_or_no(request, "away");
    filter.text = request.parameter("q");
    const auto rows = api.reads.read(
        [&](db::Tx& tx) { return db::devices(tx, filter, page.place.value_or(""), page.rows()); });
    return write_page(
        page, kList, rows, [](const auto& row) { return to_json(row); },
        [](const auto& row) { return row.device; });
}

/// GET /v1/devices/{device}: with its credentials, its last claim and its latest gaps.
Response show(Api& api, const Request& request) {
    api.auth.require_admin(request);
    const topics::DeviceId id = device_in_path(request);
    const auto row = api.reads.read([&](db::Tx& tx) { return db::device(tx, id); });
    if (!row) throw problem_of(topics::Code::unknown_device);
    DeviceView view;
    view.device = *row;
    view.credentials = api.reads.read(
        [&](db::Tx& tx) { return db::credentials(tx, id, db::kFromTheNewest, kCredentialsShown); });
    view.claim = api.reads.read([&](db::Tx& tx) { return db::claim(tx, id); });
    view.gaps = api.reads.read([&](db::Tx& tx) { return db::device_gaps(tx, id, {}, kGapsShown); });
    view.rights = api.reads.read([&](db::Tx& tx) { return db::cabinet_rights(tx, id); });
    return Response::json(200, to_json(view, api.clock.now()));
}

/// GET /v1/devices/{device}/telemetry: newest first.
Response telemetry(Api& api, const Request& request) {
    api.auth.require_admin(request);
    const Page page = page_of(request, kTelemetry);
    const topics::DeviceId id = device_in_path(request);
    const topics::Instant before = topics::from_unix_micros(page.place_or(
        topics::unix_micros(topics::from_unix_seconds(topics::limits::kTrustedTimeMax))));
    const auto rows =
        api.reads.read([&](db::Tx& tx) { return db::telemetry(tx, id, before, page.rows()); });
    if (rows.empty() && !page.place) require_known(api, id);
    return write_page(
        page, kTelemetry, rows, [](const auto& row) { return to_json(row); },
        [](const auto& row) { return std::to_string(topics::unix_micros(row.at)); });
}

/// GET /v1/devices/{device}/gaps: facts that will not come any more, newest first.
Response gaps(Api& api, const Request& request) {
    api.auth.require_admin(request);
    const Page page = page_of(request, kGaps);
    const topics::DeviceId id = device_in_path(request);
    db::GapPlace before;
    if (page.place) {
        const auto [epoch, first] = page.two_places();
        before = {topics::Epoch{epoch}, topics::Sequence{first}};
    }
    const auto rows =
        api.reads.read([&](db::Tx& tx) { return db::device_gaps(tx, id, before, page.rows()); });
    if (rows.empty() && !page.place) require_known(api, id);
    return write_page(
        page, kGaps, rows, [](const auto& row) { return to_json(row); },
        [](const auto& row) {
            return std::to_string(row.epoch.value) + "." + std::to_string(row.first.value);
        });
}

}  // namespace

void add_device_routes(Routes& routes, Api& api) {
    routes.add("POST", "/v1/devices", writing({201}),
               [&api](const Request& request) { return add(api, request); });
    routes.add("GET", "/v1/devices", reading({200, 400}),
               [&api](const Request& request) { return list(api, request); });
    routes.add("GET", "/v1/devices/{device}", reading({200, 404}),
               [&api](const Request& request) { return show(api, request); });
    routes.add("PATCH", "/v1/devices/{device}", writing({200}),
               [&api](const Request& request) { return change(api, request); });
    routes.add("POST", "/v1/devices/{device}/claim", writing({201}),
               [&api](const Request& request) { return issue_claim(api, request); });
    routes.add("POST", "/v1/devices/{device}/swap", writing({200}),
               [&api](const Request& request) { return swap(api, request); });
    routes.add("POST", "/v1/devices/{device}/revoke", writing({204}),
               [&api](const Request& request) { return revoke(api, request); });
    routes.add("GET", "/v1/devices/{device}/telemetry", reading({200, 400, 404}),
               [&api](const Request& request) { return telemetry(api, request); });
    routes.add("GET", "/v1/devices/{device}/gaps", reading({200, 400, 404}),
               [&api](const Request& request) { return gaps(api, request); });
}

}  // namespace klyuchnik::bridge
