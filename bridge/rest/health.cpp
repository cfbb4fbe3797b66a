#include "bridge/rest/api.hpp"
#include "bridge/rest/json.hpp"
#include "bridge/rest/openapi.hpp"
#include "bridge/rest/problem.hpp"
#include "process/log.hpp"

namespace klyuchnik::bridge {
namespace {

/// GET /healthz: the process lives. Looks at nothing else, or a database that is away would have
/// every bridge restarted.
Response alive(const Request&) {
    return Response::json(200, "{\"status\":\"alive\"}");
}

/// GET /readyz: it could serve a request now; names what is missing.
Response ready(Api& api, const Request&) {
    bool database = false;
    try {
        api.reads.read([](db::Tx& tx) { db::ready(tx); });
        database = true;
    } catch (const std::exception& error) {
        process::log::warn_every("readiness", std::chrono::seconds{10}, "not ready: {}",
                                 error.what());
    }
    const bool mqtt = api.mqtt_connected();
    return Response::json(mqtt && database ? 200 : 503, readiness_json(mqtt, database));
}

}  // namespace

void add_health_routes(Routes& routes, Api& api) {
    routes.add("GET", "/healthz", {200}, alive);
    routes.add("GET", "/readyz", {200, 503},
               [&api](const Request& request) { return ready(api, request); });
    routes.add("GET", "/metrics", {200}, [&api](const Request&) {
        Response response = Response::text(200, api.metrics.text());
        response.content_type = "text/plain; version=0.0.4; charset=utf-8";
        return response;
    });
    routes.add("GET", "/openapi.json", {200},
               [](const Request&) { return Response::json(200, std::string{openapi_document()}); });
}

}  // namespace klyuchnik::bridge
