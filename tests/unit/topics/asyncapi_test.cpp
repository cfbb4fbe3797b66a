#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/unit/topics/golden.hpp"
#include "topics/catalogue.hpp"
#include "topics/names.hpp"
#include "topics/shapes.hpp"

namespace klyuchnik::test {
namespace {

using namespace topics;
using nlohmann::json;

struct Message {
    std::string owner;
    std::string effect;
    std::map<std::string, std::string> examples;  ///< Payload by name.
};
struct Schema {
    std::set<std::string> required;
    std::map<std::string, json> properties;
};

/// topics/asyncapi.yaml, read line by line: it is kept in a form in which every example, every list
/// of required keys and every property is JSON on one line, so that no YAML parser is needed.
struct AsyncApi {
    std::map<std::string, std::string> addresses;  ///< By channel.
    std::map<std::string, Message> messages;
    std::map<std::string, Schema> schemas;
};

AsyncApi read_asyncapi() {
    AsyncApi api;
    std::string section, part, one, example;
    bool properties = false;
    std::istringstream lines{topics_file("asyncapi.yaml")};
    for (std::string line; std::getline(lines, line);) {
        const std::size_t indent = line.find_first_not_of(' ');
        if (indent == std::string::npos || line[indent] == '#') continue;
        const std::string text = line.substr(indent);
        const bool opens = text.ends_with(':');
        const std::string name = text.substr(0, text.size() - 1);
        const auto value = [&](const std::string& key) {
            return text.starts_with(key + ": ") ? text.substr(key.size() + 2) : std::string{};
        };
        if (indent == 0) section = name;
        if (indent == 2 && opens) part = name;
        if (section == "channels" && indent == 4 && !value("address").empty()) {
            api.addresses[part] = value("address");
        }
        if (section != "components") continue;
        if (indent == 4 && opens) {
            one = name;
            properties = false;
        }
        if (part == "messages") {
            if (indent == 6 && !value("name").empty()) {
                EXPECT_EQ(value("name"), one);
                api.messages[one];
            }
            if (indent == 6 && !value("x-owner").empty())
                api.messages[one].owner = value("x-owner");
            if (indent == 6 && !value("summary").empty()) {
                api.messages[one].effect = json::parse(value("summary")).get<std::string>();
            }
            if (indent == 8 && !value("- name").empty()) example = value("- name");
            if (indent == 10 && !value("payload").empty()) {
                api.messages[one].examples[example] = value("payload");
            }
        }
        if (part == "schemas") {
            if (indent == 4 && opens) api.schemas[one];
            if (indent == 6) properties = text == "properties:";
            if (indent == 6 && !value("required").empty()) {
                api.schemas[one].required =
                    json::parse(value("required")).get<std::set<std::string>>();
            }
            if (indent == 8 && properties) {
                const json property = json::parse("{" + text + "}");
                for (const auto& [key, schema] : property.items()) {
                    EXPECT_TRUE(api.schemas[one].properties.emplace(key, schema).second)
                        << one << " " << key;
                }
            }
        }
    }
    return api;
}

const AsyncApi& asyncapi() {
    static const AsyncApi api = read_asyncapi();
    return api;
}

std::string full_name(const Kind& kind) {
    constexpr const char* kDirections[] = {"fact.", "request.", "command.", "ask."};
    return kDirections[static_cast<std::size_t>(kind.direction)] + kind.name;
}

void expect_field(const std::string& schema, const FieldInfo& field, const json& property) {
    const std::string where = schema + "." + field.key;
    if (field.type == "integer" || field.type == "flag") {
        EXPECT_EQ(property.value("type", ""), "integer") << where;
        EXPECT_EQ(property.value("minimum", json{}), json(field.min)) << where;
        EXPECT_EQ(property.value("maximum", json{}), json(field.max)) << where;
    } else if (field.type == "text") {
        EXPECT_EQ(property.value("type", ""), "string") << where;
        EXPECT_EQ(property.value("minLength", json{}), json(field.min)) << where;
        EXPECT_EQ(property.value("maxLength", json{}), json(field.max)) << where;
        if (field.unit == "device id") {
            EXPECT_EQ(property.value("pattern", ""), "^(kc|sg)-[a-z0-9]{4,18}$") << where;
        }
        if (field.max == 64 && field.min == 64) {
            EXPECT_EQ(property.value("pattern", ""), "^[0-9a-f]{64}$") << where;
        }
    } else {
        ASSERT_EQ(field.type, "list") << where;
        EXPECT_EQ(property.value("type", ""), "array") << where;
        EXPECT_EQ(property.value("minItems", json{}), json(field.min)) << where;
        EXPECT_EQ(property.value("maxItems", json{}), json(field.max)) << where;
        EXPECT_TRUE(property.contains("items")) << where;
    }
    EXPECT_EQ(property.value("description", ""), field.unit) << where;
}

/// `beside` are the keys of the schema that the fields do not know: the envelope.
void expect_schema(const std::string& name, const std::vector<FieldInfo>& fields,
                   const std::set<std::string>& beside = {}) {
    const auto found = asyncapi().schemas.find(name);
    ASSERT_NE(found, asyncapi().schemas.end()) << "asyncapi.yaml has no schema " << name;
    const Schema& schema = found->second;
    std::set<std::string> required, keys;
    for (const FieldInfo& field : fields) {
        keys.insert(field.key);
        if (field.required) required.insert(field.key);
        const auto property = schema.properties.find(field.key);
        ASSERT_NE(property, schema.properties.end()) << name << " lacks " << field.key;
        expect_field(name, field, property->second);
    }
    std::set<std::string> in_schema, required_in_schema;
    for (const auto& [key, property] : schema.properties) {
        if (!beside.contains(key)) in_schema.insert(key);
    }
    for (const std::string& key : schema.required) {
        if (!beside.contains(key)) required_in_schema.insert(key);
    }
    EXPECT_EQ(in_schema, keys) << name;
    EXPECT_EQ(required_in_schema, required) << name;
}

/// Asks the decoder itself about every limit of an object: the limit is read, one beyond it is
/// refused, and a key can be left out exactly when it is not required.
void expect_limits(const Schema& schema, const std::string& name, const std::string& decoder,
                   const json& base, const json::json_pointer& at) {
    const auto is_read = [&](const std::string& key, const json& value) {
        json changed = base;
        changed[at][key] = value;
        // A batch whose oldest fact is younger than its first one is refused for that.
        if (key == "lo") changed[at]["s"] = value;
        return static_cast<bool>(reencoded(decoder, changed.dump()));
    };
    for (const auto& [key, property] : schema.properties) {
        const std::string where = name + "." + key;
        json without = base;
        without[at].erase(key);
        EXPECT_EQ(static_cast<bool>(reencoded(decoder, without.dump())),
                  !schema.required.contains(key))
            << where;
        if (property.contains("minimum")) {
            const auto least = property.at("minimum").get<std::int64_t>();
            const auto most = property.at("maximum").get<std::int64_t>();
            EXPECT_TRUE(is_read(key, least)) << where;
            EXPECT_TRUE(is_read(key, most)) << where;
            EXPECT_FALSE(is_read(key, least - 1)) << where;
            EXPECT_FALSE(is_read(key, most + 1)) << where;
        } else if (property.contains("maxLength")) {
            const auto least = property.at("minLength").get<std::size_t>();
            const auto most = property.at("maxLength").get<std::size_t>();
            EXPECT_TRUE(is_read(key, std::string(least, 'x'))) << where;
            EXPECT_TRUE(is_read(key, std::string(most, 'x'))) << where;
            if (least > 0) {
                EXPECT_FALSE(is_read(key, std::string(least - 1, 'x'))) << where;
            }
            EXPECT_FALSE(is_read(key, std::string(most + 1, 'x'))) << where;
        } else if (property.contains("maxItems")) {
            const json element = base.at(at).at(key).at(0);
            const auto list = [&](std::size_t size) { return json(size, element); };
            const auto least = property.at("minItems").get<std::size_t>();
            const auto most = property.at("maxItems").get<std::size_t>();
            EXPECT_TRUE(is_read(key, list(most))) << where;
            EXPECT_FALSE(is_read(key, list(least - 1))) << where;
            EXPECT_FALSE(is_read(key, list(most + 1))) << where;
        } else if (property.contains("enum")) {
            for (const json& one : property.at("enum")) EXPECT_TRUE(is_read(key, one)) << where;
            EXPECT_FALSE(is_read(key, "other")) << where;
        } else if (property.contains("const")) {
            EXPECT_FALSE(is_read(key, property.at("const").get<int>() + 1)) << where;
        } else if (property.contains("properties")) {
            Schema inner;
            inner.required = property.value("required", std::set<std::string>{});
            for (const auto& [inner_key, one] : property.at("properties").items()) {
                inner.properties.emplace(inner_key, one);
            }
            expect_limits(inner, where, decoder, base, at / key);
        }
    }
}
void expect_limits(const std::string& name, const std::string& decoder, const std::string& base,
                   const std::string& at = "") {
    const auto found = asyncapi().schemas.find(name);
    ASSERT_NE(found, asyncapi().schemas.end()) << "asyncapi.yaml has no schema " << name;
    ASSERT_TRUE(reencoded(decoder, base)) << base;
    expect_limits(found->second, name, decoder, json::parse(base), json::json_pointer{at});
}

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

template <class M>
std::string type_of() {
    if constexpr (IsOptional<M>::value) {
        return type_of<typename M::value_type>();
    } else if constexpr (std::is_same_v<M, std::string> || std::is_same_v<M, TagId> ||
                         std::is_same_v<M, DeviceId>) {
        return "text";
    } else {
        return "integer";
    }
}

/// The fields of an envelope, which the catalogue of kinds does not list.
template <class T>
std::vector<FieldInfo> fields_of() {
    std::vector<FieldInfo> rows;
    const auto add = [&]<class S, class M>(const Field<S, M>& field) {
        rows.push_back({field.key, type_of<M>(), field.unit, field.range.min, field.range.max,
                        !IsOptional<M>::value && field.need == Need::required});
    };
    std::apply([&](const auto&... field) { (add(field), ...); }, Shape<T>::fields);
    return rows;
}

}  // namespace

TEST(AsyncApiDocument, HasEveryKindOfTheCatalogueAsAMessageAndNoOther) {
    std::set<std::string> expected{"birth",
                                   "will",
                                   "facts",
                                   "ack",
                                   "heartbeat",
                                   "answer",
                                   "event",
                                   "presence.online",
                                   "presence.offline",
                                   "ask_answer",
                                   "chunks_wanted",
                                   "guard"};
    for (const Kind& kind : catalogue()) expected.insert(full_name(kind));
    std::set<std::string> found;
    for (const auto& [name, message] : asyncapi().messages) found.insert(name);
    EXPECT_EQ(found, expected);
}

TEST(AsyncApiDocument, SaysWhatEachKindDoesAndWhoOwnsItAsTheCatalogueDoes) {
    for (const Kind& kind : catalogue()) {
        const auto message = asyncapi().messages.find(full_name(kind));
        ASSERT_NE(message, asyncapi().messages.end()) << full_name(kind);
        EXPECT_EQ(message->second.owner, kind.owner) << full_name(kind);
        EXPECT_EQ(message->second.effect, kind.effect) << full_name(kind);
    }
}

TEST(AsyncApiDocument, HasEveryFieldOfEveryKindWithItsLimits) {
    for (const Kind& kind : catalogue()) expect_schema(full_name(kind), kind.fields);
}

TEST(AsyncApiDocument, HasEveryFieldOfTheEnvelopesWithItsLimits) {
    expect_schema("birth", fields_of<Birth>(), {"v", "on"});
    expect_schema("will", fields_of<Will>(), {"v", "on"});
    expect_schema("ack", fields_of<Ack>(), {"v", "er"});
    expect_schema("heartbeat.d", fields_of<Heartbeat>());
    expect_schema("slot", fields_of<SlotContent>());
    expect_schema("ask_result", fields_of<AskResult>());
    expect_schema("event_ids", fields_of<EventIds>());
    expect_schema("document_facts", fields_of<DocumentFacts>());
    expect_schema("chunks_wanted", fields_of<ChunksWanted>(), {"v"});
    expect_schema("guard", fields_of<GuardReport>(), {"v"});
}

TEST(AsyncApiDocument, SaysOfTheOtherEnvelopesWhatTheDecodersDo) {
    expect_limits("facts", "facts",
                  R"({"v":1,"cn":1,"ep":1,"lo":1,"s":1,"e":[{"t":1,"k":"tamper"}]})");
    expect_limits(
        "fact", "facts",
        R"({"v":1,"cn":1,"ep":1,"lo":1,"s":1,"e":[{"t":1,"b":1,"m":1,"k":"new","d":{}}]})", "/e/0");
    expect_limits("heartbeat", "heartbeat", R"({"v":1,"cn":1,"d":{}})");
    expect_limits("request", "request", R"({"v":1,"cn":1,"r":1,"k":"new","d":{}})");
    expect_limits("answer", "answer",
                  R"({"v":1,"cn":1,"r":1,"rc":0,"d":{"sl":1,"code":"a","tx":"b","now":1}})");
    expect_limits("command", "command", R"({"v":1,"cn":1,"cs":1,"x":1,"k":"new","d":{}})");
    expect_limits("ask", "ask:keys.new",
                  R"({"v":1,"id":"a","x":1,"by":{"account":"b","via":"key"},"d":{}})");
    expect_limits("ask_answer", "ask_answer",
                  R"({"v":1,"id":"a","rc":0,"d":{"code":"a","text":""}})");
}

TEST(AsyncApiDocument, RepeatsEveryGoldenExampleByteForByte) {
    std::set<std::string> used;
    for (const auto& [name, message] : asyncapi().messages) {
        EXPECT_FALSE(message.examples.empty()) << name;
        for (const auto& [example, payload] : message.examples) {
            EXPECT_EQ(payload, golden(example)) << name;
            used.insert(example);
        }
    }
    for (const auto& [name, bytes] : golden()) {
        EXPECT_TRUE(used.contains(name)) << name << " is in no message of asyncapi.yaml";
    }
}

TEST(AsyncApiDocument, HasTheTopicsThatTheCodeBuilds) {
    const auto filled = [](const std::string& channel, std::map<std::string, std::string> values) {
        std::string address = asyncapi().addresses.at(channel);
        for (const auto& [parameter, value] : values) {
            const std::string braces = "{" + parameter + "}";
            const std::size_t at = address.find(braces);
            if (at != std::string::npos) address.replace(at, braces.size(), value);
        }
        return address;
    };
    const DeviceId hall = *DeviceId::parse("kc-hall1");
    const std::map<std::string, Level> levels{
        {"state", Level::state},          {"facts", Level::facts},
        {"requests", Level::request},     {"telemetry", Level::telemetry},
        {"chunksUp", Level::chunk_up},    {"acks", Level::ack},
        {"answers", Level::answer},       {"commands", Level::command},
        {"chunksDown", Level::chunk_down}};
    for (const auto& [channel, level] : levels) {
        EXPECT_EQ(filled(channel, {{"cls", "kc"}, {"dev", "kc-hall1"}}), device_topic(hall, level));
    }
    EXPECT_EQ(filled("asks", {{"domain", "keys"}, {"name", "issue_key"}, {"client", "bridge-1"}}),
              ask_topic("keys", "issue_key", "bridge-1"));
    EXPECT_EQ(filled("askAnswers", {{"client", "bridge-1"}}), ask_answer_topic("bridge-1"));
    EXPECT_EQ(filled("events", {{"domain", "keys"}, {"type", "key_taken"}}),
              event_topic("keys", "key_taken"));
    EXPECT_EQ(filled("presence", {{"program", "handlers"}, {"instance", "1"}}),
              presence_topic("handlers", "1"));
    EXPECT_TRUE(
        std::holds_alternative<GuardTopic>(parse_topic(filled("guard", {{"instance", "1"}}))));
    EXPECT_EQ(asyncapi().addresses.size(), levels.size() + 5);
}

TEST(Catalogue, ListsEveryKindWithItsOwnerAndEffect) {
    const std::string text = catalogue_text();
    for (const Kind& kind : catalogue()) {
        EXPECT_NE(text.find(" " + kind.name + " "), std::string::npos) << kind.name;
        EXPECT_NE(text.find(kind.effect), std::string::npos) << kind.name;
        EXPECT_FALSE(kind.owner.empty()) << kind.name;
        EXPECT_FALSE(kind.effect.empty()) << kind.name;
    }
}

}  // namespace klyuchnik::test
