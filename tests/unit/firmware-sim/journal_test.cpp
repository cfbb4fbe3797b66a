#include "firmware-sim/device/journal.hpp"

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "tests/unit/firmware-sim/directory.hpp"
#include "tests/unit/firmware-sim/memory_store.hpp"
#include "topics/codec.hpp"

namespace klyuchnik::test {
namespace {

using sim::FactNumber;
using sim::Journal;
using topics::Epoch;
using topics::Sequence;

topics::Fact tapped(const std::string& card) {
    topics::Fact fact;
    fact.at.utc_s = 1'763'690'000;
    fact.body = topics::CardTapped{topics::CardSerial{card}};
    return fact;
}

std::string card_of(const sim::HeldFact& held) {
    const auto* tap = std::get_if<topics::CardTapped>(&held.fact.body);
    return tap != nullptr ? tap->card.value : std::string{};
}

Journal opened(const std::shared_ptr<Flash>& flash, sim::JournalSettings settings = {}) {
    return Journal{std::make_unique<MemoryStore>(flash), settings};
}

std::shared_ptr<Flash> copy_of(const Flash& flash, std::string bytes) {
    auto copy = std::make_shared<Flash>(flash);
    copy->bytes = std::move(bytes);
    return copy;
}

TEST(Journal, KeepsFactsNumbersEpochAndBootOverReopening) {
    const auto flash = std::make_shared<Flash>();
    {
        Journal journal = opened(flash);
        EXPECT_EQ(journal.boot(), 1);
        EXPECT_EQ(journal.epoch(), Epoch{0});
        journal.renumber(Epoch{3});
        for (const char* card : {"A", "B", "C"}) journal.append(tapped(card));
        journal.acknowledge(Sequence{1});
        journal.flush();
    }
    const Journal journal = opened(flash);
    EXPECT_EQ(journal.boot(), 2);
    EXPECT_EQ(journal.epoch(), Epoch{3});
    EXPECT_EQ(journal.acked(), Sequence{1});
    EXPECT_EQ(journal.oldest(), Sequence{2});
    EXPECT_EQ(journal.last(), Sequence{3});
    ASSERT_EQ(journal.size(), 2U);
    EXPECT_EQ(card_of(journal.held()[0]), "B");
    EXPECT_EQ(journal.held()[1].fact.at.utc_s, 1'763'690'000);
}

TEST(Journal, SaysTheLastNumberWhenItHoldsNothing) {
    const auto flash = std::make_shared<Flash>();
    {
        Journal journal = opened(flash);
        journal.renumber(Epoch{3});
        journal.append(tapped("A"));
        journal.acknowledge(Sequence{1});
        journal.flush();
    }
    const Journal journal = opened(flash);
    EXPECT_EQ(journal.oldest(), Sequence{0});
    EXPECT_EQ(journal.last(), Sequence{1});
}

TEST(Journal, CutsOffALastRecordTornAtAnyByteAndKeepsAllBefore) {
    const auto flash = std::make_shared<Flash>();
    Journal journal = opened(flash);
    journal.renumber(Epoch{1});
    journal.append(tapped("A"));
    journal.append(tapped("B"));
    journal.flush();
    const std::size_t before = flash->bytes.size();
    journal.append(tapped("torn"));
    journal.flush();
    ASSERT_GT(flash->bytes.size(), before);
    for (std::size_t cut = before; cut < flash->bytes.size(); ++cut) {
        const auto torn = copy_of(*flash, flash->bytes.substr(0, cut));
        Journal again = opened(torn);
        ASSERT_EQ(again.size(), 2U) << "cut at byte " << cut;
        ASSERT_EQ(again.damaged(), 0U) << "cut at byte " << cut;
        ASSERT_EQ(card_of(again.held()[1]), "B");
        ASSERT_EQ(again.append(tapped("next")), Sequence{3});
        again.flush();
        ASSERT_EQ(opened(torn).size(), 3U) << "what follows a torn record must be readable";
    }
}

TEST(Journal, DetectsEveryFlippedBitAndNeverPassesItOffAsAFact) {
    const auto flash = std::make_shared<Flash>();
    Journal journal = opened(flash);
    journal.renumber(Epoch{5});
    for (const char* card : {"A", "B", "C", "D"}) journal.append(tapped(card));
    journal.flush();
    for (std::size_t at = 0; at < flash->bytes.size(); ++at) {
        for (unsigned bit = 0; bit < 8; ++bit) {
            std::string bytes = flash->bytes;
            bytes[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^ (1U << bit));
            const Journal again = opened(copy_of(*flash, bytes));
            ASSERT_GE(again.damaged(), 1U) << "byte " << at << " bit " << bit;
            ASSERT_EQ(again.epoch(), Epoch{5}) << "byte " << at;
            // Every number is still taken; each holds its own fact, or says that it was damaged.
            ASSERT_GE(again.last(), Sequence{4}) << "byte " << at;
            std::size_t intact = 0;
            for (const sim::HeldFact& held : again.held()) {
                const std::string card = card_of(held);
                if (card.empty()) {
                    ASSERT_TRUE(std::holds_alternative<topics::JournalBad>(held.fact.body));
                    continue;
                }
                ++intact;
                const auto place = static_cast<std::size_t>(held.sequence.value - 1);
                ASSERT_EQ(card, std::string(1, "ABCD"[place])) << "byte " << at;
            }
            ASSERT_GE(intact, 3U) << "byte " << at;
        }
    }
}

TEST(Journal, LosesOnlyTheAcknowledgementWhenWhatWasNotFlushedIsLost) {
    const auto flash = std::make_shared<Flash>();
    Journal journal = opened(flash);
    journal.renumber(Epoch{1});
    journal.append(tapped("A"));
    journal.append(tapped("B"));
    journal.flush();
    journal.acknowledge(Sequence{2});
    journal.flush();
    ASSERT_LT(flash->flushed, flash->bytes.size());
    const Journal again = opened(copy_of(*flash, flash->bytes.substr(0, flash->flushed)));
    EXPECT_EQ(again.size(), 2U);
    EXPECT_EQ(again.acked(), Sequence{0});
}

TEST(Journal, RenumbersFromOneAndKeepsTheFirstNumberThroughEveryEpoch) {
    const auto flash = std::make_shared<Flash>();
    Journal journal = opened(flash);
    journal.renumber(Epoch{3});
    for (const char* card : {"A", "B", "C"}) journal.append(tapped(card));
    journal.acknowledge(Sequence{1});
    const auto moved = journal.renumber(Epoch{4});
    ASSERT_EQ(moved.size(), 2U);
    EXPECT_EQ(moved[0].first, (FactNumber{Epoch{3}, Sequence{2}}));
    EXPECT_EQ(moved[0].second, (FactNumber{Epoch{4}, Sequence{1}}));
    journal.append(tapped("D"));
    journal.flush();
    Journal again = opened(flash);
    again.renumber(Epoch{9});
    ASSERT_EQ(again.size(), 3U);
    ASSERT_TRUE(again.held()[0].fact.old);
    EXPECT_EQ(again.held()[0].fact.old->epoch, Epoch{3});
    EXPECT_EQ(again.held()[0].fact.old->sequence, Sequence{2});
    EXPECT_EQ(again.held()[2].fact.old->epoch, Epoch{4});
    EXPECT_EQ(again.last(), Sequence{3});
}

TEST(Journal, NamesAFactByItsFirstNumberUnderAnEpochThatWasGiven) {
    const auto flash = std::make_shared<Flash>();
    Journal journal = opened(flash);
    journal.append(tapped("A"));
    journal.renumber(Epoch{1});
    EXPECT_FALSE(journal.held()[0].fact.old);
    EXPECT_EQ(journal.held()[0].made, (FactNumber{Epoch{0}, Sequence{1}}));
    journal.renumber(Epoch{2});
    ASSERT_TRUE(journal.held()[0].fact.old) << "it may have been sent as 1:1";
    EXPECT_EQ(journal.held()[0].fact.old->epoch, Epoch{1});
}

TEST(Journal, GivesUpTheOldestWhenFullAndCountsIt) {
    const auto flash = std::make_shared<Flash>();
    sim::JournalSettings settings;
    settings.facts_max = 4;
    Journal journal = opened(flash, settings);
    journal.renumber(Epoch{1});
    for (int i = 0; i < 10; ++i) journal.append(tapped("A" + std::to_string(i)));
    journal.flush();
    EXPECT_EQ(journal.size(), 4U);
    EXPECT_EQ(journal.oldest(), Sequence{7});
    EXPECT_EQ(journal.overrun(), 6);
    EXPECT_EQ(journal.take_dropped().size(), 6U);

    Journal again = opened(flash, settings);
    EXPECT_EQ(again.oldest(), Sequence{7});
    EXPECT_EQ(again.last(), Sequence{10});
    EXPECT_EQ(again.overrun(), 6);
    again.acknowledge(Sequence{8});
    topics::Fact report;
    report.at.utc_s = 1'763'690'000;
    report.body = topics::JournalOverrun{again.overrun()};
    again.append(report);
    again.flush();
    EXPECT_EQ(again.overrun(), 0);
    EXPECT_EQ(opened(flash, settings).overrun(), 0) << "a reported loss is not reported again";
}

TEST(Journal, SweepsOutWhatWasAcknowledged) {
    const auto flash = std::make_shared<Flash>();
    sim::JournalSettings settings;
    settings.compact_bytes = 4096;
    Journal journal = opened(flash, settings);
    journal.renumber(Epoch{1});
    for (int i = 0; i < 1000; ++i) {
        journal.acknowledge(journal.append(tapped("A" + std::to_string(i))));
        journal.flush();
        ASSERT_LE(flash->bytes.size(), 8192U);
    }
    EXPECT_EQ(opened(flash, settings).last(), Sequence{1000});
}

TEST(Journal, RemembersACommandThatWasStartedAndNotFinished) {
    const auto flash = std::make_shared<Flash>();
    {
        Journal journal = opened(flash);
        journal.start_command(881);
        journal.flush();
    }
    const Journal journal = opened(flash);
    EXPECT_EQ(journal.command_started(), 881);
    EXPECT_EQ(journal.command_finished(), 0);
}

TEST(Journal, KeepsUnknownKindsWithTheirContent) {
    const auto flash = std::make_shared<Flash>();
    {
        Journal journal = opened(flash);
        topics::Fact fact;
        fact.at.utc_s = 1;
        fact.body = topics::UnknownFact{"lift.stuck"};
        fact.content = R"({"floor":3})";
        journal.append(fact);
        journal.flush();
    }
    const Journal journal = opened(flash);
    EXPECT_EQ(topics::kind_of(journal.held()[0].fact.body), "lift.stuck");
    EXPECT_EQ(journal.held()[0].fact.content, R"({"floor":3})");
}

TEST(Journal, OnAFileSurvivesACrashInTheMiddleOfRenumbering) {
    const Directory directory;
    const auto file = directory.path / "kc-hall1.journal";
    {
        Journal journal{std::make_unique<sim::FileStore>(file)};
        journal.renumber(Epoch{1});
        journal.append(tapped("A"));
        journal.flush();
    }
    // The crash: a half-written new file beside, before its rename.
    std::ofstream{file.string() + ".new"} << "half of a journ";
    Journal journal{std::make_unique<sim::FileStore>(file)};
    ASSERT_EQ(journal.size(), 1U);
    EXPECT_EQ(journal.epoch(), Epoch{1});
    journal.renumber(Epoch{2});
    const Journal again{std::make_unique<sim::FileStore>(file)};
    EXPECT_EQ(again.epoch(), Epoch{2});
    EXPECT_EQ(card_of(again.held()[0]), "A");
    EXPECT_EQ(again.held()[0].fact.old->epoch, Epoch{1});
}

TEST(Journal, ThrowsWhenItCannotWrite) {
    EXPECT_THROW(sim::FileStore("/nonexistent/kc-hall1.journal"), std::system_error);
}

}  // namespace
}  // namespace klyuchnik::test
