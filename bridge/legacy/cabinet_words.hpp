#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "bridge/rest/ask_client.hpp"
#include "bridge/rest/http.hpp"

/// What an old cabinet says and what it gets to read. Pure; the routes are in cabinet.cpp.
namespace klyuchnik::bridge::legacy {

enum class Language { russian, english };
/// Of Accept-Language, whichever of the two comes first; Russian when neither does.
Language language_of(std::string_view accept_language);

/// {"serial": "12345ABC", "key": "101"}: a key's name may be sent as a number, and 101 is "101".
struct CabinetBody {
    std::string serial;
    std::string key;
};
/// What is wrong with a body, for a person, with the field named.
struct BadBody {
    std::string error;
};
std::variant<CabinetBody, BadBody> decode_cabinet_body(std::string_view json, Language language);

enum class Act { issue, give_back };

/// The answer in the old cabinet's own shape: {"message","access":true} or
/// {"error"[,"access":false]}.
Response write_cabinet(Act act, const AskOutcome& outcome, Language language);
/// {"error"}: it never came to asking.
Response write_cabinet_error(int status, std::string_view error);
Response write_cabinet_refused(int status, Language language);

}  // namespace klyuchnik::bridge::legacy
