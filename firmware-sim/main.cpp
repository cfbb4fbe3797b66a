// klyuchnik-sim: a building full of key cabinets and people.
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <unistd.h>

#include "firmware-sim/cabinet/world.hpp"
#include "firmware-sim/conformance/tool.hpp"
#include "firmware-sim/load/fleet.hpp"
#include "firmware-sim/load/report.hpp"
#include "firmware-sim/load/storm.hpp"
#include "process/log.hpp"
#include "process/settings.hpp"
#include "process/shutdown.hpp"

namespace {

using namespace klyuchnik;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr std::chrono::seconds kOnlineWaitMax{20};
constexpr int kNotDrained = 3;

struct Options {
    sim::FleetSettings fleet;
    std::string devices_file;
    std::string world_file;
    std::string state_dir;
    std::string report_file;
    std::int64_t seconds = 0;
    std::int64_t drain_seconds = 30;
    std::int64_t seed = 0;
    bool quiet = false;
    bool flush = true;
};

struct StormOptions {
    sim::StormSettings storm;
    std::string devices_file;
    std::int64_t devices = 0;
    std::int64_t seed = 0;
    bool until_current = false;
};

struct Percent {
    std::string name;
    double* target;
    std::string text;
};

std::string percent_text(double value) {
    char buffer[32];
    const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value);
    return error == std::errc{} ? std::string(buffer, end) : std::string{};
}

bool parse_percent(const std::string& text, double& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc{} && end == text.data() + text.size() && out >= 0 && out <= 100;
}

void say(const sim::Tally& t, const sim::Latencies& recent, bool last) {
    const bool terminal = ::isatty(STDERR_FILENO) != 0;
    std::fprintf(
        stderr,
        "%sasked %lld  granted %lld  refused %lld  offline %lld  taken %lld  returned %lld  "
        "p50 %.1f ms  p99 %.1f ms  unacked %lld  online %lld%s",
        terminal ? "\r\033[K" : "", static_cast<long long>(t.asked),
        static_cast<long long>(t.granted), static_cast<long long>(t.refused),
        static_cast<long long>(t.offline_decisions), static_cast<long long>(t.taken),
        static_cast<long long>(t.returned), static_cast<double>(recent.at(0.5)) / 1000.0,
        static_cast<double>(recent.at(0.99)) / 1000.0, static_cast<long long>(t.unacked),
        static_cast<long long>(t.online), terminal && !last ? "" : "\n");
    std::fflush(stderr);
}

int run(Options& options) {
    options.fleet.state_dir = options.state_dir;
    options.fleet.seed = static_cast<std::uint64_t>(options.seed);
    options.fleet.flush = options.flush;
    sim::Fleet fleet{options.fleet, sim::read_devices(options.devices_file),
                     sim::read_world(options.world_file)};
    fleet.start();
    const auto deadline = steady_clock::now() + kOnlineWaitMax;
    while (fleet.tally().online < fleet.devices() && steady_clock::now() < deadline &&
           !fleet.failed() && !process::Shutdown::wait_for(50ms)) {
    }
    fleet.open_doors();
    const auto started = steady_clock::now();
    auto next_line = started + 1s;
    const auto follow = [&](steady_clock::time_point until, auto finished, bool stops_on_signal) {
        while (!fleet.failed() && !finished() && steady_clock::now() < until) {
            if (stops_on_signal) {
                if (process::Shutdown::wait_for(50ms)) return;
            } else {
                ::usleep(20'000);
            }
            if (!options.quiet && steady_clock::now() >= next_line) {
                next_line += 1s;
                say(fleet.tally(), fleet.latencies(true), false);
            }
        }
    };
    const auto forever = steady_clock::time_point::max();
    follow(
        options.seconds == 0 ? forever : started + std::chrono::seconds{options.seconds},
        [] { return false; }, true);
    const std::chrono::duration<double> asked_for = steady_clock::now() - started;
    fleet.close_doors();
    // The numbers are published ten times a second: drained() must not read those from before the
    // closing.
    const auto settled = steady_clock::now() + 300ms;
    follow(
        steady_clock::now() + std::chrono::seconds{options.drain_seconds},
        [&] { return steady_clock::now() > settled && fleet.drained(); }, false);

    sim::Report report;
    report.devices = fleet.devices();
    report.seconds = asked_for.count();
    const bool failed = fleet.failed();
    fleet.stop();
    report.tally = fleet.tally();
    report.latencies = fleet.latencies(false);
    report.drained = !failed && fleet.drained();
    if (!options.quiet) say(report.tally, report.latencies, true);
    const std::string json = sim::to_json(report);
    if (!options.report_file.empty()) sim::write_file(options.report_file, json + "\n");
    std::printf("%s\n", json.c_str());
    return report.drained ? 0 : kNotDrained;
}

int storm(StormOptions& options) {
    auto devices = sim::read_devices(options.devices_file);
    const auto wanted = static_cast<std::size_t>(options.devices);
    if (wanted > devices.size()) {
        throw std::runtime_error{options.devices_file + " has only " +
                                 std::to_string(devices.size()) + " devices"};
    }
    if (wanted > 0) devices.resize(wanted);
    options.storm.seed = static_cast<std::uint64_t>(options.seed);
    const sim::StormReport report = sim::run_storm(
        options.storm, devices,
        [&](const sim::StormReport& now) {
            return process::Shutdown::requested() || (options.until_current && now.storms > 0);
        },
        [](const sim::StormReport& now) {
            std::printf("%s\n", sim::to_json(now).c_str());
            std::fflush(stdout);
        });
    std::printf("%s\n", sim::to_json(report).c_str());
    return report.current == report.devices && (!options.until_current || report.storms > 0)
               ? 0
               : kNotDrained;
}

void storm_options(process::Settings& settings, StormOptions& options) {
    sim::StormSettings& its = options.storm;
    settings.text("host", its.host, "Broker");
    settings.number("port", its.port, 1, 65535, "Port of the broker's listener for devices");
    settings.text("ca-file", its.ca_file, "Authority of the broker's certificate, PEM: TLS");
    settings.text("devices-file", options.devices_file, "Lines: ID SECRET");
    settings.number("devices", options.devices, 0, 100'000, "So many of them; 0 = all");
    settings.number("connect-spread-ms", its.connect_spread_ms, 0, 3'600'000,
                    "The first connects are spread over so long, ms");
    settings.number("reconnect-first-ms", its.reconnect_first_ms, 10, 600'000,
                    "After a loss: connect again after this, ms");
    settings.number("reconnect-max-ms", its.reconnect_max_ms, 10, 3'600'000,
                    "The wait doubles up to this, ms");
    settings.number("resend-ms", its.resend_ms, 10, 60'000,
                    "A birth or batch without an ack is repeated after this, ms");
    settings.number("resend-max-ms", its.resend_max_ms, 10, 600'000,
                    "The wait doubles up to this, ms");
    settings.number("heartbeat-s", its.heartbeat_s, 5, 3600, "Between heartbeats, s");
    settings.number("packet-bytes", its.packet_bytes_max, 256, 131'072,
                    "Largest packet of a cabinet, bytes");
    settings.number("facts-per-loss", its.facts_per_loss, 0, 100,
                    "Facts that each has to tell when it is back");
    settings.number("seed", options.seed, 0, 1'000'000'000,
                    "Of all chances; 0 = another each time");
    settings.flag("until-current", options.until_current,
                  "End when at least half have lost their connection and all are current again");
}

}  // namespace

int main(int argc, char** argv) {
    process::Shutdown::install();
    Options options;
    process::LogSettings log;
    log.program = "klyuchnik-sim";
    process::Settings settings{"klyuchnik-sim", "A building full of simulated key cabinets"};
    process::log_options(settings, log);
    process::Settings& run_options =
        settings.subcommand("run", "Connect the cabinets and let people come");
    sim::FleetSettings& fleet = options.fleet;
    run_options.text("host", fleet.host, "Broker");
    run_options.number("port", fleet.port, 1, 65535, "Port of the broker's listener for devices");
    run_options.text("ca-file", fleet.ca_file,
                     "CA that signed the broker's certificate (PEM); empty = no TLS");
    run_options.text("devices-file", options.devices_file, "Lines: ID SECRET");
    run_options.text("world", options.world_file,
                     "Lines: key CABINET SLOT NAME TAG, card SERIAL KEY,KEY,...");
    run_options.text("state-dir", options.state_dir, "Journals, generated.tsv, actuated.tsv");
    run_options.text("report", options.report_file, "Where the result goes, one JSON object");
    run_options.number("seconds", options.seconds, 0, 1'000'000,
                       "How long people come, s; 0 = until a signal");
    run_options.number("drain-seconds", options.drain_seconds, 0, 100'000,
                       "How long journals may take to empty at the end, s");
    run_options.number("rate", fleet.rate, 0, 100'000,
                       "Questions per second, all cabinets together");
    run_options.number("threads", fleet.threads, 1, 16, "Threads that share the cabinets");
    run_options.number("hold-ms", fleet.hold_ms, 1, 1'000'000,
                       "How long a key is out, on average, ms");
    run_options.number("take-ms", fleet.take_ms, 1, 9000,
                       "From the open slot to the key in the hand, on average, ms");
    run_options.number("offline-ms", fleet.offline_ms, 1, 1'000'000,
                       "How long a cabinet that goes offline stays so, on average, ms");
    run_options.number("resend-ms", fleet.resend_ms, 10, 60'000,
                       "A batch without an ack is repeated after this, ms");
    run_options.number("resend-max-ms", fleet.resend_max_ms, 10, 600'000,
                       "The wait doubles up to this, ms");
    run_options.number("request-deadline-ms", fleet.request_deadline_ms, 10, 60'000,
                       "Then the cabinet decides alone, ms");
    run_options.number("heartbeat-s", fleet.heartbeat_s, 5, 3600, "Between heartbeats, s");
    run_options.number("packet-bytes", fleet.packet_bytes_max, 256, 131'072,
                       "Largest packet of a cabinet, bytes");
    run_options.number("seed", options.seed, 0, 1'000'000'000,
                       "Of all chances; 0 = another each time");
    run_options.flag("flush", options.flush, "Flush journals to the disk at every write");
    run_options.flag("return-keys", fleet.return_keys, "Bring all keys back at the end");
    run_options.flag("quiet", options.quiet, "No line a second");
    std::vector<Percent> percents{
        {"resend-percent", &fleet.resend_percent, {}},
        {"reboot-percent", &fleet.reboot_percent, {}},
        {"offline-percent", &fleet.offline_percent, {}},
        {"unknown-card-percent", &fleet.unknown_card_percent, {}},
        {"no-right-percent", &fleet.no_right_percent, {}},
        {"walk-away-percent", &fleet.walk_away_percent, {}},
        {"force-percent", &fleet.force_percent, {}},
        {"wrong-clock-percent", &fleet.wrong_clock_percent, {}},
    };
    for (Percent& percent : percents) {
        percent.text = percent_text(*percent.target);
        run_options.text(
            percent.name, percent.text,
            percent.name == "wrong-clock-percent" ? "Of cabinets, %" : "Of questions, %");
    }
    StormOptions storm_choice;
    storm_options(settings.subcommand("storm", "Thousands of cabinets, lost and back at once"),
                  storm_choice);
    sim::conformance::ExamOptions exam;
    declare_options(settings.subcommand("conformance",
                                        "Play the server against one device, and "
                                        "say what the device does wrong"),
                    exam);
    sim::conformance::OneDeviceOptions one;
    declare_options(settings.subcommand("run-one", "One device, right or wrong on purpose"), one);
    if (const auto exit_code = settings.parse(argc, argv)) return *exit_code;
    if (settings.chosen() == "conformance" || settings.chosen() == "run-one") {
        try {
            return settings.chosen() == "run-one" ? run_one(one) : run_exam(exam);
        } catch (const std::exception& error) {
            std::fprintf(stderr, "klyuchnik-sim: %s\n", error.what());
            return 1;
        }
    }
    if (settings.chosen() == "storm") {
        if (storm_choice.devices_file.empty()) {
            std::fprintf(stderr, "klyuchnik-sim: storm needs --devices-file\n");
            return 2;
        }
        process::start_log(log);
        int code = 1;
        try {
            code = storm(storm_choice);
        } catch (const std::exception& error) {
            process::log::error("{}", error.what());
        }
        process::stop_log();
        return code;
    }
    if (settings.chosen() != "run") {
        std::fprintf(stderr, "klyuchnik-sim: say what to do: klyuchnik-sim run --help\n");
        return 2;
    }
    for (const Percent& percent : percents) {
        if (parse_percent(percent.text, *percent.target)) continue;
        std::fprintf(stderr, "klyuchnik-sim: --%s: expected a number from 0 to 100, got \"%s\"\n",
                     percent.name.c_str(), percent.text.c_str());
        return 2;
    }
    if (options.devices_file.empty() || options.world_file.empty() || options.state_dir.empty()) {
        std::fprintf(stderr, "klyuchnik-sim: run needs --devices-file, --world and --state-dir\n");
        return 2;
    }
    process::start_log(log);
    int code = 1;
    try {
        code = run(options);
    } catch (const std::exception& error) {
        process::log::error("{}", error.what());
    }
    process::stop_log();
    return code;
}
