// What only time tells: who has fallen silent, who is away for too long; and what the history of
// devices may forget.
//
//   decides watch_on() in rules.cpp: our own absence is not the devices' silence
//   writes  devices.presence, devices.fleet, devices.telemetry
//   event   devices.silent
//   alarm   device_away

#include "db/access/devices_store.hpp"
#include "handlers/devices/commands.hpp"
#include "handlers/devices/rules.hpp"

namespace klyuchnik::handlers::devices {

using namespace topics;

namespace {

constexpr std::int64_t kSilentMax = 5000;  ///< Marked in one go; the next ones five seconds later.
constexpr std::int64_t kAwayMax = 1000;    ///< Raised in one go.
constexpr std::int64_t kSamplesMax = 10'000;  ///< Forgotten in one go.
constexpr std::chrono::hours kThinAfter{7 * 24};
constexpr std::chrono::hours kForgetAfter{90 * 24};

}  // namespace

void mark_silent(Work& work, db::Tx& tx) {
    const db::Watch watch = watch_on(db::lock_watch(tx), work.now);
    db::save_watch(tx, watch);
    for (const db::DeviceAndConnection& silent :
         db::mark_silent(tx, work.now, watch.listening_since, kSilentMax)) {
        work.log(silent.device, "silent", source_of(silent.device, silent.cn));
    }
}

void raise_away(Work& work, db::Tx& tx) {
    for (const DeviceId& device : db::take_away(tx, work.now, kAwayMax)) {
        EventIds ids;
        ids.device = device;
        work.alarm("device_away", "device:" + device.text(), 2, ids);
    }
}

void count_fleet(Work& work, db::Tx& tx) {
    db::count_fleet(tx, work.now);
}

void thin_telemetry(Work& work, db::Tx& tx) {
    db::thin_telemetry(tx, work.now - kThinAfter, kSamplesMax);
    db::forget_telemetry(tx, work.now - kForgetAfter, kSamplesMax);
}

}  // namespace klyuchnik::handlers::devices
