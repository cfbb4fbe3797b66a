#pragma once

#include <tuple>

#include "topics/asks.hpp"
#include "topics/device.hpp"
#include "topics/events.hpp"
#include "topics/facts.hpp"
#include "topics/limits.hpp"

/// Which member travels under which key, with its unit and its limits: read by the codec in both
/// directions and by the catalogue, so that neither can drift from the other. Internal to topics/.
namespace klyuchnik::topics {

/// Least and most: of a number its value, of a text its code points, of a list its elements.
struct Range {
    std::int64_t min;
    std::int64_t max;
};

enum class Need : unsigned char { required, defaulted };

template <class Struct, class Member>
struct Field {
    const char* key;
    Member Struct::*member;
    Range range;
    const char* unit;
    Need need = Need::required;  ///< An std::optional member is never required.
};
template <class Struct, class Member>
Field(const char*, Member Struct::*, Range, const char*) -> Field<Struct, Member>;
template <class Struct, class Member>
Field(const char*, Member Struct::*, Range, const char*, Need) -> Field<Struct, Member>;

inline constexpr Range kAnyInteger{0, limits::kIntegerMax};
inline constexpr Range kSigned{-limits::kIntegerMax, limits::kIntegerMax};
inline constexpr Range kPositive{1, limits::kIntegerMax};
inline constexpr Range kSlots{1, limits::kSlotMax};
inline constexpr Range kCards{1, limits::kCardCharsMax};
inline constexpr Range kKeyNames{1, limits::kKeyNameCharsMax};
inline constexpr Range kTags{1, limits::kTagCharsMax};
inline constexpr Range kNotes{0, limits::kNoteCharsMax};
inline constexpr Range kWords{1, 40};
inline constexpr Range kSha256{64, 64};
inline constexpr Range kDevices{7, 21};
inline constexpr Range kConnections{0, limits::kConnectionMax};
inline constexpr Range kResults{0, 599};
inline constexpr Range kFlag{0, 1};

template <class T>
struct Shape;

template <class T>
struct EmptyShape {
    static constexpr auto fields = std::tuple<>{};
};

// -- facts
// ---------------------------------------------------------------------------------------------
template <>
struct Shape<AccessGranted> {
    static constexpr auto fields = std::tuple{
        Field{"r", &AccessGranted::request, kAnyInteger, "request number"},
        Field{"cd", &AccessGranted::card, kCards, "card serial"},
        Field{"ky", &AccessGranted::key, kKeyNames, "key name"},
    };
};
template <>
struct Shape<AccessDenied> {
    static constexpr auto fields = std::tuple{
        Field{"cd", &AccessDenied::card, kCards, "card serial"},
        Field{"ky", &AccessDenied::key, kKeyNames, "key name"},
        Field{"why", &AccessDenied::why, kWords, "code name"},
    };
};
template <>
struct Shape<KeyTaken> {
    static constexpr auto fields = std::tuple{
        Field{"sl", &KeyTaken::slot, kSlots, "slot"},
        Field{"tg", &KeyTaken::tag, kTags, "key tag"},
        Field{"ky", &KeyTaken::key, kKeyNames, "key name"},
        Field{"cd", &KeyTaken::card, kCards, "card serial"},
    };
};
template <>
struct Shape<KeyReturned> {
    static constexpr auto fields = std::tuple{
        Field{"sl", &KeyReturned::slot, kSlots, "slot"},
        Field{"tg", &KeyReturned::tag, kTags, "key tag"},
        Field{"ky", &KeyReturned::key, kKeyNames, "key name"},
        Field{"cd", &KeyReturned::card, kCards, "card serial"},
    };
};
template <>
struct Shape<KeyMisplaced> {
    static constexpr auto fields = std::tuple{
        Field{"sl", &KeyMisplaced::slot, kSlots, "slot"},
        Field{"tg", &KeyMisplaced::tag, kTags, "key tag"},
    };
};
template <>
struct Shape<SlotContent> {
    static constexpr auto fields = std::tuple{
        Field{"sl", &SlotContent::slot, kSlots, "slot"},
        Field{"tg", &SlotContent::tag, kTags, "key tag"},
    };
};
template <>
struct Shape<SlotsState> {
    static constexpr auto fields = std::tuple{
        Field{"slots", &SlotsState::slots, Range{1, limits::kSlotMax}, "slots"},
    };
};
template <>
struct Shape<DoorOpened> : EmptyShape<DoorOpened> {};
template <>
struct Shape<DoorClosed> : EmptyShape<DoorClosed> {};
template <>
struct Shape<DoorForced> : EmptyShape<DoorForced> {};
template <>
struct Shape<DoorLeftOpen> {
    static constexpr auto fields = std::tuple{
        Field{"for", &DoorLeftOpen::seconds, kAnyInteger, "s", Need::defaulted},
    };
};
template <>
struct Shape<Tamper> {
    static constexpr auto fields = std::tuple{
        Field{"what", &Tamper::what, kNotes, "text"},
    };
};
template <>
struct Shape<Power> {
    static constexpr auto fields = std::tuple{
        Field{"on", &Power::on, kFlag, "0 or 1"},
    };
};
template <>
struct Shape<CardTapped> {
    static constexpr auto fields = std::tuple{
        Field{"cd", &CardTapped::card, kCards, "card serial"},
    };
};
template <>
struct Shape<FaultReported> {
    static constexpr auto fields = std::tuple{
        Field{"ky", &FaultReported::key, kKeyNames, "key name"},
        Field{"cd", &FaultReported::card, kCards, "card serial"},
        Field{"sev", &FaultReported::severity, Range{1, 3}, "1 note, 2 repair, 3 stop"},
        Field{"tx", &FaultReported::note, kNotes, "text"},
    };
};
template <>
struct Shape<CommandAccepted> {
    static constexpr auto fields = std::tuple{
        Field{"cs", &CommandAccepted::command, kPositive, "command number"},
    };
};
template <>
struct Shape<CommandDone> {
    static constexpr auto fields = std::tuple{
        Field{"cs", &CommandDone::command, kPositive, "command number"},
        Field{"rc", &CommandDone::rc, kResults, "result code"},
        Field{"tx", &CommandDone::note, kNotes, "text"},
    };
};
template <>
struct Shape<JournalOverrun> {
    static constexpr auto fields = std::tuple{
        Field{"n", &JournalOverrun::count, kPositive, "facts"},
    };
};
template <>
struct Shape<JournalBad> {
    static constexpr auto fields = std::tuple{
        Field{"crc", &JournalBad::crc, Range{0, 0xFFFF'FFFF}, "CRC-32"},
        Field{"n", &JournalBad::bytes, kAnyInteger, "bytes"},
    };
};
template <>
struct Shape<DocumentReady> {
    static constexpr auto fields = std::tuple{
        Field{"doc", &DocumentReady::document, kWords, "document name"},
        Field{"n", &DocumentReady::bytes, kAnyInteger, "bytes"},
        Field{"sha", &DocumentReady::sha256, kSha256, "SHA-256, hex"},
    };
};
template <>
struct Shape<ScaleState> {
    static constexpr auto fields = std::tuple{
        Field{"sc", &ScaleState::scale, kPositive, "scale number"},
        Field{"st", &ScaleState::state, kWords, "state"},
    };
};
template <>
struct Shape<ScaleFailed> {
    static constexpr auto fields = std::tuple{
        Field{"sc", &ScaleFailed::scale, kPositive, "scale number"},
        Field{"rc", &ScaleFailed::rc, kAnyInteger, "result code"},
        Field{"tx", &ScaleFailed::note, kNotes, "text"},
    };
};

// -- device envelopes
// ----------------------------------------------------------------------------------
template <>
struct Shape<Birth> {
    static constexpr auto fields = std::tuple{
        Field{"cn", &Birth::cn, kConnections, "connection number"},
        Field{"ep", &Birth::epoch, kAnyInteger, "journal epoch"},
        Field{"b", &Birth::boot, kAnyInteger, "boots"},
        Field{"m", &Birth::since_boot_ms, Range{0, limits::kUptimeMsMax}, "ms since boot"},
        Field{"lo", &Birth::lo, kAnyInteger, "sequence"},
        Field{"hi", &Birth::hi, kAnyInteger, "sequence"},
        Field{"cf", &Birth::rights_version, kAnyInteger, "version", Need::defaulted},
        Field{"cs", &Birth::last_command, kAnyInteger, "command number", Need::defaulted},
        Field{"ka", &Birth::heartbeat_s,
              Range{limits::kHeartbeatMin.count(), limits::kHeartbeatMax.count()}, "s"},
        Field{"rx", &Birth::packet_bytes_max,
              Range{limits::kSmallPacketBytes, limits::kPayloadBytesMax}, "bytes"},
        Field{"fw", &Birth::firmware, Range{0, 40}, "version"},
    };
};
template <>
struct Shape<Will> {
    static constexpr auto fields = std::tuple{
        Field{"cn", &Will::cn, kConnections, "connection number"},
    };
};
template <>
struct Shape<Ack> {
    static constexpr auto fields = std::tuple{
        Field{"cn", &Ack::cn, kConnections, "connection number"},
        Field{"ep", &Ack::epoch, kAnyInteger, "journal epoch"},
        Field{"s", &Ack::acked, kAnyInteger, "sequence"},
        Field{"now", &Ack::now_s, kAnyInteger, "UTC s"},
        Field{"le", &Ack::lease_s, kAnyInteger, "s"},
        Field{"cf", &Ack::rights_version, kAnyInteger, "version"},
        Field{"w", &Ack::wait_s, Range{0, 3600}, "s"},
        Field{"rj", &Ack::reconnect_spread_s, Range{0, 3600}, "s"},
        Field{"tx", &Ack::detail, kNotes, "text"},
        Field{"fw", &Ack::firmware_wanted, Range{0, 40}, "version"},
    };
};
template <>
struct Shape<Heartbeat> {
    static constexpr auto fields = std::tuple{
        Field{"rssi", &Heartbeat::rssi_dbm, Range{-200, 50}, "dBm"},
        Field{"up", &Heartbeat::uptime_s, kAnyInteger, "s"},
    };
};
template <>
struct Shape<KeyRequest> {
    static constexpr auto fields = std::tuple{
        Field{"cd", &KeyRequest::card, kCards, "card serial"},
        Field{"ky", &KeyRequest::key, kKeyNames, "key name"},
        Field{"w", &KeyRequest::with, Range{0, limits::kWitnessCardsMax}, "card serials",
              Need::defaulted},
    };
};
template <>
struct Shape<DocumentGet> {
    static constexpr auto fields = std::tuple{
        Field{"doc", &DocumentGet::document, kWords, "document name"},
        Field{"v", &DocumentGet::version, kAnyInteger, "version"},
        Field{"i", &DocumentGet::index, kAnyInteger, "chunk"},
    };
};
template <>
struct Shape<TimeRequest> : EmptyShape<TimeRequest> {};
template <>
struct Shape<SlotUnlock> {
    static constexpr auto fields = std::tuple{
        Field{"sl", &SlotUnlock::slot, kSlots, "slot"},
    };
};
template <>
struct Shape<Buzz> {
    static constexpr auto fields = std::tuple{
        Field{"ms", &Buzz::milliseconds, Range{1, 60'000}, "ms", Need::defaulted},
    };
};
template <>
struct Shape<Lock> {
    static constexpr auto fields = std::tuple{
        Field{"on", &Lock::locked, kFlag, "0 or 1"},
    };
};
template <>
struct Shape<Reboot> : EmptyShape<Reboot> {};
template <>
struct Shape<SettingsCommand> {
    static constexpr auto fields = std::tuple{
        Field{"tz", &SettingsCommand::time_zone, Range{1, 64}, "POSIX TZ"},
        Field{"ka", &SettingsCommand::heartbeat_s,
              Range{limits::kHeartbeatMin.count(), limits::kHeartbeatMax.count()}, "s"},
    };
};
template <>
struct Shape<SlotsReport> : EmptyShape<SlotsReport> {};
template <>
struct Shape<LogsSend> : EmptyShape<LogsSend> {};
template <>
struct Shape<ScaleRead> {
    static constexpr auto fields = std::tuple{
        Field{"sc", &ScaleRead::scale, kPositive, "scale number"},
    };
};
template <>
struct Shape<ScaleWrite> {
    static constexpr auto fields = std::tuple{
        Field{"sc", &ScaleWrite::scale, kPositive, "scale number"},
        Field{"doc", &ScaleWrite::document, kWords, "document name"},
    };
};

// -- asks
// ----------------------------------------------------------------------------------------------
template <>
struct Shape<AddPerson> {
    static constexpr auto fields = std::tuple{
        Field{"full_name", &AddPerson::full_name, Range{1, limits::kPersonNameCharsMax}, "text"},
        Field{"cards", &AddPerson::cards, Range{0, limits::kCardsPerPersonMax}, "card serials",
              Need::defaulted},
    };
};
template <>
struct Shape<DeactivatePerson> {
    static constexpr auto fields = std::tuple{
        Field{"person", &DeactivatePerson::person, kPositive, "person id"},
    };
};
template <>
struct Shape<OpenSession> {
    static constexpr auto fields = std::tuple{
        Field{"account", &OpenSession::account, kPositive, "account id"},
        Field{"token_sha256", &OpenSession::token_sha256, kSha256, "SHA-256, hex"},
        Field{"seconds", &OpenSession::seconds, Range{60, 31 * 86'400}, "s"},
    };
};
template <>
struct Shape<CloseSession> {
    static constexpr auto fields = std::tuple{
        Field{"token_sha256", &CloseSession::token_sha256, kSha256, "SHA-256, hex"},
    };
};
template <>
struct Shape<AddDevice> {
    static constexpr auto fields = std::tuple{
        Field{"device", &AddDevice::device, kDevices, "device id"},
        Field{"name", &AddDevice::name, Range{1, 100}, "text"},
        Field{"secret_sha256", &AddDevice::secret_sha256, kSha256, "SHA-256, hex"},
    };
};
template <>
struct Shape<AddKey> {
    static constexpr auto fields = std::tuple{
        Field{"name", &AddKey::name, kKeyNames, "key name"},
        Field{"room", &AddKey::room, Range{0, limits::kRoomCharsMax}, "text", Need::defaulted},
        Field{"tag", &AddKey::tag, kTags, "key tag"},
        Field{"cabinet", &AddKey::cabinet, kDevices, "device id"},
        Field{"slot", &AddKey::slot, kSlots, "slot"},
    };
};
template <>
struct Shape<GrantRight> {
    static constexpr auto fields = std::tuple{
        Field{"person", &GrantRight::person, kPositive, "person id"},
        Field{"key", &GrantRight::key, kPositive, "key id"},
    };
};
template <>
struct Shape<RevokeRight> {
    static constexpr auto fields = std::tuple{
        Field{"person", &RevokeRight::person, kPositive, "person id"},
        Field{"key", &RevokeRight::key, kPositive, "key id"},
    };
};
template <>
struct Shape<SetRights> {
    static constexpr auto fields = std::tuple{
        Field{"person", &SetRights::person, kPositive, "person id"},
        Field{"keys", &SetRights::keys, Range{0, limits::kKeysPerAskMax}, "key ids"},
    };
};
template <>
struct Shape<IssueKey> {
    static constexpr auto fields = std::tuple{
        Field{"card", &IssueKey::card, kCards, "card serial"},
        Field{"key", &IssueKey::key, kKeyNames, "key name"},
    };
};
template <>
struct Shape<ReturnKey> {
    static constexpr auto fields = std::tuple{
        Field{"card", &ReturnKey::card, kCards, "card serial"},
        Field{"key", &ReturnKey::key, kKeyNames, "key name"},
    };
};
template <>
struct Shape<AskResult> {
    static constexpr auto fields = std::tuple{
        Field{"person", &AskResult::person, kPositive, "person id"},
        Field{"key", &AskResult::key, kPositive, "key id"},
        Field{"loan", &AskResult::loan, kPositive, "loan id"},
        Field{"account", &AskResult::account, kPositive, "account id"},
        Field{"device", &AskResult::device, kDevices, "device id"},
    };
};

// -- events
// --------------------------------------------------------------------------------------------
template <>
struct Shape<EventIds> {
    static constexpr auto fields = std::tuple{
        Field{"person", &EventIds::person, kPositive, "person id"},
        Field{"holder", &EventIds::holder, kPositive, "person id"},
        Field{"key", &EventIds::key, kPositive, "key id"},
        Field{"loan", &EventIds::loan, kPositive, "loan id"},
        Field{"account", &EventIds::account, kPositive, "account id"},
        Field{"device", &EventIds::device, kDevices, "device id"},
        Field{"slot", &EventIds::slot, kSlots, "slot"},
        Field{"epoch", &EventIds::epoch, kAnyInteger, "journal epoch"},
        Field{"first", &EventIds::first, kAnyInteger, "sequence"},
        Field{"last", &EventIds::last, kAnyInteger, "sequence"},
        Field{"why", &EventIds::why, kWords, "code name"},
    };
};

}  // namespace klyuchnik::topics
