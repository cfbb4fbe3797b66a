// Who may take a key, and what a fact means: no services.
#include <gtest/gtest.h>

#include "handlers/keys/rules.hpp"

namespace klyuchnik::handlers::keys {
namespace {

using db::ConflictWhy;
using topics::Code;
using topics::KeyId;
using topics::PersonId;

const db::Person kAnna{PersonId{1}, true};
const db::Person kBoris{PersonId{2}, true};
const db::Person kGone{PersonId{3}, false};
const db::Key kKey{KeyId{7}, {"101"}, {}, {}, {}};

db::Loan loan_of(std::optional<PersonId> person, bool confirmed) {
    db::Loan loan;
    loan.id.value = 70;
    loan.key = kKey.id;
    loan.person = person;
    loan.confirmed = confirmed;
    return loan;
}

Code code(const std::optional<topics::Refusal>& refusal) {
    return refusal ? refusal->code : Code::none;
}

db::RequestFacts request(std::optional<db::Person> person, bool has_right) {
    db::RequestFacts facts;
    facts.person = person;
    facts.key = kKey.id;
    facts.has_right = has_right;
    return facts;
}

TEST(WhyNotGrant, LetsAPersonWithARightTakeAKeyThatIsIn) {
    EXPECT_EQ(code(why_not_grant(request(kAnna, true))), Code::none);
}
TEST(WhyNotGrant, RefusesAnUnknownCardBeforeAnythingElse) {
    db::RequestFacts facts;
    EXPECT_EQ(code(why_not_grant(facts)), Code::unknown_card);
}
TEST(WhyNotGrant, RefusesAPersonWhoseAccessHasEnded) {
    EXPECT_EQ(code(why_not_grant(request(kGone, true))), Code::inactive_person);
}
TEST(WhyNotGrant, RefusesAnUnknownKey) {
    db::RequestFacts facts = request(kAnna, true);
    facts.key.reset();
    EXPECT_EQ(code(why_not_grant(facts)), Code::unknown_key);
}
TEST(WhyNotGrant, RefusesWithoutARight) {
    EXPECT_EQ(code(why_not_grant(request(kAnna, false))), Code::no_right);
}
TEST(WhyNotGrant, TellsTheHolderFromSomebodyElse) {
    db::RequestFacts facts = request(kAnna, true);
    facts.is_out = true;
    facts.holder = kAnna.id;
    EXPECT_EQ(code(why_not_grant(facts)), Code::key_held_by_self);
    facts.holder = kBoris.id;
    EXPECT_EQ(code(why_not_grant(facts)), Code::key_held_by_other);
    facts.holder.reset();
    EXPECT_EQ(code(why_not_grant(facts)), Code::key_held_by_other) << "out with nobody known";
}

TEST(WhyNotIssue, GivesOutAKeyThatIsInToAPersonWithARight) {
    EXPECT_EQ(code(why_not_issue(kAnna, &kKey, true, nullptr)), Code::none);
}
TEST(WhyNotIssue, RefusesEachThingThatIsMissingInTheOrderOfTheOldCabinets) {
    EXPECT_EQ(code(why_not_issue({}, &kKey, true, nullptr)), Code::unknown_card);
    EXPECT_EQ(code(why_not_issue(kGone, &kKey, true, nullptr)), Code::inactive_person);
    EXPECT_EQ(code(why_not_issue(kAnna, nullptr, false, nullptr)), Code::unknown_key);
    EXPECT_EQ(code(why_not_issue(kAnna, &kKey, false, nullptr)), Code::no_right);
}
TEST(WhyNotIssue, NeverGivesAKeyToASecondHolder) {
    const db::Loan by_anna = loan_of(kAnna.id, false);
    EXPECT_EQ(code(why_not_issue(kBoris, &kKey, true, &by_anna)), Code::key_held_by_other);
    EXPECT_EQ(code(why_not_issue(kAnna, &kKey, true, &by_anna)), Code::key_held_by_self);
    const db::Loan by_nobody = loan_of({}, true);
    EXPECT_EQ(code(why_not_issue(kAnna, &kKey, true, &by_nobody)), Code::key_held_by_other);
}

TEST(WhyNotReturn, TakesAKeyBackFromItsHolderOnly) {
    const db::Loan by_anna = loan_of(kAnna.id, true);
    EXPECT_EQ(code(why_not_return(kAnna, &kKey, &by_anna)), Code::none);
    EXPECT_EQ(code(why_not_return(kBoris, &kKey, &by_anna)), Code::key_not_held);
    EXPECT_EQ(code(why_not_return(kAnna, &kKey, nullptr)), Code::key_not_held);
    EXPECT_EQ(code(why_not_return({}, &kKey, &by_anna)), Code::unknown_card);
    EXPECT_EQ(code(why_not_return(kAnna, nullptr, nullptr)), Code::unknown_key);
}
TEST(WhyNotReturn, TakesAKeyBackFromSomebodyWhoseAccessHasEnded) {
    const db::Loan loan = loan_of(kGone.id, true);
    EXPECT_EQ(code(why_not_return(kGone, &kKey, &loan)), Code::none);
}

TEST(JudgeTaken, OpensALoanForAPersonWithARight) {
    const Taken taken = judge_taken({true, kAnna, true}, nullptr);
    EXPECT_TRUE(taken.open);
    EXPECT_FALSE(taken.confirm || taken.supersede || taken.conflict);
}
TEST(JudgeTaken, NeverRefusesAFactButSaysWhatWasWrong) {
    const auto conflict_of = [](const Taker& taker) {
        const Taken taken = judge_taken(taker, nullptr);
        EXPECT_TRUE(taken.open);
        return taken.conflict;
    };
    EXPECT_EQ(conflict_of({false, {}, false}), ConflictWhy::taken_without_card);
    EXPECT_EQ(conflict_of({true, {}, false}), ConflictWhy::taken_by_unknown_card);
    EXPECT_EQ(conflict_of({true, kGone, true}), ConflictWhy::taken_by_inactive_person);
    EXPECT_EQ(conflict_of({true, kAnna, false}), ConflictWhy::taken_without_right);
}
TEST(JudgeTaken, FindsNothingWrongWithWhatWasAllowedAtItsTime) {
    for (const db::Person& person : {kAnna, kGone}) {
        const Taken taken = judge_taken({true, person, false, true}, nullptr);
        EXPECT_TRUE(taken.open);
        EXPECT_FALSE(taken.conflict) << "what ended afterwards does not make it wrong";
    }
}
TEST(HadRight, IsToldByTheTimeOfTheFact) {
    const auto at = [](std::int64_t s) { return topics::from_unix_seconds(1'800'000'000 + s); };
    const std::optional<db::EndedRight> ended{{{kAnna.id, kKey.id}, at(10), at(20)}};
    using db::TimeSource;
    EXPECT_FALSE(had_right(ended, at(9), TimeSource::device)) << "not given yet";
    EXPECT_TRUE(had_right(ended, at(10), TimeSource::device));
    EXPECT_TRUE(had_right(ended, at(19), TimeSource::boot));
    EXPECT_FALSE(had_right(ended, at(20), TimeSource::device)) << "ended";
    EXPECT_FALSE(had_right(ended, at(19), TimeSource::received)) << "nobody knows when it was";
    EXPECT_FALSE(had_right(std::nullopt, at(19), TimeSource::device));
}
TEST(JudgeTaken, ConfirmsAnIssuedKeyTakenByTheSamePersonOrWithoutACard) {
    const db::Loan issued = loan_of(kAnna.id, false);
    for (const Taker& taker : {Taker{true, kAnna, true}, Taker{false, {}, false}}) {
        const Taken taken = judge_taken(taker, &issued);
        EXPECT_TRUE(taken.confirm);
        EXPECT_FALSE(taken.open || taken.supersede || taken.conflict);
    }
}
TEST(JudgeTaken, MakesTheNewestTakerTheHolderAndRaisesAConflict) {
    const db::Loan by_anna = loan_of(kAnna.id, false);
    for (const Taker& taker : {Taker{true, kBoris, true}, Taker{true, {}, false}}) {
        const Taken taken = judge_taken(taker, &by_anna);
        EXPECT_TRUE(taken.supersede && taken.open);
        EXPECT_EQ(taken.conflict, ConflictWhy::taken_while_held);
    }
}
TEST(JudgeTaken, SaysThatAReturnWasLostWhenTheSensorSawItLeaveTwice) {
    const db::Loan confirmed = loan_of(kAnna.id, true);
    const Taken taken = judge_taken({true, kAnna, true}, &confirmed);
    EXPECT_TRUE(taken.supersede && taken.open);
    EXPECT_EQ(taken.conflict, ConflictWhy::taken_again);
}

TEST(JudgeReturned, ClosesAnOpenLoanWhoeverHoldsIt) {
    const db::Loan open = loan_of(kAnna.id, true);
    EXPECT_TRUE(judge_returned(&open).close);
    EXPECT_FALSE(judge_returned(&open).conflict);
}
TEST(JudgeReturned, IsAConflictForAKeyThatWasIn) {
    EXPECT_FALSE(judge_returned(nullptr).close);
    EXPECT_EQ(judge_returned(nullptr).conflict, ConflictWhy::returned_while_in);
}

}  // namespace
}  // namespace klyuchnik::handlers::keys
