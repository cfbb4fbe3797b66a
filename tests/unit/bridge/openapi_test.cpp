#include "bridge/rest/openapi.hpp"

#include <set>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/unit/bridge/api_fixture.hpp"

namespace klyuchnik::bridge {
namespace {

using nlohmann::json;

std::string lower(std::string text) {
    for (char& c : text) c = static_cast<char>(c | 0x20);
    return text;
}

struct OpenApi : testing::Test {
    ApiFixture fixture;
    json document = json::parse(openapi_document());
};

TEST_F(OpenApi, HasEveryRouteWithExactlyItsStatuses) {
    for (const Route& route : fixture.routes.all()) {
        const std::string name = route.method + " " + route.path;
        ASSERT_TRUE(document["paths"].contains(route.path)) << name;
        const json& path = document["paths"][route.path];
        ASSERT_TRUE(path.contains(lower(route.method))) << name;
        std::set<std::string> declared;
        for (const int status : route.statuses) declared.insert(std::to_string(status));
        std::set<std::string> described;
        for (const auto& [status, ignored] : path[lower(route.method)]["responses"].items()) {
            described.insert(status);
        }
        EXPECT_EQ(declared, described) << name;
    }
}

TEST_F(OpenApi, HasNoRouteThatIsNotServed) {
    for (const auto& [path, methods] : document["paths"].items()) {
        for (const auto& [method, ignored] : methods.items()) {
            bool served = false;
            for (const Route& route : fixture.routes.all()) {
                served = served || (route.path == path && lower(route.method) == method);
            }
            EXPECT_TRUE(served) << method << " " << path;
        }
    }
}

TEST_F(OpenApi, DescribesEveryCaptureOfAPath) {
    for (const auto& [path, methods] : document["paths"].items()) {
        for (const auto& [method, operation] : methods.items()) {
            std::size_t captures = 0;
            for (const json& parameter : operation.value("parameters", json::array())) {
                if (parameter.value("in", "") != "path") continue;
                ++captures;
                EXPECT_NE(path.find("{" + parameter["name"].get<std::string>() + "}"),
                          std::string::npos)
                    << path;
            }
            EXPECT_EQ(captures, static_cast<std::size_t>(std::count(path.begin(), path.end(), '{')))
                << method << " " << path;
        }
    }
}

void references_of(const json& node, std::set<std::string>& out) {
    if (node.is_object() && node.contains("$ref")) out.insert(node["$ref"].get<std::string>());
    if (node.is_structured()) {
        for (const json& child : node) references_of(child, out);
    }
}

TEST_F(OpenApi, RefersOnlyToWhatIsThere) {
    std::set<std::string> references;
    references_of(document, references);
    EXPECT_FALSE(references.empty());
    for (const std::string& reference : references) {
        EXPECT_TRUE(document.contains(json::json_pointer{reference.substr(1)})) << reference;
    }
}

TEST_F(OpenApi, OperationsHaveNamesOfTheirOwn) {
    std::set<std::string> names;
    for (const auto& [path, methods] : document["paths"].items()) {
        for (const auto& [method, operation] : methods.items()) {
            EXPECT_TRUE(names.insert(operation["operationId"].get<std::string>()).second) << path;
        }
    }
}

}  // namespace
}  // namespace klyuchnik::bridge
