#include "bridge/rest/json.hpp"

#include <nlohmann/json.hpp>

#include "bridge/rest/claim_codes.hpp"
#include "bridge/rest/device_certificates.hpp"
#include "bridge/rest/passwords.hpp"
#include "bridge/rest/problem.hpp"
#include "topics/codec.hpp"
#include "topics/limits.hpp"
#include "topics/strict_json.hpp"

namespace klyuchnik::bridge {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::size_t kLoginBytesMax = 100;
constexpr std::int64_t kClaimHoursMax = topics::limits::kClaimLifeMaxS / 3600;

void require_json(const Request& request) {
    std::string_view type = request.header("content-type");
    type = type.substr(0, type.find(';'));
    while (!type.empty() && type.back() == ' ') type.remove_suffix(1);
    if (type != "application/json") {
        throw Problem{415, "malformed", "Content-Type: application/json is expected"};
    }
}

json parsed(const Request& request) {
    require_json(request);
    auto root = topics::parse_strict(request.body);
    if (!root) throw bad_request(root.error().text());
    if (!root->is_object()) throw bad_request("expected an object");
    return std::move(*root);
}

std::string text_member(const json& root, const char* name, std::size_t bytes_max) {
    const auto found = root.find(name);
    if (found == root.end()) throw bad_request(std::string{name} + ": missing");
    if (!found->is_string()) throw bad_request(std::string{name} + ": expected a text");
    auto text = found->get<std::string>();
    if (text.empty() || text.size() > bytes_max) {
        throw bad_request(std::string{name} + ": expected 1 to " + std::to_string(bytes_max) +
                          " bytes");
    }
    return text;
}

std::optional<std::int64_t> integer_member(const json& root, const char* name, std::int64_t min,
                                           std::int64_t max) {
    const auto found = root.find(name);
    if (found == root.end() || found->is_null()) return std::nullopt;
    if (!found->is_number_integer() || found->get<std::int64_t>() < min ||
        found->get<std::int64_t>() > max) {
        throw bad_request(std::string{name} + ": expected an integer from " + std::to_string(min) +
                          " to " + std::to_string(max));
    }
    return found->get<std::int64_t>();
}

std::string nonce_member(const json& root) {
    std::string nonce = text_member(root, "nonce", kNonceBytesMax);
    if (!is_nonce(nonce)) {
        throw bad_request("nonce: expected 16 to 64 printable ASCII characters");
    }
    return nonce;
}

std::optional<std::string> request_member(const json& root) {
    const auto found = root.find("csr");
    if (found == root.end() || found->is_null()) return std::nullopt;
    return text_member(root, "csr", kRequestPemBytesMax);
}

json body_or_nothing(const Request& request, const std::vector<Given>& given) {
    if (request.body.empty() && !given.empty()) return json::object();
    return parsed(request);
}

topics::AskBody decoded_ask(std::string_view domain, std::string_view name, json root,
                            const std::vector<Given>& given) {
    for (const Given& one : given) {
        std::visit([&](const auto& value) { root[std::string{one.member}] = value; }, one.value);
    }
    auto body = topics::decode_ask_body(domain, name, root.dump());
    if (!body) throw bad_request(body.error().text());
    return std::move(*body);
}

ordered_json shown(std::int64_t value) {
    return value;
}
ordered_json shown(const std::string& value) {
    return value;
}
ordered_json shown(topics::Instant at) {
    return topics::rfc3339(at);
}
template <class Tag>
ordered_json shown(const topics::Id<Tag>& id) {
    return id.value;
}
template <class T>
ordered_json shown(const std::optional<T>& value) {
    if (!value) return nullptr;
    return shown(*value);
}

/// A JSON object that the database keeps as text.
ordered_json stored_object(const std::string& text) {
    ordered_json value = ordered_json::parse(text, nullptr, false);
    return value.is_object() ? value : ordered_json::object();
}

ordered_json object_of(const db::DeviceRow& row) {
    ordered_json out;
    out["device"] = row.device;
    out["name"] = row.name;
    out["place"] = row.place;
    out["active"] = row.active;
    out["created_at"] = shown(row.created);
    out["revoked_at"] = shown(row.revoked);
    out["revoked_why"] = shown(row.revoked_why);
    out["generation"] = row.generation;
    out["swapped_at"] = shown(row.swapped);
    out["swapped_why"] = shown(row.swapped_why);
    out["lease_seconds"] = row.lease_s;
    out["away_seconds"] = row.away_s;
    out["state"] = row.state;
    out["since"] = shown(row.since);
    out["away"] = row.away;
    out["firmware"] = shown(row.firmware);
    out["heartbeat_s"] = row.heartbeat_s;
    out["packet_bytes_max"] = row.packet_bytes_max;
    out["heard_at"] = shown(row.heard);
    out["rssi_dbm"] = shown(row.rssi_dbm);
    out["uptime_s"] = shown(row.uptime_s);
    out["telemetry"] = nullptr;
    if (row.telemetry) out["telemetry"] = stored_object(*row.telemetry);
    out["rights_held"] = row.rights_held;
    out["rights_wanted"] = shown(row.rights_wanted);
    out["epoch"] = shown(row.epoch);
    out["acked"] = shown(row.acked);
    out["unacked"] = shown(row.unacked);
    out["clock_error_s"] = shown(row.clock_error_s);
    return out;
}

ordered_json object_of(const db::GapRow& row) {
    ordered_json out;
    out["device"] = row.device;
    out["epoch"] = shown(row.epoch);
    out["first"] = shown(row.first);
    out["last"] = shown(row.last);
    out["why"] = row.why;
    out["noticed_at"] = shown(row.noticed);
    return out;
}

ordered_json object_of(const db::LetterRow& row) {
    ordered_json out;
    out["letter"] = shown(row.letter);
    out["domain"] = row.domain;
    out["source"] = row.source;
    out["kind"] = row.kind;
    out["why"] = row.why;
    out["set_aside_at"] = shown(row.set_aside);
    out["state"] = row.state;
    out["tries"] = row.tries;
    out["changed_by"] = shown(row.changed_by);
    out["changed_at"] = shown(row.changed);
    out["reason"] = shown(row.reason);
    return out;
}

}  // namespace

topics::AskBody ask_body(const Request& request, std::string_view domain, std::string_view name,
                         const std::vector<Given>& given) {
    return decoded_ask(domain, name, body_or_nothing(request, given), given);
}

topics::AskBody decode_ask(std::string_view domain, std::string_view name,
                           const std::vector<Given>& given) {
    return decoded_ask(domain, name, json::object(), given);
}

topics::AskBody claim_ask_body(const Request& request, std::string_view name,
                               const std::vector<Given>& given) {
    json root = body_or_nothing(request, given);
    const std::int64_t hours =
        integer_member(root, "claim_hours", 1, kClaimHoursMax).value_or(kClaimHoursDefault);
    root["claim_seconds"] = hours * 3600;
    root["claim_sha256"] = std::string(64, '0');
    return decoded_ask("devices", name, std::move(root), given);
}

SignIn sign_in_body(const Request& request) {
    const json root = parsed(request);
    return {text_member(root, "login", kLoginBytesMax),
            text_member(root, "password", kPasswordBytesMax)};
}

ClaimBody claim_body(const Request& request) {
    const json root = parsed(request);
    const auto device = topics::DeviceId::parse(text_member(root, "device", 21));
    if (!device) throw bad_request("device: expected kc- or sg- and 4 to 18 of a-z and 0-9");
    return {*device, text_member(root, "code", kClaimCodeBytesMax), nonce_member(root),
            request_member(root)};
}

RotateBody rotate_body(const Request& request) {
    const json root = parsed(request);
    return {nonce_member(root), request_member(root),
            integer_member(root, "overlap_seconds", 0, topics::limits::kOverlapMaxS)
                .value_or(kOverlapDefaultS)};
}

std::string member_text(std::string_view content, std::string_view member) {
    const json root = json::parse(content, nullptr, false);
    if (!root.is_object()) return {};
    const auto found = root.find(std::string{member});
    if (found == root.end()) return {};
    if (found->is_number_integer()) return std::to_string(found->get<std::int64_t>());
    return found->is_string() ? found->get<std::string>() : std::string{};
}

std::optional<std::int64_t> member_number(std::string_view content, std::string_view member) {
    const json root = json::parse(content, nullptr, false);
    if (!root.is_object()) return std::nullopt;
    const auto found = root.find(std::string{member});
    if (found == root.end() || !found->is_number_integer()) return std::nullopt;
    return found->get<std::int64_t>();
}

std::string texts_json(
    std::initializer_list<std::pair<std::string_view, std::string_view>> members) {
    ordered_json out = ordered_json::object();
    for (const auto& [name, value] : members) out[std::string{name}] = std::string{value};
    return out.dump();
}

std::string to_json(const CredentialView& credential) {
    ordered_json out;
    out["device"] = credential.device;
    if (!credential.secret.empty()) out["secret"] = credential.secret;
    if (!credential.certificate_pem.empty()) {
        out["certificate"] = credential.certificate_pem;
        out["ca"] = credential.ca_pem;
    }
    if (credential.ends) out["ends"] = shown(*credential.ends);
    if (credential.mqtt) {
        out["mqtt"]["host"] = credential.mqtt->host;
        out["mqtt"]["port"] = credential.mqtt->port;
        if (!credential.mqtt->ca_pem.empty()) out["mqtt"]["ca"] = credential.mqtt->ca_pem;
    }
    return out.dump();
}

std::string to_json(const db::PersonRow& row) {
    ordered_json out;
    out["person"] = shown(row.person);
    out["full_name"] = row.full_name;
    out["active"] = row.active;
    out["cards"] = row.cards;
    out["created_at"] = shown(row.created);
    return out.dump();
}

std::string to_json(const db::KeyRow& row) {
    ordered_json out;
    out["key"] = shown(row.key);
    out["name"] = row.name;
    out["room"] = row.room;
    out["tag"] = shown(row.tag);
    out["cabinet"] = shown(row.cabinet);
    out["slot"] = shown(row.slot);
    out["created_at"] = shown(row.created);
    out["loan"] = shown(row.loan);
    out["holder"] = shown(row.holder);
    return out.dump();
}

std::string to_json(const db::RightRow& row) {
    ordered_json out;
    out["person"] = shown(row.person);
    out["full_name"] = row.full_name;
    out["key"] = shown(row.key);
    out["key_name"] = row.key_name;
    out["granted_at"] = shown(row.granted);
    out["granted_by"] = row.granted_by;
    return out.dump();
}

std::string to_json(const db::LoanRow& row) {
    ordered_json out;
    out["loan"] = shown(row.loan);
    out["key"] = shown(row.key);
    out["key_name"] = row.key_name;
    out["room"] = row.room;
    out["person"] = shown(row.person);
    out["full_name"] = shown(row.full_name);
    out["opened_at"] = shown(row.opened);
    out["opened_by"] = row.opened_by;
    out["issued"] = row.issued;
    out["confirmed_at"] = shown(row.confirmed);
    out["closed_at"] = shown(row.closed);
    out["closed_by"] = shown(row.closed_by);
    out["closed_person"] = shown(row.closed_person);
    out["closed_why"] = shown(row.closed_why);
    return out.dump();
}

std::string to_json(const db::ConflictRow& row) {
    ordered_json out;
    out["conflict"] = row.conflict;
    out["key"] = shown(row.key);
    out["person"] = shown(row.person);
    out["holder"] = shown(row.holder);
    out["loan"] = shown(row.loan);
    out["device"] = row.device;
    out["epoch"] = row.epoch;
    out["sequence"] = row.sequence;
    out["why"] = row.why;
    out["occurred_at"] = shown(row.occurred);
    out["noticed_at"] = shown(row.noticed);
    out["right_ended_at"] = shown(row.right_ended);
    out["rights_version"] = shown(row.rights_version);
    return out.dump();
}

std::string to_json(const db::DeviceRow& row) {
    return object_of(row).dump();
}

std::string to_json(const DeviceView& view, topics::Instant now) {
    ordered_json out = object_of(view.device);
    out["credentials"] = ordered_json::array();
    for (const db::CredentialRow& row : view.credentials) {
        const bool over = row.ends && *row.ends <= now;
        ordered_json one;
        one["kind"] = row.kind;
        one["state"] = row.revoked ? "revoked" : over ? "over" : "living";
        one["generation"] = row.generation;
        one["made_at"] = shown(row.made);
        one["ends_at"] = shown(row.ends);
        one["revoked_at"] = shown(row.revoked);
        one["why"] = row.why;
        out["credentials"].push_back(std::move(one));
    }
    out["claim"] = nullptr;
    if (view.claim) {
        const bool over = view.claim->ends <= now;
        ordered_json one;
        one["state"] = view.claim->used ? "used" : over ? "over" : "open";
        one["made_at"] = shown(view.claim->made);
        one["made_by"] = view.claim->made_by;
        one["ends_at"] = shown(view.claim->ends);
        one["used_at"] = shown(view.claim->used);
        out["claim"] = std::move(one);
    }
    out["gaps"] = ordered_json::array();
    for (const db::GapRow& row : view.gaps) out["gaps"].push_back(object_of(row));
    out["rights"] = nullptr;
    if (view.rights) {
        ordered_json one;
        one["version"] = shown(view.rights->version);
        one["pairs"] = view.rights->pairs;
        one["too_large"] = view.rights->too_large;
        one["looked_at"] = shown(view.rights->looked);
        out["rights"] = std::move(one);
    }
    return out.dump();
}

std::string to_json(const std::vector<db::DocumentRow>& documents,
                    const std::vector<db::UploadRow>& uploads) {
    ordered_json out;
    out["items"] = ordered_json::array();
    for (const db::DocumentRow& row : documents) {
        ordered_json one;
        one["direction"] = std::string{db::name_of(row.direction)};
        one["name"] = row.name;
        one["version"] = shown(row.version);
        one["bytes"] = row.bytes;
        one["sha256"] = row.sha256;
        one["made_at"] = shown(row.made);
        out["items"].push_back(std::move(one));
    }
    out["uploads"] = ordered_json::array();
    for (const db::UploadRow& row : uploads) {
        ordered_json one;
        one["name"] = row.name;
        one["state"] = row.state;
        one["bytes"] = row.bytes;
        one["sha256"] = row.sha256;
        one["chunks"] = shown(row.total);
        one["chunks_here"] = row.have;
        one["failures"] = row.failures;
        one["changed_at"] = shown(row.changed);
        out["uploads"].push_back(std::move(one));
    }
    return out.dump();
}

std::string to_json(const db::TelemetryRow& row) {
    ordered_json out;
    out["at"] = shown(row.at);
    out["rssi_dbm"] = shown(row.rssi_dbm);
    out["uptime_s"] = shown(row.uptime_s);
    out["content"] = stored_object(row.content);
    return out.dump();
}

std::string to_json(const db::GapRow& row) {
    return object_of(row).dump();
}

std::string to_json(const db::CommandRow& row) {
    ordered_json out;
    out["command"] = shown(row.command);
    out["device"] = row.device;
    out["number"] = row.number;
    out["kind"] = row.kind;
    out["content"] = stored_object(row.content);
    out["state"] = row.state;
    out["made_at"] = shown(row.made);
    out["made_by"] = row.made_by;
    out["expires_at"] = shown(row.expires);
    out["sent_at"] = shown(row.sent);
    out["sendings"] = row.sendings;
    out["accepted_at"] = shown(row.accepted);
    out["finished_at"] = shown(row.finished);
    out["rc"] = shown(row.rc);
    out["note"] = shown(row.note);
    return out.dump();
}

std::string to_json(const db::AlarmRow& row) {
    ordered_json out;
    out["alarm"] = shown(row.alarm);
    out["kind"] = row.kind;
    out["subject"] = row.subject;
    out["device"] = shown(row.device);
    out["severity"] = row.severity;
    out["raised_at"] = shown(row.raised);
    out["last_at"] = shown(row.last);
    out["count"] = row.count;
    out["state"] = row.state;
    out["snoozed_until"] = shown(row.snoozed_until);
    out["acknowledged_by"] = shown(row.acknowledged_by);
    out["acknowledged_at"] = shown(row.acknowledged);
    out["resolved_by"] = shown(row.resolved_by);
    out["resolved_at"] = shown(row.resolved);
    out["reason"] = shown(row.reason);
    out["data"] = stored_object(row.ids);
    return out.dump();
}

std::string to_json(const db::LetterRow& row) {
    return object_of(row).dump();
}

std::string to_json(const db::LetterWithPayload& row) {
    ordered_json out = object_of(row.letter);
    out["payload"] = row.payload;
    // What was set aside need not be UTF-8.
    return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string to_json(const db::FirmwareRow& row) {
    ordered_json out;
    out["version"] = row.version;
    out["sha256"] = row.sha256;
    out["bytes"] = row.bytes;
    out["signer"] = row.signer;
    out["notes"] = row.notes;
    out["added_at"] = shown(row.added);
    out["added_by"] = row.added_by;
    return out.dump();
}

std::string to_json(const db::RolloutRow& row) {
    ordered_json out;
    out["rollout"] = shown(row.rollout);
    out["version"] = row.version;
    out["per_minute"] = row.per_minute;
    out["failures_max"] = row.failures_max;
    out["state"] = row.state;
    out["started_at"] = shown(row.started);
    out["started_by"] = row.started_by;
    out["ended_at"] = shown(row.ended);
    out["why"] = shown(row.why);
    ordered_json& counts = out["devices"];
    counts["waiting"] = row.waiting;
    counts["offered"] = row.offered;
    counts["updated"] = row.updated;
    counts["rolled_back"] = row.rolled_back;
    counts["failed"] = row.failed;
    counts["skipped"] = row.skipped;
    return out.dump();
}

std::string to_json(const db::RolloutDeviceRow& row) {
    ordered_json out;
    out["device"] = row.device;
    out["state"] = row.state;
    out["from_version"] = shown(row.from_version);
    out["offered_at"] = shown(row.offered);
    out["ended_at"] = shown(row.ended);
    return out.dump();
}

std::string to_json(const db::SubjectEvent& row) {
    ordered_json out;
    out["event"] = row.event_id;
    out["type"] = row.event.domain + "." + row.event.type;
    out["time"] = shown(row.event.occurred);
    out["recordedtime"] = shown(row.recorded);
    out["actor"] = row.event.actor;
    out["cause"] = row.event.source;
    out["data"] = ordered_json::parse(topics::encode(row.event.ids));
    return out.dump();
}

std::string to_json(const SessionView& session) {
    ordered_json out;
    if (!session.token.empty()) out["token"] = session.token;
    out["expires_at"] = shown(session.expires);
    out["account"] = shown(session.account);
    out["login"] = session.login;
    out["role"] = session.role;
    return out.dump();
}

std::string readiness_json(bool mqtt, bool database) {
    ordered_json out;
    out["status"] = mqtt && database ? "ready" : "not ready";
    out["mqtt"] = mqtt ? "ok" : "not connected";
    out["database"] = database ? "ok" : "not answering";
    return out.dump();
}

bool is_utf8(std::string_view text) {
    try {
        (void)json(std::string{text}).dump();
        return true;
    } catch (const json::type_error&) {
        return false;
    }
}

}  // namespace klyuchnik::bridge
