#include "topics/chunk.hpp"

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

const std::string kText = "klyuchnik";

TEST(Chunk, ItsBytesAreTheOnesWrittenDownByHand) {
    const Chunk chunk = chunk_at(kText, tag_of(sha256(kText)), 1, 4);
    EXPECT_EQ(chunk.bytes, "chni");
    EXPECT_EQ(encode(chunk),
              from_hex("c0f626234516fb20"  // of SHA-256
                       "01000000"
                       "03000000"
                       "04000000"
                       "bc820381"  // CRC-32
                       "63686e69"));
}

TEST(Chunk, CrcIsThatOfZip) {
    EXPECT_EQ(crc32("123456789"), 0xCBF4'3926U);
    EXPECT_EQ(crc32(""), 0U);
}

TEST(Chunk, ADocumentIsItsChunksOneAfterTheOther) {
    std::string document(10'000, '\0');
    std::mt19937 random{1};
    for (char& c : document) c = static_cast<char>(random());
    for (const std::int64_t cut : {1, 156, 924, 5'000, 10'000, 32'768}) {
        const auto bytes = static_cast<std::int64_t>(document.size());
        const std::int64_t total = chunks_of(bytes, cut);
        std::string joined;
        for (std::int64_t i = 0; i < total; ++i) {
            const auto back = decode_chunk(encode(chunk_at(document, {}, i, cut)));
            ASSERT_TRUE(back);
            EXPECT_EQ(back->index, i);
            EXPECT_EQ(back->total, total);
            joined += back->bytes;
        }
        EXPECT_EQ(joined, document) << cut;
    }
}

TEST(Chunk, AnEmptyDocumentHasOneEmptyChunk) {
    EXPECT_EQ(chunks_of(0, 924), 1);
    const auto back = decode_chunk(encode(chunk_at("", {}, 0, 924)));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->total, 1U);
    EXPECT_EQ(back->bytes, "");
}

TEST(Chunk, ItFitsThePacketOfTheDeviceWithItsTopic) {
    EXPECT_EQ(chunk_bytes_for(1024), 924);
    EXPECT_EQ(chunk_bytes_for(256), 156);
    EXPECT_EQ(chunk_bytes_for(131'072), 32'768);
    EXPECT_EQ(chunk_bytes_for(50), 1) << "no size is ever nothing";
    const std::string topic = "kl/v1/kc/kc-012345678901234567/dn/ch";
    for (const std::int64_t rx : {256, 1024, 4096}) {
        const auto whole = static_cast<std::int64_t>(topic.size() + limits::kChunkHeaderBytes) +
                           chunk_bytes_for(rx) + 8;
        EXPECT_LE(whole, rx);
    }
}

TEST(Chunk, AnyDamagedByteOfItsContentIsSeen) {
    const std::string good = encode(chunk_at(kText, {}, 0, 9));
    for (std::size_t i = 8; i < good.size(); ++i) {
        for (int bit = 0; bit < 8; ++bit) {
            std::string bad = good;
            bad[i] = static_cast<char>(bad[i] ^ (1 << bit));
            const auto back = decode_chunk(bad);
            // Another index or total is another chunk: whoever joins them sees it by the hash.
            const bool head = i < 16;
            EXPECT_TRUE(!back || head) << i;
        }
    }
}

TEST(Chunk, TooShortTooLongAndImpossibleOnesAreNone) {
    const std::string good = encode(chunk_at(kText, {}, 0, 9));
    for (std::size_t size = 0; size < good.size(); ++size) {
        EXPECT_FALSE(decode_chunk(good.substr(0, size))) << size;
    }
    EXPECT_FALSE(decode_chunk(good + "x"));
    Chunk chunk = chunk_at(kText, {}, 0, 9);
    chunk.index = 1;
    EXPECT_FALSE(decode_chunk(encode(chunk))) << "behind the last";
    chunk.index = 0;
    chunk.total = 0;
    EXPECT_FALSE(decode_chunk(encode(chunk)));
    chunk.total = 1;
    chunk.bytes.assign(limits::kChunkBytesMax + 1, 'x');
    EXPECT_FALSE(decode_chunk(encode(chunk)));
    EXPECT_FALSE(decode_chunk(R"({"v":1,"cn":1,"doc":"logs","i":0,"c":1})"))
        << "what else comes on dn/ch";
}

TEST(Chunk, OfAnotherDocumentItHasAnotherId) {
    EXPECT_NE(tag_of(sha256("version 1")), tag_of(sha256("version 2")));
}

TEST(Sha256, KnowsTheEmptyText) {
    EXPECT_EQ(to_hex(sha256("")),
              "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

}  // namespace
}  // namespace klyuchnik::test
