#include "handlers/runtime/ack.hpp"

#include "topics/codec.hpp"
#include "topics/names.hpp"

namespace klyuchnik::handlers {

using namespace topics;

Ack ack_of(const db::Cursor& cursor, Instant now) {
    Ack ack;
    ack.cn = cursor.cn;
    ack.epoch = cursor.epoch;
    ack.acked = cursor.acked;
    ack.now_s = unix_seconds(now);
    ack.lease_s = cursor.active ? cursor.lease_s : 0;
    ack.rights_version = cursor.rights_wanted;
    ack.firmware_wanted = cursor.firmware_wanted;
    return ack;
}

std::vector<Outgoing> announce(db::Tx& tx, std::span<const DeviceId> devices, Instant now) {
    std::vector<Outgoing> out;
    for (const db::Cursor& cursor : db::read_cursors(tx, devices)) {
        // Never born, or told to give its birth again: there is no connection to speak to.
        if (cursor.epoch.value == 0) continue;
        out.push_back({device_topic(cursor.device, Level::ack), encode(ack_of(cursor, now))});
    }
    return out;
}

}  // namespace klyuchnik::handlers
