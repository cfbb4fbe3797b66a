// The subcommands `klyuchnik-sim conformance` and `klyuchnik-sim run-one`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "process/mqtt_session.hpp"
#include "process/settings.hpp"

namespace klyuchnik::sim::conformance {

inline constexpr int kExitFault = 1;
inline constexpr int kExitWrongOptions = 2;
inline constexpr int kExitFailed = 3;  ///< The device breaks at least one claim.

struct ExamOptions {
    process::MqttSettings mqtt;
    std::string device;
    std::string json_file;
    std::string scale = "1";
    std::vector<std::string> only;
    bool fast = false;
    bool interactive = false;
    bool kick = true;
    std::int64_t slack_ms = 300;
    std::int64_t wait_seconds = 120;
};

struct OneDeviceOptions {
    std::string host = "127.0.0.1";
    std::int64_t port = 1883;
    std::string ca_file;
    std::string device;
    std::string secret;
    std::string broken;
    bool list = false;
    std::int64_t resend_ms = 5000;
    std::int64_t resend_max_ms = 60'000;
    std::int64_t heartbeat_s = 30;
    std::int64_t packet_bytes = 1024;
    std::int64_t visit_seconds = 0;
    std::int64_t seed = 1;
};

void declare_options(process::Settings& settings, ExamOptions& options);
void declare_options(process::Settings& settings, OneDeviceOptions& options);

/// Prints the report on stdout, and what is being done on stderr. Returns the exit code: 0 without
/// FAIL, kExitFailed, kExitWrongOptions. Faults are thrown.
int run_exam(const ExamOptions& options);
/// Until the process is asked to stop.
int run_one(const OneDeviceOptions& options);

}  // namespace klyuchnik::sim::conformance
