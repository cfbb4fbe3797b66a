#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "process/clock.hpp"
#include "process/metrics.hpp"
#include "process/mqtt_session.hpp"

namespace klyuchnik::bridge {

/// Everything that may be set. Rules people may change are rows of the database, not settings.
struct BridgeSettings {
    std::string http_host = "127.0.0.1";
    std::int64_t http_port = 8080;   ///< 0 chooses a free one.
    std::int64_t workers = 32;       ///< Threads for requests.
    std::int64_t streams_max = 256;  ///< Event streams at once, a thread each.
    std::string tls_cert_file;       ///< PEM: HTTPS instead of HTTP, with its key; empty: HTTP.
    std::string tls_key_file;
    std::vector<std::string> trusted_proxies;
    std::vector<std::string> legacy_trusted_networks;
    std::int64_t session_hours = 12;
    std::string public_mqtt_host;  ///< Told to devices with their credential; empty: they know.
    std::int64_t public_mqtt_port = 8883;
    std::int64_t public_mqtt_certificates_port = 0;  ///< For devices with one; 0: there is none.
    std::string
        public_mqtt_ca_file;  ///< PEM, told too: what the broker's certificate is signed by.
    std::string device_ca_cert_file;  ///< PEM: gives certificates to devices, with its key; else
    std::string device_ca_key;        ///< secrets only. The key itself, PEM.
    std::string database = "dbname=klyuchnik";  ///< Conninfo; passwords come from PGPASSFILE.
    std::string database_role = "kl_bridge";
    process::MqttSettings mqtt;  ///< The user is our name in the answer topic: bridge-<n>.
};

/// The whole program, for main() and for tests that want it inside their own process.
class Bridge {
 public:
    /// Throws std::invalid_argument for settings that cannot be.
    Bridge(BridgeSettings settings, const process::Clock& clock, process::Metrics& metrics);
    ~Bridge();

    /// Serves from here on, whether broker and database are there yet or not (/readyz says).
    /// Returns the port. Throws std::runtime_error when it cannot be listened on.
    int start();
    /// Reads the HTTPS certificate again; see Server::reload_certificate().
    void reload_certificate();
    /// Takes no more, finishes what runs, leaves. Up to the deadline of an ask, 8 s.
    void stop();

 private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace klyuchnik::bridge
