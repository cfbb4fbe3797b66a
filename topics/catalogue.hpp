#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// The catalogue of kinds: what may be said, by whom, who owns it and what it does. Printed by
/// `klyuchnik-handlers catalogue`; tests hold it against asyncapi.yaml and the golden examples.
namespace klyuchnik::topics {

struct FieldInfo {
    std::string key;
    std::string type;  ///< integer, flag, text, list
    std::string unit;
    std::int64_t min;  ///< Of a number its value, of a text its characters, of a list its elements.
    std::int64_t max;
    bool required;
};

struct KindFields {
    std::string kind;
    std::vector<FieldInfo> fields;
};

enum class Direction : unsigned char { fact, request, command, ask };

/// One kind. Asks are named "domain.name".
struct Kind {
    Direction direction;
    std::string name;
    std::string
        owner;  ///< The domain whose handler applies it; "runtime" for what every domain shares.
    std::string effect;  ///< In one line.
    std::vector<FieldInfo> fields;
};

/// All kinds, in the order of the structs.
const std::vector<Kind>& catalogue();

/// The catalogue as a table for people.
std::string catalogue_text();

// What the codec knows of each direction's kinds.
std::vector<KindFields> fact_fields();
std::vector<KindFields> request_fields();
std::vector<KindFields> command_fields();
std::vector<KindFields> ask_fields();

}  // namespace klyuchnik::topics
