// klyuchnik-witness: fills a fresh system for the demo, and says whether the database tells the
// same story as the devices.

#include <iostream>

#include "db/access/connection.hpp"
#include "process/log.hpp"
#include "process/settings.hpp"
#include "tests/support/witness/seed.hpp"
#include "tests/support/witness/verdict.hpp"

namespace {

using namespace klyuchnik;

struct Options {
    witness::Api api;
    std::int64_t api_port = 8080;
    witness::Building building;
    std::string world;
    std::string devices;
    std::string database = "dbname=klyuchnik";
    std::string state_dir;
    std::string report;
    std::string device;
    std::string name;
};

int run(Options& options, const std::string& chosen) {
    options.api.port = static_cast<int>(options.api_port);
    if (chosen == "seed") {
        witness::seed(options.api, options.building, options.world, options.devices);
        return 0;
    }
    if (chosen == "add-device") {
        const std::string secret = witness::add_device(
            options.api, options.device, options.name.empty() ? options.device : options.name);
        std::cout << options.device << ' ' << secret << '\n';
        return 0;
    }
    if (chosen == "verdict") {
        db::Connection connection{{options.database, "kl_witness", "klyuchnik-witness", false}};
        const witness::Verdict verdict =
            witness::judge(options.state_dir, options.report, connection);
        std::cout << verdict.json() << '\n';
        return verdict.clean() ? 0 : 1;
    }
    std::cerr << "say what to do: seed, add-device or verdict (see --help)\n";
    return 2;
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    process::Settings settings{
        "klyuchnik-witness",
        "Fills a system for the demo, and checks the database against the devices."};
    settings.text("api-host", options.api.host, "where the bridge listens");
    settings.number("api-port", options.api_port, 1, 65535, "port of the bridge");
    settings.text("login", options.api.login, "administrator");
    settings.secret_file("admin-password-file", options.api.password,
                         "file with the administrator's password");
    settings.text("db", options.database, "libpq connection string, without user and password");
    process::Settings& seed = settings.subcommand("seed", "make cabinets, keys, people and rights");
    seed.number("cabinets", options.building.cabinets, 1, 10'000, "cabinets");
    seed.number("people", options.building.people, 1, 100'000, "people");
    seed.number("keys", options.building.keys, 1, 100'000, "keys");
    seed.number("rights", options.building.rights_per_person, 1, 1000, "rights per person");
    seed.text("world", options.world, "file to write: keys and cards, for the simulator");
    seed.text("devices", options.devices,
              "file to write: ids and secrets, for broker and simulator");
    process::Settings& add =
        settings.subcommand("add-device", "add and claim a device, print \"id secret\"");
    add.text("device", options.device, "id, kc-... or sg-...");
    add.text("name", options.name, "name for people; empty = the id");
    process::Settings& verdict =
        settings.subcommand("verdict", "compare devices and database, print one JSON object");
    verdict.text("state-dir", options.state_dir, "the simulator's --state-dir");
    verdict.text("report", options.report, "the simulator's --report");
    if (const auto exit_code = settings.parse(argc, argv)) return *exit_code;
    try {
        return run(options, settings.chosen());
    } catch (const std::exception& error) {
        std::cerr << "klyuchnik-witness: " << error.what() << '\n';
        return 1;
    }
}
