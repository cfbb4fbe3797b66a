#include "firmware-sim/cabinet/cabinet_client.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "firmware-sim/load/fleet.hpp"
#include "tests/unit/firmware-sim/directory.hpp"
#include "tests/unit/firmware-sim/model_server.hpp"

namespace klyuchnik::test {
namespace {

using namespace std::chrono_literals;
using topics::CardSerial;
using topics::KeyName;
using topics::Slot;
using topics::TagId;

const CardSerial kAnna{"12345ABC"};
const KeyName kHall{"101"};
constexpr auto kSoon = 20s;

class Client : public ::testing::Test {
 protected:
    sim::CabinetSettings settings() {
        sim::CabinetSettings its;
        its.link.port = server.port();
        its.link.id = *topics::DeviceId::parse("kc-hall1");
        its.state_dir = directory.path;
        its.keys = {{Slot{12}, kHall, TagId{"04A2B3C4D5E680"}}};
        its.device.resend_first = 100ms;
        its.device.resend_max = 500ms;
        its.device.request_deadline = 300ms;
        its.reconnect_first = 50ms;
        its.reconnect_max = 200ms;
        return its;
    }
    sim::CardRights rights() {
        sim::CardRights its;
        its.allow(kAnna, kHall);
        return its;
    }
    std::vector<std::string> facts() { return server.view().facts["kc-hall1"]; }

    Directory directory;
    ModelServer server;
};

TEST_F(Client, TakesAndReturnsAKey) {
    sim::CabinetClient cabinet{settings(), rights()};
    ASSERT_TRUE(cabinet.wait_online(kSoon));
    EXPECT_FALSE(cabinet.take(kAnna, kHall)) << "nothing was granted yet";
    const auto decided = cabinet.ask(kAnna, kHall, kSoon);
    ASSERT_TRUE(decided);
    EXPECT_TRUE(decided->granted);
    EXPECT_FALSE(decided->offline);
    EXPECT_TRUE(cabinet.take(kAnna, kHall));
    EXPECT_TRUE(cabinet.return_key(kAnna, kHall));
    ASSERT_TRUE(cabinet.wait_acked(kSoon));
    EXPECT_EQ(facts(), (std::vector<std::string>{"slots.state", "access.granted", "key.taken",
                                                 "key.returned"}));
}

TEST_F(Client, ShowsTheServersRefusal) {
    server.answer_with(403);
    sim::CabinetClient cabinet{settings(), rights()};
    ASSERT_TRUE(cabinet.wait_online(kSoon));
    const auto decided = cabinet.ask(kAnna, kHall, kSoon);
    ASSERT_TRUE(decided);
    EXPECT_FALSE(decided->granted);
    EXPECT_EQ(decided->code, "no_right");
    EXPECT_FALSE(cabinet.take(kAnna, kHall));
}

TEST_F(Client, RepeatsUntilAckedAndTheServerHasEachFactOnce) {
    sim::CabinetClient cabinet{settings(), rights()};
    ASSERT_TRUE(cabinet.wait_online(kSoon));
    server.swallow_acks(3);
    for (int i = 0; i < 50; ++i) cabinet.append(topics::CardTapped{kAnna});
    ASSERT_TRUE(cabinet.wait_acked(kSoon));
    EXPECT_TRUE(cabinet.repeat_last_batch());
    EXPECT_TRUE(server.wait_until([](const ServerView& view) { return view.skipped > 0; }, kSoon));
    EXPECT_GE(cabinet.counters().protocol.resent, 1);
    EXPECT_EQ(facts().size(), 51U);
}

TEST_F(Client, GoesOnAfterARebootWithTheSameFacts) {
    sim::CabinetClient cabinet{settings(), rights()};
    ASSERT_TRUE(cabinet.wait_online(kSoon));
    server.silent(true);
    for (int i = 0; i < 40; ++i) cabinet.append(topics::CardTapped{kAnna});
    cabinet.reboot();
    EXPECT_EQ(cabinet.counters().boot, 2);
    EXPECT_GE(cabinet.counters().unacked, 40);
    server.silent(false);
    ASSERT_TRUE(cabinet.wait_acked(kSoon));
    EXPECT_EQ(facts().size(), 42U) << "40 and what was in the slots at two boots";
}

TEST_F(Client, ItsWillTellsThatItIsGone) {
    {
        sim::CabinetClient cabinet{settings(), rights()};
        ASSERT_TRUE(cabinet.wait_online(kSoon));
        EXPECT_EQ(server.view().wills, 0);
    }
    EXPECT_TRUE(server.wait_until([](const ServerView& view) { return view.wills == 1; }, kSoon));
}

TEST_F(Client, DecidesAloneOfflineAndReportsLater) {
    sim::CabinetClient cabinet{settings(), rights()};
    ASSERT_TRUE(cabinet.wait_online(kSoon));
    ASSERT_TRUE(cabinet.wait_acked(kSoon));
    cabinet.go_offline();
    const auto decided = cabinet.ask(kAnna, kHall, kSoon);
    ASSERT_TRUE(decided);
    EXPECT_TRUE(decided->granted);
    EXPECT_TRUE(decided->offline);
    EXPECT_TRUE(cabinet.take(kAnna, kHall));
    EXPECT_EQ(cabinet.counters().unacked, 2);
    cabinet.go_online();
    ASSERT_TRUE(cabinet.wait_acked(kSoon));
    EXPECT_EQ(facts().back(), "key.taken");
}

TEST_F(Client, LosesNothingWhenTheBrokerIsKilledAndTheServerForgets) {
    sim::CabinetClient cabinet{settings(), rights()};
    ASSERT_TRUE(cabinet.wait_online(kSoon));
    server.kill_broker();
    for (int i = 0; i < 10; ++i) cabinet.append(topics::CardTapped{kAnna});
    server.forget_devices();
    server.start_broker();
    ASSERT_TRUE(cabinet.wait_acked(kSoon));
    EXPECT_EQ(facts().size(), 11U);
    EXPECT_GE(cabinet.counters().protocol.epochs, 2);
}

TEST_F(Client, AFleetDrainsAndItsAccountIsTheServersAccount) {
    sim::World world;
    std::vector<sim::DeviceSecret> devices;
    for (int i = 0; i < 5; ++i) {
        const std::string id = "kc-fleet" + std::to_string(i);
        devices.push_back({*topics::DeviceId::parse(id), ""});
        for (int slot = 1; slot <= 4; ++slot) {
            const KeyName key{std::to_string(i) + "0" + std::to_string(slot)};
            world.keys[id].push_back({Slot{slot}, key, TagId{"T" + key.value}});
            world.rights.allow(kAnna, key);
        }
    }
    sim::FleetSettings its;
    its.port = server.port();
    its.state_dir = directory.path;
    its.rate = 200;
    its.hold_ms = 20;
    its.take_ms = 5;
    its.resend_ms = 100;
    its.resend_max_ms = 500;
    its.reboot_percent = 2;
    its.offline_percent = 1;
    its.offline_ms = 100;
    its.resend_percent = 10;
    its.seed = 1;
    sim::Fleet fleet{its, devices, world};
    fleet.start();
    fleet.open_doors();
    const auto until = [&](auto condition) {
        const auto deadline = std::chrono::steady_clock::now() + kSoon;
        while (!condition() && std::chrono::steady_clock::now() < deadline && !fleet.failed()) {
            server.wait_until([](const ServerView&) { return false; }, 20ms);
        }
        return condition();
    };
    EXPECT_TRUE(until([&] {
        const sim::Tally tally = fleet.tally();
        return tally.taken >= 100 && tally.reboots > 0 && tally.resent_on_purpose > 0;
    }));
    fleet.close_doors();
    EXPECT_TRUE(until([&] {
        const sim::Tally tally = fleet.tally();
        return fleet.drained() && tally.taken == tally.returned;
    }));
    fleet.stop();
    const sim::Tally tally = fleet.tally();
    std::int64_t stored = 0;
    for (const auto& [id, kinds] : server.view().facts)
        stored += static_cast<std::int64_t>(kinds.size());
    EXPECT_EQ(stored, tally.facts);
    EXPECT_EQ(tally.acked, tally.facts);
    EXPECT_GT(server.view().skipped, 0);
}

}  // namespace
}  // namespace klyuchnik::test
