// Devices that are wrong on purpose, one rule each: whoever changes the checks sees that each still
// finds what it is there for, and whoever writes firmware sees what a FAIL looks like.
#pragma once

#include <span>
#include <string_view>

#include "firmware-sim/conformance/bench_device.hpp"
#include "firmware-sim/conformance/claims.hpp"

namespace klyuchnik::sim::conformance {

struct BrokenDevice {
    std::string_view name;  ///< "never-repeats-its-birth"
    const Claim& fails;     ///< The one claim that it does not keep.
    Mistake (*make)();
};

std::span<const BrokenDevice> broken_devices();
/// Null when there is none of that name.
const BrokenDevice* find_broken(std::string_view name);

}  // namespace klyuchnik::sim::conformance
