#include "topics/rights_document.hpp"

#include <algorithm>
#include <numeric>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "topics/limits.hpp"

namespace klyuchnik::test {
namespace {

using namespace topics;

std::string from_hex(std::string_view hex) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
        bytes += static_cast<char>(std::stoi(std::string{hex.substr(i, 2)}, nullptr, 16));
    }
    return bytes;
}

RightsDocument example() {
    RightsDocument document;
    document.version = 42;
    document.made_s = 1'763'690'000;
    document.lease_s = 259'200;
    std::iota(document.salt.begin(), document.salt.end(), std::uint8_t{0});
    document.utc_offset_min = -90;
    document.utc_offset_after_min = 180;
    document.offset_change_s = 1'774'746'000;
    document.keys = {{Slot{12}, 0, {"101"}},
                     {Slot{3}, RightsKey::kOnlineOnly, {"\u0413\u0430\u0440\u0430\u0436"}}};
    document.windows = {{1'763'600'000, 0, 0x1F, 1320, 360}};
    document.rows = {{card_hash(document.salt, {"0A1B2C3D"}), 1, 0},
                     {card_hash(document.salt, {"12345ABC"}), 0, RightsRow::kAlways}};
    return document;
}

// Made by another program, so that both sides can not be wrong together.
const std::string kBytes = from_hex(
    "4b4c5231"
    "2a00000000000000"
    "10c61f69"
    "80f40300"
    "000102030405060708090a0b0c0d0e0f"
    "a6ff"
    "b400"
    "9079c869"
    "0200"
    "0100"
    "02000000"
    "0c0000033130310300010ad093d0b0d180d0b0d0b6"
    "80661e69000000001f0028056801"
    "2b5594d6818ad1070000ffff"
    "9de9ebe12902eb2901000000");

TEST(RightsDocument, ItsBytesAreTheOnesWrittenDownByHand) {
    EXPECT_EQ(encode(example()), kBytes);
}

TEST(RightsDocument, WhatWasEncodedIsReadBack) {
    const auto back = decode_rights(kBytes);
    ASSERT_TRUE(back) << back.error().text();
    EXPECT_EQ(back->version, 42);
    EXPECT_EQ(back->lease_s, 259'200U);
    EXPECT_EQ(back->utc_offset_min, -90);
    EXPECT_EQ(back->utc_offset_after_min, 180);
    ASSERT_EQ(back->keys.size(), 2U);
    EXPECT_EQ(back->keys[0].name.value, "101");
    EXPECT_EQ(back->keys[1].flags, RightsKey::kOnlineOnly);
    ASSERT_EQ(back->windows.size(), 1U);
    EXPECT_EQ(back->windows[0], example().windows[0]);
    ASSERT_EQ(back->rows.size(), 2U);
    EXPECT_EQ(encode(*back), kBytes);
}

TEST(RightsDocument, RowsAreSortedByTheEncoder) {
    RightsDocument document = example();
    std::ranges::reverse(document.rows);
    EXPECT_EQ(encode(document), kBytes);
}

TEST(RightsDocument, ACardCanOnlyBeFoundByWhoeverKnowsIt) {
    const RightsDocument document = example();
    EXPECT_EQ(card_hash(document.salt, {"12345ABC"}),
              (CardHash{0x2b, 0x55, 0x94, 0xd6, 0x81, 0x8a, 0xd1, 0x07}));
    auto other = document.salt;
    other[0] ^= 1;
    EXPECT_NE(card_hash(document.salt, {"12345ABC"}), card_hash(other, {"12345ABC"}));
    EXPECT_NE(card_hash(document.salt, {"12345ABC"}), card_hash(document.salt, {"12345abc"}));
}

TEST(RightsDocument, AnEmptyOneIsADocument) {
    RightsDocument empty;
    empty.version = 1;
    const auto back = decode_rights(encode(empty));
    ASSERT_TRUE(back);
    EXPECT_TRUE(back->rows.empty());
    EXPECT_EQ(encode(empty).size(), 52U);
}

TEST(RightsDocument, CutShortAtAnyByteItIsRefused) {
    for (std::size_t size = 0; size < kBytes.size(); ++size) {
        EXPECT_FALSE(decode_rights(kBytes.substr(0, size))) << size;
    }
    EXPECT_FALSE(decode_rights(kBytes + "x"));
}

TEST(RightsDocument, RowsThatPointNowhereOrAreNotSortedAreRefused) {
    RightsDocument document = example();
    document.rows[0].key = 2;
    EXPECT_FALSE(decode_rights(encode(document)));
    document = example();
    document.rows[0].window = 1;
    EXPECT_FALSE(decode_rights(encode(document)));
    std::string swapped = kBytes;
    std::swap_ranges(swapped.end() - 24, swapped.end() - 12, swapped.end() - 12);
    EXPECT_FALSE(decode_rights(swapped));
    std::string other = kBytes;
    other[3] = '2';
    EXPECT_FALSE(decode_rights(other)) << "another layout";
}

TEST(RightsDocument, CountsBeyondTheLimitsAreRefusedBeforeAnythingIsReserved) {
    std::string many = kBytes;
    many[48] = many[49] = many[50] = '\xFF';
    many[51] = '\x7F';
    EXPECT_FALSE(decode_rights(many));
    EXPECT_FALSE(decode_rights(std::string(limits::kRightsDocumentBytesMax + 1, '\0')));
}

TEST(RightsDocument, TheLargestOneFits) {
    RightsDocument document;
    document.version = 1;
    for (std::int64_t slot = 1; slot <= limits::kSlotMax; ++slot) {
        document.keys.push_back({Slot{slot}, 0, {std::string(200, 'k')}});
    }
    std::mt19937 random{2};
    for (std::int64_t i = 0; i < limits::kRightsRowsMax; ++i) {
        RightsRow row;
        for (std::uint8_t& byte : row.card) byte = static_cast<std::uint8_t>(random());
        row.key = static_cast<std::uint16_t>(i % limits::kSlotMax);
        document.rows.push_back(row);
    }
    const std::string bytes = encode(document);
    EXPECT_LE(bytes.size(), limits::kRightsDocumentBytesMax);
    const auto back = decode_rights(bytes);
    ASSERT_TRUE(back) << back.error().text();
    EXPECT_EQ(back->rows.size(), static_cast<std::size_t>(limits::kRightsRowsMax));
}

TEST(RightsDocument, DamagedBytesNeverBreakTheReader) {
    std::mt19937 random{3};
    for (int i = 0; i < 20'000; ++i) {
        std::string bytes = kBytes;
        for (int k = 0; k < 3; ++k) bytes[random() % bytes.size()] = static_cast<char>(random());
        if (random() % 4 == 0) bytes.resize(random() % bytes.size());
        const auto back = decode_rights(bytes);
        EXPECT_TRUE(!back || back->rows.size() <= 2U);
    }
}

}  // namespace
}  // namespace klyuchnik::test
