// klyuchnik-sim run-one: one device on a broker, right or wrong on purpose.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "firmware-sim/conformance/bench_device.hpp"
#include "firmware-sim/device/mqtt_link.hpp"

namespace klyuchnik::sim::conformance {

struct OneDeviceSettings {
    LinkSettings link;
    BenchSettings bench;
    std::string broken;  ///< A name of broken_devices(); empty: nothing is wrong with it.
    /// Somebody asks for a key so often; 0: nobody.
    std::chrono::seconds visits{0};
    std::uint64_t seed = 1;
};

/// Connects, and keeps connected, until `ends` says so; it is asked several times a second. What
/// the device knows goes with this call. Throws std::invalid_argument for an unknown `broken`.
void run_one_device(OneDeviceSettings settings, const std::function<bool()>& ends);

}  // namespace klyuchnik::sim::conformance
