#include <string>

#include <gtest/gtest.h>

#include "tests/unit/topics/golden.hpp"
#include "topics/codec.hpp"
#include "topics/limits.hpp"

namespace klyuchnik::test {
namespace {

using namespace topics;

std::string batch_of(const std::string& facts) {
    return R"({"v":1,"cn":1,"ep":1,"lo":1,"s":1,"e":[)" + facts + "]}";
}
std::string fact_with(const std::string& body, const std::string& kind = "window.opened") {
    return R"({"t":1763690000,"k":")" + kind + R"(","d":)" + body + "}";
}
std::string refusal(const std::string& payload) {
    const auto batch = decode_facts(payload);
    return batch ? "read" : batch.error().text();
}
std::string repeated(const std::string& part, std::size_t times) {
    std::string text;
    for (std::size_t i = 0; i < times; ++i) text += (i ? "," : "") + part;
    return text;
}
/// `{"a":{"a":...}}` with `levels` objects.
std::string nested(int levels) {
    std::string text = "1";
    for (int i = 0; i < levels; ++i) text = R"({"a":)" + text + "}";
    return text;
}

}  // namespace

// -- size

TEST(Strictness, APayloadOfExactlyTheLimitIsReadAndOneByteMoreIsNot) {
    std::string payload = batch_of(fact_with("{}"));
    payload.append(limits::kPayloadBytesMax - payload.size(), ' ');
    EXPECT_EQ(refusal(payload), "read");
    EXPECT_EQ(refusal(payload + ' '), "expected at most 131072 bytes, got 131073");
}

TEST(Strictness, ABatchOfThirtyTwoFactsIsReadAndOneMoreIsNot) {
    EXPECT_EQ(refusal(batch_of(repeated(fact_with("{}"), 32))), "read");
    EXPECT_EQ(refusal(batch_of(repeated(fact_with("{}"), 33))),
              "e: expected a list of 1 to 32 facts, got 33");
}

TEST(Strictness, ABatchOverThePayloadLimitIsRefusedBeforeItIsRead) {
    const std::string text(6000, 'x');
    const std::string payload = batch_of(repeated(fact_with(R"({"new":")" + text + R"("})"), 32));
    ASSERT_GT(payload.size(), limits::kPayloadBytesMax);
    EXPECT_EQ(refusal(payload),
              "expected at most 131072 bytes, got " + std::to_string(payload.size()));
}

TEST(Strictness, AllSlotsOfTheLargestCabinetFitOneFactAndOneMoreSlotDoesNot) {
    std::string slots;
    for (int slot = 1; slot <= 512; ++slot) {
        slots += (slot > 1 ? "," : "") + std::string{R"({"sl":)"} + std::to_string(slot) +
                 R"(,"tg":"04A2B3C4D5E680"})";
    }
    const auto state = [](const std::string& list) {
        return batch_of(fact_with(R"({"slots":[)" + list + "]}", "slots.state"));
    };
    EXPECT_EQ(refusal(state(slots)), "read");
    EXPECT_EQ(refusal(state(slots + R"(,{"sl":512})")),
              "e[0].d.slots: expected a list of 1 to 512, got 513");
}

// -- depth and keys

TEST(Strictness, EightLevelsAreReadAndNineAreNot) {
    // The payload, `e`, the fact and `d` are four.
    EXPECT_EQ(refusal(batch_of(fact_with(nested(5)))), "read");
    EXPECT_EQ(refusal(batch_of(fact_with(nested(6)))),
              "e[0].d.a.a.a.a.a: expected objects and lists nested at most 8 deep");
}

TEST(Strictness, AHundredThousandOpenBracketsAreRefusedAtTheNinth) {
    EXPECT_EQ(refusal(std::string(100'000, '[')),
              "[0][0][0][0][0][0][0][0]: expected objects and lists nested at most 8 deep");
    const std::string objects = [] {
        std::string text;
        while (text.size() < 100'000) text += R"({"a":)";
        return text;
    }();
    EXPECT_EQ(refusal(objects),
              "a.a.a.a.a.a.a.a: expected objects and lists nested at most 8 deep");
    EXPECT_FALSE(salvage(std::string(100'000, '[')).cn);
    EXPECT_FALSE(salvage(objects).cn);
}

TEST(Strictness, KeysOfTheWholePayloadAreCounted) {
    std::string members;
    for (int i = 0; i < 4100; ++i) {
        members += (i ? "," : "") + std::string{"\""} + std::to_string(i) + "\":0";
    }
    // Six keys of the envelope and three of the fact come before the members of `d`.
    EXPECT_EQ(refusal(batch_of(fact_with("{" + members + "}"))),
              "e[0].d.4087: expected at most 4096 keys in the whole payload");
}

TEST(Strictness, APathFromForeignKeysIsShortAndPrintable) {
    const std::string key(5000, 'k');
    const std::string twice = "{\"" + key + "\":{\"\xD0\xBA\\u0007\":1,\"\xD0\xBA\\u0007\":2}}";
    const auto batch = decode_facts(batch_of(fact_with(twice)));
    ASSERT_FALSE(batch);
    EXPECT_EQ(batch.error().text(), "e[0].d." + std::string(37, 'k') + "....???: duplicate key");
}

// -- numbers

TEST(Strictness, TheGreatestIntegerIsReadEverywhere) {
    const auto birth = decode_state(
        R"({"v":1,"on":1,"cn":4294967295,"ep":9007199254740991,"b":9007199254740991,)"
        R"("m":1576800000000,"lo":1,"hi":9007199254740991,"ka":3600,"rx":131072,"fw":"1"})");
    ASSERT_TRUE(birth) << birth.error().text();
    EXPECT_EQ(std::get<Birth>(*birth).hi, Sequence{limits::kIntegerMax});
}

TEST(Strictness, ABirthClaimsNoUptimeBeyondFiftyYears) {
    const auto birth = [](const char* epoch, const char* uptime) {
        return decode_state(std::string{R"({"v":1,"on":1,"cn":1,"ep":)"} + epoch +
                            R"(,"b":1,"m":)" + uptime +
                            R"(,"lo":0,"hi":0,"ka":30,"rx":1024,"fw":"1"})");
    };
    EXPECT_TRUE(birth("1", "1576800000000"));
    EXPECT_FALSE(birth("1", "1576800000001"));
}

TEST(Strictness, TheLastSequenceOfAllMayBeUsed) {
    const std::string last =
        R"({"v":1,"cn":1,"ep":1,"lo":1,"s":9007199254740991,"e":[{"t":1,"k":"tamper"}]})";
    EXPECT_EQ(refusal(last), "read");
}

TEST(Strictness, MinusZeroIsZero) {
    const auto heartbeat = decode_heartbeat(R"({"v":1,"cn":-0,"d":{"rssi":-0}})");
    ASSERT_TRUE(heartbeat) << heartbeat.error().text();
    EXPECT_EQ(heartbeat->cn, Connection{0});
    EXPECT_EQ(heartbeat->content, R"({"rssi":0})");
}

TEST(Strictness, OldNumbersGoUpToTheGreatestInteger) {
    const auto fact = [](const std::string& old) {
        return batch_of(R"({"t":1,"o":")" + old + R"(","k":"tamper"})");
    };
    const auto read = decode_facts(fact("9007199254740991:9007199254740991"));
    ASSERT_TRUE(read) << read.error().text();
    EXPECT_EQ(read->facts[0].old->epoch, Epoch{limits::kIntegerMax});
    EXPECT_EQ(encode(*read), fact("9007199254740991:9007199254740991"));
    for (const char* bad : {"9007199254740992:1", "1:9007199254740992", "99999999999999999999:1",
                            "1: ", ":11", "1:2:3", "+1:2", " 1:2", "1:2 ", "0x1:2", "1.0:2"}) {
        EXPECT_EQ(refusal(fact(bad)),
                  "e[0].o: expected \"epoch:sequence\" like \"3:1043\", got \"" + std::string{bad} +
                      "\"");
    }
}

TEST(Strictness, FractionsMayAppearWhereNobodyReadsThem) {
    const auto heartbeat = decode_heartbeat(R"({"v":1,"cn":1,"d":{"temp":21.5,"volt":1e-3}})");
    ASSERT_TRUE(heartbeat) << heartbeat.error().text();
    EXPECT_EQ(heartbeat->content, R"({"temp":21.5,"volt":0.001})");
}

// -- texts

TEST(Strictness, LimitsOfTextsCountCodePointsAndNotBytes) {
    const auto card = [](const std::string& text) {
        return batch_of(fact_with(R"({"cd":")" + text + "\"}", "card.tapped"));
    };
    std::string fifty;
    for (int i = 0; i < 50; ++i) fifty += "\xF0\x9F\x94\x91";  // A key, four bytes of UTF-8.
    EXPECT_EQ(refusal(card(fifty)), "read");
    EXPECT_EQ(refusal(card(fifty + "x")),
              "e[0].d.cd: expected a text of 1 to 50 characters, got 51");
}

TEST(Strictness, EveryControlCharacterIsRefusedInATextThatIsRead) {
    for (int code = 1; code <= 0x7F; ++code) {
        if (code == 0x20) code = 0x7F;
        char escaped[8];
        std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(code));
        EXPECT_EQ(refusal(batch_of(
                      fact_with(std::string{R"({"cd":"x)"} + escaped + "\"}", "card.tapped"))),
                  "e[0].d.cd: expected a text without control characters")
            << escaped;
    }
}

TEST(Strictness, WhatWasWrongNeverShowsACardNumberThatCameAsANumber) {
    const std::string why = refusal(batch_of(fact_with(R"({"cd":1234567890})", "card.tapped")));
    EXPECT_EQ(why.find("1234567890"), std::string::npos) << why;
}

// -- keys that are missing, unknown or null

TEST(Strictness, UnknownKeysAreIgnoredOnEveryLevel) {
    const auto request = decode_request(
        R"({"v":1,"new":[1],"cn":1,"r":2,"k":"key.request","d":{"cd":"1","ky":"2","new":{"a":1}}})");
    ASSERT_TRUE(request) << request.error().text();
    EXPECT_EQ(encode(*request),
              R"({"v":1,"cn":1,"r":2,"k":"key.request","d":{"cd":"1","ky":"2"}})");
}

TEST(Strictness, AnOptionalFieldMayBeNullWhichIsTheSameAsAbsent) {
    const auto batch = decode_facts(
        batch_of(fact_with(R"({"sl":null,"tg":"04A2","ky":null,"cd":null})", "key.taken")));
    ASSERT_TRUE(batch) << batch.error().text();
    EXPECT_EQ(encode_fact_body(batch->facts[0].body), R"({"tg":"04A2"})");
}

TEST(Strictness, DefaultsStandInForWhatMayBeLeftOut) {
    const auto birth = decode_state(
        R"({"v":1,"on":1,"cn":1,"ep":0,"b":1,"m":1,"lo":0,"hi":0,"ka":30,"rx":256,"fw":"1"})");
    ASSERT_TRUE(birth) << birth.error().text();
    EXPECT_EQ(std::get<Birth>(*birth).rights_version, 0);
    EXPECT_EQ(std::get<Birth>(*birth).last_command, 0);
    const auto buzz = decode_command(R"({"v":1,"cn":1,"cs":1,"x":1,"k":"buzz"})");
    ASSERT_TRUE(buzz) << buzz.error().text();
    EXPECT_EQ(std::get<Buzz>(buzz->body).milliseconds, 500);
    const auto person = decode_ask_body("accounts", "add_person", R"({"full_name":"A"})");
    ASSERT_TRUE(person) << person.error().text();
    EXPECT_TRUE(std::get<AddPerson>(*person).cards.empty());
}

TEST(Strictness, ABirthThatHoldsNothingMayStillNameItsLastFact) {
    const auto birth = decode_state(
        R"({"v":1,"on":1,"cn":1,"ep":3,"b":1,"m":1,"lo":0,"hi":1042,"ka":30,"rx":256,"fw":"1"})");
    ASSERT_TRUE(birth) << birth.error().text();
    EXPECT_EQ(std::get<Birth>(*birth).hi, Sequence{1042});
    const auto next = decode_state(
        R"({"v":1,"on":1,"cn":1,"ep":3,"b":1,"m":1,"lo":1043,"hi":1042,"ka":30,"rx":256,"fw":"1"})");
    ASSERT_TRUE(next) << next.error().text();
    EXPECT_EQ(std::get<Birth>(*next).lo, Sequence{1043});
}

// -- kinds that are not known

TEST(Strictness, UnknownKindsAreReadAndNamed) {
    const auto request = decode_request(R"({"v":1,"cn":1,"r":2,"k":"coffee","d":{"cups":2}})");
    ASSERT_TRUE(request) << request.error().text();
    ASSERT_TRUE(std::holds_alternative<UnknownRequest>(request->body));
    EXPECT_EQ(std::get<UnknownRequest>(request->body).kind, "coffee");
    const auto command = decode_command(R"({"v":1,"cn":1,"cs":2,"x":3,"k":"dance"})");
    ASSERT_TRUE(command) << command.error().text();
    ASSERT_TRUE(std::holds_alternative<UnknownCommand>(command->body));
    EXPECT_EQ(std::get<UnknownCommand>(command->body).kind, "dance");
    const auto ask = decode_ask(
        "keys", "melt_key",
        R"({"v":1,"id":"a","x":1,"by":{"account":"account:1","via":"key"},"d":{"key":1}})");
    ASSERT_TRUE(ask) << ask.error().text();
    ASSERT_TRUE(std::holds_alternative<UnknownAsk>(ask->body));
    EXPECT_EQ(std::get<UnknownAsk>(ask->body).name, "melt_key");
}

TEST(Strictness, AnAskOfAnotherDomainIsUnknownInThisOne) {
    const auto ask = decode_ask("accounts", "issue_key", golden("ask.keys.issue_key"));
    ASSERT_TRUE(ask) << ask.error().text();
    EXPECT_TRUE(std::holds_alternative<UnknownAsk>(ask->body));
}

TEST(Strictness, ABodyOfARestRequestIsReadByTheSameRulesAndItsPathsStartAtTheBody) {
    const auto body = decode_ask_body("keys", "issue_key", R"({"card":"1","key":"101"})");
    ASSERT_TRUE(body) << body.error().text();
    EXPECT_EQ(std::get<IssueKey>(*body).key, KeyName{"101"});
    const auto bad =
        decode_ask_body("accounts", "add_person", R"({"full_name":"A","cards":["1",2]})");
    ASSERT_FALSE(bad);
    EXPECT_EQ(bad.error().text(), "cards[1]: expected a text, got a number");
    const auto list = decode_ask_body("keys", "issue_key", "[]");
    ASSERT_FALSE(list);
    EXPECT_EQ(list.error().text(), "expected an object, got a list");
    const auto unknown = decode_ask_body("keys", "melt_key", "{}");
    ASSERT_FALSE(unknown);
    EXPECT_FALSE(unknown.error().text().empty());
}

TEST(Strictness, AStoredFactBodyIsReadAgainByItsKind) {
    const auto batch = decode_facts(golden("fact.slots.state"));
    ASSERT_TRUE(batch);
    const Fact& fact = batch->facts[0];
    const auto again = decode_fact_body(fact.kind, fact.content);
    ASSERT_TRUE(again) << again.error().text();
    EXPECT_EQ(encode_fact_body(*again), encode_fact_body(fact.body));
    const auto wrong = decode_fact_body("card.tapped", R"({"cd":7})");
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().text(), "cd: expected a text, got a number");
}

TEST(Strictness, EventIdsRefuseWhatIsNotAnId) {
    const auto zero = decode_event_ids(R"({"person":0})");
    ASSERT_FALSE(zero);
    EXPECT_EQ(zero.error().text(), "person: expected an integer from 1 to 9007199254740991, got 0");
    const auto device = decode_event_ids(R"({"device":"kc-hall1/up/ev"})");
    ASSERT_FALSE(device);
    EXPECT_EQ(device.error().text(), "device: expected a device id like kc-hall1 or sg-shop1");
}

}  // namespace klyuchnik::test
