// What a device's journal and the server's cursor say to each other: no services.
#include "handlers/runtime/journal_rules.hpp"

#include <set>

#include <gtest/gtest.h>

#include "topics/limits.hpp"

namespace klyuchnik::handlers {
namespace {

using namespace topics;

constexpr Connection kCn{77};
const Instant kNow = from_unix_seconds(1'800'000'000);

db::Cursor cursor_at(std::int64_t acked) {
    db::Cursor cursor;
    cursor.device = *DeviceId::parse("kc-hall1");
    cursor.cn = kCn;
    cursor.epoch.value = 3;
    cursor.acked.value = acked;
    return cursor;
}

FactBatch batch_of(std::int64_t first, std::vector<std::uint64_t> digests, std::int64_t lo = 1) {
    FactBatch batch;
    batch.cn = kCn;
    batch.epoch.value = 3;
    batch.lo.value = lo;
    batch.first.value = first;
    for (const std::uint64_t digest : digests) {
        Fact fact;
        fact.digest = digest;
        batch.facts.push_back(fact);
    }
    return batch;
}

TEST(PlaceBatch, AppliesWhatIsNextInOrder) {
    const Placement placement = place_batch(cursor_at(10), batch_of(11, {1, 2}));
    EXPECT_TRUE(placement.apply);
    EXPECT_EQ(placement.skip, 0U);
    EXPECT_EQ(placement.error, AckError::none);
}
TEST(PlaceBatch, SkipsWhatIsKnownAndAppliesTheRest) {
    const Placement placement = place_batch(cursor_at(10), batch_of(10, {1, 2, 3}));
    EXPECT_TRUE(placement.apply);
    EXPECT_EQ(placement.skip, 1U);
}
TEST(PlaceBatch, AcknowledgesAWholeRepeatAgainWithoutApplyingIt) {
    const Placement placement = place_batch(cursor_at(10), batch_of(9, {1, 2}));
    EXPECT_FALSE(placement.apply);
    EXPECT_EQ(placement.skip, 2U);
    EXPECT_EQ(placement.error, AckError::none);
}
TEST(PlaceBatch, AsksForTheMissingOnesWhenTheDeviceStillHasThem) {
    const Placement placement = place_batch(cursor_at(10), batch_of(13, {1}, 5));
    EXPECT_EQ(placement.error, AckError::gap);
    EXPECT_FALSE(placement.apply);
    EXPECT_FALSE(placement.lost);
}
TEST(PlaceBatch, RecordsALossAndGoesOnWhenTheDeviceHasDroppedThem) {
    const Placement placement = place_batch(cursor_at(10), batch_of(15, {1}, 15));
    ASSERT_TRUE(placement.lost);
    EXPECT_EQ(placement.lost->first.value, 11);
    EXPECT_EQ(placement.lost->last.value, 14);
    EXPECT_TRUE(placement.apply);
    EXPECT_EQ(placement.error, AckError::none);
}
TEST(PlaceBatch, RecordsALossEvenWhenTheBatchItselfStartsTooFarOn) {
    const Placement placement = place_batch(cursor_at(10), batch_of(20, {1}, 15));
    ASSERT_TRUE(placement.lost);
    EXPECT_EQ(placement.lost->last.value, 14);
    EXPECT_EQ(placement.error, AckError::gap);
    EXPECT_FALSE(placement.apply);
}
TEST(PlaceBatch, GreetsAConnectionThatItDoesNotKnow) {
    FactBatch batch = batch_of(11, {1});
    batch.cn.value = 78;
    EXPECT_EQ(place_batch(cursor_at(10), batch).error, AckError::hello);
    db::Cursor never_born = cursor_at(0);
    never_born.epoch.value = 0;
    EXPECT_EQ(place_batch(never_born, batch_of(1, {1})).error, AckError::hello);
}
TEST(PlaceBatch, NamesTheEpochToABatchOfAnother) {
    FactBatch batch = batch_of(11, {1});
    batch.epoch.value = 2;
    const Placement placement = place_batch(cursor_at(10), batch);
    EXPECT_EQ(placement.error, AckError::epoch);
    EXPECT_FALSE(placement.apply);
}
TEST(PlaceBatch, FindsOtherContentUnderANumberOfTheLastBatch) {
    db::Cursor cursor = cursor_at(12);
    cursor.recent_first.value = 11;
    cursor.recent_digests = {100, 200};
    EXPECT_TRUE(place_batch(cursor, batch_of(11, {100, 200, 300})).differ.empty());
    const Placement placement = place_batch(cursor, batch_of(11, {100, 999, 300}));
    EXPECT_EQ(placement.differ, std::vector<std::size_t>{1});
    EXPECT_EQ(placement.error, AckError::epoch);
    EXPECT_FALSE(placement.apply);
}

TEST(PlaceBatch, FindsOtherContentUnderAnyNumberThatIsStored) {
    const std::map<Sequence, std::uint64_t> stored{{Sequence{5}, 50}, {Sequence{6}, 60}};
    EXPECT_TRUE(place_batch(cursor_at(40), batch_of(5, {50, 60, 70}), stored).differ.empty());
    const Placement placement = place_batch(cursor_at(40), batch_of(5, {50, 61}), stored);
    EXPECT_EQ(placement.differ, std::vector<std::size_t>{1});
    EXPECT_EQ(placement.error, AckError::epoch);
}

Birth birth_of(std::int64_t cn, std::int64_t epoch, std::int64_t lo, std::int64_t hi) {
    Birth birth;
    birth.cn.value = cn;
    birth.epoch.value = epoch;
    birth.lo.value = lo;
    birth.hi.value = hi;
    birth.boot = 5;
    birth.since_boot_ms = 2000;
    return birth;
}

TEST(JudgeBirth, KeepsTheEpochOfAJournalThatGoesOn) {
    const BirthVerdict verdict =
        judge_birth(cursor_at(10), birth_of(78, 3, 9, 14), false, {}, kNow);
    EXPECT_TRUE(verdict.fresh);
    EXPECT_FALSE(verdict.new_epoch || verdict.stale || verdict.lost);
    EXPECT_EQ(verdict.cursor.cn.value, 78);
    EXPECT_EQ(verdict.cursor.acked.value, 10);
    EXPECT_EQ(verdict.cursor.booted_at, kNow - std::chrono::seconds{2});
}
TEST(JudgeBirth, IssuesTheFirstEpochAndOneAfterAWipedFlash) {
    db::Cursor unborn = cursor_at(0);
    unborn.epoch.value = 0;
    const BirthVerdict first = judge_birth(unborn, birth_of(78, 0, 0, 0), false, {}, kNow);
    EXPECT_TRUE(first.new_epoch);
    EXPECT_EQ(first.why, "first");
    EXPECT_EQ(first.cursor.epoch.value, 1);
    const BirthVerdict wiped = judge_birth(cursor_at(10), birth_of(78, 0, 0, 0), false, {}, kNow);
    EXPECT_EQ(wiped.why, "wiped");
    EXPECT_EQ(wiped.cursor.epoch.value, 4);
    EXPECT_EQ(wiped.cursor.acked.value, 0);
}
TEST(JudgeBirth, TellsARestoredJournalByItsLastNumber) {
    const BirthVerdict verdict = judge_birth(cursor_at(10), birth_of(78, 3, 5, 9), false, {}, kNow);
    EXPECT_TRUE(verdict.new_epoch);
    EXPECT_EQ(verdict.why, "restored");
}
TEST(JudgeBirth, IssuesAnEpochAboveOneItNeverIssued) {
    const BirthVerdict verdict = judge_birth(cursor_at(10), birth_of(78, 9, 1, 1), false, {}, kNow);
    EXPECT_EQ(verdict.why, "foreign");
    EXPECT_EQ(verdict.cursor.epoch.value, 10);
}
TEST(JudgeBirth, DoesNotLetABrokenFlashUseUpTheEpochs) {
    const auto epoch_for = [](std::int64_t claimed) {
        return judge_birth(cursor_at(10), birth_of(78, claimed, 1, 1), false, {}, kNow)
            .cursor.epoch.value;
    };
    EXPECT_EQ(epoch_for(limits::kEpochMax), limits::kEpochMax + 1);
    EXPECT_EQ(epoch_for(limits::kEpochMax + 1), 4);
    EXPECT_EQ(epoch_for(limits::kIntegerMax), 4);
}
TEST(BelievedRights, AreWhatTheDeviceSaysUnlessNobodyCanHaveGivenItThat) {
    const auto believed = [](std::int64_t said, std::int64_t given) {
        return believed_rights(Version{said}, Version{given}).value;
    };
    EXPECT_EQ(believed(0, 7), 0);
    EXPECT_EQ(believed(9, 7), 9) << "the database was restored";
    EXPECT_EQ(believed(kRightsVersionMax, 7), kRightsVersionMax);
    EXPECT_EQ(believed(kRightsVersionMax + 1, 7), 0);
    EXPECT_EQ(believed(limits::kIntegerMax, 7), 0);
    EXPECT_EQ(believed(kRightsVersionMax + 1, kRightsVersionMax + 1), kRightsVersionMax + 1)
        << "it has just been given that";
}
TEST(JudgeBirth, AnswersARepeatedBirthAsBefore) {
    const BirthVerdict verdict =
        judge_birth(cursor_at(10), birth_of(77, 3, 1, 10), false, Epoch{3}, kNow);
    EXPECT_FALSE(verdict.stale || verdict.fresh || verdict.greet || verdict.new_epoch);
}
TEST(JudgeBirth, DoesNotBelieveWhatTheBrokerKeptOfAConnectionItDoesNotKnow) {
    const BirthVerdict unknown = judge_birth(cursor_at(10), birth_of(78, 3, 1, 9), true, {}, kNow);
    EXPECT_TRUE(unknown.greet);
    EXPECT_FALSE(unknown.new_epoch || unknown.fresh);
    EXPECT_TRUE(judge_birth(cursor_at(10), birth_of(60, 3, 1, 10), true, Epoch{3}, kNow).stale);
    EXPECT_FALSE(judge_birth(cursor_at(10), birth_of(77, 3, 1, 10), true, Epoch{3}, kNow).stale);
}
TEST(JudgeBirth, ListensAgainToALiveConnectionThatAnOlderBirthHadOvertaken) {
    const BirthVerdict same =
        judge_birth(cursor_at(10), birth_of(60, 3, 1, 10), false, Epoch{3}, kNow);
    EXPECT_TRUE(same.fresh);
    EXPECT_FALSE(same.new_epoch);
    EXPECT_EQ(same.cursor.cn.value, 60);
    const BirthVerdict behind =
        judge_birth(cursor_at(10), birth_of(60, 2, 1, 10), false, Epoch{2}, kNow);
    EXPECT_TRUE(behind.new_epoch);
    EXPECT_EQ(behind.cursor.epoch.value, 4);
}
TEST(JudgeBirth, PassesOverAKnownBirthThatWasSaidBeforeTheLastOne) {
    db::Cursor cursor = cursor_at(10);
    cursor.boot = 5;
    cursor.born_ms = 2001;  // birth_of() says boot 5 and 2000 ms.
    EXPECT_TRUE(judge_birth(cursor, birth_of(60, 3, 1, 10), false, Epoch{3}, kNow).stale);
    EXPECT_TRUE(judge_birth(cursor, birth_of(78, 3, 1, 12), false, {}, kNow).fresh)
        << "a device that forgets its boots is not locked out";
    EXPECT_EQ(judge_birth(cursor, birth_of(78, 3, 1, 9), false, {}, kNow).why, "restored");
    EXPECT_EQ(judge_birth(cursor, birth_of(78, 0, 0, 0), false, {}, kNow).why, "wiped");
    cursor.born_ms = 2000;
    EXPECT_TRUE(judge_birth(cursor, birth_of(78, 3, 1, 12), false, {}, kNow).fresh);
}
TEST(JudgeBirth, RecordsWhatTheDeviceHasDropped) {
    const BirthVerdict verdict =
        judge_birth(cursor_at(10), birth_of(78, 3, 15, 20), false, {}, kNow);
    ASSERT_TRUE(verdict.lost);
    EXPECT_EQ(verdict.lost->first.value, 11);
    EXPECT_EQ(verdict.lost->last.value, 14);
    EXPECT_EQ(verdict.cursor.acked.value, 14);
}
TEST(JudgeBirth, KnowsThatAnEmptyJournalPastTheCursorHasLostEverythingBetween) {
    for (const std::int64_t lo : {std::int64_t{0}, std::int64_t{21}}) {
        const BirthVerdict verdict =
            judge_birth(cursor_at(10), birth_of(78, 3, lo, 20), false, {}, kNow);
        ASSERT_TRUE(verdict.lost) << "lo " << lo;
        EXPECT_EQ(verdict.lost->last.value, 20);
        EXPECT_EQ(verdict.cursor.acked.value, 20);
    }
    EXPECT_FALSE(judge_birth(cursor_at(10), birth_of(78, 3, 0, 10), false, {}, kNow).lost);
}

TEST(TimeOf, BelievesADeviceClockUpToFiveMinutesAhead) {
    const std::int64_t now = unix_seconds(kNow);
    EXPECT_EQ(time_of({now - 100, {}, {}}, cursor_at(0), kNow).source, db::TimeSource::device);
    EXPECT_EQ(time_of({now + 299, {}, {}}, cursor_at(0), kNow).source, db::TimeSource::device);
    const FactTime ahead = time_of({now + 301, {}, {}}, cursor_at(0), kNow);
    EXPECT_EQ(ahead.source, db::TimeSource::received);
    EXPECT_EQ(ahead.at, kNow);
    EXPECT_EQ(time_of({0, {}, {}}, cursor_at(0), kNow).source, db::TimeSource::received);
    EXPECT_EQ(time_of({limits::kIntegerMax, {}, {}}, cursor_at(0), kNow).source,
              db::TimeSource::received);
}
TEST(JudgeBirth, GivesSwappedHardwareANewEpochWhateverItSays) {
    db::Cursor cursor = cursor_at(10);
    cursor.identity = 2;
    for (const Birth& birth :
         {birth_of(78, 3, 9, 14), birth_of(78, 0, 0, 0), birth_of(78, 3, 1, 9)}) {
        const BirthVerdict verdict = judge_birth(cursor, birth, false, {}, kNow);
        EXPECT_TRUE(verdict.fresh && verdict.new_epoch);
        EXPECT_EQ(verdict.why, "swapped");
        EXPECT_EQ(verdict.cursor.epoch.value, 4);
        EXPECT_EQ(verdict.cursor.acked.value, 0);
        EXPECT_EQ(verdict.cursor.generation, 2);
        EXPECT_FALSE(verdict.lost) << "the old hardware's facts are not the new one's loss";
    }
    EXPECT_TRUE(judge_birth(cursor, birth_of(78, 3, 9, 14), true, {}, kNow).greet);
}
TEST(JudgeBirth, PassesOverTheOldHardwareOfASwappedDevice) {
    db::Cursor cursor = cursor_at(10);
    cursor.identity = 2;
    EXPECT_TRUE(judge_birth(cursor, birth_of(77, 3, 1, 10), false, Epoch{3}, kNow).stale);
    EXPECT_TRUE(judge_birth(cursor, birth_of(60, 3, 1, 10), false, Epoch{3}, kNow).stale);
    EXPECT_EQ(place_batch(cursor, batch_of(11, {1})).error, AckError::hello);
    EXPECT_FALSE(is_present(cursor, kCn));
    EXPECT_TRUE(is_present(cursor_at(10), kCn));
}

TEST(ClockError, IsSureOfWhatHasNotHappenedYet) {
    const std::int64_t now = unix_seconds(kNow);
    EXPECT_EQ(clock_error({now + 500, {}, {}}, Sequence{1}, cursor_at(0), kNow), 500);
    EXPECT_FALSE(clock_error({now - 500, {}, {}}, Sequence{1}, cursor_at(0), kNow))
        << "it may have happened then";
    EXPECT_FALSE(clock_error({{}, 5, 1000}, Sequence{1}, cursor_at(0), kNow));
    EXPECT_FALSE(clock_error({1000, {}, {}}, Sequence{1}, cursor_at(0), kNow)) << "never set";
}
TEST(ClockError, IsSureThatWhatFollowedABirthHappenedAfterIt) {
    const std::int64_t now = unix_seconds(kNow);
    db::Cursor cursor = cursor_at(10);
    cursor.born_hi.value = 12;
    cursor.booted_at = kNow - std::chrono::hours{2};
    cursor.born_ms = 3'600'000;  // Born an hour ago.
    EXPECT_EQ(clock_error({now - 1000, {}, {}}, Sequence{13}, cursor, kNow), 0);
    EXPECT_EQ(clock_error({now - 3600 - 900, {}, {}}, Sequence{13}, cursor, kNow), -900);
    EXPECT_FALSE(clock_error({now - 3600 - 900, {}, {}}, Sequence{12}, cursor, kNow))
        << "held when it was born";
}
TEST(ClockError, KnowsWhatAFreshConnectionHeldUnderTheNumbersItIsGoingToHave) {
    EXPECT_EQ(
        judge_birth(cursor_at(10), birth_of(78, 3, 9, 14), false, {}, kNow).cursor.born_hi.value,
        14);
    EXPECT_EQ(
        judge_birth(cursor_at(10), birth_of(78, 9, 3, 7), false, {}, kNow).cursor.born_hi.value, 5)
        << "renumbered from 1";
    EXPECT_EQ(
        judge_birth(cursor_at(10), birth_of(78, 0, 0, 0), false, {}, kNow).cursor.born_hi.value, 0);
}
TEST(ClockError, IsWrongBeyondFiveMinutes) {
    EXPECT_FALSE(is_wrong({}));
    EXPECT_FALSE(is_wrong(300));
    EXPECT_FALSE(is_wrong(-300));
    EXPECT_TRUE(is_wrong(301));
    EXPECT_TRUE(is_wrong(-301));
    const std::int64_t now = unix_seconds(kNow);
    EXPECT_EQ(time_of({now - 100, {}, {}}, cursor_at(0), kNow, -900).source,
              db::TimeSource::received);
    EXPECT_EQ(time_of({now - 100, {}, {}}, cursor_at(0), kNow, 0).source, db::TimeSource::device);
}

TEST(Pacing, SpreadsAFleetOverAsManySecondsAsItNeeds) {
    EXPECT_EQ(reconnect_spread_s(0), 0);
    EXPECT_EQ(reconnect_spread_s(249), 0);
    EXPECT_EQ(reconnect_spread_s(5000), 20);
    EXPECT_EQ(reconnect_spread_s(1'000'000), kReconnectSpreadMaxS);
}
TEST(Pacing, PutsBirthsOffBehindABacklogAndTellsEachItsTime) {
    EXPECT_FALSE(paced(kBirthsBacklogMax, kCn));
    std::set<std::int64_t> waits;
    for (std::int64_t cn = 0; cn < 1000; ++cn) {
        const auto wait = paced(kBirthsBacklogMax + 1, Connection{cn});
        ASSERT_TRUE(wait);
        EXPECT_EQ(wait, paced(kBirthsBacklogMax + 9, Connection{cn})) << "always the same";
        waits.insert(*wait);
    }
    EXPECT_EQ(*waits.begin(), kPacedWaitMinS);
    EXPECT_EQ(*waits.rbegin(), kPacedWaitMaxS);
    EXPECT_EQ(waits.size(), 19U);
}

TEST(TimeOf, CountsFromABootWhoseBeginningItKnows) {
    db::Cursor cursor = cursor_at(0);
    cursor.boot = 5;
    cursor.booted_at = kNow - std::chrono::seconds{60};
    const FactTime known = time_of({{}, 5, 10'000}, cursor, kNow);
    EXPECT_EQ(known.source, db::TimeSource::boot);
    EXPECT_EQ(known.at, kNow - std::chrono::seconds{50});
    EXPECT_EQ(time_of({{}, 4, 10'000}, cursor, kNow).source, db::TimeSource::received);
    EXPECT_EQ(time_of({{}, 5, 10'000'000}, cursor, kNow).at, kNow) << "never in the future";
    EXPECT_EQ(time_of({{}, 5, limits::kIntegerMax}, cursor, kNow).source, db::TimeSource::received);
}

}  // namespace
}  // namespace klyuchnik::handlers
