#pragma once

#include <span>
#include <vector>

#include "db/access/runtime_store.hpp"
#include "handlers/runtime/message.hpp"
#include "topics/device.hpp"

/// What the server says to a device of its own accord: how far its journal is committed, for how
/// long it may decide alone, and which documents it should have.
namespace klyuchnik::handlers {

/// Of the connection of the cursor's last birth, without an error. A device that is revoked may not
/// decide anything alone: its lease is over at once. Pure.
topics::Ack ack_of(const db::Cursor& cursor, topics::Instant now);

/// An ack that nobody asked for to each of these devices, so that what has changed is known at once
/// and not at the next heartbeat, whose ack says the same. To be published after the commit, QoS 0:
/// a device that is away learns it from the ack to its next birth. Reads the cursors, one
/// statement.
std::vector<Outgoing> announce(db::Tx& tx, std::span<const topics::DeviceId> devices,
                               topics::Instant now);

}  // namespace klyuchnik::handlers
