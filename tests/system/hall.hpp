#pragma once

#include <string>

#include <gtest/gtest.h>

#include "tests/support/world.hpp"

namespace klyuchnik::test {

/// One cabinet that says exactly what the test says, one key in it, and two people of whom one may
/// take it.
class Hall : public ::testing::Test {
 protected:
    static constexpr const char* kDevice = "kc-hall1";
    static constexpr const char* kTag = "04A2B3C4D5E680";
    static constexpr const char* kAnnasCard = "12345ABC";
    static constexpr const char* kBorissCard = "0A1B2C3D";
    static constexpr std::int64_t kConnection = 2718281;

    World world;
    Key key = world.add_key("101", kDevice, 12, kTag);
    Person anna = world.add_person("Anna Example", kAnnasCard);
    Person boris = world.add_person("Boris Example", kBorissCard);
    RawDevice device = world.raw_device(kDevice);

    void SetUp() override {
        world.grant(anna, key);
        world.settle();
    }

    std::int64_t loans(const std::string& condition = "true") {
        return world.count("select count(*) from keys.loans where " + condition);
    }
    std::int64_t events(const std::string& condition) {
        return world.count("select count(*) from log.events where " + condition);
    }
    std::int64_t facts(const std::string& condition = "true") {
        return world.count("select count(*) from runtime.facts where " + condition);
    }
    /// A conflict stands beside the fact, once in the table and once in the log.
    void expect_conflict(const std::string& why) {
        EXPECT_EQ(world.count("select count(*) from keys.conflicts where why = '" + why + "'"), 1);
        EXPECT_EQ(events("domain = 'keys' and type = 'conflict' and ids->>'why' = '" + why + "'"),
                  1);
        EXPECT_EQ(world.count("select count(*) from keys.conflicts"), 1);
        EXPECT_EQ(facts("outcome = 'conflict'"), 1);
        EXPECT_EQ(world.get("/v1/conflicts").text("/items/0/why"), why);
    }
};

}  // namespace klyuchnik::test
