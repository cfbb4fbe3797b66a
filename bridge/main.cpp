// klyuchnik-bridge: HTTP in, asks over MQTT out, reads from PostgreSQL.
#include <atomic>
#include <chrono>
#include <csignal>
#include <exception>
#include <sstream>
#include <string>

#include "bridge/bridge.hpp"
#include "process/crash_point.hpp"
#include "process/log.hpp"
#include "process/settings.hpp"
#include "process/shutdown.hpp"

namespace {

using namespace klyuchnik;

/// How soon a SIGHUP is noticed.
constexpr std::chrono::seconds kLook{1};
std::atomic<bool> read_again{false};

void declare(process::Settings& settings, bridge::BridgeSettings& wanted,
             process::LogSettings& log) {
    settings.text("http-host", wanted.http_host, "Address to listen on");
    settings.number("http-port", wanted.http_port, 0, 65535, "Port to listen on; 0 = a free one");
    settings.text("tls-cert-file", wanted.tls_cert_file,
                  "Certificate (PEM): speak HTTPS; read again on SIGHUP");
    settings.text("tls-key-file", wanted.tls_key_file, "Its key (PEM)");
    settings.number("workers", wanted.workers, 31, 1024, "Threads for requests");
    settings.number("streams-max", wanted.streams_max, 0, 4096,
                    "Event streams at once, a thread each");
    settings.list("trusted-proxies", wanted.trusted_proxies,
                  "Networks of proxies whose X-Forwarded-For counts");
    settings.list("legacy-trusted-networks", wanted.legacy_trusted_networks,
                  "Networks whose old cabinets need no credential (dangerous)");
    settings.number("session-hours", wanted.session_hours, 1, 744, "How long a sign-in lasts, h");
    settings.text("public-mqtt-host", wanted.public_mqtt_host,
                  "Host of the broker as devices reach it, told to them with their credential");
    settings.number("public-mqtt-port", wanted.public_mqtt_port, 1, 65535, "Its port");
    settings.number("public-mqtt-certificates-port", wanted.public_mqtt_certificates_port, 0, 65535,
                    "Its port for devices with a certificate; 0 = none");
    settings.text("public-mqtt-ca-file", wanted.public_mqtt_ca_file,
                  "Authority of the broker's certificate (PEM), told too");
    settings.text("device-ca-cert-file", wanted.device_ca_cert_file,
                  "Authority for devices (PEM): give certificates to those that ask for one");
    settings.secret_file("device-ca-key-file", wanted.device_ca_key, "File with its key (PEM)");
    settings.text("db", wanted.database, "PostgreSQL connection string, without a password");
    settings.text("db-role", wanted.database_role, "PostgreSQL user; empty = as in db");
    process::mqtt_options(settings, wanted.mqtt);
    process::log_options(settings, log);
}

int serve(bridge::BridgeSettings wanted) {
    const process::SystemClock clock;
    process::Metrics metrics;
    const std::string host = wanted.http_host;
    const bool secure = !wanted.tls_cert_file.empty();
    // Without TLS there is nothing to read again, and a terminal that closes ends the program.
    if (secure) std::signal(SIGHUP, [](int) { read_again = true; });
    bridge::Bridge bridge{std::move(wanted), clock, metrics};
    const int port = bridge.start();
    process::log::info("listening on {}://{}:{}", secure ? "https" : "http", host, port);
    while (!process::Shutdown::wait_for(kLook)) {
        if (read_again.exchange(false)) bridge.reload_certificate();
    }
    process::log::info("leaving: requests that run are finished first");
    bridge.stop();
    process::log::info("left");
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    process::Settings settings{"klyuchnik-bridge", "HTTP in front of the handlers"};
    bridge::BridgeSettings wanted;
    wanted.mqtt.user = "bridge-1";
    process::LogSettings log;
    log.program = "bridge";
    declare(settings, wanted, log);
    if (const auto exit_code = settings.parse(argc, argv)) return *exit_code;
    try {
        process::Shutdown::install();
        process::start_log(log);
        process::announce_crash_points();
        std::istringstream lines{settings.describe()};
        for (std::string line; std::getline(lines, line);) process::log::info("setting {}", line);
        const int code = serve(std::move(wanted));
        process::stop_log();
        return code;
    } catch (const std::exception& error) {
        process::log::error("{}", error.what());
        process::stop_log();
        return 1;
    }
}
