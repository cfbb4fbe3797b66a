#include "topics/codec.hpp"

#include <set>
#include <string>

#include <gtest/gtest.h>

#include "tests/unit/topics/golden.hpp"
#include "topics/limits.hpp"

namespace klyuchnik::test {
namespace {

using namespace topics;

constexpr const char* kTaken =
    R"({"t":1763690000,"b":12,"m":81250,"k":"key.taken","d":{"sl":12,"tg":"04A2","cd":"12345ABC"}})";

std::uint64_t digest_of(const std::string& fact) {
    const auto batch = decode_facts(R"({"v":1,"cn":1,"ep":1,"lo":1,"s":1,"e":[)" + fact + "]}");
    EXPECT_TRUE(batch) << fact << ": " << batch.error().text();
    return batch ? batch->facts[0].digest : 0;
}

std::uint64_t digest_of_ask(const std::string& domain, const std::string& name,
                            const std::string& envelope, const std::string& body) {
    const auto ask = decode_ask(domain, name, "{\"v\":1," + envelope + ",\"d\":" + body + "}");
    EXPECT_TRUE(ask) << ask.error().text();
    return ask ? ask->digest : 0;
}

constexpr const char* kFrom = R"("id":"a","x":10,"by":{"account":"account:1","via":"session"})";

}  // namespace

// -- digests

TEST(FactDigest, IsEqualForARepeat) {
    EXPECT_EQ(digest_of(kTaken), digest_of(kTaken));
}

TEST(FactDigest, DoesNotDependOnOrderSpacesOrEscapes) {
    EXPECT_EQ(digest_of(kTaken),
              digest_of(R"({ "d":{"cd":"12345\u0041BC","tg":"04A2","sl":12},"k":"key.taken",)"
                        R"("m":81250,"b":12, "t":1763690000})"));
}

TEST(FactDigest, DoesNotDependOnTheOldNumberNorOnItsPlaceInTheJournal) {
    std::string renumbered{kTaken};
    renumbered.insert(1, R"("o":"3:1043",)");
    EXPECT_EQ(digest_of(kTaken), digest_of(renumbered));
    const auto batch =
        decode_facts(R"({"v":1,"cn":9,"ep":8,"lo":7,"s":7,"e":[)" + std::string{kTaken} + "]}");
    ASSERT_TRUE(batch);
    EXPECT_EQ(batch->facts[0].digest, digest_of(kTaken));
}

TEST(FactDigest, DiffersForEveryChangedPart) {
    const std::string changed[] = {
        kTaken,
        R"({"t":1763690001,"b":12,"m":81250,"k":"key.taken","d":{"sl":12,"tg":"04A2","cd":"12345ABC"}})",
        R"({"t":1763690000,"b":13,"m":81250,"k":"key.taken","d":{"sl":12,"tg":"04A2","cd":"12345ABC"}})",
        R"({"t":1763690000,"b":12,"m":81251,"k":"key.taken","d":{"sl":12,"tg":"04A2","cd":"12345ABC"}})",
        R"({"b":12,"m":81250,"k":"key.taken","d":{"sl":12,"tg":"04A2","cd":"12345ABC"}})",
        R"({"t":1763690000,"k":"key.taken","d":{"sl":12,"tg":"04A2","cd":"12345ABC"}})",
        R"({"t":1763690000,"b":12,"m":81250,"k":"key.returned","d":{"sl":12,"tg":"04A2","cd":"12345ABC"}})",
        R"({"t":1763690000,"b":12,"m":81250,"k":"key.taken","d":{"sl":13,"tg":"04A2","cd":"12345ABC"}})",
        R"({"t":1763690000,"b":12,"m":81250,"k":"key.taken","d":{"sl":12,"tg":"04A3","cd":"12345ABC"}})",
        R"({"t":1763690000,"b":12,"m":81250,"k":"key.taken","d":{"sl":12,"tg":"04A2","cd":"12345ABD"}})",
        R"({"t":1763690000,"b":12,"m":81250,"k":"key.taken","d":{"sl":12,"tg":"04A2"}})",
        R"({"t":1763690000,"b":12,"m":81250,"k":"key.taken","d":{"sl":12,"tg":"04A2","cd":"12345ABC","new":1}})",
        // The same digits on another side of a boundary.
        R"({"t":176369000,"b":12,"m":81250,"k":"key.taken","d":{"sl":12,"tg":"04A2","cd":"12345ABC"}})",
        R"({"t":1763690000,"b":128,"m":1250,"k":"key.taken","d":{"sl":12,"tg":"04A2","cd":"12345ABC"}})",
    };
    std::set<std::uint64_t> digests;
    for (const std::string& fact : changed) digests.insert(digest_of(fact));
    EXPECT_EQ(digests.size(), std::size(changed));
}

TEST(AskDigest, DependsOnDomainNameAndBodyOnly) {
    const std::string body = R"({"card":"1","key":"101"})";
    const auto first = digest_of_ask("keys", "issue_key", kFrom, body);
    EXPECT_EQ(first, digest_of_ask("keys", "issue_key",
                                   R"("id":"b","x":11,"by":{"account":"account:2","via":"key"})",
                                   R"({"key":"101", "card":"1"})"));
    EXPECT_NE(first, digest_of_ask("keys", "return_key", kFrom, body));
    EXPECT_NE(first, digest_of_ask("locks", "issue_key", kFrom, body));
    EXPECT_NE(first, digest_of_ask("keys", "issue_key", kFrom, R"({"card":"1","key":"102"})"));
    EXPECT_NE(first, digest_of_ask("keys", "issue_key", kFrom, R"({"card":"11","key":"01"})"));
}

// -- salvage: who asked, although the rest can not be read

TEST(Salvage, FindsTheConnectionOfABatchWithABrokenFact) {
    const Envelope found = salvage(R"({"v":1,"cn":2718281,"ep":3,"e":[{"t":1,"k":7}]})");
    EXPECT_EQ(found.cn, Connection{2718281});
    EXPECT_EQ(found.number, std::nullopt);
    EXPECT_EQ(found.ask_id, "");
}

TEST(Salvage, FindsWhatStandsBeforeTheFirstFault) {
    for (const char* rest : {"", ",", ",\"k\":", ",\"k\":nul", ",\"k\":\"\xFF\"}", "}}", "} x"}) {
        const Envelope found = salvage(std::string{R"({"v":1,"cn":5,"r":17)"} + ",\"a\":0" + rest);
        EXPECT_EQ(found.cn, Connection{5}) << rest;
        EXPECT_EQ(found.number, 17) << rest;
    }
}

TEST(Salvage, FindsTheIdOfAnAsk) {
    EXPECT_EQ(salvage(R"({"v":1,"id":"6f1c2b97","x":"soon"})").ask_id, "6f1c2b97");
    std::string cyrillic;
    for (int i = 0; i < 64; ++i) cyrillic += "\xD0\xBA";
    EXPECT_EQ(salvage("{\"id\":\"" + cyrillic + "\"}").ask_id, cyrillic);
}

TEST(Salvage, LooksAtTheTopLevelOnly) {
    const Envelope found =
        salvage(R"({"d":{"cn":1,"r":2,"id":"x"},"e":[{"cn":3}],"cn":{"cn":4},"r":[5],"id":["y"]})");
    EXPECT_FALSE(found.cn);
    EXPECT_FALSE(found.number);
    EXPECT_EQ(found.ask_id, "");
}

TEST(Salvage, TakesNothingThatAnAnswerCouldNotCarry) {
    EXPECT_FALSE(salvage(R"({"cn":-1})").cn);
    EXPECT_FALSE(salvage(R"({"cn":4294967296})").cn);
    EXPECT_FALSE(salvage(R"({"cn":18446744073709551615})").cn);
    EXPECT_FALSE(salvage(R"({"cn":1.0})").cn);
    EXPECT_FALSE(salvage(R"({"cn":"1"})").cn);
    EXPECT_FALSE(salvage(R"({"r":9007199254740992})").number);
    EXPECT_FALSE(salvage(R"({"r":-1})").number);
    EXPECT_EQ(salvage("{\"id\":\"" + std::string(65, 'x') + "\"}").ask_id, "");
    EXPECT_EQ(salvage(R"({"id":"a\u0000b"})").ask_id, "");
    EXPECT_EQ(salvage(R"({"id":"a\nb"})").ask_id, "");
    EXPECT_EQ(salvage(R"({"id":7})").ask_id, "");
}

TEST(Salvage, OfNothingIsNothing) {
    for (const std::string& payload : {std::string{}, std::string{"x"}, std::string{"[]"},
                                       std::string{"7"}, std::string(1, '\0')}) {
        const Envelope found = salvage(payload);
        EXPECT_FALSE(found.cn);
        EXPECT_FALSE(found.number);
        EXPECT_EQ(found.ask_id, "");
    }
}

TEST(Salvage, DoesNotReadWhatIsTooLong) {
    EXPECT_FALSE(salvage(R"({"cn":1)" + std::string(limits::kPayloadBytesMax, ' ') + "}").cn);
}

// -- encoders

TEST(Encode, LeavesOutTheBodyOfAKindWithoutFields) {
    Command reboot;
    reboot.cn = Connection{1};
    reboot.number = 2;
    reboot.expires_s = 3;
    reboot.body = Reboot{};
    EXPECT_EQ(encode(reboot), R"({"v":1,"cn":1,"cs":2,"x":3,"k":"reboot"})");
}

TEST(Encode, WritesTextsThatNeedEscapes) {
    RequestAnswer answer;
    answer.text = "\"\\\n";
    const auto text = encode(answer);
    EXPECT_EQ(text, "{\"v\":1,\"cn\":0,\"r\":0,\"rc\":0,\"d\":{\"tx\":\"\\\"\\\\\\n\"}}");
}

TEST(Encode, NeverThrowsOnATextThatIsNotUtf8) {
    RequestAnswer answer;
    answer.text = "\xFF";
    EXPECT_EQ(encode(answer),
              "{\"v\":1,\"cn\":0,\"r\":0,\"rc\":0,\"d\":{\"tx\":\"\xEF\xBF\xBD\"}}");
}

TEST(Encode, ARefusedAskAnswerCarriesCodeAndTextAndNothingElse) {
    AskAnswer refused;
    refused.id = "a";
    refused.rc = 404;
    refused.code = "unknown_key";
    refused.content = R"({"key":1})";
    EXPECT_EQ(encode(refused), R"({"v":1,"id":"a","rc":404,"d":{"code":"unknown_key","text":""}})");
}

TEST(Encode, AnswersOfEveryCodeAreRead) {
    for (int i = 1; i <= static_cast<int>(Code::not_served); ++i) {
        const CodeInfo& row = info(static_cast<Code>(i));
        AskAnswer answer;
        answer.id = "a";
        answer.rc = row.rc;
        answer.code = std::string{row.name};
        answer.text = std::string{row.text};
        const auto read = decode_ask_answer(encode(answer));
        ASSERT_TRUE(read) << row.name << ": " << read.error().text();
        EXPECT_EQ(code_by_name(*read->code), row.code);
    }
}

}  // namespace klyuchnik::test
