// A device came, or went.
//
//   in      births and wills (the journal's side of a birth is the runtime's)
//   writes  devices.presence             a will of an older connection changes nothing
//   event   devices.online for a new connection, devices.offline

#include <map>

#include "db/access/devices_store.hpp"
#include "handlers/devices/commands.hpp"

namespace klyuchnik::handlers::devices {

using namespace topics;

void mark_presence(std::span<const StateItem* const> states, Work& work, db::Tx& tx) {
    // One statement can not write a row twice: the last birth of a device counts. Wills come after
    // all births, since one of an older connection changes nothing whichever came first.
    std::map<DeviceId, db::BornDevice> born;
    std::map<DeviceId, Connection> gone;
    for (const StateItem* item : states) {
        if (const auto* birth = std::get_if<Birth>(&item->state)) {
            born[item->device] = {item->device, birth->cn, birth->firmware, birth->heartbeat_s};
            if (item->fresh) {
                work.log(item->device, "online", source_of(item->device, birth->cn));
            }
        } else {
            gone[item->device] = std::get<Will>(item->state).cn;
        }
    }
    std::vector<db::BornDevice> online;
    for (auto& [device, birth] : born) online.push_back(birth);
    db::mark_online(tx, online, work.now);
    std::vector<db::GoneDevice> offline;
    for (const auto& [device, cn] : gone) offline.push_back({device, cn});
    for (const DeviceId& device : db::mark_offline(tx, offline, work.now)) {
        work.log(device, "offline", source_of(device, gone.at(device)));
    }
}

}  // namespace klyuchnik::handlers::devices
