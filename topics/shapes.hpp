#pragma once

#include <tuple>

#include "topics/asks.hpp"
#include "topics/device.hpp"
#include "topics/events.hpp"
#include "topics/facts.hpp"
#include "topics/guard.hpp"
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
inline constexpr Range kReasons{1, limits::kNoteCharsMax};
inline constexpr Range kVersions{1, 40};
inline constexpr std::int64_t kDocumentBytes = limits::kDocumentBytesMax;
inline constexpr std::int64_t kChunkBytes = limits::kChunkBytesMax;
inline constexpr Range kClaimLife{60, limits::kClaimLifeMaxS};
inline constexpr Range kHeartbeats{limits::kHeartbeatMin.count(), limits::kHeartbeatMax.count()};

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
struct Shape<FirmwareFailed> {
    static constexpr auto fields = std::tuple{
        Field{"fw", &FirmwareFailed::version, kVersions, "version"},
        Field{"tx", &FirmwareFailed::note, kNotes, "text"},
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
struct Shape<DocumentInfo> {
    static constexpr auto fields = std::tuple{
        Field{"doc", &DocumentInfo::document, kWords, "document name"},
        Field{"v", &DocumentInfo::version, kAnyInteger, "version", Need::defaulted},
    };
};
template <>
struct Shape<DocumentFacts> {
    static constexpr auto fields = std::tuple{
        Field{"v", &DocumentFacts::version, kPositive, "version"},
        Field{"n", &DocumentFacts::bytes, Range{0, kDocumentBytes}, "bytes"},
        Field{"sha", &DocumentFacts::sha256, kSha256, "SHA-256, hex"},
        Field{"cb", &DocumentFacts::chunk_bytes, Range{1, kChunkBytes}, "bytes"},
    };
};
template <>
struct Shape<ChunksWanted> {
    static constexpr auto fields = std::tuple{
        Field{"cn", &ChunksWanted::cn, kConnections, "connection number"},
        Field{"doc", &ChunksWanted::document, kWords, "document name"},
        Field{"i", &ChunksWanted::index, kAnyInteger, "chunk"},
        Field{"c", &ChunksWanted::count, Range{1, limits::kChunksWantedMax}, "chunks"},
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
struct Shape<RightsRead> : EmptyShape<RightsRead> {};
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

// -- the guard
// -----------------------------------------------------------------------------------------
template <>
struct Shape<GuardReport> {
    static constexpr auto fields = std::tuple{
        Field{"boot", &GuardReport::boot, Range{1, 40}, "text"},
        Field{"on", &GuardReport::presence, kFlag, "0 or 1", Need::defaulted},
        Field{"devices", &GuardReport::devices, kAnyInteger, "devices", Need::defaulted},
        Field{"told", &GuardReport::told, Range{1, 40}, "token"},
        Field{"flood", &GuardReport::flood, kDevices, "device id"},
        Field{"dropped", &GuardReport::dropped, kAnyInteger, "messages", Need::defaulted},
        Field{"cut", &GuardReport::cut, kFlag, "0 or 1", Need::defaulted},
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
        Field{"place", &AddDevice::place, Range{0, limits::kRoomCharsMax}, "text", Need::defaulted},
        Field{"claim_sha256", &AddDevice::claim_sha256, kSha256, "SHA-256, hex"},
        Field{"claim_seconds", &AddDevice::claim_seconds, kClaimLife, "s"},
    };
};
template <>
struct Shape<IssueClaim> {
    static constexpr auto fields = std::tuple{
        Field{"device", &IssueClaim::device, kDevices, "device id"},
        Field{"claim_sha256", &IssueClaim::claim_sha256, kSha256, "SHA-256, hex"},
        Field{"claim_seconds", &IssueClaim::claim_seconds, kClaimLife, "s"},
    };
};
template <>
struct Shape<ClaimDevice> {
    static constexpr auto fields = std::tuple{
        Field{"device", &ClaimDevice::device, kDevices, "device id"},
        Field{"claim_sha256", &ClaimDevice::claim_sha256, kSha256, "SHA-256, hex"},
        Field{"nonce_sha256", &ClaimDevice::nonce_sha256, kSha256, "SHA-256, hex"},
        Field{"secret_sha256", &ClaimDevice::secret_sha256, kSha256, "SHA-256, hex"},
        Field{"certificate_sha256", &ClaimDevice::certificate_sha256, kSha256, "SHA-256, hex"},
        Field{"ends_s", &ClaimDevice::ends_s, kPositive, "UTC s"},
    };
};
template <>
struct Shape<RotateCredential> {
    static constexpr auto fields = std::tuple{
        Field{"device", &RotateCredential::device, kDevices, "device id"},
        Field{"shown_sha256", &RotateCredential::shown_sha256, kSha256, "SHA-256, hex"},
        Field{"nonce_sha256", &RotateCredential::nonce_sha256, kSha256, "SHA-256, hex"},
        Field{"secret_sha256", &RotateCredential::secret_sha256, kSha256, "SHA-256, hex"},
        Field{"certificate_sha256", &RotateCredential::certificate_sha256, kSha256, "SHA-256, hex"},
        Field{"ends_s", &RotateCredential::ends_s, kPositive, "UTC s"},
        Field{"overlap_seconds", &RotateCredential::overlap_seconds, Range{0, limits::kOverlapMaxS},
              "s", Need::defaulted},
    };
};
template <>
struct Shape<RevokeDevice> {
    static constexpr auto fields = std::tuple{
        Field{"device", &RevokeDevice::device, kDevices, "device id"},
        Field{"reason", &RevokeDevice::reason, kReasons, "text"},
    };
};
template <>
struct Shape<SwapDevice> {
    static constexpr auto fields = std::tuple{
        Field{"device", &SwapDevice::device, kDevices, "device id"},
        Field{"claim_sha256", &SwapDevice::claim_sha256, kSha256, "SHA-256, hex"},
        Field{"claim_seconds", &SwapDevice::claim_seconds, kClaimLife, "s"},
        Field{"reason", &SwapDevice::reason, kReasons, "text"},
    };
};
template <>
struct Shape<ChangeDevice> {
    static constexpr auto fields = std::tuple{
        Field{"device", &ChangeDevice::device, kDevices, "device id"},
        Field{"name", &ChangeDevice::name, Range{1, 100}, "text"},
        Field{"place", &ChangeDevice::place, Range{0, limits::kRoomCharsMax}, "text"},
        Field{"lease_seconds", &ChangeDevice::lease_seconds, Range{60, limits::kLeaseMaxS}, "s"},
        Field{"away_seconds", &ChangeDevice::away_seconds, Range{30, limits::kLeaseMaxS}, "s"},
    };
};
template <>
struct Shape<SendCommand> {
    static constexpr auto fields = std::tuple{
        Field{"device", &SendCommand::device, kDevices, "device id"},
        Field{"kind", &SendCommand::kind, kWords, "command"},
        Field{"life_seconds", &SendCommand::life_seconds, Range{1, limits::kCommandLifeMax.count()},
              "s", Need::defaulted},
        Field{"slot", &SendCommand::slot, kSlots, "slot"},
        Field{"milliseconds", &SendCommand::milliseconds, Range{1, 60'000}, "ms"},
        Field{"locked", &SendCommand::locked, kFlag, "0 or 1"},
        Field{"time_zone", &SendCommand::time_zone, Range{1, 64}, "POSIX TZ"},
        Field{"heartbeat_s", &SendCommand::heartbeat_s, kHeartbeats, "s"},
    };
};
template <>
struct Shape<AcknowledgeAlarm> {
    static constexpr auto fields = std::tuple{
        Field{"alarm", &AcknowledgeAlarm::alarm, kPositive, "alarm id"},
    };
};
template <>
struct Shape<SnoozeAlarm> {
    static constexpr auto fields = std::tuple{
        Field{"alarm", &SnoozeAlarm::alarm, kPositive, "alarm id"},
        Field{"seconds", &SnoozeAlarm::seconds, Range{60, 30 * 86'400}, "s", Need::defaulted},
    };
};
template <>
struct Shape<ResolveAlarm> {
    static constexpr auto fields = std::tuple{
        Field{"alarm", &ResolveAlarm::alarm, kPositive, "alarm id"},
        Field{"reason", &ResolveAlarm::reason, kReasons, "text"},
    };
};
template <>
struct Shape<RetryLetter> {
    static constexpr auto fields = std::tuple{
        Field{"letter", &RetryLetter::letter, kPositive, "dead letter id"},
    };
};
template <>
struct Shape<DiscardLetter> {
    static constexpr auto fields = std::tuple{
        Field{"letter", &DiscardLetter::letter, kPositive, "dead letter id"},
        Field{"reason", &DiscardLetter::reason, kReasons, "text"},
    };
};
template <>
struct Shape<AddBlobPart> {
    static constexpr auto fields = std::tuple{
        Field{"sha256", &AddBlobPart::sha256, kSha256, "SHA-256, hex"},
        Field{"bytes", &AddBlobPart::bytes, Range{1, kDocumentBytes}, "bytes"},
        Field{"index", &AddBlobPart::index, kAnyInteger, "part"},
        Field{"total", &AddBlobPart::total, Range{1, 4096}, "parts"},
        Field{"content", &AddBlobPart::content, Range{1, 66'000}, "base64"},
    };
};
template <>
struct Shape<AddFirmware> {
    static constexpr auto fields = std::tuple{
        Field{"version", &AddFirmware::version, kVersions, "version"},
        Field{"sha256", &AddFirmware::sha256, kSha256, "SHA-256, hex"},
        Field{"signature", &AddFirmware::signature, Range{88, 88}, "Ed25519, base64"},
        Field{"notes", &AddFirmware::notes, kNotes, "text", Need::defaulted},
    };
};
template <>
struct Shape<StartRollout> {
    static constexpr auto fields = std::tuple{
        Field{"version", &StartRollout::version, kVersions, "version"},
        Field{"devices", &StartRollout::devices, Range{1, limits::kDevicesPerRolloutMax},
              "device ids"},
        Field{"per_minute", &StartRollout::per_minute, Range{1, 600}, "devices a minute",
              Need::defaulted},
        Field{"failures_max", &StartRollout::failures_max, Range{0, 1000}, "devices",
              Need::defaulted},
    };
};
template <>
struct Shape<StopRollout> {
    static constexpr auto fields = std::tuple{
        Field{"rollout", &StopRollout::rollout, kPositive, "roll-out id"},
        Field{"reason", &StopRollout::reason, kReasons, "text"},
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
        Field{"cmd", &AskResult::command, kPositive, "command id"},
        Field{"rollout", &AskResult::rollout, kPositive, "roll-out id"},
        Field{"missing", &AskResult::missing, kAnyInteger, "parts"},
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
        Field{"command", &EventIds::command, kPositive, "command id"},
        Field{"alarm", &EventIds::alarm, kPositive, "alarm id"},
        Field{"letter", &EventIds::letter, kPositive, "dead letter id"},
        Field{"rollout", &EventIds::rollout, kPositive, "roll-out id"},
        Field{"version", &EventIds::version, kPositive, "document version"},
        Field{"why", &EventIds::why, kWords, "code name"},
    };
};

}  // namespace klyuchnik::topics
