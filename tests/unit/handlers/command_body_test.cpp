// What a device is told for a wish: no services.
#include "handlers/devices/command_body.hpp"

#include <gtest/gtest.h>

#include "topics/codec.hpp"

namespace klyuchnik::handlers::devices {
namespace {

using namespace topics;

SendCommand wish(const std::string& kind, const std::string& device = "kc-hall1") {
    SendCommand ask;
    ask.device = *DeviceId::parse(device);
    ask.kind = kind;
    return ask;
}

std::string told(const SendCommand& ask) {
    const auto wanted = command_body(ask);
    if (const auto* refusal = std::get_if<Refusal>(&wanted)) {
        return std::string{info(refusal->code).name};
    }
    const auto& body = std::get<CommandBody>(wanted);
    return std::string{kind_of(body)} + encode_command_body(body);
}

TEST(CommandBodyOf, TakesTheMembersOfItsKindOnly) {
    SendCommand ask = wish("slot.unlock");
    EXPECT_EQ(told(ask), "invalid");
    ask.slot = Slot{12};
    ask.locked = true;
    EXPECT_EQ(told(ask), R"(slot.unlock{"sl":12})");
    ask.kind = "reboot";
    EXPECT_EQ(told(ask), "reboot{}");
    ask.kind = "slots.report";
    EXPECT_EQ(told(ask), "slots.report{}");
    ask.kind = "rights.read";
    EXPECT_EQ(told(ask), "rights.read{}");
    ask.kind = "logs.send";
    EXPECT_EQ(told(ask), "logs.send{}");
}

TEST(CommandBodyOf, LockSaysWhichWay) {
    SendCommand ask = wish("lock");
    EXPECT_EQ(told(ask), "invalid");
    ask.locked = false;
    auto wanted = command_body(ask);
    EXPECT_FALSE(std::get<Lock>(std::get<CommandBody>(wanted)).locked);
}

TEST(CommandBodyOf, SettingsNeedsSomethingToSet) {
    SendCommand ask = wish("settings", "sg-shop1");
    EXPECT_EQ(told(ask), "invalid");
    ask.time_zone = "MSK-3";
    auto wanted = command_body(ask);
    EXPECT_EQ(std::get<SettingsCommand>(std::get<CommandBody>(wanted)).time_zone, "MSK-3");
}

TEST(CommandBodyOf, ACabinetsCommandIsRefusedForAGateway) {
    for (const char* kind : {"slot.unlock", "buzz", "lock", "slots.report"}) {
        SendCommand ask = wish(kind, "sg-shop1");
        ask.slot = Slot{1};
        ask.locked = true;
        EXPECT_EQ(told(ask), "invalid") << kind;
    }
    EXPECT_EQ(told(wish("reboot", "sg-shop1")), "reboot{}");
}

TEST(CommandBodyOf, AKindThatThereIsNotIsRefused) {
    EXPECT_EQ(told(wish("explode")), "invalid");
    EXPECT_EQ(told(wish("scale.read", "sg-shop1")), "not_served");
}

}  // namespace
}  // namespace klyuchnik::handlers::devices
