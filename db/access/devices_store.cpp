#include "db/access/devices_store.hpp"

#include "db/access/internal.hpp"

namespace klyuchnik::db {

using namespace topics;

bool add_device(Tx& tx, const DeviceId& device, const std::string& name,
                const std::string& secret_sha256_hex, Instant now) {
    if (run(tx, sql::devices_add_device, device, name, secret_sha256_hex, now).empty())
        return false;
    run(tx, sql::devices_add_cursor, device);
    return true;
}

void mark_online(Tx& tx, std::span<const BornDevice> devices, Instant now) {
    if (devices.empty()) return;
    using Row = BornDevice;
    run(tx, sql::devices_mark_presence, column(devices, [](const Row& d) { return d.device; }),
        column(devices, [](const Row& d) { return d.cn; }),
        column(devices, [](const Row&) { return std::string_view{"online"}; }),
        column(devices, [](const Row& d) { return std::string_view{d.firmware}; }),
        column(devices, [](const Row& d) { return d.heartbeat_s; }), now);
}

std::vector<DeviceId> mark_offline(Tx& tx, std::span<const GoneDevice> devices, Instant now) {
    if (devices.empty()) return {};
    std::vector<DeviceId> gone;
    for (const auto& row : run(tx, sql::devices_mark_offline,
                               column(devices, [](const GoneDevice& d) { return d.device; }),
                               column(devices, [](const GoneDevice& d) { return d.cn; }), now)) {
        if (const auto device = DeviceId::parse(view_of(row[0]))) gone.push_back(*device);
    }
    return gone;
}

}  // namespace klyuchnik::db
