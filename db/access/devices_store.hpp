#pragma once

#include <span>
#include <string>
#include <vector>

#include "db/access/connection.hpp"
#include "topics/ids.hpp"
#include "topics/time.hpp"

/// Devices and their presence. Every function is one statement; all throw Fault.
namespace klyuchnik::db {

/// False: the id is in use. The device's cursor is made with it, in the same transaction.
bool add_device(Tx& tx, const topics::DeviceId& device, const std::string& name,
                const std::string& secret_sha256_hex, topics::Instant now);

struct BornDevice {
    topics::DeviceId device;
    topics::Connection cn;
    std::string firmware;
    std::int64_t heartbeat_s = 0;
};
void mark_online(Tx& tx, std::span<const BornDevice> devices, topics::Instant now);

struct GoneDevice {
    topics::DeviceId device;
    topics::Connection cn;
};
/// Those that were online on that very connection; a stale will changes nothing.
std::vector<topics::DeviceId> mark_offline(Tx& tx, std::span<const GoneDevice> devices,
                                           topics::Instant now);

}  // namespace klyuchnik::db
