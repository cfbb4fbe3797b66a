// Commands from the ask to the lock that opens, on real processes.
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "tests/system/hall.hpp"
#include "topics/codec.hpp"

namespace klyuchnik::test {
namespace {

using namespace std::chrono_literals;

/// Asks as the administrator, with a new id each time.
class Wishes {
 public:
    explicit Wishes(World& world) : world_{world}, asker_{world.broker()} {}
    topics::AskAnswer ask(const std::string& name, const std::string& content) {
        return asker_.ask("devices", name,
                          R"({"v":1,"id":"wish-)" + std::to_string(++number_) + R"(","x":)" +
                              std::to_string(now_s() + 60) + R"(,"by":{"account":")" +
                              world_.account() + R"(","via":"session"},"d":)" + content + "}");
    }
    topics::AskAnswer command(const std::string& device, const std::string& rest) {
        return ask("send_command", R"({"device":")" + device + R"(",)" + rest + "}");
    }

 private:
    World& world_;
    RawAsker asker_;
    int number_ = 0;
};

class CommandsSystem : public ::testing::Test {
 protected:
    static constexpr const char* kDevice = "kc-hall1";
    static constexpr std::int64_t kConnection = 2718281;
    World world;
    Wishes wishes{world};

    ::testing::AssertionResult becomes(const std::string& state, std::int64_t number = 1) {
        return world.becomes("select count(*) from runtime.commands where number = " +
                                 std::to_string(number) + " and state = '" + state + "'",
                             1);
    }
    std::int64_t alarms(const std::string& kind) {
        return world.db().number(
            "select count(*) from runtime.alarms where kind = $1 and state <> 'resolved'", {kind});
    }
    static std::optional<topics::Command> next_command(RawDevice& device) {
        const auto message = device.client().wait_for_topic(device.topic("dn/cm"));
        if (!message) return std::nullopt;
        auto command = topics::decode_command(message->payload);
        return command ? std::optional{*command} : std::nullopt;
    }
};

TEST_F(CommandsSystem, OpenTheSlotOfACabinetAndItsWordEndsThem) {
    const Key key = world.add_key("101", kDevice, 12, "04A2B3C4D5E680");
    const auto cabinet = world.cabinet(kDevice, {key});
    ASSERT_TRUE(cabinet->wait_online(kPatience));
    const auto answer = wishes.command(kDevice, R"("kind":"slot.unlock","slot":12)");
    EXPECT_EQ(answer.rc, 202);
    EXPECT_NE(answer.content.find(R"("cmd":)"), std::string::npos) << answer.content;
    EXPECT_TRUE(becomes("done"));
    std::ifstream actuated{world.state_dir(kDevice) / "actuated.tsv"};
    std::string line;
    std::getline(actuated, line);
    EXPECT_NE(line.find("\tcommand\t1"), std::string::npos) << line;
    for (const char* type :
         {"command_queued", "command_sent", "command_accepted", "command_done"}) {
        EXPECT_EQ(world.db().number("select count(*) from log.events where type = $1 and "
                                    "(ids->>'command')::bigint > 0",
                                    {type}),
                  1)
            << type;
    }
    EXPECT_TRUE(world.metric_reaches("klyuchnik_commands_sent_total", 1));
    EXPECT_TRUE(world.metric_reaches("klyuchnik_commands_finished_total", 1, "state=\"done\""));
}

TEST_F(CommandsSystem, QueuedForACabinetThatIsAwayReachItWhenItComes) {
    world.add_device(kDevice);
    EXPECT_EQ(wishes.command(kDevice, R"("kind":"buzz")").rc, 202);
    EXPECT_TRUE(becomes("queued"));
    RawDevice device = world.raw_device(kDevice);
    const auto ack = device.birth(kConnection);
    const auto command = next_command(device);
    ASSERT_TRUE(command);
    EXPECT_EQ(command->cn.value, kConnection);
    EXPECT_EQ(command->number, 1);
    EXPECT_GT(command->expires_s, ack.now_s);
    EXPECT_TRUE(std::holds_alternative<topics::Buzz>(command->body));
}

TEST_F(CommandsSystem, AreRepeatedToASilentDeviceUntilTheirExpiryAndThenUnknown) {
    RawDevice device = world.raw_device(kDevice);
    const auto ack = device.birth(kConnection);
    wishes.command(kDevice, R"("kind":"buzz","life_seconds":7)");
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(next_command(device)) << i;
    ASSERT_TRUE(world.becomes("select count(*) from runtime.commands where now() > expires_at", 1));
    device.client().take_all();
    // A minute without a word must not be waited for here.
    world.db().rows("update runtime.commands set overdue_at = now(), send_after = now()");
    world.db().rows("select pg_notify('kl_commands', '')");
    EXPECT_TRUE(becomes("unknown"));
    EXPECT_EQ(alarms("command_unknown"), 1);
    EXPECT_TRUE(device.client().take_all().empty()) << "nothing is sent after the expiry";
    device.facts(kConnection, ack.epoch.value, 1, 1,
                 {fact("cmd.accepted", R"({"cs":1})"), fact("cmd.done", R"({"cs":1,"rc":0})")});
    EXPECT_TRUE(becomes("done"));
    EXPECT_EQ(alarms("command_unknown"), 0);
}

TEST_F(CommandsSystem, ADeviceThatSaysItDoesNotKnowRaisesAPerson) {
    RawDevice device = world.raw_device(kDevice);
    const auto ack = device.birth(kConnection);
    wishes.command(kDevice, R"("kind":"slot.unlock","slot":3)");
    ASSERT_TRUE(next_command(device));
    device.facts(kConnection, ack.epoch.value, 1, 1,
                 {fact("cmd.accepted", R"({"cs":1})"),
                  fact("cmd.done", R"({"cs":1,"rc":500,"tx":"restarted"})")});
    EXPECT_TRUE(becomes("unknown"));
    EXPECT_EQ(alarms("command_unknown"), 1);
    EXPECT_EQ(world.db().text("select note from runtime.commands"), "restarted");
}

TEST_F(CommandsSystem, TheNextIsSentWhenTheOneBeforeHasEnded) {
    RawDevice device = world.raw_device(kDevice);
    const auto ack = device.birth(kConnection);
    for (const char* kind : {"buzz", "reboot", "logs.send"}) {
        wishes.command(kDevice, R"("kind":")" + std::string{kind} + "\"");
    }
    for (std::int64_t number = 1; number <= 3; ++number) {
        std::optional<topics::Command> command;
        do {
            command = next_command(device);
            ASSERT_TRUE(command);
        } while (command->number < number);  // A repeat that was on its way.
        EXPECT_EQ(command->number, number);
        device.facts(kConnection, ack.epoch.value, 1, 2 * number - 1,
                     {fact("cmd.accepted", R"({"cs":)" + std::to_string(number) + "}"),
                      fact("cmd.done", R"({"cs":)" + std::to_string(number) + R"(,"rc":0})")});
        EXPECT_TRUE(becomes("done", number));
    }
}

TEST_F(CommandsSystem, AreRefusedWithTheReason) {
    world.add_device(kDevice);
    const auto code = [&](const std::string& device, const std::string& rest) {
        return wishes.command(device, rest).code.value_or("");
    };
    EXPECT_EQ(code("kc-nobody1", R"("kind":"buzz")"), "unknown_device");
    EXPECT_EQ(code(kDevice, R"("kind":"explode")"), "invalid");
    EXPECT_EQ(code(kDevice, R"("kind":"slot.unlock")"), "invalid");
    EXPECT_EQ(code(kDevice, R"("kind":"scale.read")"), "not_served");
    for (std::int64_t i = 0; i < topics::limits::kOpenCommandsMax; ++i) {
        ASSERT_EQ(code(kDevice, R"("kind":"buzz")"), "");
    }
    EXPECT_EQ(code(kDevice, R"("kind":"buzz")"), "limit_reached");
    world.db().rows(
        "update devices.devices set active = false, revoked_at = now(), revoked_why = "
        "'stolen'");
    EXPECT_EQ(code(kDevice, R"("kind":"buzz")"), "inactive_device");
    EXPECT_EQ(world.count("select count(*) from log.events where type = 'command_queued'"),
              topics::limits::kOpenCommandsMax);
}

TEST_F(CommandsSystem, OneDispatcherOfTwoSendsEach) {
    world.start_handlers();
    RawDevice device = world.raw_device(kDevice);
    const auto ack = device.birth(kConnection);
    for (std::int64_t number = 1; number <= 5; ++number) {
        wishes.command(kDevice, R"("kind":"buzz")");
        ASSERT_TRUE(next_command(device));
        device.facts(kConnection, ack.epoch.value, 1, number,
                     {fact("cmd.done", R"({"cs":)" + std::to_string(number) + R"(,"rc":0})")});
        ASSERT_TRUE(becomes("done", number));
    }
    EXPECT_EQ(world.count("select sum(sendings) from runtime.commands"), 5);
}

TEST_F(CommandsSystem, SurviveARestartOfTheBroker) {
    const auto cabinet = world.cabinet(kDevice);
    ASSERT_TRUE(cabinet->wait_online(kPatience));
    world.kill9_broker();
    world.db().rows(
        "with n as (insert into runtime.command_numbers values ($1, 1)) insert into "
        "runtime.commands (device_id, number, kind, content, made_at, made_by, expires_at, "
        "send_after, overdue_at) values ($1, 1, 'buzz', '{}', now(), 'test', now() + interval '1 "
        "min', now(), now() + interval '1 min')",
        {kDevice});
    world.restart_broker();
    EXPECT_TRUE(becomes("done"));
}

}  // namespace
}  // namespace klyuchnik::test
