#include "bridge/rest/api.hpp"
#include "bridge/rest/json.hpp"
#include "bridge/rest/pages.hpp"
#include "bridge/rest/problem.hpp"

namespace klyuchnik::bridge {
namespace {

constexpr std::string_view kList = "loans";

/// GET /v1/loans?state=open|all&key=&person=: newest first.
Response list(Api& api, const Request& request) {
    api.auth.require_admin(request);
    const Page page = page_of(request, kList);
    db::LoansFilter filter;
    const std::string state = request.parameter("state").value_or("open");
    if (state != "open" && state != "all") throw bad_request("state: expected open or all");
    filter.open_only = state == "open";
    if (const auto id = id_in_query(request, "key")) filter.key = topics::KeyId{*id};
    if (const auto id = id_in_query(request, "person")) filter.person = topics::PersonId{*id};
    const topics::LoanId before{page.place_or(db::kFromTheNewest)};
    const auto rows =
        api.reads.read([&](db::Tx& tx) { return db::loans(tx, filter, before, page.rows()); });
    return write_page(
        page, kList, rows, [](const auto& row) { return to_json(row); },
        [](const auto& row) { return std::to_string(row.loan.value); });
}

}  // namespace

void add_loan_routes(Routes& routes, Api& api) {
    routes.add("GET", "/v1/loans", reading({200, 400}),
               [&api](const Request& request) { return list(api, request); });
}

}  // namespace klyuchnik::bridge
