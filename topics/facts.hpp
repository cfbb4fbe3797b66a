#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "topics/ids.hpp"
#include "topics/time.hpp"

/// Facts: what a device reports has happened. A fact is never refused; what broke a rule is
/// recorded, and the conflict beside it. Short keys on the wire; `shapes.hpp` says which member
/// travels under which key, its unit and its limits.
namespace klyuchnik::topics {

/// The server said yes and the cabinet let go of a key. `ky` names it.
struct AccessGranted {
    static constexpr const char* kKind = "access.granted";
    std::optional<std::int64_t>
        request;  ///< `r` of the request that was granted; none when decided offline.
    CardSerial card;
    KeyName key;
};

/// Somebody was turned away, by the server or by the cabinet's own cached rights.
struct AccessDenied {
    static constexpr const char* kKind = "access.denied";
    CardSerial card;
    std::optional<KeyName> key;
    std::string why;  ///< Code name of the refusal, or the cabinet's own word for it.
};

/// A key left its slot. The key is known by its tag, its name or its slot: at least one is there,
/// and the tag counts most, since it was seen. `card` is absent when nobody had presented one.
struct KeyTaken {
    static constexpr const char* kKind = "key.taken";
    std::optional<Slot> slot;
    std::optional<TagId> tag;
    std::optional<KeyName> key;
    std::optional<CardSerial> card;
};

/// A key came back into a slot.
struct KeyReturned {
    static constexpr const char* kKind = "key.returned";
    std::optional<Slot> slot;
    std::optional<TagId> tag;
    std::optional<KeyName> key;
    std::optional<CardSerial> card;
};

/// A key is in a slot that is not its own.
struct KeyMisplaced {
    static constexpr const char* kKind = "key.misplaced";
    Slot slot;
    TagId tag;
};

struct SlotContent {
    Slot slot;
    std::optional<TagId> tag;  ///< None: the slot is empty.
};

/// What is in every slot, sent after boot, gap, overrun and swap: it was seen, so it beats any
/// inference.
struct SlotsState {
    static constexpr const char* kKind = "slots.state";
    std::vector<SlotContent> slots;
};

struct DoorOpened {
    static constexpr const char* kKind = "door.opened";
};
struct DoorClosed {
    static constexpr const char* kKind = "door.closed";
};
struct DoorForced {
    static constexpr const char* kKind = "door.forced";
};
struct DoorLeftOpen {
    static constexpr const char* kKind = "door.left_open";
    std::int64_t seconds = 0;
};
struct Tamper {
    static constexpr const char* kKind = "tamper";
    std::optional<std::string> what;
};
/// Mains power went away (`on` false) or came back.
struct Power {
    static constexpr const char* kKind = "power";
    bool on = false;
};
/// A card was presented and nothing was asked with it: how unknown cards become known.
struct CardTapped {
    static constexpr const char* kKind = "card.tapped";
    CardSerial card;
};
struct FaultReported {
    static constexpr const char* kKind = "fault.reported";
    std::optional<KeyName> key;
    std::optional<CardSerial> card;
    std::int64_t severity = 1;  ///< 1 note, 2 needs repair, 3 must not be given out.
    std::optional<std::string> note;
};
struct CommandAccepted {
    static constexpr const char* kKind = "cmd.accepted";
    std::int64_t command = 0;
};
/// `rc` 0 = done; 408 expired, 422 not possible here, 500 unknown (started before a reboot, result
/// lost).
struct CommandDone {
    static constexpr const char* kKind = "cmd.done";
    std::int64_t command = 0;
    std::int64_t rc = 0;
    std::optional<std::string> note;
};
/// The journal was full and `count` facts were overwritten.
struct JournalOverrun {
    static constexpr const char* kKind = "journal.overrun";
    std::int64_t count = 0;
};
/// Stands in the place of a fact that the server could not read three times.
struct JournalBad {
    static constexpr const char* kKind = "journal.bad";
    std::int64_t crc = 0;
    std::int64_t bytes = 0;
};
/// A document is complete on the device and may be fetched.
struct DocumentReady {
    static constexpr const char* kKind = "doc.ready";
    std::string document;
    std::int64_t bytes = 0;
    std::string sha256;  ///< 64 hexadecimal digits.
};
/// Another firmware was tried and the device went back to the one before. It does not try that
/// version again until another one is wanted in between.
struct FirmwareFailed {
    static constexpr const char* kKind = "firmware.failed";
    std::string version;
    std::optional<std::string> note;
};
struct ScaleState {
    static constexpr const char* kKind = "scale.state";
    std::int64_t scale = 0;
    std::string state;
};
struct ScaleFailed {
    static constexpr const char* kKind = "scale.failed";
    std::int64_t scale = 0;
    std::int64_t rc = 0;
    std::optional<std::string> note;
};
/// A kind this server does not know: stored and set aside, never refused, so that newer firmware
/// loses nothing.
struct UnknownFact {
    std::string kind;
};

using FactBody =
    std::variant<AccessGranted, AccessDenied, KeyTaken, KeyReturned, KeyMisplaced, SlotsState,
                 DoorOpened, DoorClosed, DoorForced, DoorLeftOpen, Tamper, Power, CardTapped,
                 FaultReported, CommandAccepted, CommandDone, JournalOverrun, JournalBad,
                 DocumentReady, FirmwareFailed, ScaleState, ScaleFailed, UnknownFact>;

/// When something happened, as well as the device knows it: UTC seconds while its clock is trusted,
/// else the boot it happened in and the milliseconds since that boot.
struct DeviceTime {
    std::optional<std::int64_t> utc_s;
    std::optional<std::int64_t> boot;
    std::optional<std::int64_t> since_boot_ms;
};

/// The number a fact had before its epoch was replaced: the server skips what it already has under
/// it.
struct OldNumber {
    Epoch epoch;
    Sequence sequence;
};

struct Fact {
    DeviceTime at;
    std::string kind;
    FactBody body;
    std::optional<OldNumber> old;
    /// The `d` object, with sorted keys: what is stored. Filled by the decoder, ignored by the
    /// encoder unless the body is an UnknownFact.
    std::string content = "{}";
    /// 64-bit digest of kind, time and content (not of `o`): equal for a true repeat.
    std::uint64_t digest = 0;
};

}  // namespace klyuchnik::topics
