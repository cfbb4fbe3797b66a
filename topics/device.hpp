#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "topics/facts.hpp"
#include "topics/ids.hpp"
#include "topics/refusal.hpp"

/// The envelopes between a device and the server. The device is always taken from the topic, never
/// from a payload.
namespace klyuchnik::topics {

/// `st`, retained: the device is here, this is its journal and what it has.
struct Birth {
    Connection cn;          ///< The same number is in the will of this connection.
    Epoch epoch;            ///< 0 = has none.
    std::int64_t boot = 0;  ///< Boot count.
    std::int64_t since_boot_ms = 0;
    Sequence lo;  ///< Oldest fact held; hi + 1 (or 0) when none is.
    Sequence hi;  ///< The last one ever written in this epoch, held or not; 0 = none yet.
    std::int64_t rights_version = 0;       ///< `cf`
    std::int64_t last_command = 0;         ///< `cs`
    std::int64_t heartbeat_s = 30;         ///< `ka`
    std::int64_t packet_bytes_max = 1024;  ///< `rx`
    std::string firmware;
};

/// `st`, sent by the broker when the connection ends. Stale unless its `cn` is the present one.
struct Will {
    Connection cn;
};

using State = std::variant<Birth, Will>;

/// `up/ev`. `first` is the sequence of facts[0]; the rest follow by one.
struct FactBatch {
    Connection cn;
    Epoch epoch;
    Sequence lo;  ///< The oldest fact the device still holds; above last+1, something was lost.
    Sequence first;
    std::vector<Fact> facts;
};

/// What else an ack says.
enum class AckError : std::uint8_t {
    none,
    epoch,  ///< Renumber what is unacknowledged under `ep`.
    gap,    ///< Send from s+1.
    hello,  ///< This connection is not known: send the birth again.
    slow,   ///< Wait `wait_s`.
    bad,    ///< The batch could not be read: halve it.
};

/// `dn/ak`: every fact up to `acked` is committed and may be forgotten. Idempotent and monotonic;
/// one with another `cn` is ignored by the device.
struct Ack {
    Connection cn;
    Epoch epoch;
    Sequence acked;
    std::int64_t now_s = 0;
    std::int64_t lease_s = 0;
    std::int64_t rights_version = 0;
    AckError error = AckError::none;
    std::optional<std::int64_t> wait_s;              ///< With `slow`.
    std::optional<std::int64_t> reconnect_spread_s;  ///< `rj`
    std::optional<std::string> detail;  ///< With `bad`: what and where, for a firmware author.
    std::optional<std::string> firmware_wanted;
};

/// `up/tm`, every `ka` seconds. Unknown telemetry is carried through as `content`.
struct Heartbeat {
    Connection cn;
    std::optional<std::int64_t> rssi_dbm;
    std::optional<std::int64_t> uptime_s;
    std::string content = "{}";
};

/// "May this card take this key now?" Read-only for the server; the answer counts for 3 s.
struct KeyRequest {
    static constexpr const char* kKind = "key.request";
    CardSerial card;
    KeyName key;
    std::vector<CardSerial> with;  ///< `w`: the others, when two or three persons are needed.
};
/// "How large is this document, and what is its hash?" Asked before the first doc.get; version 0
/// is the present one. The answer carries DocumentFacts.
struct DocumentInfo {
    static constexpr const char* kKind = "doc.info";
    std::string document;
    std::int64_t version = 0;
};
/// "Give me this chunk": it comes on dn/ch (chunk.hpp), or a refusal comes as the answer.
struct DocumentGet {
    static constexpr const char* kKind = "doc.get";
    std::string document;
    std::int64_t version = 0;
    std::int64_t index = 0;
};
/// "What time is it?": the answer's `now` is enough.
struct TimeRequest {
    static constexpr const char* kKind = "time";
};
struct UnknownRequest {
    std::string kind;
};
using RequestBody =
    std::variant<KeyRequest, DocumentInfo, DocumentGet, TimeRequest, UnknownRequest>;

/// `up/rq`
struct Request {
    Connection cn;
    std::int64_t number = 0;  ///< `r`, echoed in the answer.
    RequestBody body;
};

/// What a receiver must know before it pulls: with these it tells a whole document from a broken
/// one.
struct DocumentFacts {
    std::int64_t version = 0;
    std::int64_t bytes = 0;
    std::string sha256;            ///< 64 hexadecimal digits.
    std::int64_t chunk_bytes = 0;  ///< Of every chunk but the last; fits the device's `rx`.
};

/// `dn/re`
struct RequestAnswer {
    Connection cn;
    std::int64_t number = 0;
    std::int64_t rc = 0;                    ///< 0 = yes.
    std::optional<Slot> slot;               ///< Where the key is, with rc 0.
    std::optional<std::string> code;        ///< Code name, with rc not 0.
    std::optional<std::string> text;        ///< For the display.
    std::optional<std::int64_t> now_s;      ///< With a time request.
    std::optional<DocumentFacts> document;  ///< With doc.info and rc 0.
};

// -- commands: the server's wish, at most once, never after its expiry
// ---------------------------------
struct SlotUnlock {
    static constexpr const char* kKind = "slot.unlock";
    Slot slot;
};
struct Buzz {
    static constexpr const char* kKind = "buzz";
    std::int64_t milliseconds = 500;
};
struct Lock {
    static constexpr const char* kKind = "lock";
    bool locked = true;
};
struct Reboot {
    static constexpr const char* kKind = "reboot";
};
struct SettingsCommand {
    static constexpr const char* kKind = "settings";
    std::optional<std::string> time_zone;  ///< POSIX TZ string, what newlib on an ESP32 reads.
    std::optional<std::int64_t> heartbeat_s;
};
struct SlotsReport {
    static constexpr const char* kKind = "slots.report";
};
/// The cabinet pulls its rights document again, also when it holds the version that is wanted: for
/// one whose rights somebody doubts. Done when it has begun.
struct RightsRead {
    static constexpr const char* kKind = "rights.read";
};
struct LogsSend {
    static constexpr const char* kKind = "logs.send";
};
struct ScaleRead {
    static constexpr const char* kKind = "scale.read";
    std::int64_t scale = 0;
};
struct ScaleWrite {
    static constexpr const char* kKind = "scale.write";
    std::int64_t scale = 0;
    std::string document;
};
struct UnknownCommand {
    std::string kind;
};
using CommandBody = std::variant<SlotUnlock, Buzz, Lock, Reboot, SettingsCommand, SlotsReport,
                                 RightsRead, LogsSend, ScaleRead, ScaleWrite, UnknownCommand>;

/// `dn/cm`
struct Command {
    Connection cn;
    std::int64_t number = 0;     ///< `cs`, per device, rising.
    std::int64_t expires_s = 0;  ///< `x`, UTC.
    CommandBody body;
};

/// `dn/ch`, as JSON: the server wants chunks of a document that the device announced (doc.ready).
struct ChunksWanted {
    Connection cn;
    std::string document;
    std::int64_t index = 0;  ///< The first one wanted.
    std::int64_t count = 1;  ///< Of chunks, one after the other.
};

}  // namespace klyuchnik::topics
