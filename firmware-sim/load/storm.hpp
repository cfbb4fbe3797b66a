// Thousands of cabinets in one process, to see a broker or the handlers go away and come back under
// them.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "firmware-sim/cabinet/world.hpp"

namespace klyuchnik::sim {

struct StormSettings {
    std::string host = "127.0.0.1";
    std::int64_t port = 1883;
    std::string ca_file;  ///< PEM; TLS with it, plain TCP without.
    /// The first connects are spread over so long, so that the start is not a storm already.
    std::int64_t connect_spread_ms = 10'000;
    std::int64_t reconnect_first_ms = 1000;  ///< After a loss, doubling
    std::int64_t reconnect_max_ms = 30'000;  ///< up to this, each ±50 %.
    std::int64_t resend_ms = 5000;
    std::int64_t resend_max_ms = 60'000;
    std::int64_t heartbeat_s = 30;
    std::int64_t packet_bytes_max = 1024;
    std::int64_t facts_per_loss = 1;  ///< What each has to tell when it is back.
    std::uint64_t seed = 0;           ///< 0 = another one each time.
};

struct StormReport {
    std::int64_t devices = 0;
    std::int64_t online = 0;  ///< The birth is answered.
    /// Online, every fact acknowledged, and the rights that the server wants are held.
    std::int64_t current = 0;
    std::int64_t lost = 0;  ///< Devices that lost their connection since all were current.
    std::int64_t back = 0;  ///< Of those, current again.
    /// From the loss of a device's connection until it was current again, over `back`.
    double reconnect_s_p50 = 0;
    double reconnect_s_p99 = 0;
    double reconnect_s_max = 0;
    double first_s = 0;  ///< From the start until all were current for the first time; 0: not yet.
    std::int64_t storms = 0;  ///< Times that at least half lost it and all came back.
    std::int64_t connects = 0;
    std::int64_t facts = 0;
    std::int64_t facts_acked = 0;
    std::int64_t memory_kb = 0;  ///< Of the whole process, now.
};

/// One JSON object, one line.
std::string to_json(const StormReport& report);

/// Runs until `stop` returns true, asked several times a second with what there is; `changed` gets
/// a report at most once a second and only when something changed, and whenever all have become
/// current. One thread, one epoll set, no thread per device. About 14 KB of memory for a device in
/// plain TCP, and twice its rights document; with TLS what MqttLink says comes on top.
///
/// Everything of a device is in memory: a new run is a new boot of devices with empty flash. Throws
/// std::system_error when the process may not open enough descriptors (three for each device, since
/// libmosquitto has a pair of sockets of its own for each).
StormReport run_storm(const StormSettings& settings, const std::vector<DeviceSecret>& devices,
                      const std::function<bool(const StormReport&)>& stop,
                      const std::function<void(const StormReport&)>& changed);

}  // namespace klyuchnik::sim
