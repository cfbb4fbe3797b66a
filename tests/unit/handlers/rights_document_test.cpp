// What a cabinet's rights document says, and whose an event concerns: no services.
#include "handlers/keys/rights_document.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "handlers/keys/make_rights_documents.hpp"
#include "handlers/runtime/ack.hpp"
#include "handlers/runtime/journal_rules.hpp"
#include "topics/limits.hpp"

namespace klyuchnik::handlers::keys {
namespace {

using namespace topics;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const Instant kNow = from_unix_seconds(1'763'690'000);
const Salt kSalt{1, 2, 3};

CabinetContent content() {
    CabinetContent one;
    one.lease_s = 259'200;
    one.time = {180, from_unix_seconds(1'774'746'000), 240};
    one.keys = {{KeyId{7}, Slot{3}, {"101"}}, {KeyId{5}, Slot{12}, {"102"}}};
    one.cards = {{KeyId{7}, {"AAAA"}}, {KeyId{5}, {"AAAA"}}, {KeyId{5}, {"BBBB"}}};
    return one;
}

db::ClaimedCabinet made(std::int64_t version, const std::string& digest) {
    db::ClaimedCabinet claimed;
    claimed.version.value = version;
    claimed.digest = digest;
    return claimed;
}

TEST(BuildRightsDocument, SaysWhichCardMayTakeWhichKey) {
    const RightsDocument document = build_rights_document(content(), Version{42}, kSalt, kNow);
    EXPECT_EQ(document.version, 42);
    EXPECT_EQ(document.made_s, 1'763'690'000U);
    EXPECT_EQ(document.lease_s, 259'200U);
    EXPECT_EQ(document.utc_offset_min, 180);
    EXPECT_EQ(document.utc_offset_after_min, 240);
    EXPECT_EQ(document.offset_change_s, 1'774'746'000U);
    ASSERT_EQ(document.keys.size(), 2U);
    EXPECT_EQ(document.keys[0].slot, Slot{3});
    EXPECT_EQ(document.keys[1].name.value, "102");
    ASSERT_EQ(document.rows.size(), 3U);
    const auto may = [&](const std::string& card, std::uint16_t key) {
        return std::ranges::count(document.rows,
                                  RightsRow{card_hash(kSalt, {card}), key, RightsRow::kAlways});
    };
    EXPECT_EQ(may("AAAA", 0), 1);
    EXPECT_EQ(may("AAAA", 1), 1);
    EXPECT_EQ(may("BBBB", 1), 1);
    EXPECT_EQ(may("BBBB", 0), 0);
}

TEST(BuildRightsDocument, IsReadByWhoeverReadsTheLayout) {
    const auto back =
        decode_rights(encode(build_rights_document(content(), Version{1}, kSalt, kNow)));
    ASSERT_TRUE(back) << back.error().text();
    EXPECT_EQ(back->rows.size(), 3U);
}

TEST(BuildRightsDocument, LeavesOutKeysThatLiveElsewhereAndRepeats) {
    CabinetContent one = content();
    one.cards.push_back({KeyId{99}, {"AAAA"}});
    one.cards.push_back({KeyId{7}, {"AAAA"}});
    EXPECT_EQ(pairs_of(one), 3U);
    EXPECT_EQ(build_rights_document(one, Version{1}, kSalt, kNow).rows.size(), 3U);
    EXPECT_EQ(digest_of(one), digest_of(content()));
}

TEST(RightsDigest, IsTheSameInWhateverOrderTheRowsWereRead) {
    CabinetContent one = content();
    std::ranges::reverse(one.cards);
    std::ranges::reverse(one.keys);
    EXPECT_EQ(digest_of(one), digest_of(content()));
}

TEST(RightsDigest, DiffersWithEverythingThatTheDocumentSays) {
    std::vector<CabinetContent> others(8, content());
    others[0].lease_s = 60;
    others[1].time.offset_min = 240;
    others[2].time.change.reset();
    others[3].time.after_min = 180;
    others[4].keys[0].name.value = "101a";
    others[5].keys[0].slot.value = 4;
    others[6].cards.pop_back();
    others[7].cards[0].card.value = "AAAB";
    for (std::size_t i = 0; i < others.size(); ++i) {
        EXPECT_NE(digest_of(others[i]), digest_of(content())) << i;
    }
    CabinetContent one = content();
    CabinetContent two = content();
    one.keys[0].name.value = "1 2";
    one.keys[1].name.value = "3";
    two.keys[0].name.value = "1";
    two.keys[1].name.value = "2 3";
    EXPECT_NE(digest_of(one), digest_of(two)) << "texts do not run into each other";
}

TEST(RightsLimits, TheSizeIsKnownBeforeItIsMade) {
    const RightsDocument document = build_rights_document(content(), Version{1}, kSalt, kNow);
    EXPECT_EQ(bytes_of(content()), encode(document).size());
    EXPECT_TRUE(fits(content()));
}

TEST(RightsLimits, MorePairsOrKeysThanMayBeDoNotFit) {
    CabinetContent one = content();
    one.cards.clear();
    for (std::int64_t i = 0; i < limits::kRightsRowsMax; ++i) {
        one.cards.push_back({KeyId{7}, {"card " + std::to_string(i)}});
    }
    EXPECT_TRUE(fits(one));
    one.cards.push_back({KeyId{5}, {"one more"}});
    EXPECT_FALSE(fits(one));
    CabinetContent wide = content();
    for (std::int64_t i = 0; i < limits::kSlotMax; ++i) {
        wide.keys.push_back({KeyId{100 + i}, Slot{i}, {"k"}});
    }
    EXPECT_FALSE(fits(wide));
}

TEST(NeedsVersion, OnlyWhenItSaysSomethingElse) {
    EXPECT_TRUE(needs_version(made(0, ""), "d", Version{0})) << "none was made yet";
    EXPECT_FALSE(needs_version(made(3, "d"), "d", Version{3}));
    EXPECT_FALSE(needs_version(made(3, "d"), "d", Version{1})) << "the cabinet is behind";
    EXPECT_TRUE(needs_version(made(3, "d"), "e", Version{3}));
}
TEST(NeedsVersion, WhenTheCabinetHoldsALaterOneThanWeKnow) {
    EXPECT_TRUE(needs_version(made(3, "d"), "d", Version{9}));
    EXPECT_EQ(next_version(made(3, "d"), Version{9}), Version{10});
    EXPECT_EQ(next_version(made(3, "d"), Version{2}), Version{4});
}
TEST(NeedsVersion, NotWhenTheCabinetHoldsWhatNobodyCanHaveGivenIt) {
    EXPECT_FALSE(needs_version(made(3, "d"), "d", Version{limits::kIntegerMax}));
    EXPECT_EQ(next_version(made(3, "d"), Version{limits::kIntegerMax}), Version{4});
    EXPECT_EQ(next_version(made(3, "d"), Version{kRightsVersionMax}),
              Version{kRightsVersionMax + 1});
    EXPECT_EQ(next_version(made(kRightsVersionMax + 1, "d"), Version{kRightsVersionMax + 1}),
              Version{kRightsVersionMax + 2});
}

PlacedEvent event(const std::string& domain, const std::string& type) {
    PlacedEvent placed;
    placed.event.domain = domain;
    placed.event.type = type;
    placed.event.source = "s";
    placed.event.occurred = kNow;
    return placed;
}

TEST(ConcernedBy, ARightConcernsTheHomeOfItsKey) {
    PlacedEvent granted = event("keys", "right_granted");
    granted.event.ids.key = KeyId{7};
    granted.event.ids.person = PersonId{1};
    const Concerned all = concerned_by({&granted, 1});
    EXPECT_THAT(all.stale.keys, ElementsAre(KeyId{7}));
    EXPECT_THAT(all.stale.people, IsEmpty());
    EXPECT_THAT(all.ended, IsEmpty());
}
TEST(ConcernedBy, APersonConcernsEveryCabinetTheyMayGoTo) {
    std::vector<PlacedEvent> events{event("accounts", "person_deactivated"),
                                    event("accounts", "person_added")};
    events[0].event.ids.person = PersonId{1};
    events[1].event.ids.person = PersonId{2};
    const Concerned all = concerned_by(events);
    EXPECT_THAT(all.stale.people, ElementsAre(PersonId{1}, PersonId{2}));
    ASSERT_EQ(all.ended.size(), 1U);
    EXPECT_EQ(all.ended[0].person, PersonId{1});
    EXPECT_EQ(all.ended[0].at, kNow);
}
TEST(ConcernedBy, ACabinetConcernsItselfAndAGatewayNobody) {
    std::vector<PlacedEvent> events{event("devices", "device_added"),
                                    event("devices", "device_added"),
                                    event("devices", "device_changed")};
    events[0].event.ids.device = DeviceId::parse("kc-hall1");
    events[1].event.ids.device = DeviceId::parse("sg-shop1");
    events[2].event.ids.device = DeviceId::parse("kc-hall1");
    EXPECT_THAT(concerned_by(events).stale.cabinets, ElementsAre(*DeviceId::parse("kc-hall1")));
}
TEST(ConcernedBy, WhatHappensEveryDayConcernsNobody) {
    for (const char* type : {"key_taken", "key_returned", "conflict", "rights_document_made"}) {
        PlacedEvent one = event("keys", type);
        one.event.ids.key = KeyId{7};
        one.event.ids.device = DeviceId::parse("kc-hall1");
        const Concerned all = concerned_by({&one, 1});
        EXPECT_TRUE(all.stale.keys.empty() && all.stale.cabinets.empty()) << type;
    }
}

TEST(AckOf, ARevokedDeviceMayDecideNothingAlone) {
    db::Cursor cursor;
    cursor.lease_s = 259'200;
    cursor.rights_wanted = 42;
    cursor.firmware_wanted = "1.5.0";
    const Ack ack = handlers::ack_of(cursor, kNow);
    EXPECT_EQ(ack.lease_s, 259'200);
    EXPECT_EQ(ack.rights_version, 42);
    EXPECT_EQ(ack.firmware_wanted, "1.5.0");
    EXPECT_EQ(ack.error, AckError::none);
    cursor.active = false;
    EXPECT_EQ(handlers::ack_of(cursor, kNow).lease_s, 0);
}

}  // namespace
}  // namespace klyuchnik::handlers::keys
