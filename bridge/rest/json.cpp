#include "bridge/rest/json.hpp"

#include <nlohmann/json.hpp>

#include "bridge/rest/passwords.hpp"
#include "bridge/rest/problem.hpp"
#include "topics/codec.hpp"
#include "topics/strict_json.hpp"

namespace klyuchnik::bridge {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::size_t kLoginBytesMax = 100;

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

}  // namespace

topics::AskBody ask_body(const Request& request, std::string_view domain, std::string_view name) {
    require_json(request);
    auto body = topics::decode_ask_body(domain, name, request.body);
    if (!body) throw bad_request(body.error().text());
    return std::move(*body);
}

topics::AskBody ask_body(const Request& request, std::string_view domain, std::string_view name,
                         std::string_view member, std::int64_t value) {
    json root = parsed(request);
    root[std::string{member}] = value;
    auto body = topics::decode_ask_body(domain, name, root.dump());
    if (!body) throw bad_request(body.error().text());
    return std::move(*body);
}

SignIn sign_in_body(const Request& request) {
    const json root = parsed(request);
    return {text_member(root, "login", kLoginBytesMax),
            text_member(root, "password", kPasswordBytesMax)};
}

NewDevice new_device_body(const Request& request) {
    const json root = parsed(request);
    const std::string id = text_member(root, "device", 21);
    const auto device = topics::DeviceId::parse(id);
    if (!device) {
        throw bad_request("device: expected kc- or sg- and 4 to 18 of a-z and 0-9");
    }
    return {*device, text_member(root, "name", 400)};
}

std::string member_text(std::string_view content, std::string_view member) {
    const json root = json::parse(content, nullptr, false);
    if (!root.is_object()) return {};
    const auto found = root.find(std::string{member});
    if (found == root.end()) return {};
    if (found->is_number_integer()) return std::to_string(found->get<std::int64_t>());
    return found->is_string() ? found->get<std::string>() : std::string{};
}

std::string with_text(std::string_view content, std::string_view member, std::string_view value) {
    ordered_json root = ordered_json::parse(content, nullptr, false);
    if (!root.is_object()) root = ordered_json::object();
    root[std::string{member}] = std::string{value};
    return root.dump();
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
    return out.dump();
}

std::string to_json(const db::DeviceRow& row) {
    ordered_json out;
    out["device"] = row.device;
    out["name"] = row.name;
    out["active"] = row.active;
    out["created_at"] = shown(row.created);
    out["state"] = row.state;
    out["since"] = shown(row.since);
    out["firmware"] = shown(row.firmware);
    out["epoch"] = shown(row.epoch);
    out["acked"] = shown(row.acked);
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
