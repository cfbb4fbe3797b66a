#include "bridge/legacy/cabinet_words.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "topics/limits.hpp"
#include "topics/refusal.hpp"
#include "topics/strict_json.hpp"

namespace klyuchnik::bridge::legacy {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;
using topics::Code;

struct Words {
    std::string_view russian;
    std::string_view english;
    std::string_view in(Language language) const {
        return language == Language::russian ? russian : english;
    }
};

constexpr Words kIssued{"Ключ выдан", "Key issued"};
constexpr Words kReturned{"Ключ возвращён", "Key returned"};
constexpr Words kUnknownUser{"Пользователь с таким серийным номером не найден",
                             "No user with this serial number"};
constexpr Words kNoRight{"Нет права на этот ключ", "No right to this key"};
constexpr Words kInactive{"Доступ пользователя прекращён", "This user's access has ended"};
constexpr Words kTaken{"Этот ключ уже взят", "This key is already taken"};
constexpr Words kNotHeld{"Этот ключ не числится за пользователем",
                         "This user does not hold this key"};
constexpr Words kReused{"Этот Idempotency-Key уже использован для другого запроса",
                        "This Idempotency-Key was used for another request"};
constexpr Words kNotAllowed{"Этому шкафу не разрешено", "This cabinet may not do that"};
constexpr Words kNotSignedIn{"Нужны имя и секрет устройства", "A device credential is needed"};
constexpr Words kBusy{"Сервер занят, повторите", "The server is busy, try again"};
constexpr Words kUnknown{"Ответ не получен: повторите", "No answer came: try again"};
constexpr Words kFault{"Внутренняя ошибка", "Internal error"};
constexpr Words kNotJson{"Ожидается объект JSON с полями serial и key",
                         "A JSON object with serial and key is expected"};
constexpr Words kMissing{"Отсутствует поле ", "Missing field "};
constexpr Words kWrongType{"Неверный тип поля ", "Wrong type of field "};
constexpr Words kBlank{"Пустое поле ", "Blank field "};
constexpr Words kTooLong{"Слишком длинное поле ", "Field too long: "};

bool blank(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c == ' ' || c == '\t'; });
}

bool has_control(std::string_view text) {
    return std::ranges::any_of(
        text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

std::int64_t code_points(std::string_view text) {
    return std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; });
}

/// Why the field cannot be used, or nothing when `out` holds it.
std::optional<std::string> read_field(const json& root, const char* name, bool number_too,
                                      std::int64_t chars_max, Language language, std::string& out) {
    const auto found = root.find(name);
    if (found == root.end() || found->is_null()) {
        return std::string{kMissing.in(language)} + name;
    }
    if (number_too && found->is_number_integer()) {
        out = found->dump();
    } else if (found->is_string()) {
        out = found->get<std::string>();
    } else {
        return std::string{kWrongType.in(language)} + name;
    }
    if (blank(out)) return std::string{kBlank.in(language)} + name;
    if (has_control(out)) return std::string{kWrongType.in(language)} + name;
    if (code_points(out) > chars_max) return std::string{kTooLong.in(language)} + name;
    return std::nullopt;
}

Response answer(int status, std::string_view field, std::string_view text,
                std::optional<bool> access) {
    ordered_json out;
    out[std::string{field}] = std::string{text};
    if (access) out["access"] = *access;
    return Response::json(status, out.dump());
}

}  // namespace

Language language_of(std::string_view accept_language) {
    while (!accept_language.empty()) {
        const std::size_t comma = accept_language.find(',');
        std::string_view one = accept_language.substr(0, comma);
        accept_language = comma == std::string_view::npos ? std::string_view{}
                                                          : accept_language.substr(comma + 1);
        while (!one.empty() && one.front() == ' ') one.remove_prefix(1);
        const auto starts = [&](char a, char b) {
            return one.size() >= 2 && (one[0] | 0x20) == a && (one[1] | 0x20) == b &&
                   (one.size() == 2 || one[2] == '-' || one[2] == ';');
        };
        if (starts('e', 'n')) return Language::english;
        if (starts('r', 'u')) return Language::russian;
    }
    return Language::russian;
}

std::variant<CabinetBody, BadBody> decode_cabinet_body(std::string_view text, Language language) {
    auto root = topics::parse_strict(text);
    if (!root || !root->is_object()) return BadBody{std::string{kNotJson.in(language)}};
    CabinetBody body;
    if (auto error = read_field(*root, "serial", false, topics::limits::kCardCharsMax, language,
                                body.serial)) {
        return BadBody{std::move(*error)};
    }
    if (auto error =
            read_field(*root, "key", true, topics::limits::kKeyNameCharsMax, language, body.key)) {
        return BadBody{std::move(*error)};
    }
    return body;
}

Response write_cabinet_error(int status, std::string_view error) {
    return answer(status, "error", error, std::nullopt);
}

Response write_cabinet_refused(int status, Language language) {
    const Words& words = status == 401   ? kNotSignedIn
                         : status == 403 ? kNotAllowed
                         : status == 429 ? kBusy
                         : status == 503 ? kBusy
                                         : kFault;
    return write_cabinet_error(status, words.in(language));
}

Response write_cabinet(Act act, const AskOutcome& outcome, Language language) {
    const auto say = [&](int status, const Words& words, std::optional<bool> access = {}) {
        return answer(status, "error", words.in(language), access);
    };
    switch (outcome.kind) {
        case AskOutcome::Kind::answered:
            break;
        case AskOutcome::Kind::reused_id:
            return say(400, kReused);
        case AskOutcome::Kind::busy:
        case AskOutcome::Kind::unavailable:
            return say(503, kBusy);
        case AskOutcome::Kind::unknown:
            return say(504, kUnknown);
    }
    if (outcome.answer.rc < 300) {
        const Words& words = act == Act::issue ? kIssued : kReturned;
        return answer(200, "message", words.in(language), true);
    }
    switch (topics::code_by_name(outcome.answer.code.value_or(""))) {
        case Code::unknown_card:
        case Code::unknown_person:
            return say(404, kUnknownUser);
        // The old server knew keys as words in a user's list only: a key that does not exist is one
        // that nobody has a right to, and that nobody holds.
        case Code::unknown_key:
        case Code::no_right:
            return act == Act::issue ? say(403, kNoRight, false) : say(400, kNotHeld, false);
        case Code::inactive_person:
            return act == Act::issue ? say(403, kInactive, false) : say(400, kInactive, false);
        case Code::key_held_by_other:
        case Code::key_held_by_self:
            return act == Act::issue ? say(400, kTaken) : say(400, kNotHeld, false);
        case Code::key_not_held:
            return say(400, kNotHeld, false);
        case Code::reused_id:
            return say(400, kReused);
        case Code::malformed:
        case Code::invalid:
            return say(400, kNotJson);
        case Code::forbidden:
        case Code::unknown_device:
        case Code::unknown_account:
            return say(403, kNotAllowed, false);
        case Code::expired:
            return say(504, kUnknown);
        case Code::busy:
        case Code::unavailable:
            return say(503, kBusy);
        default:
            return say(500, kFault);
    }
}

}  // namespace klyuchnik::bridge::legacy
