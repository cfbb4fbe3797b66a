#include <algorithm>
#include <stdexcept>

#include "bridge/rest/api.hpp"
#include "bridge/rest/json.hpp"
#include "bridge/rest/places.hpp"
#include "bridge/rest/problem.hpp"
#include "bridge/rest/secrets.hpp"
#include "db/access/device_views.hpp"
#include "db/access/document_views.hpp"

namespace klyuchnik::bridge {
namespace {

/// A document is put together in memory, up to 8 MiB: so many at once, the next is told 503.
constexpr std::size_t kDownloadsMax = 4;
constexpr std::int64_t kPieceBytes = std::int64_t{256} << 10;
constexpr std::string_view kLogs = "logs";

/// GET /v1/devices/{device}/documents: all of them, some tens at most, and what is being fetched.
Response list(Api& api, const Request& request) {
    api.auth.require_admin(request);
    const topics::DeviceId id = device_in_path(request);
    if (!api.reads.read([&](db::Tx& tx) { return db::device(tx, id).has_value(); })) {
        throw problem_of(topics::Code::unknown_device);
    }
    const auto documents = api.reads.read([&](db::Tx& tx) { return db::documents(tx, id); });
    const auto uploads = api.reads.read([&](db::Tx& tx) { return db::uploads(tx, id); });
    return Response::json(200, to_json(documents, uploads));
}

/// A device chose the name, and it goes into a header and onto a disk.
std::string file_name(const db::DocumentRow& document) {
    std::string name =
        document.device + "-" + document.name + "-" + std::to_string(document.version.value);
    std::ranges::replace_if(
        name,
        [](char c) {
            return !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '_');
        },
        '_');
    return name + (document.name == kLogs ? ".txt" : ".bin");
}

/// GET /v1/devices/{device}/documents/{name}?direction=up|down&version=: the newest unless another
/// is named. Always an attachment: what a device wrote is not shown as a page of ours.
Response download(Api& api, Places& places, const Request& request) {
    api.auth.require_admin(request);
    const topics::DeviceId id = device_in_path(request);
    const bool down = word_in_query(request, "direction", {"up", "down"}) == "down";
    const topics::Version version{id_in_query(request, "version").value_or(0)};
    const Places::Place place = places.take();
    if (!place) throw Problem{503, "busy", "Too many downloads at once", 1};
    const auto document = api.reads.read([&](db::Tx& tx) {
        return db::document(tx, id, down ? db::Direction::down : db::Direction::up,
                            request.captures.at("name"), version);
    });
    if (!document) throw problem_of(topics::Code::unknown_document);
    Response response;
    while (static_cast<std::int64_t>(response.body.size()) < document->bytes) {
        const auto offset = static_cast<std::int64_t>(response.body.size());
        const std::string piece = api.reads.read(
            [&](db::Tx& tx) { return db::document_piece(tx, *document, offset, kPieceBytes); });
        // Replaced and forgotten meanwhile.
        if (piece.empty()) throw problem_of(topics::Code::unknown_document);
        response.body += piece;
    }
    if (sha256_hex(response.body) != document->sha256) {
        throw std::logic_error{"a stored document is not what its hash says"};
    }
    response.content_type =
        document->name == kLogs && !down ? "text/plain; charset=utf-8" : "application/octet-stream";
    response.with("Content-Disposition", "attachment; filename=\"" + file_name(*document) + "\"");
    return response;
}

}  // namespace

void add_document_routes(Routes& routes, Api& api) {
    const auto places = std::make_shared<Places>(kDownloadsMax);
    routes.add("GET", "/v1/devices/{device}/documents", reading({200, 404}),
               [&api](const Request& request) { return list(api, request); });
    routes.add("GET", "/v1/devices/{device}/documents/{name}", reading({200, 400, 404}),
               [&api, places](const Request& request) { return download(api, *places, request); });
}

}  // namespace klyuchnik::bridge
