#include "handlers/devices/heard_log.hpp"

#include <map>
#include <set>

#include "db/access/commands_store.hpp"
#include "db/access/devices_store.hpp"

namespace klyuchnik::handlers::devices {

using namespace topics;

bool HeardLog::is_remembered(const HeartbeatItem& item, Instant now) const {
    const auto known = written_.find(item.device);
    return known != written_.end() && known->second.cn == item.heartbeat.cn &&
           now < known->second.until;
}

void HeardLog::forget() {
    written_.clear();
    unsure_.clear();
}

void HeardLog::note(std::span<const StateItem* const> states,
                    std::span<const HeartbeatItem* const> heartbeats, Work& work, db::Tx& tx) {
    std::map<DeviceId, db::HeardDevice> heard;
    for (const StateItem* item : states) {
        if (std::holds_alternative<Birth>(item->state) && !item->retained) {
            heard[item->device] = {item->device, std::nullopt, std::nullopt, std::nullopt};
        }
    }
    std::map<DeviceId, const HeartbeatItem*> beating;
    for (const HeartbeatItem* item : heartbeats) {
        if (!is_remembered(*item, work.now)) beating[item->device] = item;
    }
    if (heard.empty() && beating.empty()) return;

    std::set<DeviceId> asked;
    for (const auto& [device, item] : beating) asked.insert(device);
    // All of a transaction is there, or nothing: one of its rows tells.
    if (!unsure_.empty()) asked.insert(unsure_.front().first);
    const std::vector<db::PresentDevice> found =
        db::find_present(tx, std::vector<DeviceId>{asked.begin(), asked.end()});
    for (const db::PresentDevice& present : found) {
        if (unsure_.empty() || present.device != unsure_.front().first) continue;
        if (!present.heard || *present.heard < unsure_at_) break;
        if (written_.size() + unsure_.size() > kRememberedMax) written_.clear();
        for (const auto& [device, written] : unsure_) written_[device] = written;
        break;
    }
    unsure_.clear();
    std::erase_if(beating, [&](const auto& one) { return is_remembered(*one.second, work.now); });

    std::map<DeviceId, Connection> silent;
    for (const db::PresentDevice& present : found) {
        const auto beat = beating.find(present.device);
        if (beat == beating.end()) continue;
        const Connection cn = beat->second->heartbeat.cn;
        if (present.silent && present.cn == cn) silent[present.device] = cn;
        const std::chrono::duration<double> period{static_cast<double>(present.heartbeat_s)};
        unsure_.emplace_back(
            present.device,
            Written{cn, work.now + std::chrono::duration_cast<std::chrono::microseconds>(
                                       period * db::kHeardEvery)});
    }
    unsure_at_ = work.now;
    for (const auto& [device, item] : beating) {
        heard[device] = {device, item->heartbeat.rssi_dbm, item->heartbeat.uptime_s,
                         item->heartbeat.content};
    }
    std::vector<db::HeardDevice> rows;
    for (auto& [device, row] : heard) rows.push_back(std::move(row));
    db::note_heard(tx, rows, work.now);

    std::vector<db::DeviceAndConnection> returning;
    for (const auto& [device, cn] : silent) returning.push_back({device, cn});
    const std::vector<DeviceId> back = db::mark_back(tx, returning, work.now);
    for (const DeviceId& device : back) {
        work.log(device, "online", source_of(device, silent.at(device)));
        work.alarm_over("device_away", "device:" + device.text());
    }
    // They sleep while the device is away, and no birth will wake them.
    db::wake_commands(tx, back, work.now, work.now);
}

}  // namespace klyuchnik::handlers::devices
