#include "topics/codec.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <span>
#include <type_traits>

#include "topics/catalogue.hpp"
#include "topics/shapes.hpp"
#include "topics/strict_json.hpp"

namespace klyuchnik::topics {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

// == reading
// =============================================================================================

/// Where in the payload we are; a chain on the stack, written out only when something is wrong
/// there.
struct Path {
    const Path* parent = nullptr;
    std::string_view key;
    std::size_t index = 0;

    std::string text() const {
        std::string before = parent ? parent->text() : std::string{};
        if (key.empty()) return parent ? before + "[" + std::to_string(index) + "]" : before;
        if (before.empty()) return std::string{key};
        return before + "." + std::string{key};
    }
};

/// Unwinds out of nested readers to the public decoder; never leaves this file.
struct Bad {
    Malformed error;
};

[[noreturn]] void fail(const Path& path, std::string why) {
    throw Bad{Malformed{path.text(), std::move(why)}};
}

std::string type_of(const json& value) {
    if (value.is_object()) return "an object";
    if (value.is_array()) return "a list";
    if (value.is_string()) return "a text";
    if (value.is_null()) return "null";
    return value.is_boolean() ? "true or false" : "a number";
}

/// A scalar itself, since it shows what went wrong; of anything bigger only what it is.
std::string shown(const json& value) {
    if (value.is_structured()) return type_of(value);
    std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
    if (text.size() > 40) text = text.substr(0, 37) + "...";
    return text;
}

std::string expected_integer(Range range) {
    return "expected an integer from " + std::to_string(range.min) + " to " +
           std::to_string(range.max);
}

std::int64_t read_integer(const json& value, Range range, const Path& path) {
    if (!value.is_number_integer()) fail(path, expected_integer(range) + ", got " + shown(value));
    if (value.is_number_unsigned() &&
        value.get<std::uint64_t>() > static_cast<std::uint64_t>(limits::kIntegerMax)) {
        fail(path, expected_integer(range) + ", got " + shown(value));
    }
    const auto number = value.get<std::int64_t>();
    if (number < range.min || number > range.max) {
        fail(path, expected_integer(range) + ", got " + std::to_string(number));
    }
    return number;
}

bool is_control(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7F;
}

/// Of valid UTF-8.
std::int64_t code_points(std::string_view text) {
    return std::ranges::count_if(
        text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; });
}

std::string read_text(const json& value, Range range, const Path& path) {
    // Not the value: a card number that came as a number would end up in logs.
    if (!value.is_string()) fail(path, "expected a text, got " + type_of(value));
    const auto& text = value.get_ref<const std::string&>();
    if (std::ranges::any_of(text, is_control)) {
        fail(path, "expected a text without control characters");
    }
    const std::int64_t points = code_points(text);
    if (points < range.min || points > range.max) {
        fail(path, "expected a text of " + std::to_string(range.min) + " to " +
                       std::to_string(range.max) + " characters, got " + std::to_string(points));
    }
    return text;
}

void read_into(std::int64_t& out, const json& value, Range range, const Path& path) {
    out = read_integer(value, range, path);
}
void read_into(std::string& out, const json& value, Range range, const Path& path) {
    out = read_text(value, range, path);
    if (range.min == 64 && range.max == 64 && !std::ranges::all_of(out, [](unsigned char c) {
            return std::isxdigit(c) != 0 && std::isupper(c) == 0;
        })) {
        fail(path, "expected 64 lower-case hexadecimal digits");
    }
}
void read_into(bool& out, const json& value, Range range, const Path& path) {
    out = value.is_boolean() ? value.get<bool>() : read_integer(value, range, path) != 0;
}
template <class Tag>
void read_into(Id<Tag>& out, const json& value, Range range, const Path& path) {
    out.value = read_integer(value, range, path);
}
template <class Tag>
void read_into(Text<Tag>& out, const json& value, Range range, const Path& path) {
    out.value = read_text(value, range, path);
}
void read_into(DeviceId& out, const json& value, Range range, const Path& path) {
    const auto device = DeviceId::parse(read_text(value, range, path));
    if (!device) fail(path, "expected a device id like kc-hall1 or sg-shop1");
    out = *device;
}
template <class T>
void read_object(T& out, const json& value, const Path& path);
template <class T>
void read_into(T& out, const json& value, Range, const Path& path) requires requires {
    Shape<T>::fields;
}
{ read_object(out, value, path); }
template <class T>
void read_into(std::vector<T>& out, const json& value, Range range, const Path& path) {
    if (!value.is_array()) fail(path, "expected a list, got " + shown(value));
    const auto size = static_cast<std::int64_t>(value.size());
    if (size < range.min || size > range.max) {
        fail(path, "expected a list of " + std::to_string(range.min) + " to " +
                       std::to_string(range.max) + ", got " + std::to_string(size));
    }
    Range each = kAnyInteger;
    if constexpr (std::is_same_v<T, CardSerial>) each = kCards;
    if constexpr (std::is_same_v<T, KeyId>) each = kPositive;
    if constexpr (std::is_same_v<T, DeviceId>) each = kDevices;
    out.resize(value.size());
    for (std::size_t i = 0; i < value.size(); ++i) {
        read_into(out[i], value[i], each, Path{&path, {}, i});
    }
}
template <class T>
void read_into(std::optional<T>& out, const json& value, Range range, const Path& path) {
    if (value.is_null()) {
        out.reset();
        return;
    }
    read_into(out.emplace(), value, range, path);
}

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

template <class S, class M>
void read_field(S& out, const json& object, const Field<S, M>& field, const Path& path) {
    const Path here{&path, field.key, 0};
    const auto found = object.find(field.key);
    if (found == object.end()) {
        if (IsOptional<M>::value || field.need == Need::defaulted) return;
        fail(here, "is missing");
    }
    read_into(out.*field.member, *found, field.range, here);
}

template <class T>
void read_object(T& out, const json& value, const Path& path) {
    if (!value.is_object()) fail(path, "expected an object, got " + shown(value));
    std::apply([&](const auto&... field) { (read_field(out, value, field, path), ...); },
               Shape<T>::fields);
}

const json& member(const json& object, const char* key, const Path& path) {
    const auto found = object.find(key);
    if (found == object.end()) fail(Path{&path, key, 0}, "is missing");
    return *found;
}
std::int64_t integer(const json& object, const char* key, Range range, const Path& path) {
    return read_integer(member(object, key, path), range, Path{&path, key, 0});
}
std::string text(const json& object, const char* key, Range range, const Path& path) {
    return read_text(member(object, key, path), range, Path{&path, key, 0});
}

void expect_envelope(const json& root) {
    if (!root.is_object()) fail(Path{}, "expected an object, got " + shown(root));
    const Path here{};
    const std::int64_t version = integer(root, "v", kAnyInteger, here);
    if (version != 1) fail(Path{&here, "v", 0}, "expected 1, got " + std::to_string(version));
}

/// Tries every alternative of the variant by its kind. False: none has it.
template <class Variant, std::size_t I = 0>
bool read_kind(Variant& out, std::string_view kind, const json& value, const Path& path) {
    if constexpr (I + 1 == std::variant_size_v<Variant>) {
        return false;  // The last alternative is the unknown one.
    } else {
        using Body = std::variant_alternative_t<I, Variant>;
        if (kind != Body::kKind) return read_kind<Variant, I + 1>(out, kind, value, path);
        Body body;
        read_object(body, value, path);
        out = std::move(body);
        return true;
    }
}

template <class T, class Read>
Decoded<T> decoded(std::string_view payload, Read read) {
    auto root = parse_strict(payload);
    if (!root) return root.error();
    try {
        return read(*root);
    } catch (Bad& bad) {
        return std::move(bad.error);
    }
}

const json& empty_object() {
    static const json object = json::object();
    return object;
}
/// `d` may be left out by kinds that have no fields.
const json& body_of(const json& object) {
    const auto found = object.find("d");
    return found == object.end() ? empty_object() : *found;
}

// == digest
// ==============================================================================================

class Fnv1a64 {
 public:
    void add(std::string_view bytes) {
        for (const char c : bytes) {
            hash_ ^= static_cast<unsigned char>(c);
            hash_ *= 0x100000001B3ULL;
        }
        hash_ ^= 0xFF;  // A boundary, so that "ab"+"c" differs from "a"+"bc".
        hash_ *= 0x100000001B3ULL;
    }
    void add(const std::optional<std::int64_t>& number) {
        add(number ? std::to_string(*number) : std::string{});
    }
    std::uint64_t value() const { return hash_; }

 private:
    std::uint64_t hash_ = 0xCBF29CE484222325ULL;
};

// == facts
// ===============================================================================================

FactBody read_fact_body(std::string_view kind, const json& value, const Path& path) {
    FactBody body;
    if (!read_kind(body, kind, value, path)) {
        if (!value.is_object()) fail(path, "expected an object, got " + shown(value));
        return UnknownFact{std::string{kind}};
    }
    const auto known_key = [&](const auto& fact) {
        if (!fact.tag && !fact.key && !fact.slot) fail(path, "expected one of tg, ky, sl");
    };
    if (const auto* taken = std::get_if<KeyTaken>(&body)) known_key(*taken);
    if (const auto* returned = std::get_if<KeyReturned>(&body)) known_key(*returned);
    return body;
}

/// Two integers of up to 16 digits and the colon.
constexpr Range kOldNumbers{3, 33};

OldNumber read_old_number(const std::string& value, const Path& path) {
    const auto number = [&](std::string_view digits) -> std::int64_t {
        std::int64_t out = 0;
        const auto [end, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), out);
        if (error != std::errc{} || end != digits.data() + digits.size() || out < 0 ||
            out > limits::kIntegerMax) {
            fail(path, "expected \"epoch:sequence\" like \"3:1043\", got " + shown(value));
        }
        return out;
    };
    const std::string_view whole{value};
    const std::size_t colon = std::min(whole.find(':'), whole.size());
    return OldNumber{Epoch{number(whole.substr(0, colon))},
                     Sequence{number(whole.substr(std::min(colon + 1, whole.size())))}};
}

Fact read_fact(const json& value, const Path& path) {
    if (!value.is_object()) fail(path, "expected an object, got " + shown(value));
    Fact fact;
    if (value.contains("t")) {
        fact.at.utc_s = integer(value, "t", kAnyInteger, path);
    }
    if (value.contains("b")) fact.at.boot = integer(value, "b", kAnyInteger, path);
    if (value.contains("m")) fact.at.since_boot_ms = integer(value, "m", kAnyInteger, path);
    if (!fact.at.utc_s && !(fact.at.boot && fact.at.since_boot_ms)) {
        fail(path, "expected a time: t, or b and m");
    }
    fact.kind = text(value, "k", kWords, path);
    if (value.contains("o")) {
        fact.old = read_old_number(text(value, "o", kOldNumbers, path), Path{&path, "o", 0});
    }
    const json& content = body_of(value);
    fact.body = read_fact_body(fact.kind, content, Path{&path, "d", 0});
    fact.content = content.dump();
    Fnv1a64 digest;
    digest.add(fact.kind);
    digest.add(fact.at.utc_s);
    digest.add(fact.at.boot);
    digest.add(fact.at.since_boot_ms);
    digest.add(fact.content);
    fact.digest = digest.value();
    return fact;
}

constexpr std::string_view kAckErrors[] = {"", "epoch", "gap", "hello", "slow", "bad"};

Via read_via(const std::string& name, const Path& path) {
    for (const Via via : {Via::session, Via::token, Via::key, Via::legacy}) {
        if (name == name_of(via)) return via;
    }
    fail(path, "expected session, token, key or legacy, got " + shown(name));
}

template <std::size_t I = 0>
bool read_ask_body(AskBody& out, std::string_view domain, std::string_view name, const json& value,
                   const Path& path) {
    if constexpr (I + 1 == std::variant_size_v<AskBody>) {
        return false;
    } else {
        using Body = std::variant_alternative_t<I, AskBody>;
        if (domain != Body::kDomain || name != Body::kName) {
            return read_ask_body<I + 1>(out, domain, name, value, path);
        }
        Body body;
        read_object(body, value, path);
        out = std::move(body);
        return true;
    }
}

// == writing
// =============================================================================================

ordered_json written(std::int64_t value) {
    return value;
}
ordered_json written(const std::string& value) {
    return value;
}
ordered_json written(bool value) {
    return value ? 1 : 0;
}
template <class Tag>
ordered_json written(const Id<Tag>& id) {
    return id.value;
}
template <class Tag>
ordered_json written(const Text<Tag>& value) {
    return value.value;
}
ordered_json written(const DeviceId& device) {
    return device.text();
}
template <class T>
ordered_json written_object(const T& value);
template <class T>
ordered_json written(const T& value) requires requires {
    Shape<T>::fields;
}
{ return written_object(value); }
template <class T>
ordered_json written(const std::vector<T>& values) {
    ordered_json list = ordered_json::array();
    for (const T& value : values) list.push_back(written(value));
    return list;
}

template <class S, class M>
void write_field(ordered_json& out, const S& from, const Field<S, M>& field) {
    const M& value = from.*field.member;
    if constexpr (IsOptional<M>::value) {
        if (value) out[field.key] = written(*value);
    } else {
        out[field.key] = written(value);
    }
}
template <class T>
void write_fields(ordered_json& out, const T& from) {
    std::apply([&](const auto&... field) { (write_field(out, from, field), ...); },
               Shape<T>::fields);
}
template <class T>
ordered_json written_object(const T& value) {
    ordered_json out = ordered_json::object();
    write_fields(out, value);
    return out;
}

/// Texts inside are ours or were checked on the way in; `replace` keeps a slip from becoming an
/// exception.
std::string dumped(const ordered_json& value) {
    return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

ordered_json envelope() {
    return ordered_json{{"v", 1}};
}

ordered_json written_body(const FactBody& body, const std::string& unknown_content) {
    return std::visit(
        [&](const auto& fact) -> ordered_json {
            using Body = std::decay_t<decltype(fact)>;
            if constexpr (std::is_same_v<Body, UnknownFact>) {
                return ordered_json::parse(unknown_content);
            } else {
                return written_object(fact);
            }
        },
        body);
}

template <class Variant>
std::pair<std::string, ordered_json> written_kind(const Variant& body) {
    return std::visit(
        [](const auto& one) -> std::pair<std::string, ordered_json> {
            using Body = std::decay_t<decltype(one)>;
            if constexpr (requires { Body::kKind; }) {
                return {Body::kKind, written_object(one)};
            } else {
                return {one.kind, ordered_json::object()};
            }
        },
        body);
}

template <class T>
std::string enveloped(const T& value) {
    ordered_json out = envelope();
    write_fields(out, value);
    return dumped(out);
}

}  // namespace

// == device and server
// ===================================================================================

Decoded<State> decode_state(std::string_view payload) {
    return decoded<State>(payload, [](const json& root) -> State {
        expect_envelope(root);
        if (integer(root, "on", kFlag, Path{}) == 0) {
            Will will;
            read_object(will, root, Path{});
            return will;
        }
        Birth birth;
        read_object(birth, root, Path{});
        if (birth.lo.value > birth.hi.value + 1) {
            fail(Path{nullptr, "lo", 0}, "expected at most hi + 1 (" +
                                             std::to_string(birth.hi.value + 1) + "), got " +
                                             std::to_string(birth.lo.value));
        }
        return birth;
    });
}

Decoded<FactBatch> decode_facts(std::string_view payload) {
    return decoded<FactBatch>(payload, [](const json& root) {
        expect_envelope(root);
        const Path here{};
        FactBatch batch;
        batch.cn.value = integer(root, "cn", kConnections, here);
        batch.epoch.value = integer(root, "ep", kPositive, here);
        batch.first.value = integer(root, "s", kPositive, here);
        batch.lo.value = integer(root, "lo", kPositive, here);
        if (batch.lo > batch.first) {
            fail(Path{&here, "lo", 0}, "expected at most s (" + std::to_string(batch.first.value) +
                                           "), got " + std::to_string(batch.lo.value));
        }
        const json& facts = member(root, "e", here);
        const Path list{&here, "e", 0};
        if (!facts.is_array()) fail(list, "expected a list of facts, got " + shown(facts));
        if (facts.empty() || facts.size() > limits::kFactsPerBatchMax) {
            fail(list, "expected a list of 1 to " + std::to_string(limits::kFactsPerBatchMax) +
                           " facts, got " + std::to_string(facts.size()));
        }
        if (batch.first.value + static_cast<std::int64_t>(facts.size()) - 1 > limits::kIntegerMax) {
            fail(Path{&here, "s", 0}, "expected a sequence that stays below 2^53");
        }
        batch.facts.reserve(facts.size());
        for (std::size_t i = 0; i < facts.size(); ++i) {
            batch.facts.push_back(read_fact(facts[i], Path{&list, {}, i}));
        }
        return batch;
    });
}

Decoded<Ack> decode_ack(std::string_view payload) {
    return decoded<Ack>(payload, [](const json& root) {
        expect_envelope(root);
        Ack ack;
        read_object(ack, root, Path{});
        if (root.contains("er")) {
            const std::string error = text(root, "er", kWords, Path{});
            const auto found = std::ranges::find(kAckErrors, error);
            // An error that this device does not know must not be taken for a plain ack.
            if (found == std::end(kAckErrors)) {
                fail(Path{nullptr, "er", 0},
                     "expected epoch, gap, hello, slow or bad, got " + shown(error));
            }
            ack.error = static_cast<AckError>(found - std::begin(kAckErrors));
        }
        return ack;
    });
}

Decoded<Heartbeat> decode_heartbeat(std::string_view payload) {
    return decoded<Heartbeat>(payload, [](const json& root) {
        expect_envelope(root);
        Heartbeat heartbeat;
        heartbeat.cn.value = integer(root, "cn", kConnections, Path{});
        const json& content = body_of(root);
        read_object(heartbeat, content, Path{nullptr, "d", 0});
        heartbeat.content = content.dump();
        return heartbeat;
    });
}

Decoded<Request> decode_request(std::string_view payload) {
    return decoded<Request>(payload, [](const json& root) {
        expect_envelope(root);
        Request request;
        request.cn.value = integer(root, "cn", kConnections, Path{});
        request.number = integer(root, "r", kAnyInteger, Path{});
        const std::string kind = text(root, "k", kWords, Path{});
        if (!read_kind(request.body, kind, body_of(root), Path{nullptr, "d", 0})) {
            request.body = UnknownRequest{kind};
        }
        return request;
    });
}

Decoded<RequestAnswer> decode_request_answer(std::string_view payload) {
    return decoded<RequestAnswer>(payload, [](const json& root) {
        expect_envelope(root);
        RequestAnswer answer;
        answer.cn.value = integer(root, "cn", kConnections, Path{});
        answer.number = integer(root, "r", kAnyInteger, Path{});
        answer.rc = integer(root, "rc", kResults, Path{});
        const json& content = body_of(root);
        const Path here{nullptr, "d", 0};
        if (!content.is_object()) fail(here, "expected an object, got " + shown(content));
        if (content.contains("sl")) answer.slot = Slot{integer(content, "sl", kSlots, here)};
        if (content.contains("code")) answer.code = text(content, "code", kWords, here);
        if (content.contains("tx")) answer.text = text(content, "tx", kNotes, here);
        if (content.contains("now")) answer.now_s = integer(content, "now", kAnyInteger, here);
        if (content.contains("sha")) read_object(answer.document.emplace(), content, here);
        return answer;
    });
}

Decoded<Command> decode_command(std::string_view payload) {
    return decoded<Command>(payload, [](const json& root) {
        expect_envelope(root);
        Command command;
        command.cn.value = integer(root, "cn", kConnections, Path{});
        command.number = integer(root, "cs", kPositive, Path{});
        command.expires_s = integer(root, "x", kAnyInteger, Path{});
        const std::string kind = text(root, "k", kWords, Path{});
        if (!read_kind(command.body, kind, body_of(root), Path{nullptr, "d", 0})) {
            command.body = UnknownCommand{kind};
        }
        return command;
    });
}

std::string encode(const Birth& birth) {
    ordered_json out = envelope();
    out["on"] = 1;
    write_fields(out, birth);
    return dumped(out);
}

std::string encode(const Will& will) {
    ordered_json out = envelope();
    out["on"] = 0;
    write_fields(out, will);
    return dumped(out);
}

std::string encode(const FactBatch& batch) {
    ordered_json out = envelope();
    out["cn"] = batch.cn.value;
    out["ep"] = batch.epoch.value;
    out["lo"] = batch.lo.value;
    out["s"] = batch.first.value;
    ordered_json facts = ordered_json::array();
    for (const Fact& fact : batch.facts) {
        ordered_json one = ordered_json::object();
        if (fact.at.utc_s) one["t"] = *fact.at.utc_s;
        if (fact.at.boot) one["b"] = *fact.at.boot;
        if (fact.at.since_boot_ms) one["m"] = *fact.at.since_boot_ms;
        if (fact.old) {
            one["o"] = std::to_string(fact.old->epoch.value) + ":" +
                       std::to_string(fact.old->sequence.value);
        }
        one["k"] = std::string{kind_of(fact.body)};
        ordered_json body = written_body(fact.body, fact.content);
        if (!body.empty()) one["d"] = std::move(body);
        facts.push_back(std::move(one));
    }
    out["e"] = std::move(facts);
    return dumped(out);
}

std::string encode(const Ack& ack) {
    ordered_json out = envelope();
    write_fields(out, ack);
    if (ack.error != AckError::none) {
        out["er"] = std::string{kAckErrors[static_cast<std::size_t>(ack.error)]};
    }
    return dumped(out);
}

std::string encode(const Heartbeat& heartbeat) {
    ordered_json out = envelope();
    out["cn"] = heartbeat.cn.value;
    ordered_json content = ordered_json::parse(heartbeat.content);
    write_fields(content, heartbeat);
    out["d"] = std::move(content);
    return dumped(out);
}

std::string encode(const Request& request) {
    ordered_json out = envelope();
    out["cn"] = request.cn.value;
    out["r"] = request.number;
    auto [kind, body] = written_kind(request.body);
    out["k"] = std::move(kind);
    if (body.contains("w") && body["w"].empty()) body.erase("w");
    if (!body.empty()) out["d"] = std::move(body);
    return dumped(out);
}

std::string encode(const RequestAnswer& answer) {
    ordered_json out = envelope();
    out["cn"] = answer.cn.value;
    out["r"] = answer.number;
    out["rc"] = answer.rc;
    ordered_json content = ordered_json::object();
    if (answer.slot) content["sl"] = answer.slot->value;
    if (answer.code) content["code"] = *answer.code;
    if (answer.text) content["tx"] = *answer.text;
    if (answer.now_s) content["now"] = *answer.now_s;
    if (answer.document) write_fields(content, *answer.document);
    if (!content.empty()) out["d"] = std::move(content);
    return dumped(out);
}

std::string encode(const Command& command) {
    ordered_json out = envelope();
    out["cn"] = command.cn.value;
    out["cs"] = command.number;
    out["x"] = command.expires_s;
    auto [kind, body] = written_kind(command.body);
    out["k"] = std::move(kind);
    if (!body.empty()) out["d"] = std::move(body);
    return dumped(out);
}

Decoded<ChunksWanted> decode_chunks_wanted(std::string_view payload) {
    return decoded<ChunksWanted>(payload, [](const json& root) {
        expect_envelope(root);
        ChunksWanted wanted;
        read_object(wanted, root, Path{});
        return wanted;
    });
}

std::string encode(const ChunksWanted& wanted) {
    return enveloped(wanted);
}

Decoded<GuardReport> decode_guard_report(std::string_view payload) {
    return decoded<GuardReport>(payload, [](const json& root) {
        expect_envelope(root);
        GuardReport report;
        read_object(report, root, Path{});
        return report;
    });
}

std::string encode_command_body(const CommandBody& body) {
    return dumped(written_kind(body).second);
}

std::string_view kind_of(const CommandBody& body) {
    return std::visit(
        [](const auto& command) -> std::string_view {
            using Body = std::decay_t<decltype(command)>;
            if constexpr (requires { Body::kKind; }) {
                return Body::kKind;
            } else {
                return command.kind;
            }
        },
        body);
}

Decoded<CommandBody> decode_command_body(std::string_view kind, std::string_view content) {
    return decoded<CommandBody>(content, [&](const json& root) {
        CommandBody body;
        if (!read_kind(body, kind, root, Path{})) body = UnknownCommand{std::string{kind}};
        return body;
    });
}

std::string encode_fact_body(const FactBody& body) {
    return dumped(written_body(body, "{}"));
}

Decoded<FactBody> decode_fact_body(std::string_view kind, std::string_view content) {
    return decoded<FactBody>(content,
                             [&](const json& root) { return read_fact_body(kind, root, Path{}); });
}

std::string_view kind_of(const FactBody& body) {
    return std::visit(
        [](const auto& fact) -> std::string_view {
            using Body = std::decay_t<decltype(fact)>;
            if constexpr (requires { Body::kKind; }) {
                return Body::kKind;
            } else {
                return fact.kind;
            }
        },
        body);
}

Envelope salvage(std::string_view payload) {
    // Broken JSON still tells, up to its first fault, who is asking: the strict parser is of no use
    // here, a look for the three members at the top level is.
    Envelope found;
    std::string key;
    const auto watch = [&](int at, json::parse_event_t event, json& parsed) {
        if (at > limits::kJsonDepthMax) return false;
        if (event == json::parse_event_t::key && at == 1) key = parsed.get<std::string>();
        if (event == json::parse_event_t::value && at == 1) {
            const bool number = parsed.is_number_integer() && parsed >= 0;
            if (key == "cn" && number && parsed <= limits::kConnectionMax) {
                found.cn = Connection{parsed.get<std::int64_t>()};
            }
            if (key == "r" && number && parsed <= limits::kIntegerMax) {
                found.number = parsed.get<std::int64_t>();
            }
            if (key == "id" && parsed.is_string()) {
                const auto& id = parsed.get_ref<const std::string&>();
                // The same rule as for an id that is read: it will be echoed and stored.
                if (code_points(id) <= limits::kAskIdCharsMax &&
                    !std::ranges::any_of(id, is_control)) {
                    found.ask_id = id;
                }
            }
        }
        return true;
    };
    if (payload.size() > limits::kPayloadBytesMax) return found;
    const json ignored = json::parse(payload.begin(), payload.end(), watch, false);
    return found;
}

// == bridge and handlers
// =================================================================================

Decoded<Ask> decode_ask(std::string_view domain, std::string_view name, std::string_view payload) {
    return decoded<Ask>(payload, [&](const json& root) {
        expect_envelope(root);
        Ask ask;
        ask.id = text(root, "id", Range{1, limits::kAskIdCharsMax}, Path{});
        ask.expires_s = integer(root, "x", kAnyInteger, Path{});
        const json& by = member(root, "by", Path{});
        const Path caller{nullptr, "by", 0};
        if (!by.is_object()) fail(caller, "expected an object, got " + shown(by));
        ask.by.account = text(by, "account", Range{1, 64}, caller);
        ask.by.via = read_via(text(by, "via", kWords, caller), Path{&caller, "via", 0});
        const json& body = body_of(root);
        if (!read_ask_body(ask.body, domain, name, body, Path{nullptr, "d", 0})) {
            ask.body = UnknownAsk{std::string{name}};
        }
        Fnv1a64 digest;
        digest.add(domain);
        digest.add(name);
        digest.add(body.dump());
        ask.digest = digest.value();
        return ask;
    });
}

Decoded<AskAnswer> decode_ask_answer(std::string_view payload) {
    return decoded<AskAnswer>(payload, [](const json& root) {
        expect_envelope(root);
        AskAnswer answer;
        answer.id = text(root, "id", Range{1, limits::kAskIdCharsMax}, Path{});
        answer.rc = integer(root, "rc", kResults, Path{});
        const json& content = body_of(root);
        const Path here{nullptr, "d", 0};
        if (!content.is_object()) fail(here, "expected an object, got " + shown(content));
        if (answer.rc >= 300) {
            answer.code = text(content, "code", kWords, here);
            answer.text = text(content, "text", Range{0, 500}, here);
        }
        answer.content = content.dump();
        return answer;
    });
}

std::string encode(const Ask& ask) {
    ordered_json out = envelope();
    out["id"] = ask.id;
    out["x"] = ask.expires_s;
    out["by"] = {{"account", ask.by.account}, {"via", std::string{name_of(ask.by.via)}}};
    out["d"] = std::visit(
        [](const auto& body) -> ordered_json {
            using Body = std::decay_t<decltype(body)>;
            if constexpr (std::is_same_v<Body, UnknownAsk>) {
                return ordered_json::object();
            } else {
                return written_object(body);
            }
        },
        ask.body);
    return dumped(out);
}

std::string encode(const AskAnswer& answer) {
    ordered_json out = envelope();
    out["id"] = answer.id;
    out["rc"] = answer.rc;
    if (answer.code) {
        out["d"] = {{"code", *answer.code}, {"text", answer.text.value_or("")}};
    } else {
        out["d"] = ordered_json::parse(answer.content);
    }
    return dumped(out);
}

std::string encode(const AskResult& result) {
    return dumped(written_object(result));
}

Decoded<AskBody> decode_ask_body(std::string_view domain, std::string_view name,
                                 std::string_view json_text) {
    return decoded<AskBody>(json_text, [&](const json& root) {
        AskBody body;
        if (!read_ask_body(body, domain, name, root, Path{}))
            fail(Path{}, "expected an ask that exists, got another name");
        return body;
    });
}

std::string_view domain_of(const AskBody& body) {
    return std::visit(
        [](const auto& ask) -> std::string_view {
            using Body = std::decay_t<decltype(ask)>;
            if constexpr (requires { Body::kDomain; }) {
                return Body::kDomain;
            } else {
                return "";
            }
        },
        body);
}

std::string_view name_of(const AskBody& body) {
    return std::visit(
        [](const auto& ask) -> std::string_view {
            using Body = std::decay_t<decltype(ask)>;
            if constexpr (requires { Body::kName; }) {
                return Body::kName;
            } else {
                return ask.name;
            }
        },
        body);
}

std::string_view name_of(Via via) {
    constexpr std::string_view kNames[] = {"session", "token", "key", "legacy"};
    return kNames[static_cast<std::size_t>(via)];
}

// == events
// ==============================================================================================

std::string encode(const EventIds& ids) {
    return dumped(written_object(ids));
}

Decoded<EventIds> decode_event_ids(std::string_view text_json) {
    return decoded<EventIds>(text_json, [](const json& root) {
        EventIds ids;
        read_object(ids, root, Path{});
        return ids;
    });
}

std::string encode(const PlacedEvent& placed) {
    const Event& event = placed.event;
    ordered_json out = ordered_json::object();
    out["specversion"] = "1.0";
    out["id"] = std::to_string(placed.position.value);
    out["source"] = "/klyuchnik/" + event.domain;
    out["type"] = event.domain + "." + event.type;
    out["subject"] = event.subject;
    out["time"] = rfc3339(event.occurred);
    out["datacontenttype"] = "application/json";
    // Extension attributes of CloudEvents are lower-case letters and digits only.
    out["position"] = placed.position.value;
    out["recordedtime"] = rfc3339(placed.recorded);
    out["actor"] = event.actor;
    out["cause"] = event.source;
    out["data"] = written_object(event.ids);
    return dumped(out);
}

std::string encode_presence(bool online, std::int64_t since_s) {
    ordered_json out = envelope();
    out["on"] = online ? 1 : 0;
    if (online) out["since"] = since_s;
    return dumped(out);
}

// == the catalogue's fields
// ==============================================================================

namespace {

template <class M>
std::string_view type_name() {
    if constexpr (IsOptional<M>::value) {
        return type_name<typename M::value_type>();
    } else if constexpr (std::is_same_v<M, bool>) {
        return "flag";
    } else if constexpr (std::is_same_v<M, std::int64_t>) {
        return "integer";
    } else if constexpr (requires(M m) {
                             { m.value } -> std::convertible_to<std::int64_t>;
                         }) {
        return "integer";
    } else if constexpr (requires(M m) {
                             m.push_back(typename M::value_type{});
                             m.reserve(1);
                         } &&
                         !std::is_same_v<M, std::string>) {
        return "list";
    } else {
        return "text";
    }
}

template <class T>
std::vector<FieldInfo> fields_of() {
    std::vector<FieldInfo> rows;
    std::apply(
        [&](const auto&... field) {
            (rows.push_back([&]<class S, class M>(const Field<S, M>& one) {
                return FieldInfo{
                    one.key,       std::string{type_name<M>()},
                    one.unit,      one.range.min,
                    one.range.max, !IsOptional<M>::value && one.need == Need::required};
            }(field)),
             ...);
        },
        Shape<T>::fields);
    return rows;
}

template <class Variant, std::size_t... I>
std::vector<KindFields> kinds_of(std::index_sequence<I...>) {
    std::vector<KindFields> rows;
    const auto add = [&]<class Body>() {
        if constexpr (requires { Body::kKind; }) {
            rows.push_back({Body::kKind, fields_of<Body>()});
        } else if constexpr (requires { Body::kName; }) {
            rows.push_back({std::string{Body::kDomain} + "." + Body::kName, fields_of<Body>()});
        }
    };
    (add.template operator()<std::variant_alternative_t<I, Variant>>(), ...);
    return rows;
}
template <class Variant>
std::vector<KindFields> kinds_of() {
    return kinds_of<Variant>(std::make_index_sequence<std::variant_size_v<Variant>>{});
}

}  // namespace

std::vector<KindFields> fact_fields() {
    return kinds_of<FactBody>();
}
std::vector<KindFields> request_fields() {
    return kinds_of<RequestBody>();
}
std::vector<KindFields> command_fields() {
    return kinds_of<CommandBody>();
}
std::vector<KindFields> ask_fields() {
    return kinds_of<AskBody>();
}

}  // namespace klyuchnik::topics
