#include "firmware-sim/cabinet/cabinet_client.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "firmware-sim/load/fleet.hpp"
#include "firmware-sim/load/storm.hpp"
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

/// Anna may take the key of the hall; another salt for each version.
topics::RightsDocument rights_document(std::int64_t version, bool anna = true) {
    topics::RightsDocument its;
    its.version = version;
    its.salt[0] = static_cast<std::uint8_t>(version);
    its.keys = {{Slot{12}, 0, kHall}};
    if (anna) {
        its.rows = {{topics::card_hash(its.salt, kAnna), 0, topics::RightsRow::kAlways}};
    }
    return its;
}

TEST_F(Client, PullsItsRightsAndDecidesByThemOffline) {
    server.announce_rights(rights_document(4));
    sim::CabinetClient cabinet{settings()};
    ASSERT_TRUE(cabinet.wait_rights_version(4, kSoon));
    cabinet.go_offline();
    EXPECT_TRUE(cabinet.ask(kAnna, kHall, kSoon)->granted);
    cabinet.go_online();
    ASSERT_TRUE(cabinet.wait_online(kSoon));
    server.announce_rights(rights_document(5, false));
    ASSERT_TRUE(cabinet.wait_rights_version(5, kSoon));
    cabinet.go_offline();
    EXPECT_EQ(cabinet.ask(kAnna, kHall, kSoon)->code, "no_right");
    cabinet.reboot();
    EXPECT_EQ(cabinet.rights_version(), 5);
    cabinet.go_online();
    ASSERT_TRUE(cabinet.wait_online(kSoon));
    EXPECT_EQ(server.view().last_birth["kc-hall1"].rights_version, 5);
}

TEST_F(Client, RefusesWhenItsOwnClockSaysThatTheLeaseHasEnded) {
    server.announce_rights(rights_document(4));
    sim::CabinetClient cabinet{settings()};
    ASSERT_TRUE(cabinet.wait_rights_version(4, kSoon));
    cabinet.go_offline();
    cabinet.advance(59min);
    EXPECT_TRUE(cabinet.ask(kAnna, kHall, kSoon)->granted);
    cabinet.advance(2min);
    EXPECT_EQ(cabinet.ask(kAnna, kHall, kSoon)->code, "lease_ended");
    cabinet.go_online();
    ASSERT_TRUE(cabinet.wait_online(kSoon));
    cabinet.go_offline();
    EXPECT_TRUE(cabinet.ask(kAnna, kHall, kSoon)->granted) << "an ack begins it anew";
}

TEST_F(Client, RunsNewFirmwareAfterARebootAndSaysSoInItsBirth) {
    sim::CabinetClient cabinet{settings()};
    ASSERT_TRUE(cabinet.wait_online(kSoon));
    server.announce_firmware("2.0", std::string(5000, 'i'));
    ASSERT_TRUE(cabinet.wait_firmware("2.0", kSoon));
    EXPECT_TRUE(server.wait_until(
        [](const ServerView& view) { return view.last_birth.at("kc-hall1").firmware == "2.0"; },
        kSoon));
}

TEST_F(Client, ComesBackWithTheOldFirmwareWhenTheNewOneIsNoGood) {
    sim::CabinetSettings its = settings();
    its.device.firmware_trial = 300ms;
    sim::CabinetClient cabinet{its};
    ASSERT_TRUE(cabinet.wait_online(kSoon));
    std::int64_t rolled_back = 0;
    for (const auto trouble :
         {sim::FirmwareTrouble::does_not_boot, sim::FirmwareTrouble::never_connects}) {
        cabinet.set_firmware_trouble(trouble);
        const std::int64_t births = server.view().births;
        server.announce_firmware("2." + std::to_string(++rolled_back), std::string(5000, 'i'));
        EXPECT_TRUE(
            server.wait_until([&](const ServerView& view) { return view.births > births; }, kSoon));
        ASSERT_TRUE(cabinet.wait_online(kSoon));
        EXPECT_EQ(server.view().last_birth["kc-hall1"].firmware, "sim-1");
        EXPECT_EQ(cabinet.counters().protocol.rolled_back, rolled_back);
    }
}

TEST_F(Client, DoesWhatCommandsSay) {
    const topics::DeviceId id = *topics::DeviceId::parse("kc-hall1");
    sim::CabinetClient cabinet{settings(), rights()};
    ASSERT_TRUE(cabinet.wait_online(kSoon));
    std::int64_t number = 0;
    const auto rc_of = [&](topics::CommandBody body) {
        server.send_command(id, std::move(body), ++number);
        server.wait_until(
            [&](const ServerView& view) {
                const auto done = view.done.find(id.text());
                return done != view.done.end() && done->second.contains(number);
            },
            kSoon);
        return server.view().done[id.text()].at(number);
    };
    EXPECT_EQ(rc_of(topics::Lock{true}), 0);
    EXPECT_EQ(cabinet.ask(kAnna, kHall, kSoon)->code, "locked");
    EXPECT_EQ(rc_of(topics::SlotUnlock{Slot{12}}), 0);
    EXPECT_TRUE(cabinet.take(kAnna, kHall));
    EXPECT_EQ(rc_of(topics::Lock{false}), 0);
    EXPECT_EQ(rc_of(topics::SlotUnlock{Slot{13}}), 422) << "there is no such slot";
    EXPECT_EQ(rc_of(topics::UnknownCommand{"dance"}), 422);
    EXPECT_EQ(rc_of(topics::SettingsCommand{"UTC0", std::nullopt}), 0);
    EXPECT_EQ(cabinet.time_zone(), "UTC0");
    ASSERT_TRUE(cabinet.wait_acked(kSoon));
    const auto reports = [&] { return std::ranges::count(facts(), "slots.state"); };
    const auto before = reports();
    EXPECT_EQ(rc_of(topics::SlotsReport{}), 0);
    ASSERT_TRUE(cabinet.wait_acked(kSoon));
    EXPECT_EQ(reports(), before + 1);
    EXPECT_EQ(rc_of(topics::RightsRead{}), 0);
    cabinet.note("a line that a person will look for");
    EXPECT_EQ(rc_of(topics::LogsSend{}), 0);
    ASSERT_TRUE(server.wait_until(
        [&](const ServerView& view) { return view.logs.contains(id.text()); }, kSoon));
    EXPECT_EQ(server.view().logs[id.text()], cabinet.last_log());
    EXPECT_NE(cabinet.last_log().find("a person will look for"), std::string::npos);
}

TEST_F(Client, SpreadsItsNextConnectWhenTheServerAsksForIt) {
    server.spread_reconnects(3600);
    sim::CabinetSettings its = settings();
    its.seed = 7;
    sim::CabinetClient cabinet{its};
    ASSERT_TRUE(cabinet.wait_online(kSoon));
    server.kill_broker();
    ASSERT_TRUE(cabinet.wait_offline(kSoon));
    server.start_broker();
    EXPECT_FALSE(cabinet.wait_online(1s)) << "one in an hour would come so soon";
    cabinet.reboot();
    EXPECT_TRUE(cabinet.wait_online(kSoon));
}

TEST_F(Client, AWipedFlashKnowsNothingAndARestoredOneWhatItKnewThen) {
    server.announce_rights(rights_document(4));
    sim::CabinetClient cabinet{settings()};
    ASSERT_TRUE(cabinet.wait_rights_version(4, kSoon));
    ASSERT_TRUE(cabinet.wait_acked(kSoon));
    Directory image;
    cabinet.save_flash(image.path);
    const auto saved = cabinet.counters();
    cabinet.append(topics::CardTapped{kAnna});
    ASSERT_TRUE(cabinet.wait_acked(kSoon));
    cabinet.go_offline();
    cabinet.wipe_flash();
    EXPECT_EQ(cabinet.rights_version(), 0);
    EXPECT_EQ(cabinet.counters().boot, 1);
    EXPECT_EQ(cabinet.counters().epoch.value, 0);
    cabinet.restore_flash(image.path);
    EXPECT_EQ(cabinet.rights_version(), 4);
    EXPECT_EQ(cabinet.counters().boot, saved.boot + 1);
    EXPECT_EQ(cabinet.counters().epoch, saved.epoch);
    // One more fact for the slots at the boot.
    EXPECT_EQ(cabinet.counters().last.value, saved.last.value + 1);
    cabinet.go_online();
    EXPECT_TRUE(cabinet.wait_acked(kSoon));
}

TEST_F(Client, ACloneLivesOnACopyOfTheFlash) {
    sim::CabinetClient cabinet{settings()};
    ASSERT_TRUE(cabinet.wait_online(kSoon));
    ASSERT_TRUE(cabinet.wait_acked(kSoon));
    Directory elsewhere;
    cabinet.save_flash(elsewhere.path);
    cabinet.go_offline();
    sim::CabinetSettings its = settings();
    its.state_dir = elsewhere.path;
    sim::CabinetClient clone{its};
    ASSERT_TRUE(clone.wait_online(kSoon));
    EXPECT_EQ(clone.counters().epoch, cabinet.counters().epoch);
    EXPECT_EQ(clone.counters().boot, cabinet.counters().boot + 1);
}

TEST_F(Client, AStormOfCabinetsComesBackAfterTheBrokerWasKilled) {
    server.announce_rights(rights_document(4));
    std::vector<sim::DeviceSecret> devices;
    // A few only: the model server's own client can not use descriptors from 1024 up.
    constexpr int kCount = 100;
    for (int i = 0; i < kCount; ++i) {
        devices.push_back({*topics::DeviceId::parse("kc-storm" + std::to_string(i)), ""});
    }
    sim::StormSettings its;
    its.port = server.port();
    its.seed = 1;
    its.connect_spread_ms = 100;
    its.reconnect_first_ms = 50;
    its.reconnect_max_ms = 400;
    its.resend_ms = 200;
    bool killed = false;
    const auto give_up = std::chrono::steady_clock::now() + kSoon;
    const sim::StormReport report = sim::run_storm(
        its, devices,
        [&](const sim::StormReport& now) {
            if (now.first_s > 0 && !std::exchange(killed, true)) {
                server.kill_broker();
                server.start_broker();
            }
            return now.storms > 0 || std::chrono::steady_clock::now() > give_up;
        },
        [](const sim::StormReport&) {});
    EXPECT_EQ(report.storms, 1);
    EXPECT_EQ(report.current, kCount);
    EXPECT_EQ(report.back, report.lost);
    EXPECT_EQ(report.facts_acked, report.facts);
    EXPECT_GE(report.facts, kCount);
    EXPECT_GT(report.reconnect_s_max, 0);
    EXPECT_NE(sim::to_json(report).find("\"online\":" + std::to_string(kCount)), std::string::npos);
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
