// What the broker's guard said: it has started anew, or a device sends more than its share. Every
// handlers process hears it; the first to note it does what follows.
//
// Every report names the boot, and each counts: the one that was said at the start may be lost. A
// device that was heard after we first heard of the boot is connected to the new broker, and stays.
//
//   in      reports of the guard
//   writes  devices.brokers, devices.presence
//   event   devices.broker_restarted (somebody was online), devices.flooding
//   alarm   flood

#include <map>

#include "db/access/devices_store.hpp"
#include "handlers/devices/commands.hpp"

namespace klyuchnik::handlers::devices {

using namespace topics;

namespace {
/// The guard reports a flood every five seconds at most.
constexpr std::chrono::seconds kFloodOnceIn{4};
}  // namespace

bool note_guard(std::span<const GuardItem* const> reports, HeardBoots& boots, Work& work,
                db::Tx& tx) {
    bool swept = false;
    std::map<DeviceId, const GuardReport*> floods;
    for (const GuardItem* item : reports) {
        const GuardReport& report = item->report;
        if (report.flood) floods[*report.flood] = &report;
        if (boots.size() >= kBootsMax && !boots.contains(item->instance)) boots.clear();
        HeardBoot& heard = boots[item->instance];
        if (heard.boot != report.boot) heard = {report.boot, work.now};
        if (!db::note_broker(tx, item->instance, report.boot, work.now)) continue;
        if (db::mark_all_unknown(tx, work.now, heard.since) > 0) {
            swept = true;
            work.log("devices", "broker_restarted", "broker:" + item->instance,
                     "guard:" + item->instance + ":" + report.boot);
        }
    }
    std::vector<DeviceId> flooding;
    for (const auto& [device, report] : floods) flooding.push_back(device);
    for (const DeviceId& device : db::note_flood(tx, flooding, work.now, kFloodOnceIn)) {
        const GuardReport& report = *floods.at(device);
        Event& event = work.log(device, "flooding", "guard:" + report.boot);
        event.ids.why = report.cut ? "cut" : "slowed";
        EventIds ids;
        ids.device = device;
        ids.why = event.ids.why;
        work.alarm("flood", "device:" + device.text(), report.cut ? 3 : 2, ids);
    }
    return swept;
}

}  // namespace klyuchnik::handlers::devices
