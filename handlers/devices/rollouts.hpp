#pragma once

#include <chrono>
#include <span>

#include "db/access/firmware_store.hpp"
#include "handlers/runtime/work.hpp"

namespace klyuchnik::handlers::devices {

inline constexpr std::chrono::seconds kRolloutsEvery{1};
/// Timed work, every kRolloutsEvery: steps every running roll-out (step_rollout), whose row decides
/// which process does it.
void advance_rollouts(Work& work, db::Tx& tx);

/// `devices` are the open ones: takes back what was offered and not answered, and skips who waits.
/// Devices that had the document
/// pulled already may still come back with it; their birth then says so.
void withdraw(db::Tx& tx, const db::Rollout& rollout, std::span<const db::RolloutDevice> devices,
              topics::Instant now);

}  // namespace klyuchnik::handlers::devices
