#include "bridge/rest/api.hpp"
#include "bridge/rest/json.hpp"
#include "bridge/rest/pages.hpp"
#include "bridge/rest/problem.hpp"
#include "bridge/rest/secrets.hpp"

namespace klyuchnik::bridge {
namespace {

constexpr std::string_view kList = "devices";
constexpr std::size_t kSecretBytes = 16;

/// POST /v1/devices {device,name}: answers the secret, here and never again; only its hash is kept.
///
/// The secret is made from the session's token and the Idempotency-Key. So a repeat with the same
/// key in the same session is the same ask and shows the same secret, although nobody has stored
/// it; and who knows the secret learns nothing about the token.
Response add(Api& api, const Request& request) {
    const Caller caller = api.auth.require_admin(request);
    const std::string key = idempotency_key(request);
    const NewDevice wanted = new_device_body(request);
    const std::string secret =
        hmac_hex(caller.token, "device secret\n" + wanted.device.text() + "\n" + key, kSecretBytes);
    const AskOutcome outcome = api.asks.ask(
        caller.by, key, topics::AddDevice{wanted.device, wanted.name, sha256_hex(secret)});

    std::string content = with_text(content_of(outcome), "device", wanted.device.text());
    return Response::json(201, with_text(content, "secret", secret))
        .with("Location", "/v1/devices/" + wanted.device.text());
}

/// GET /v1/devices
Response list(Api& api, const Request& request) {
    api.auth.require_admin(request);
    const Page page = page_of(request, kList);
    const auto rows = api.reads.read(
        [&](db::Tx& tx) { return db::devices(tx, page.place.value_or(""), page.rows()); });
    return write_page(
        page, kList, rows, [](const auto& row) { return to_json(row); },
        [](const auto& row) { return row.device; });
}

/// GET /v1/devices/{device}
Response show(Api& api, const Request& request) {
    api.auth.require_admin(request);
    const auto id = topics::DeviceId::parse(request.captures.at("device"));
    if (!id) throw problem_of(topics::Code::unknown_device);
    const auto row = api.reads.read([&](db::Tx& tx) { return db::device(tx, *id); });
    if (!row) throw problem_of(topics::Code::unknown_device);
    return Response::json(200, to_json(*row));
}

}  // namespace

void add_device_routes(Routes& routes, Api& api) {
    routes.add("POST", "/v1/devices", writing({201}),
               [&api](const Request& request) { return add(api, request); });
    routes.add("GET", "/v1/devices", reading({200, 400}),
               [&api](const Request& request) { return list(api, request); });
    routes.add("GET", "/v1/devices/{device}", reading({200, 404}),
               [&api](const Request& request) { return show(api, request); });
}

}  // namespace klyuchnik::bridge
