#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

/// Ids are types, so that a person can not be passed where a key belongs.
namespace klyuchnik::topics {

/// A number given out by the database, 1 or more.
template <class Tag>
struct Id {
    std::int64_t value = 0;
    auto operator<=>(const Id&) const = default;
};

using PersonId = Id<struct PersonTag>;
using AccountId = Id<struct AccountTag>;
using KeyId = Id<struct KeyTag>;
using LoanId = Id<struct LoanTag>;
using Slot = Id<struct SlotTag>;      ///< Of one cabinet, from 1.
using Connection = Id<struct CnTag>;  ///< `cn`: random 32-bit number of one MQTT connection.
using Epoch = Id<struct EpochTag>;    ///< `ep`: of a device's journal; 0 = has none.
using Sequence =
    Id<struct SequenceTag>;  ///< `s`: of a fact inside its epoch, from 1; 0 = none yet.
using CommandId = Id<struct CommandTag>;  ///< Of a command to a device, over all devices.
using AlarmId = Id<struct AlarmTag>;
using LetterId = Id<struct LetterTag>;    ///< Of a message that was set aside.
using RolloutId = Id<struct RolloutTag>;  ///< Of one firmware offered to some devices.
using Version = Id<struct VersionTag>;    ///< Of a device's document, from 1; 0 = has none.
using Position = Id<struct PositionTag>;  ///< Of an event in the log, from 1, without gaps.

/// A text with a meaning.
template <class Tag>
struct Text {
    std::string value;
    auto operator<=>(const Text&) const = default;
};

using CardSerial = Text<struct CardSerialTag>;  ///< What the reader saw, compared letter by letter.
using KeyName =
    Text<struct KeyNameTag>;          ///< What is written on the key and sent by cabinets: "101".
using TagId = Text<struct TagIdTag>;  ///< The RFID tag on the key ring.

/// `^(kc|sg)-[a-z0-9]{4,18}$`: user name, client id and topic level at once, which is why nothing
/// else may be in it: a `/`, `+` or `#` would widen what the device may say.
class DeviceId {
 public:
    DeviceId() = default;  ///< No device; only a decoder's target starts so.
    static std::optional<DeviceId> parse(std::string_view text);

    const std::string& text() const noexcept { return text_; }
    /// "kc" key cabinet, "sg" scales gateway: the class level of its topics.
    std::string_view cls() const noexcept { return std::string_view{text_}.substr(0, 2); }
    auto operator<=>(const DeviceId&) const = default;

 private:
    explicit DeviceId(std::string_view text) : text_{text} {}
    std::string text_;
};

}  // namespace klyuchnik::topics

template <class Tag>
struct std::hash<klyuchnik::topics::Id<Tag>> {
    std::size_t operator()(const klyuchnik::topics::Id<Tag>& id) const noexcept {
        return std::hash<std::int64_t>{}(id.value);
    }
};
template <class Tag>
struct std::hash<klyuchnik::topics::Text<Tag>> {
    std::size_t operator()(const klyuchnik::topics::Text<Tag>& text) const noexcept {
        return std::hash<std::string>{}(text.value);
    }
};
template <>
struct std::hash<klyuchnik::topics::DeviceId> {
    std::size_t operator()(const klyuchnik::topics::DeviceId& id) const noexcept {
        return std::hash<std::string>{}(id.text());
    }
};
