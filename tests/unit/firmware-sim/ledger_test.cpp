#include "firmware-sim/cabinet/ledger.hpp"

#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "firmware-sim/cabinet/cabinet.hpp"
#include "firmware-sim/cabinet/world.hpp"
#include "tests/unit/firmware-sim/directory.hpp"

namespace klyuchnik::test {
namespace {

using topics::CardSerial;
using topics::KeyName;
using topics::Slot;
using topics::TagId;

std::vector<std::string> lines_of(const std::filesystem::path& file) {
    std::vector<std::string> lines;
    std::ifstream in{file};
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

sim::CabinetSettings cabinet_in(const std::filesystem::path& directory) {
    sim::CabinetSettings settings;
    settings.link.id = *topics::DeviceId::parse("kc-hall1");
    settings.link.port = 1;  // Nothing listens there: this cabinet stays alone.
    settings.state_dir = directory;
    settings.keys = {{Slot{1}, KeyName{"101"}, TagId{"04A2"}},
                     {Slot{2}, KeyName{"102"}, TagId{"04A3"}}};
    return settings;
}

TEST(Ledger, HasALineForEveryFactInOrder) {
    const Directory directory;
    const auto now = std::chrono::steady_clock::now();
    sim::CardRights rights;
    {
        sim::Ledger ledger{directory.path};
        sim::Cabinet cabinet{cabinet_in(directory.path), rights, ledger, now};
        EXPECT_TRUE(cabinet.take_by_force(CardSerial{"A"}, KeyName{"101"}, now));
        EXPECT_FALSE(cabinet.take_by_force(CardSerial{"B"}, KeyName{"101"}, now)) << "it is out";
        EXPECT_TRUE(cabinet.give_back(CardSerial{"A"}, KeyName{"101"}, now));
    }
    const auto lines = lines_of(directory.path / "generated.tsv");
    ASSERT_EQ(lines.size(), 3U);
    EXPECT_TRUE(lines[0].starts_with("kc-hall1\t0\t1\t-\tslots.state\t-\t-\t"));
    EXPECT_TRUE(lines[1].starts_with("kc-hall1\t0\t2\t-\tkey.taken\t101\tA\t"));
    EXPECT_TRUE(lines[2].starts_with("kc-hall1\t0\t3\t-\tkey.returned\t101\tA\t"));
}

TEST(Ledger, CatchesUpWithTheJournalAfterAKillAndWritesNothingTwice) {
    const Directory directory;
    const auto now = std::chrono::steady_clock::now();
    sim::CardRights rights;
    {
        sim::Ledger ledger{directory.path};
        sim::Cabinet cabinet{cabinet_in(directory.path), rights, ledger, now};
        cabinet.take_by_force(CardSerial{"A"}, KeyName{"101"}, now);
    }
    auto lines = lines_of(directory.path / "generated.tsv");
    ASSERT_EQ(lines.size(), 2U);
    // The kill came after the journal and before the line, and the one before was cut short by lost
    // power.
    std::ofstream{directory.path / "generated.tsv"} << lines[0] << "\n" << lines[1].substr(0, 12);
    {
        sim::Ledger ledger{directory.path};
        sim::Cabinet cabinet{cabinet_in(directory.path), rights, ledger, now};
        EXPECT_FALSE(cabinet.has(KeyName{"101"})) << "what was out is out";
        ASSERT_EQ(cabinet.keys_out().size(), 1U);
        EXPECT_EQ(cabinet.keys_out()[0].card, CardSerial{"A"});
    }
    lines = lines_of(directory.path / "generated.tsv");
    ASSERT_EQ(lines.size(), 4U);
    EXPECT_TRUE(lines[2].starts_with("kc-hall1\t0\t2\t-\tkey.taken\t101\tA\t"));
    EXPECT_TRUE(lines[3].starts_with("kc-hall1\t0\t3\t-\tslots.state\t"));
}

TEST(Cabinet, OpensOnlyWhatWasGranted) {
    const Directory directory;
    const auto now = std::chrono::steady_clock::now();
    sim::CardRights rights;
    rights.allow(CardSerial{"A"}, KeyName{"101"});
    sim::Ledger ledger{directory.path};
    sim::Cabinet cabinet{cabinet_in(directory.path), rights, ledger, now};
    EXPECT_FALSE(cabinet.take(CardSerial{"A"}, KeyName{"101"}, now)) << "locked";
    cabinet.ask(CardSerial{"A"}, KeyName{"101"}, {}, now);
    const auto decisions = cabinet.take_decisions();
    ASSERT_EQ(decisions.size(), 1U);
    EXPECT_EQ(decisions[0].code, "lease_ended") << "it has never met its server";
    EXPECT_FALSE(cabinet.take(CardSerial{"A"}, KeyName{"101"}, now));
    EXPECT_TRUE(lines_of(directory.path / "actuated.tsv").empty());
}

TEST(World, NamesTheLineThatItCannotRead) {
    const Directory directory;
    const auto file = directory.path / "world";
    std::ofstream{file} << "# keys\nkey kc-hall1 1 101 04A2\ncard 12345ABC 101,102\n";
    const sim::World world = sim::read_world(file);
    EXPECT_EQ(world.keys.at("kc-hall1").size(), 1U);
    EXPECT_TRUE(world.rights.allows(CardSerial{"12345ABC"}, KeyName{"102"}));
    EXPECT_FALSE(world.rights.allows(CardSerial{"12345ABC"}, KeyName{"103"}));
    std::ofstream{file} << "key kc-hall1 one 101 04A2\n";
    try {
        sim::read_world(file);
        FAIL() << "expected an error";
    } catch (const std::runtime_error& error) {
        EXPECT_NE(std::string{error.what()}.find(":1: not a slot number"), std::string::npos);
    }
}

}  // namespace
}  // namespace klyuchnik::test
