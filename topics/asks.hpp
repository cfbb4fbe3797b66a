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
struct AddDevice {
    static constexpr const char* kDomain = "devices";
    static constexpr const char* kName = "add_device";
    DeviceId device;
    std::string name;           ///< For people: "Gatehouse".
    std::string secret_sha256;  ///< 64 hexadecimal digits, of the secret the broker also knows by
                                ///< its own hash.
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
    std::variant<AddPerson, DeactivatePerson, OpenSession, CloseSession, AddDevice, AddKey,
                 GrantRight, RevokeRight, SetRights, IssueKey, ReturnKey, UnknownAsk>;

/// How the caller proved who they are; the handler looks the account's role up itself.
enum class Via : std::uint8_t { session, token, key, legacy };

/// `account` is "account:<id>" for people and programs, a device id for a cabinet that speaks HTTP,
/// "trusted-network" where a deployment allows cabinets without credentials.
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
};

}  // namespace klyuchnik::topics
