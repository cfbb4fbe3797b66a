// A device came, or went.
//
//   in      births and wills (the journal's side of a birth is the runtime's)
//   decides kBirthsMax in rules.hpp
//   writes  devices.presence             a will of an older connection changes nothing
//   event   devices.online for a new connection or one that was unknown, devices.offline
//   alarm   clone_suspected; device_away is over

#include <map>

#include "db/access/devices_store.hpp"
#include "handlers/devices/commands.hpp"
#include "handlers/devices/rules.hpp"

namespace klyuchnik::handlers::devices {

using namespace topics;

namespace {

db::BornDevice born_device(const DeviceId& device, const Birth& birth) {
    db::BornDevice born;
    born.device = device;
    born.cn = birth.cn;
    born.firmware = birth.firmware;
    born.heartbeat_s = birth.heartbeat_s;
    born.packet_bytes_max = birth.packet_bytes_max;
    born.rights_version = birth.rights_version;
    born.last_command = birth.last_command;
    born.boot = birth.boot;
    return born;
}

void note_online(const db::OnlineDevice& online, Work& work) {
    const std::string subject = "device:" + online.device.text();
    work.alarm_over("device_away", subject);
    if (online.births > kBirthsMax) {
        EventIds ids;
        ids.device = online.device;
        work.alarm("clone_suspected", subject, 3, ids);
    }
}

}  // namespace

void mark_presence(std::span<const StateItem* const> states, Work& work, db::Tx& tx) {
    // One statement can not write a row twice: the last birth of a device counts. Wills come after
    // all births, since one of an older connection changes nothing whichever came first.
    std::map<DeviceId, db::BornDevice> born;
    std::map<DeviceId, Connection> gone;
    for (const StateItem* item : states) {
        if (const auto* birth = std::get_if<Birth>(&item->state)) {
            // What the broker kept was marked when it was said; whether it still holds, the will
            // and the heartbeats know better.
            if (item->retained) continue;
            const std::int64_t earlier = born.contains(item->device) ? born[item->device].fresh : 0;
            born[item->device] = born_device(item->device, *birth);
            born[item->device].fresh = earlier + (item->fresh ? 1 : 0);
            if (item->fresh) {
                work.log(item->device, "online", source_of(item->device, birth->cn));
            }
        } else {
            gone[item->device] = std::get<Will>(item->state).cn;
        }
    }
    std::vector<db::BornDevice> online;
    for (auto& [device, birth] : born) online.push_back(birth);
    for (const db::OnlineDevice& one : db::mark_born(tx, online, work.now)) {
        note_online(one, work);
        if (born[one.device].fresh == 0) {
            work.log(one.device, "online", source_of(one.device, born[one.device].cn));
        }
    }
    std::vector<db::DeviceAndConnection> offline;
    for (const auto& [device, cn] : gone) offline.push_back({device, cn});
    for (const DeviceId& device : db::mark_offline(tx, offline, work.now)) {
        work.log(device, "offline", source_of(device, gone.at(device)));
    }
}

}  // namespace klyuchnik::handlers::devices
