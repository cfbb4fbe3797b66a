#pragma once

#include "bridge/rest/api.hpp"
#include "bridge/rest/secrets.hpp"

namespace klyuchnik::bridge {

/// Everything that routes work with, without a broker and without a database: enough for what is
/// decided before either is needed.
struct ApiFixture {
    ApiFixture() { add_routes(routes, api); }

    bool secrets = (start_secrets(), true);
    process::SystemClock clock;
    process::Metrics metrics;
    ReadPool reads{{"host=/nonexistent dbname=none", "", "test"}, 1, metrics};
    Auth auth{{parse_networks({"10.1.0.0/16"})}, reads, clock, metrics};
    AskClient asks{"bridge-1",
                   [](const std::string&, std::string_view, std::chrono::seconds) { return false; },
                   clock, metrics};
    EventHub hub{reads, metrics};
    Api api{{}, auth, asks, reads, hub, clock, metrics, [] { return false; }};
    Routes routes;
};

}  // namespace klyuchnik::bridge
