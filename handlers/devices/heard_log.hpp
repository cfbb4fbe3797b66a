#pragma once

#include <span>
#include <unordered_map>

#include "handlers/runtime/work.hpp"

namespace klyuchnik::handlers::devices {

/// Notes that devices were heard, and what they told of themselves: for a device at most once in
/// half of its heartbeat period, all of a batch in a few statements, and in a table of their own,
/// so that no row of presence is written for a heartbeat.
///
/// What it remembers only saves writes: another process writes once more, and one that was rolled
/// back is made up for by the next heartbeat, long before the device counts as silent. For one
/// loop.
class HeardLog {
 public:
    /// After the births of the same batch are marked. A device that had fallen silent on this very
    /// connection is online again.
    void note(std::span<const StateItem* const> states,
              std::span<const HeartbeatItem* const> heartbeats, Work& work, db::Tx& tx);

    /// More devices than this are forgotten all at once, and written once more each.
    static constexpr std::size_t kRememberedMax = 100'000;

 private:
    struct Written {
        topics::Connection cn;
        topics::Instant until;  ///< Nothing to write before.
    };
    std::unordered_map<topics::DeviceId, Written> written_;
};

}  // namespace klyuchnik::handlers::devices
