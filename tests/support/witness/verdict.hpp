#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "db/access/connection.hpp"

namespace klyuchnik::witness {

/// What the devices say they did, held against what the database has.
struct Verdict {
    std::int64_t asked = 0;
    std::int64_t granted = 0;
    std::int64_t refused = 0;
    std::int64_t taken = 0;
    std::int64_t returned = 0;
    std::int64_t resent = 0;              ///< Batches that devices sent again.
    std::int64_t duplicates_skipped = 0;  ///< Facts that came again and had no further effect.
    std::int64_t lost = 0;     ///< Facts written by a device and not stored, effects missing.
    std::int64_t doubled = 0;  ///< Facts stored or effective twice, or never written by the device.
    std::int64_t double_holders = 0;  ///< Keys that two persons held at one time.
    double p50_ms = 0;                ///< From a request to its answer, at the device.
    double p99_ms = 0;

    bool clean() const { return lost == 0 && doubled == 0 && double_holders == 0; }
    std::string json() const;  ///< One line.
};

/// `state_dir` is the simulator's, `report` its --report file. What is wrong is printed to stderr,
/// the first kExamplesMax of each kind. Throws db::Fault and std::runtime_error.
Verdict judge(const std::filesystem::path& state_dir, const std::filesystem::path& report,
              db::Connection& connection);

inline constexpr int kExamplesMax = 5;

}  // namespace klyuchnik::witness
