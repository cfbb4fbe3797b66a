#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "db/access/connection.hpp"
#include "topics/ids.hpp"
#include "topics/time.hpp"

/// Firmware and roll-outs as the bridge reads them. One statement each; all throw Fault.
namespace klyuchnik::db {

struct FirmwareRow {
    std::string version;
    std::string sha256;  ///< 64 hexadecimal digits.
    std::int64_t bytes = 0;
    std::string signer;
    std::string notes;
    topics::Instant added;
    std::string added_by;
};
/// By version as text, upwards; "" starts.
std::vector<FirmwareRow> firmware(Tx& tx, const std::string& after, std::size_t rows_max);

struct RolloutRow {
    topics::RolloutId rollout;
    std::string version;
    std::int64_t per_minute = 0;
    std::int64_t failures_max = 0;
    std::string state;  ///< running, done, stopped
    topics::Instant started;
    std::string started_by;
    std::optional<topics::Instant> ended;
    std::optional<std::string> why;
    // How many devices are in each state.
    std::int64_t waiting = 0;
    std::int64_t offered = 0;
    std::int64_t updated = 0;
    std::int64_t rolled_back = 0;
    std::int64_t failed = 0;  ///< Neither came back with the new version nor said why.
    std::int64_t skipped = 0;
};
/// Newest first.
std::vector<RolloutRow> rollouts(Tx& tx, topics::RolloutId before, std::size_t rows_max);
std::optional<RolloutRow> rollout(Tx& tx, topics::RolloutId id);

struct RolloutDeviceRow {
    std::string device;
    std::string state;  ///< waiting, offered, updated, rolled_back, failed, skipped
    std::optional<std::string> from_version;
    std::optional<topics::Instant> offered;
    std::optional<topics::Instant> ended;
};
/// By device id, upwards; "" starts.
std::vector<RolloutDeviceRow> rollout_devices(Tx& tx, topics::RolloutId id,
                                              const std::string& after, std::size_t rows_max);

}  // namespace klyuchnik::db
