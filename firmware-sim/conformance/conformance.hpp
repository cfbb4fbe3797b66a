// klyuchnik-sim conformance: plays the server against a device and says what the device does
// wrong.
#pragma once

#include <string_view>
#include <vector>

#include "firmware-sim/conformance/exam.hpp"
#include "firmware-sim/conformance/line.hpp"
#include "firmware-sim/conformance/report.hpp"

namespace klyuchnik::sim::conformance {

/// What ExamSettings::only may name: "commands", "acks", ... The birth and the first epoch are
/// always checked.
std::vector<std::string_view> check_names();

/// Examines one device from its next connection on: about six minutes for a device with the waits
/// of the contract. No other server may answer it meanwhile. Its journal is emptied, its epoch
/// rises, its command numbers go on: use a device that no server knows yet, or wipe it afterwards.
///
/// A device that makes going on impossible ends the run early; what was not reached is skipped and
/// says so. Throws what the line throws.
Report examine(Line& line, const ExamSettings& settings);

}  // namespace klyuchnik::sim::conformance
