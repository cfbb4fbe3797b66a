#include <algorithm>
#include <charconv>

#include "bridge/rest/api.hpp"
#include "bridge/rest/json.hpp"
#include "bridge/rest/pages.hpp"
#include "bridge/rest/places.hpp"
#include "bridge/rest/problem.hpp"
#include "db/access/api_views.hpp"
#include "db/access/fleet_views.hpp"

namespace klyuchnik::bridge {
namespace {

using std::chrono::steady_clock;

constexpr std::string_view kList = "commands";
/// A client may wish for more; it gets this much of it.
constexpr std::chrono::seconds kWaitMax{25};
/// Without news of the command (the broker away) its row is looked at so often.
constexpr std::chrono::seconds kLookAgain{1};

/// "respond-async, wait=10" → 10 s. What is no such wish, or is badly written, is no wish: a
/// preference is never an error.
std::chrono::seconds wait_wanted(const Request& request) {
    std::string_view rest = request.header("prefer");
    while (!rest.empty()) {
        const std::size_t end = rest.find_first_of(",;");
        std::string_view one = rest.substr(0, end);
        rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
        while (!one.empty() && one.front() == ' ') one.remove_prefix(1);
        while (!one.empty() && one.back() == ' ') one.remove_suffix(1);
        if (!one.starts_with("wait=")) continue;
        one.remove_prefix(5);
        int seconds = 0;
        const auto [last, error] = std::from_chars(one.data(), one.data() + one.size(), seconds);
        if (error != std::errc{} || last != one.data() + one.size() || seconds < 0) return {};
        return std::min(std::chrono::seconds{seconds}, kWaitMax);
    }
    return {};
}

class Commands {
 public:
    explicit Commands(Api& api) : api_{api}, places_{kWaitingCommandsMax} {}

    /// POST /v1/devices/{device}/commands {kind,life_seconds?,...}
    Response send(const Request& request) {
        const Caller caller = api_.auth.require_admin(request);
        const std::string key = idempotency_key(request);
        auto body = ask_body(request, "devices", "send_command",
                             {{"device", device_in_path(request).text()}});
        Wait wait = begin(request);
        const std::string answer = content_of(api_.asks.ask(caller.by, key, std::move(body)));
        const auto id = member_number(answer, "cmd");
        if (!id) throw std::logic_error{"a queued command has no number"};
        const topics::CommandId command{*id};
        // It is queued, whatever becomes of reading it.
        try {
            return read_done([&] { return show_end(command, wait, 202); });
        } catch (const Problem& problem) {
            if (problem.status != done_and_not_shown().status) throw;
        }
        return Response::empty(202).with("Location", place_of(command));
    }

    /// GET /v1/commands/{command}
    Response show(const Request& request) {
        api_.auth.require_admin(request);
        const topics::CommandId id{id_in_path(request, "command")};
        Wait wait = begin(request);
        return show_end(id, wait, 200);
    }

 private:
    struct Wait {
        std::chrono::seconds length{0};  ///< 0: not wished for, or too many wait already.
        steady_clock::time_point until;
        std::int64_t position = 0;
        Places::Place place;
    };

    /// Where in the feed to listen from must be known before the command can end.
    Wait begin(const Request& request) {
        Wait wait;
        wait.length = wait_wanted(request);
        if (wait.length.count() == 0) return wait;
        wait.place = places_.take();
        if (!wait.place) {
            wait.length = {};
            return wait;
        }
        wait.until = steady_clock::now() + wait.length;
        wait.position = api_.hub.last();
        return wait;
    }

    static std::string place_of(topics::CommandId id) {
        return "/v1/commands/" + std::to_string(id.value);
    }

    db::CommandRow row_of(topics::CommandId id) {
        auto row = api_.reads.read([&](db::Tx& tx) { return db::command(tx, id); });
        if (!row) throw problem_of(topics::Code::unknown_command);
        return std::move(*row);
    }

    /// Until the command may have changed. False when the time is over, or the server stops.
    bool wait_for_news(topics::CommandId id, Wait& wait) {
        const auto look = std::min(wait.until, steady_clock::now() + kLookAgain);
        while (steady_clock::now() < look) {
            const auto items = api_.hub.wait(wait.position, look);
            if (items.empty() && steady_clock::now() < look) return false;
            bool concerned = false;
            for (const FeedItem& item : items) {
                concerned = concerned || item.command == id.value;
                wait.position = item.position;
            }
            if (concerned) return true;
        }
        return look < wait.until;
    }

    Response show_end(topics::CommandId id, Wait& wait, int status_until_end) {
        db::CommandRow row = row_of(id);
        while (!row.finished && wait.length.count() > 0 && wait_for_news(id, wait)) {
            row = row_of(id);
        }
        if (!row.finished && wait.length.count() > 0) row = row_of(id);
        Response response = Response::json(row.finished ? 200 : status_until_end, to_json(row));
        if (response.status == 202) {
            response.with("Location", place_of(id));
        }
        if (wait.length.count() > 0) {
            response.with("Preference-Applied", "wait=" + std::to_string(wait.length.count()));
        }
        return response;
    }

    Api& api_;
    Places places_;
};

/// GET /v1/commands?device=&state=: newest first.
Response list(Api& api, const Request& request) {
    api.auth.require_admin(request);
    const Page page = page_of(request, kList);
    db::CommandsFilter filter;
    filter.device = request.parameter("device");
    filter.state = word_in_query(
        request, "state", {"queued", "sent", "accepted", "done", "failed", "expired", "unknown"});
    const topics::CommandId before{page.place_or(db::kFromTheNewest)};
    const auto rows =
        api.reads.read([&](db::Tx& tx) { return db::commands(tx, filter, before, page.rows()); });
    return write_page(
        page, kList, rows, [](const auto& row) { return to_json(row); },
        [](const auto& row) { return std::to_string(row.command.value); });
}

}  // namespace

void add_command_routes(Routes& routes, Api& api) {
    const auto commands = std::make_shared<Commands>(api);
    routes.add("POST", "/v1/devices/{device}/commands", writing({200, 202}),
               [commands](const Request& request) { return commands->send(request); });
    routes.add("GET", "/v1/commands", reading({200, 400}),
               [&api](const Request& request) { return list(api, request); });
    routes.add("GET", "/v1/commands/{command}", reading({200, 404}),
               [commands](const Request& request) { return commands->show(request); });
}

}  // namespace klyuchnik::bridge
