#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bridge/rest/http.hpp"
#include "db/access/api_views.hpp"
#include "topics/asks.hpp"

/// JSON of the REST API to structs and back, once, here. Pure and thread-safe.
namespace klyuchnik::bridge {

/// The body as the ask `domain.name`. Throws Problem: 415 when it is not declared as JSON, 400 with
/// the path and what was expected there.
topics::AskBody ask_body(const Request& request, std::string_view domain, std::string_view name);
/// The same, with one member given by the path, which beats the body's.
topics::AskBody ask_body(const Request& request, std::string_view domain, std::string_view name,
                         std::string_view member, std::int64_t value);

struct SignIn {
    std::string login;
    std::string password;
};
SignIn sign_in_body(const Request& request);

struct NewDevice {
    topics::DeviceId device;
    std::string name;
};
NewDevice new_device_body(const Request& request);

/// A member of an answer's content as text, for a Location: a number or a text. "" when absent.
std::string member_text(std::string_view content, std::string_view member);
/// `content` with one more text member.
std::string with_text(std::string_view content, std::string_view member, std::string_view value);

std::string to_json(const db::PersonRow& row);
std::string to_json(const db::KeyRow& row);
std::string to_json(const db::RightRow& row);
std::string to_json(const db::LoanRow& row);
std::string to_json(const db::ConflictRow& row);
std::string to_json(const db::DeviceRow& row);
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
