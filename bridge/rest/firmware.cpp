// Firmware: images in, offered to chosen devices at a limited rate.
//
// An image goes to the handlers in pieces, each an ask of its own, and becomes known with one more:
// until then nothing refers to it. An upload that breaks off is forgotten after a day.
#include <thread>

#include "bridge/rest/api.hpp"
#include "bridge/rest/json.hpp"
#include "bridge/rest/pages.hpp"
#include "bridge/rest/places.hpp"
#include "bridge/rest/problem.hpp"
#include "bridge/rest/retries.hpp"
#include "bridge/rest/secrets.hpp"
#include "db/access/api_views.hpp"
#include "db/access/firmware_views.hpp"
#include "topics/limits.hpp"

namespace klyuchnik::bridge {
namespace {

using std::chrono::steady_clock;

constexpr std::string_view kList = "firmware";
constexpr std::string_view kRollouts = "rollouts";
constexpr std::string_view kRolloutDevices = "rollout-devices";
/// A piece whose answer did not come, or that was not taken, is sent again as kRetryPauses says,
/// while the whole takes no longer than this.
constexpr std::chrono::seconds kUploadTimeMax{90};
constexpr std::size_t kSignatureBytes = 64;

std::string required_parameter(const Request& request, const std::string& name) {
    auto text = request.parameter(name);
    if (!text || text->empty()) throw bad_request(name + ": missing in the query");
    return std::move(*text);
}

/// Base64 of either alphabet: in a query a `+` that nobody escaped has become a space.
std::string signature_in_query(const Request& request) {
    const std::string text = required_parameter(request, "signature");
    auto bytes = from_base64(text);
    if (!bytes) bytes = from_base64url(text);
    if (!bytes || bytes->size() != kSignatureBytes) {
        throw bad_request("signature: expected the 64 bytes of Ed25519 as base64 or base64url");
    }
    return base64(*bytes);
}

class Firmware {
 public:
    explicit Firmware(Api& api) : api_{api}, places_{kUploadsMax} {}

    /// Before the body is read: only an administrator may send so much, and few at once.
    std::shared_ptr<void> admit(const Request& request) {
        api_.auth.require_admin(request);
        (void)ask_of(request, "");
        Places::Place place = places_.take();
        if (!place) throw Problem{503, "busy", "Too many uploads at once: nothing was done", 5};
        return place;
    }

    /// POST /v1/firmware?version=&signature=&notes=, the image as the body.
    Response upload(const Request& request) {
        const Caller caller = api_.auth.require_admin(request);
        const std::string key = idempotency_key(request);
        if (request.body.empty()) throw bad_request("the body is the image, and it is empty");
        const std::string sha256 = sha256_hex(request.body);
        auto ask = ask_of(request, sha256);
        send_pieces(caller, request.body, sha256);
        content_of(api_.asks.ask(caller.by, key, std::move(ask)));
        const std::string version = required_parameter(request, "version");
        return Response::json(201, texts_json({{"version", version}, {"sha256", sha256}}))
            .with("Location", "/v1/firmware");
    }

 private:
    static topics::AskBody ask_of(const Request& request, const std::string& sha256) {
        std::string_view type = request.header("content-type");
        if (type.substr(0, type.find(';')) != "application/octet-stream") {
            throw Problem{415, "malformed", "Content-Type: application/octet-stream is expected"};
        }
        return decode_ask("devices", "add_firmware",
                          {{"version", required_parameter(request, "version")},
                           {"sha256", sha256.empty() ? std::string(64, '0') : sha256},
                           {"signature", signature_in_query(request)},
                           {"notes", request.parameter("notes").value_or("")}});
    }

    /// One after the other: the handlers serve others in between. Each request has ids of its own,
    /// for an answer kept from an earlier upload would say "done" of pieces that have been
    /// forgotten meanwhile; a piece that is there already does no harm.
    void send_pieces(const Caller& caller, const std::string& content, const std::string& sha256) {
        constexpr auto kPiece = static_cast<std::size_t>(topics::limits::kBlobPartBytesMax);
        const auto deadline = steady_clock::now() + kUploadTimeMax;
        const std::string upload = random_hex(12);
        const std::size_t total = (content.size() + kPiece - 1) / kPiece;
        for (std::size_t i = 0; i < total; ++i) {
            topics::AddBlobPart part;
            part.sha256 = sha256;
            part.bytes = static_cast<std::int64_t>(content.size());
            part.index = static_cast<std::int64_t>(i);
            part.total = static_cast<std::int64_t>(total);
            part.content = base64(std::string_view{content}.substr(i * kPiece, kPiece));
            const std::string answer =
                send_piece(caller, upload + "-" + std::to_string(i), part, deadline);
            // All there: the same image was sent before.
            if (member_number(answer, "missing") == 0) return;
        }
        throw Problem{503, "unavailable", "The image did not arrive whole: send it again", 1};
    }

    std::string send_piece(const Caller& caller, const std::string& id,
                           const topics::AddBlobPart& part, steady_clock::time_point deadline) {
        for (std::size_t tried = 1;; ++tried) {
            if (steady_clock::now() >= deadline) throw outcome_unknown();
            try {
                return content_of(api_.asks.ask(caller.by, id, part));
            } catch (const Problem& problem) {
                const bool passing = problem.status == 503 || problem.status == 504;
                const auto pause = pause_before_next(tried, steady_clock::now(), deadline);
                if (!passing || !pause) throw;
                std::this_thread::sleep_for(*pause);
            }
        }
    }

    Api& api_;
    Places places_;
};

/// GET /v1/firmware: by version as text.
Response list(Api& api, const Request& request) {
    api.auth.require_admin(request);
    const Page page = page_of(request, kList);
    const auto rows = api.reads.read(
        [&](db::Tx& tx) { return db::firmware(tx, page.place.value_or(""), page.rows()); });
    return write_page(
        page, kList, rows, [](const auto& row) { return to_json(row); },
        [](const auto& row) { return row.version; });
}

/// POST /v1/firmware/{version}/rollouts {devices,per_minute?,failures_max?}
Response start_rollout(Api& api, const Request& request) {
    const Caller caller = api.auth.require_admin(request);
    const std::string key = idempotency_key(request);
    auto body = ask_body(request, "devices", "start_rollout",
                         {{"version", request.captures.at("version")}});
    return write(api.asks.ask(caller.by, key, std::move(body)), {201, "/v1/rollouts/", "rollout"});
}

/// GET /v1/rollouts: newest first.
Response list_rollouts(Api& api, const Request& request) {
    api.auth.require_admin(request);
    const Page page = page_of(request, kRollouts);
    const topics::RolloutId before{page.place_or(db::kFromTheNewest)};
    const auto rows =
        api.reads.read([&](db::Tx& tx) { return db::rollouts(tx, before, page.rows()); });
    return write_page(
        page, kRollouts, rows, [](const auto& row) { return to_json(row); },
        [](const auto& row) { return std::to_string(row.rollout.value); });
}

Response show_rollout_row(Api& api, topics::RolloutId id) {
    const auto row = api.reads.read([&](db::Tx& tx) { return db::rollout(tx, id); });
    if (!row) throw problem_of(topics::Code::unknown_rollout);
    return Response::json(200, to_json(*row));
}

/// GET /v1/rollouts/{rollout}: how far it is.
Response show_rollout(Api& api, const Request& request) {
    api.auth.require_admin(request);
    return show_rollout_row(api, topics::RolloutId{id_in_path(request, "rollout")});
}

/// GET /v1/rollouts/{rollout}/devices: each with what became of it.
Response rollout_devices(Api& api, const Request& request) {
    api.auth.require_admin(request);
    const Page page = page_of(request, kRolloutDevices);
    const topics::RolloutId id{id_in_path(request, "rollout")};
    const auto rows = api.reads.read([&](db::Tx& tx) {
        return db::rollout_devices(tx, id, page.place.value_or(""), page.rows());
    });
    // A roll-out has at least one device: an empty first page is one that never was.
    if (rows.empty() && !page.place) throw problem_of(topics::Code::unknown_rollout);
    return write_page(
        page, kRolloutDevices, rows, [](const auto& row) { return to_json(row); },
        [](const auto& row) { return row.device; });
}

/// POST /v1/rollouts/{rollout}/stop {reason}: no further offers.
Response stop_rollout(Api& api, const Request& request) {
    const Caller caller = api.auth.require_admin(request);
    const std::string key = idempotency_key(request);
    const std::int64_t id = id_in_path(request, "rollout");
    auto body = ask_body(request, "devices", "stop_rollout", {{"rollout", id}});
    content_of(api.asks.ask(caller.by, key, std::move(body)));
    return read_done([&] { return show_rollout_row(api, topics::RolloutId{id}); });
}

}  // namespace

void add_firmware_routes(Routes& routes, Api& api) {
    const auto firmware = std::make_shared<Firmware>(api);
    routes.add("POST", "/v1/firmware", writing({201}),
               [firmware](const Request& request) { return firmware->upload(request); },
               {topics::limits::kDocumentBytesMax,
                [firmware](const Request& request) { return firmware->admit(request); }});
    routes.add("GET", "/v1/firmware", reading({200, 400}),
               [&api](const Request& request) { return list(api, request); });
    routes.add("POST", "/v1/firmware/{version}/rollouts", writing({201}),
               [&api](const Request& request) { return start_rollout(api, request); });
    routes.add("GET", "/v1/rollouts", reading({200, 400}),
               [&api](const Request& request) { return list_rollouts(api, request); });
    routes.add("GET", "/v1/rollouts/{rollout}", reading({200, 404}),
               [&api](const Request& request) { return show_rollout(api, request); });
    routes.add("GET", "/v1/rollouts/{rollout}/devices", reading({200, 400, 404}),
               [&api](const Request& request) { return rollout_devices(api, request); });
    routes.add("POST", "/v1/rollouts/{rollout}/stop", writing({200}),
               [&api](const Request& request) { return stop_rollout(api, request); });
}

}  // namespace klyuchnik::bridge
