#include "bridge/rest/api.hpp"
#include "bridge/rest/json.hpp"
#include "bridge/rest/pages.hpp"

namespace klyuchnik::bridge {
namespace {

constexpr std::string_view kList = "conflicts";

/// GET /v1/conflicts: facts that broke a rule, newest first.
Response list(Api& api, const Request& request) {
    api.auth.require_admin(request);
    const Page page = page_of(request, kList);
    const auto rows = api.reads.read([&](db::Tx& tx) {
        return db::conflicts(tx, page.place_or(db::kFromTheNewest), page.rows());
    });
    return write_page(
        page, kList, rows, [](const auto& row) { return to_json(row); },
        [](const auto& row) { return std::to_string(row.conflict); });
}

}  // namespace

void add_conflict_routes(Routes& routes, Api& api) {
    routes.add("GET", "/v1/conflicts", reading({200, 400}),
               [&api](const Request& request) { return list(api, request); });
}

}  // namespace klyuchnik::bridge
