#pragma once

#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "handlers/runtime/work.hpp"

namespace klyuchnik::handlers::devices {

/// Notes that devices were heard, and what they told of themselves: all of a batch in a few
/// statements, and in a table of their own, so that no row of presence is written for a heartbeat.
///
/// A device that was written within db::kHeardEvery (1.2) of its heartbeat periods is not written
/// again: of a device that speaks once in its period every second heartbeat is. Silence is judged
/// by what was written, so it shows between 2.5 and 3.7 periods after the last word.
///
/// What it remembers only saves writes: another process writes once more; what a transaction wrote
/// is remembered once a later one has seen it in the table, so that one that was rolled back leaves
/// nothing behind. For one loop.
class HeardLog {
 public:
    /// After the births of the same batch are marked. A device that had fallen silent on this very
    /// connection is online again, and the commands that wait for it may be sent.
    void note(std::span<const StateItem* const> states,
              std::span<const HeartbeatItem* const> heartbeats, Work& work, db::Tx& tx);
    /// Everybody is written once more: whoever is silent now is to come back with its next word.
    void forget();

    /// More devices than this are forgotten all at once, and written once more each.
    static constexpr std::size_t kRememberedMax = 100'000;

 private:
    struct Written {
        topics::Connection cn;
        topics::Instant until;  ///< Nothing to write before.
    };
    bool is_remembered(const HeartbeatItem& item, topics::Instant now) const;

    std::unordered_map<topics::DeviceId, Written> written_;
    /// By the last transaction that wrote, which may have been rolled back.
    std::vector<std::pair<topics::DeviceId, Written>> unsure_;
    topics::Instant unsure_at_;
};

}  // namespace klyuchnik::handlers::devices
