// What the seeding tool wrote down about the building: which key hangs where, which card may take
// which key.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "firmware-sim/device/protocol.hpp"
#include "topics/ids.hpp"

namespace klyuchnik::sim {

struct CabinetKey {
    topics::Slot slot;
    topics::KeyName name;
    topics::TagId tag;
};

/// Rights by card. In a real cabinet they arrive as a document; here they are given.
class CardRights final : public CachedRights {
 public:
    void allow(const topics::CardSerial& card, const topics::KeyName& key) {
        rights_[card].insert(key);
    }
    void forget(const topics::CardSerial& card) { rights_.erase(card); }
    bool allows(const topics::CardSerial& card, const topics::KeyName& key) const override;
    const std::map<topics::CardSerial, std::set<topics::KeyName>>& all() const { return rights_; }

 private:
    std::map<topics::CardSerial, std::set<topics::KeyName>> rights_;
};

struct World {
    std::map<std::string, std::vector<CabinetKey>> keys;  ///< By cabinet id.
    CardRights rights;
};

/// Reads lines `key CABINET SLOT NAME TAG` and `card SERIAL KEY,KEY,...` (a card without rights has
/// no third word). Words are separated by tabs, or by spaces in a line without tabs; empty lines
/// and lines with # in front are skipped. Throws std::runtime_error that names the line.
World read_world(const std::filesystem::path& file);

struct DeviceSecret {
    topics::DeviceId id;
    std::string secret;
};
/// Reads lines `ID SECRET`. Throws std::runtime_error that names the line (never the secret).
std::vector<DeviceSecret> read_devices(const std::filesystem::path& file);

}  // namespace klyuchnik::sim
