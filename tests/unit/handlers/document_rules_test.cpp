// How documents come from devices: no services.
#include "handlers/runtime/document_rules.hpp"

#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "topics/limits.hpp"

namespace klyuchnik::handlers {
namespace {

using namespace topics;
using db::UploadState;
using Indexes = std::vector<std::int64_t>;

const std::string kHash(64, 'a');
const std::string kOther(64, 'b');

DocumentReady ready(std::int64_t bytes = 1000, const std::string& hash = kHash) {
    return {"logs", bytes, hash};
}
db::Upload upload(UploadState state = UploadState::open) {
    db::Upload one;
    one.name = "logs";
    one.sha256 = kHash;
    one.bytes = 1000;
    one.state = state;
    one.total = 4;
    one.chunk_bytes = 300;
    return one;
}
Chunk chunk(std::uint32_t index, std::uint32_t total, std::size_t bytes) {
    Chunk one;
    one.index = index;
    one.total = total;
    one.bytes.assign(bytes, 'x');
    return one;
}

TEST(JudgeAnnouncement, FetchesWhatIsNew) {
    EXPECT_EQ(judge_announcement(ready(), nullptr, {0, 0}, false), Announced::begun);
    const db::Upload earlier = upload();
    EXPECT_EQ(judge_announcement(ready(1000, kOther), &earlier, {1, 0}, false), Announced::begun);
    EXPECT_EQ(judge_announcement(ready(1001), &earlier, {1, 0}, false), Announced::begun);
}
TEST(JudgeAnnouncement, GoesOnWithTheSame) {
    const db::Upload earlier = upload();
    EXPECT_EQ(judge_announcement(ready(), &earlier, {1, 0}, false), Announced::kept);
}
TEST(JudgeAnnouncement, FetchesAgainWhatHadFailed) {
    const db::Upload earlier = upload(UploadState::failed);
    EXPECT_EQ(judge_announcement(ready(), &earlier, {1, 0}, false), Announced::begun);
}
TEST(JudgeAnnouncement, AsksForNothingThatIsHere) {
    EXPECT_EQ(judge_announcement(ready(), nullptr, {0, 0}, true), Announced::here);
    const db::Upload earlier = upload();
    EXPECT_EQ(judge_announcement(ready(), &earlier, {1, 0}, true), Announced::here);
}
TEST(JudgeAnnouncement, FetchesNoMoreThanSoMuchADay) {
    const db::Upload earlier = upload();
    const UploadsSoFar most{1, kUploadBytesPerDayMax - 1000};
    const UploadsSoFar over{1, kUploadBytesPerDayMax - 999};
    EXPECT_EQ(judge_announcement(ready(1000, kOther), &earlier, most, false), Announced::begun);
    EXPECT_EQ(judge_announcement(ready(1000, kOther), &earlier, over, false),
              Announced::over_quota);
    EXPECT_EQ(judge_announcement(ready(), &earlier, over, false), Announced::kept)
        << "it was counted when it was begun";
    EXPECT_EQ(judge_announcement(ready(), nullptr, over, true), Announced::here)
        << "nothing is fetched";
}
TEST(UploadsSoFar, CountsNamesForEverAndBytesForADay) {
    db::Upload today = upload();
    today.day = 20'000;
    today.day_bytes = 5000;
    db::Upload yesterday = today;
    yesterday.day = 19'999;
    const std::vector<const db::Upload*> all{&today, &yesterday, &today};
    EXPECT_EQ(uploads_so_far(all, 20'000).names, 3U);
    EXPECT_EQ(uploads_so_far(all, 20'000).bytes_today, 10'000);
    EXPECT_EQ(uploads_so_far(all, 20'001).bytes_today, 0);
    EXPECT_EQ(day_of(from_unix_seconds(20'000 * 86'400 + 86'399)), 20'000);
}
TEST(JudgeAnnouncement, RefusesWhatIsTooLargeOrOneNameTooMany) {
    const auto most = static_cast<std::int64_t>(limits::kDocumentBytesMax);
    EXPECT_EQ(judge_announcement(ready(most), nullptr, {0, 0}, false), Announced::begun);
    EXPECT_EQ(judge_announcement(ready(most + 1), nullptr, {0, 0}, true), Announced::refused);
    EXPECT_EQ(judge_announcement(ready(), nullptr, {kUploadsPerDeviceMax, 0}, false),
              Announced::refused);
    const db::Upload earlier = upload(UploadState::done);
    EXPECT_EQ(judge_announcement(ready(), &earlier, {kUploadsPerDeviceMax, 0}, false),
              Announced::begun);
}

TEST(ChunkBytes, AreToldByAnyChunk) {
    EXPECT_EQ(chunk_bytes_of(1000, chunk(0, 4, 300)), 300);
    EXPECT_EQ(chunk_bytes_of(1000, chunk(2, 4, 300)), 300);
    EXPECT_EQ(chunk_bytes_of(1000, chunk(3, 4, 100)), 300) << "by what the others leave over";
    EXPECT_EQ(chunk_bytes_of(900, chunk(2, 3, 300)), 300);
    EXPECT_EQ(chunk_bytes_of(1000, chunk(0, 1, 1000)), 1000);
    EXPECT_EQ(chunk_bytes_of(0, chunk(0, 1, 0)), 1) << "an empty document has one empty chunk";
}
TEST(ChunkBytes, ThatDoNotMakeUpTheDocumentAreNone) {
    EXPECT_FALSE(chunk_bytes_of(1000, chunk(0, 4, 250 - 1)));
    EXPECT_FALSE(chunk_bytes_of(1000, chunk(0, 4, 500)));
    EXPECT_FALSE(chunk_bytes_of(1000, chunk(3, 4, 101))) << "the others would not be of one length";
    EXPECT_FALSE(chunk_bytes_of(1000, chunk(3, 4, 0)));
    EXPECT_FALSE(chunk_bytes_of(1000, chunk(0, 1, 999)));
    EXPECT_FALSE(chunk_bytes_of(1000, chunk(0, 1, 0)));
    EXPECT_FALSE(chunk_bytes_of(1000, chunk(1, 2, 900))) << "longer than those before it";
}
TEST(ChunkBytes, AreAtLeastWhatTheSmallestPacketHolds) {
    EXPECT_EQ(chunk_bytes_of(1560, chunk(0, 10, 156)), 156);
    EXPECT_FALSE(chunk_bytes_of(1550, chunk(0, 10, 155)));
    EXPECT_FALSE(chunk_bytes_of(1'000'000, chunk(0, 1'000'000, 1)));
}

TEST(FitChunk, TellsAnotherCutFromNonsense) {
    EXPECT_EQ(fit(upload(), chunk(1, 4, 300)), Fit::fits);
    EXPECT_EQ(fit(upload(), chunk(3, 4, 100)), Fit::fits);
    EXPECT_EQ(fit(upload(), chunk(1, 2, 500)), Fit::recut) << "the device has another packet size";
    EXPECT_EQ(fit(upload(), chunk(1, 4, 249)), Fit::no);
    db::Upload fresh = upload();
    fresh.total = fresh.chunk_bytes = 0;
    EXPECT_EQ(fit(fresh, chunk(0, 4, 300)), Fit::recut) << "the first one tells the cut";
}

TEST(NextAsking, StartsAtTheFirstMissingAndStopsBeforeWhatIsHere) {
    db::Upload one = upload();
    one.total = 100;
    one.have = 10;
    EXPECT_EQ(next_asking(one, {}).first, 10);
    EXPECT_EQ(next_asking(one, {}).count, limits::kChunksWantedMax);
    EXPECT_EQ(next_asking(one, Indexes{12, 13}).count, 2);
    EXPECT_EQ(next_asking(one, Indexes{11}).count, 1);
    one.have = 98;
    EXPECT_EQ(next_asking(one, {}).count, 2);
    one.total = 0;
    one.have = 0;
    EXPECT_EQ(next_asking(one, {}).count, 1) << "nobody knows how it is cut";
}

TEST(FirstMissing, SkipsWhatIsHereWithoutAGap) {
    EXPECT_EQ(first_missing(5, {}), 5);
    EXPECT_EQ(first_missing(5, Indexes{5, 6, 7}), 8);
    EXPECT_EQ(first_missing(5, Indexes{6, 7}), 5);
    EXPECT_EQ(first_missing(5, Indexes{5, 7}), 6);
}

// Whatever is lost, reordered or repeated, asking goes on until all is here.
TEST(NextAsking, BringsEveryChunkInTheEnd) {
    std::uint32_t seed = 12345;
    const auto lost = [&] { return (seed = seed * 1664525 + 1013904223) >> 30 == 0; };
    db::Upload one = upload();
    one.total = 500;
    std::set<std::int64_t> here;
    int askings = 0;
    while (one.have < one.total) {
        ASSERT_LT(++askings, 2000);
        Indexes ahead;
        for (const std::int64_t index : here) {
            if (index >= one.have && index < one.have + db::kChunksLookedAt) {
                ahead.push_back(index);
            }
        }
        const Asking asking = next_asking(one, ahead);
        ASSERT_FALSE(here.contains(asking.first));
        for (std::int64_t i = 0; i < asking.count; ++i) {
            ASSERT_LT(asking.first + i, one.total);
            if (!lost()) here.insert(asking.first + i);
        }
        one.have = first_missing(one.have, Indexes{here.lower_bound(one.have), here.end()});
    }
    EXPECT_EQ(here.size(), 500U);
}

TEST(PauseAfter, DoublesUpToALimit) {
    EXPECT_EQ(pause_after(0), limits::kChunkRepeat);
    EXPECT_EQ(pause_after(1), limits::kChunkRepeat * 2);
    EXPECT_EQ(pause_after(100), kUploadPauseMax);
    EXPECT_EQ(pause_after(100'000), kUploadPauseMax);
}

AddBlobPart part(std::int64_t bytes, std::int64_t index, std::int64_t total) {
    AddBlobPart one;
    one.sha256 = kHash;
    one.bytes = bytes;
    one.index = index;
    one.total = total;
    return one;
}
TEST(WhyNotPart, LetsPartsThatMakeUpTheWholePass) {
    EXPECT_FALSE(why_not_part(part(10, 0, 1), 10));
    EXPECT_FALSE(why_not_part(part(49'152 + 5, 0, 2), 49'152));
    EXPECT_FALSE(why_not_part(part(49'152 + 5, 1, 2), 5));
}
TEST(WhyNotPart, RefusesNumbersThatDoNotGoTogether) {
    EXPECT_TRUE(why_not_part(part(0, 0, 1), 0));
    EXPECT_TRUE(why_not_part(part(8'388'609, 0, 171), 49'152));
    EXPECT_TRUE(why_not_part(part(10, 0, 2), 10));
    EXPECT_TRUE(why_not_part(part(10, 1, 1), 10));
    EXPECT_TRUE(why_not_part(part(10, -1, 1), 10));
    EXPECT_TRUE(why_not_part(part(10, 0, 1), 9));
    EXPECT_TRUE(why_not_part(part(49'152 + 5, 1, 2), 6));
    EXPECT_TRUE(why_not_part(part(49'152 + 5, 0, 2), 5));
}

}  // namespace
}  // namespace klyuchnik::handlers
