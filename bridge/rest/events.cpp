#include <charconv>

#include "bridge/rest/api.hpp"
#include "bridge/rest/pages.hpp"
#include "bridge/rest/problem.hpp"
#include "topics/codec.hpp"

namespace klyuchnik::bridge {
namespace {

using std::chrono::steady_clock;

/// A stream that has nothing to say says so, or proxies take it for dead.
constexpr std::chrono::seconds kHeartbeat{15};
/// How long a revoked session may go on listening.
constexpr std::chrono::seconds kRecheck{5};
/// How soon a stream notices that its client has left.
constexpr std::chrono::milliseconds kLookAround{200};

std::int64_t position_from(std::string_view text, const char* name) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < 0) {
        throw bad_request(std::string{name} + ": expected a position, an integer from 0");
    }
    return value;
}

/// GET /v1/events?after=N&limit=: CloudEvents by position, upwards. `next` is the position to go on
/// after, and it is always there: the feed has no end.
Response page(Api& api, const Request& request) {
    api.auth.require_admin(request);
    const Page page = page_of(request, "events");
    const std::int64_t after = position_from(request.parameter("after").value_or("0"), "after");
    const auto events = api.reads.read(
        [&](db::Tx& tx) { return db::events_after(tx, topics::Position{after}, page.limit); });
    std::string body = "{\"items\":[";
    for (const topics::PlacedEvent& event : events) {
        if (body.back() == '}') body += ',';
        body += topics::encode(event);
    }
    const std::int64_t next = events.empty() ? after : events.back().position.value;
    return Response::json(200, body + "],\"next\":" + std::to_string(next) + "}");
}

void run(Api& api, const Caller& caller, std::int64_t position, StreamSink& sink) {
    auto spoke = steady_clock::now();
    auto checked = spoke;
    if (!sink.write("retry: 2000\n\n")) return;
    while (sink.open()) {
        std::string text;
        for (const FeedItem& item : api.hub.wait(position, steady_clock::now() + kLookAround)) {
            text += *item.text;
            position = item.position;
        }
        const auto now = steady_clock::now();
        if (now - checked >= kRecheck) {
            checked = now;
            if (!api.auth.still_good(caller)) {
                sink.write("event: session_over\ndata: {}\n\n");
                return;
            }
        }
        if (text.empty() && now - spoke >= kHeartbeat) text = ":\n\n";
        if (text.empty()) continue;
        if (!sink.write(text)) return;
        spoke = now;
    }
}

/// GET /v1/events/stream: server-sent events. The id of each is its position, so that a browser
/// that comes back names the last one it has (Last-Event-ID) and misses nothing. Without a place to
/// start from it begins with what happens next.
Response stream(Api& api, const Request& request) {
    const Caller caller = api.auth.require_admin(request);
    std::int64_t position = 0;
    if (request.has_header("last-event-id")) {
        position = position_from(request.header("last-event-id"), "Last-Event-ID");
    } else if (const auto after = request.parameter("after")) {
        position = position_from(*after, "after");
    } else {
        position = api.hub.last();
    }
    Response response;
    response.content_type = "text/event-stream";
    response.with("X-Accel-Buffering", "no");
    response.stream = [&api, caller, position](StreamSink& sink) {
        run(api, caller, position, sink);
    };
    return response;
}

}  // namespace

void add_event_routes(Routes& routes, Api& api) {
    routes.add("GET", "/v1/events", reading({200, 400}),
               [&api](const Request& request) { return page(api, request); });
    routes.add("GET", "/v1/events/stream", reading({200, 400}),
               [&api](const Request& request) { return stream(api, request); });
}

}  // namespace klyuchnik::bridge
