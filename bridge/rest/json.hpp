#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "bridge/rest/http.hpp"
#include "db/access/api_views.hpp"
#include "db/access/device_views.hpp"
#include "db/access/document_views.hpp"
#include "db/access/firmware_views.hpp"
#include "db/access/fleet_views.hpp"
#include "topics/asks.hpp"

/// JSON of the REST API to structs and back, once, here. Pure and thread-safe.
namespace klyuchnik::bridge {

/// How long a device's credential lives on beside its new one when the device does not say.
inline constexpr std::int64_t kOverlapDefaultS = 86'400;

/// A member of an ask that the route gives: whatever the body says there does not count.
struct Given {
    std::string_view member;
    std::variant<std::int64_t, std::string> value;
};

/// The body as the ask `domain.name`. Throws Problem: 415 when it is not declared as JSON, 400 with
/// the path and what was expected there. Without a body the ask is what the route gives.
topics::AskBody ask_body(const Request& request, std::string_view domain, std::string_view name,
                         const std::vector<Given>& given = {});

/// An ask that is made of what the route gives alone.
topics::AskBody decode_ask(std::string_view domain, std::string_view name,
                           const std::vector<Given>& given);

/// The same for the asks that give out a claim code: `claim_hours` of the body (1 to 720) becomes
/// their claim_seconds. Their claim_sha256 is left to the caller, who makes the code.
topics::AskBody claim_ask_body(const Request& request, std::string_view name,
                               const std::vector<Given>& given = {});

struct SignIn {
    std::string login;
    std::string password;
};
SignIn sign_in_body(const Request& request);

/// What a device says to get its credential. Throws Problem as ask_body.
struct ClaimBody {
    topics::DeviceId device;
    std::string code;  ///< As it was typed.
    std::string nonce;
    std::optional<std::string> request_pem;  ///< Wants a certificate instead of a secret.
};
ClaimBody claim_body(const Request& request);
struct RotateBody {
    std::string nonce;
    std::optional<std::string> request_pem;
    std::int64_t overlap_seconds = kOverlapDefaultS;
};
RotateBody rotate_body(const Request& request);

/// A member of an answer's content as text, for a Location: a number or a text. "" when absent.
std::string member_text(std::string_view content, std::string_view member);
/// A member of an answer's content that is an integer. None when absent.
std::optional<std::int64_t> member_number(std::string_view content, std::string_view member);
/// An object of texts, in this order.
std::string texts_json(
    std::initializer_list<std::pair<std::string_view, std::string_view>> members);

/// Where a device connects, told to it with its credential.
struct MqttPlace {
    std::string host;
    std::int64_t port = 0;
    std::string ca_pem;  ///< Of the authority that vouches for the broker; empty = public ones.
};
/// What a device gets for a code or for its old secret: exactly one of secret and certificate.
struct CredentialView {
    std::string device;
    std::string secret;
    std::string certificate_pem;
    std::string ca_pem;  ///< Of the authority that signed it.
    std::optional<topics::Instant> ends;
    std::optional<MqttPlace> mqtt;
};
std::string to_json(const CredentialView& credential);

std::string to_json(const db::PersonRow& row);
std::string to_json(const db::KeyRow& row);
std::string to_json(const db::RightRow& row);
std::string to_json(const db::LoanRow& row);
std::string to_json(const db::ConflictRow& row);
std::string to_json(const db::DeviceRow& row);
/// One device with what belongs to it.
struct DeviceView {
    db::DeviceRow device;
    std::vector<db::CredentialRow> credentials;
    std::optional<db::ClaimRow> claim;
    std::vector<db::GapRow> gaps;
    std::optional<db::CabinetRightsRow> rights;  ///< Of a cabinet.
};
/// `now` tells a claim that is over, and a credential.
std::string to_json(const DeviceView& view, topics::Instant now);
std::string to_json(const std::vector<db::DocumentRow>& documents,
                    const std::vector<db::UploadRow>& uploads);
std::string to_json(const db::TelemetryRow& row);
std::string to_json(const db::GapRow& row);
std::string to_json(const db::CommandRow& row);
std::string to_json(const db::AlarmRow& row);
std::string to_json(const db::LetterRow& row);
std::string to_json(const db::LetterWithPayload& row);
std::string to_json(const db::FirmwareRow& row);
std::string to_json(const db::RolloutRow& row);
std::string to_json(const db::RolloutDeviceRow& row);
std::string to_json(const db::SubjectEvent& row);

struct SessionView {
    std::string token;  ///< Empty: not shown.
    topics::Instant expires;
    topics::AccountId account;
    std::string login;
    std::string role;
};
std::string to_json(const SessionView& session);

/// {"status":"ready","mqtt":"ok","database":"ok"}
std::string readiness_json(bool mqtt, bool database);

bool is_utf8(std::string_view text);

}  // namespace klyuchnik::bridge
