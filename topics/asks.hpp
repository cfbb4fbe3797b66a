#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "topics/ids.hpp"
#include "topics/limits.hpp"
#include "topics/refusal.hpp"
#include "topics/time.hpp"

/// Asks: writes wanted by people and programs over HTTP. An ask may be refused and expires; its
/// `id` makes it happen once however often it is sent.
namespace klyuchnik::topics {

// -- accounts
// ------------------------------------------------------------------------------------------
struct AddPerson {
    static constexpr const char* kDomain = "accounts";
    static constexpr const char* kName = "add_person";
    std::string full_name;
    std::vector<CardSerial> cards;
};
/// The person's cards open nothing from this commit on; loans and history stay.
struct DeactivatePerson {
    static constexpr const char* kDomain = "accounts";
    static constexpr const char* kName = "deactivate_person";
    PersonId person;
};
struct OpenSession {
    static constexpr const char* kDomain = "accounts";
    static constexpr const char* kName = "open_session";
    AccountId account;
    std::string token_sha256;  ///< 64 hexadecimal digits; the token itself never leaves the bridge.
    std::int64_t seconds = 0;  ///< How long it lives.
};
struct CloseSession {
    static constexpr const char* kDomain = "accounts";
    static constexpr const char* kName = "close_session";
    std::string token_sha256;
};

// -- devices
// -------------------------------------------------------------------------------------------
// Of claim codes, nonces and secrets only SHA-256 travels, as 64 hexadecimal digits.

/// A device that may be claimed: whoever shows the code once becomes this device.
struct AddDevice {
    static constexpr const char* kDomain = "devices";
    static constexpr const char* kName = "add_device";
    DeviceId device;
    std::string name;   ///< For people: "Gatehouse".
    std::string place;  ///< For people: "Left of the gate".
    std::string claim_sha256;
    std::int64_t claim_seconds = 0;  ///< How long the code may be used.
};
/// Another code for a device that is there: to rotate its credential by hand, or after a lost one.
/// An unused earlier code dies.
struct IssueClaim {
    static constexpr const char* kDomain = "devices";
    static constexpr const char* kName = "issue_claim";
    DeviceId device;
    std::string claim_sha256;
    std::int64_t claim_seconds = 0;
};
/// A device exchanges its code for its own credential: a secret or a certificate, exactly one.
/// Repeated with the same nonce it replaces what it got (the answer was lost); anybody else's
/// repeat is refused.
struct ClaimDevice {
    static constexpr const char* kDomain = "devices";
    static constexpr const char* kName = "claim_device";
    DeviceId device;
    std::string claim_sha256;
    std::string nonce_sha256;  ///< Of a random text that the device drew for this claim.
    std::optional<std::string> secret_sha256;
    std::optional<std::string> certificate_sha256;  ///< Of its DER.
    std::optional<std::int64_t> ends_s;             ///< UTC; of a certificate.
};
/// A device replaces its own credential; the one that it has shown lives on for the overlap, and
/// any other dies: an answer that was lost must not leave it with nothing.
struct RotateCredential {
    static constexpr const char* kDomain = "devices";
    static constexpr const char* kName = "rotate_credential";
    DeviceId device;
    std::string shown_sha256;  ///< Of the secret that proved who asks; it must be alive still.
    std::string nonce_sha256;
    std::optional<std::string> secret_sha256;
    std::optional<std::string> certificate_sha256;
    std::optional<std::int64_t> ends_s;
    std::int64_t overlap_seconds = 86'400;
};
/// The device is out: its credentials die, its session is cut, and it can not return.
struct RevokeDevice {
    static constexpr const char* kDomain = "devices";
    static constexpr const char* kName = "revoke_device";
    DeviceId device;
    std::string reason;
};
/// New hardware takes over the name, place, rights and keys of a broken or cloned device: a new
/// identity generation. The old credentials die at once; history stays.
struct SwapDevice {
    static constexpr const char* kDomain = "devices";
    static constexpr const char* kName = "swap_device";
    DeviceId device;
    std::string claim_sha256;
    std::int64_t claim_seconds = 0;
    std::string reason;
};
/// Absent members stay as they are.
struct ChangeDevice {
    static constexpr const char* kDomain = "devices";
    static constexpr const char* kName = "change_device";
    DeviceId device;
    std::optional<std::string> name;
    std::optional<std::string> place;
    std::optional<std::int64_t> lease_seconds;  ///< How long it may decide without the server.
    std::optional<std::int64_t> away_seconds;   ///< Away for longer is an alarm.
};
/// A command to a device; the answer is its number, the device works on it afterwards. Which of the
/// optional members count depends on `kind`, as in the command's own body.
struct SendCommand {
    static constexpr const char* kDomain = "devices";
    static constexpr const char* kName = "send_command";
    DeviceId device;
    std::string kind;
    std::int64_t life_seconds = 60;  ///< Not run later than this.
    std::optional<Slot> slot;
    std::optional<std::int64_t> milliseconds;
    std::optional<bool> locked;
    std::optional<std::string> time_zone;
    std::optional<std::int64_t> heartbeat_s;
};
struct AcknowledgeAlarm {
    static constexpr const char* kDomain = "devices";
    static constexpr const char* kName = "acknowledge_alarm";
    AlarmId alarm;
};
/// Out of sight for a while; it comes back if its cause is still there.
struct SnoozeAlarm {
    static constexpr const char* kDomain = "devices";
    static constexpr const char* kName = "snooze_alarm";
    AlarmId alarm;
    std::int64_t seconds = 3600;
};
struct ResolveAlarm {
    static constexpr const char* kDomain = "devices";
    static constexpr const char* kName = "resolve_alarm";
    AlarmId alarm;
    std::string reason;
};
/// Try again what was set aside, as it came.
struct RetryLetter {
    static constexpr const char* kDomain = "devices";
    static constexpr const char* kName = "retry_letter";
    LetterId letter;
};
struct DiscardLetter {
    static constexpr const char* kDomain = "devices";
    static constexpr const char* kName = "discard_letter";
    LetterId letter;
    std::string reason;
};
/// One piece of a large upload. Pieces may come in any order and again; the last missing one makes
/// the blob whole, if its hash is right.
struct AddBlobPart {
    static constexpr const char* kDomain = "devices";
    static constexpr const char* kName = "add_blob_part";
    std::string sha256;  ///< Of the whole: its name.
    std::int64_t bytes = 0;
    std::int64_t index = 0;
    std::int64_t total = 0;
    std::string content;  ///< Base64; each piece but the last is limits::kBlobPartBytesMax long.
};
/// An uploaded image that may be offered to devices.
struct AddFirmware {
    static constexpr const char* kDomain = "devices";
    static constexpr const char* kName = "add_firmware";
    std::string version;    ///< What a device with it says in its birth.
    std::string sha256;     ///< Of an uploaded blob.
    std::string signature;  ///< Ed25519 over the 32 bytes of the hash, base64.
    std::string notes;
};
struct StartRollout {
    static constexpr const char* kDomain = "devices";
    static constexpr const char* kName = "start_rollout";
    std::string version;
    std::vector<DeviceId> devices;
    std::int64_t per_minute = 6;    ///< Offers made; never more.
    std::int64_t failures_max = 0;  ///< One more failure than this stops it.
};
struct StopRollout {
    static constexpr const char* kDomain = "devices";
    static constexpr const char* kName = "stop_rollout";
    RolloutId rollout;
    std::string reason;
};

// -- keys
// ----------------------------------------------------------------------------------------------
struct AddKey {
    static constexpr const char* kDomain = "keys";
    static constexpr const char* kName = "add_key";
    KeyName name;
    std::string room;
    std::optional<TagId> tag;
    std::optional<DeviceId> cabinet;  ///< With `slot`: the home of the key.
    std::optional<Slot> slot;
};
struct GrantRight {
    static constexpr const char* kDomain = "keys";
    static constexpr const char* kName = "grant_right";
    PersonId person;
    KeyId key;
};
struct RevokeRight {
    static constexpr const char* kDomain = "keys";
    static constexpr const char* kName = "revoke_right";
    PersonId person;
    KeyId key;
};
/// The person may take exactly these keys from now on.
struct SetRights {
    static constexpr const char* kDomain = "keys";
    static constexpr const char* kName = "set_rights";
    PersonId person;
    std::vector<KeyId> keys;
};
/// An old cabinet without a sensor gives a key out: the loan opens here and now.
struct IssueKey {
    static constexpr const char* kDomain = "keys";
    static constexpr const char* kName = "issue_key";
    CardSerial card;
    KeyName key;
};
struct ReturnKey {
    static constexpr const char* kDomain = "keys";
    static constexpr const char* kName = "return_key";
    CardSerial card;
    KeyName key;
};
struct UnknownAsk {
    std::string name;
};

using AskBody =
    std::variant<AddPerson, DeactivatePerson, OpenSession, CloseSession, AddDevice, IssueClaim,
                 ClaimDevice, RotateCredential, RevokeDevice, SwapDevice, ChangeDevice, SendCommand,
                 AcknowledgeAlarm, SnoozeAlarm, ResolveAlarm, RetryLetter, DiscardLetter,
                 AddBlobPart, AddFirmware, StartRollout, StopRollout, AddKey, GrantRight,
                 RevokeRight, SetRights, IssueKey, ReturnKey, UnknownAsk>;

/// How the caller proved who they are; the handler looks the account's role up itself.
enum class Via : std::uint8_t { session, token, key, legacy };

/// `account` is "account:<id>" for people and programs, a device id for a cabinet that speaks HTTP,
/// "trusted-network" where a deployment allows cabinets without credentials, "claim" for a device
/// that has nothing but its claim code yet.
struct Caller {
    std::string account;
    Via via = Via::session;
};

struct Ask {
    std::string id;  ///< Unique per account: the client's Idempotency-Key or a generated one.
    std::int64_t expires_s = 0;
    Caller by;
    AskBody body;
    std::uint64_t digest =
        0;  ///< Of domain, name and body: another body under the same id is refused.
};

/// `kl/v1/re/{client}`
struct AskAnswer {
    std::string id;
    std::int64_t rc = 0;              ///< 0 done, 202 a device works on it, else refused.
    std::optional<std::string> code;  ///< Code name, when refused.
    std::optional<std::string> text;  ///< For a person, when refused.
    std::string content = "{}";       ///< `d`: the result as a JSON object.
};

/// What a done ask answers: ids only. Absent ones are not on the wire.
struct AskResult {
    std::optional<PersonId> person;
    std::optional<KeyId> key;
    std::optional<LoanId> loan;
    std::optional<AccountId> account;
    std::optional<std::string> device;
    std::optional<CommandId> command;  ///< `cmd`: a device works on it, and the answer's rc is 202.
    std::optional<RolloutId> rollout;
    std::optional<std::int64_t> missing;  ///< Parts of an upload that are not here yet.
};

}  // namespace klyuchnik::topics
