#include "handlers/devices/heard_log.hpp"

#include <map>

#include "db/access/devices_store.hpp"

namespace klyuchnik::handlers::devices {

using namespace topics;

void HeardLog::note(std::span<const StateItem* const> states,
                    std::span<const HeartbeatItem* const> heartbeats, Work& work, db::Tx& tx) {
    std::map<DeviceId, db::HeardDevice> heard;
    for (const StateItem* item : states) {
        if (std::holds_alternative<Birth>(item->state) && !item->retained) {
            heard[item->device] = {item->device, std::nullopt, std::nullopt, std::nullopt};
        }
    }
    std::map<DeviceId, Connection> beating;
    for (const HeartbeatItem* item : heartbeats) {
        const auto known = written_.find(item->device);
        if (known != written_.end() && known->second.cn == item->heartbeat.cn &&
            work.now < known->second.until) {
            continue;
        }
        heard[item->device] = {item->device, item->heartbeat.rssi_dbm, item->heartbeat.uptime_s,
                               item->heartbeat.content};
        beating[item->device] = item->heartbeat.cn;
    }
    if (heard.empty()) return;

    std::vector<DeviceId> asked;
    for (const auto& [device, cn] : beating) asked.push_back(device);
    std::vector<db::DeviceAndConnection> silent;
    if (written_.size() + asked.size() > kRememberedMax) written_.clear();
    for (const db::PresentDevice& present : db::find_present(tx, asked)) {
        const Connection cn = beating.at(present.device);
        if (present.silent && present.cn == cn) silent.push_back({present.device, cn});
        written_[present.device] = {
            cn, work.now + std::chrono::milliseconds{present.heartbeat_s * 1000 / 2}};
    }
    std::vector<db::HeardDevice> rows;
    for (auto& [device, row] : heard) rows.push_back(std::move(row));
    db::note_heard(tx, rows, work.now);
    for (const DeviceId& device : db::mark_back(tx, silent, work.now)) {
        work.log(device, "online", source_of(device, beating.at(device)));
        work.alarm_over("device_away", "device:" + device.text());
    }
}

}  // namespace klyuchnik::handlers::devices
