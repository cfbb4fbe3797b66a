#include "topics/names.hpp"

#include <set>
#include <string>

#include <gtest/gtest.h>

#include "topics/refusal.hpp"
#include "topics/time.hpp"

namespace klyuchnik::test {
namespace {

using namespace topics;
using namespace std::chrono_literals;

constexpr Level kEveryLevel[] = {Level::facts,    Level::request, Level::telemetry,
                                 Level::chunk_up, Level::state,   Level::ack,
                                 Level::answer,   Level::command, Level::chunk_down};

DeviceId device(std::string_view text) {
    const auto parsed = DeviceId::parse(text);
    EXPECT_TRUE(parsed) << text;
    return parsed.value_or(DeviceId{});
}

bool is_foreign(std::string_view topic) {
    return std::holds_alternative<ForeignTopic>(parse_topic(topic));
}

}  // namespace

// -- device ids

TEST(DeviceIds, AreAClassAndFourToEighteenSmallLettersOrDigits) {
    for (const char* good : {"kc-hall", "kc-0000", "sg-shop1", "kc-a1b2c3d4e5f6a7b8c9"}) {
        const auto id = DeviceId::parse(good);
        ASSERT_TRUE(id) << good;
        EXPECT_EQ(id->text(), good);
        EXPECT_EQ(id->cls(), std::string_view{good}.substr(0, 2));
    }
    const std::string_view bad[] = {"",
                                    "kc",
                                    "kc-",
                                    "kc-abc",
                                    "kc-a1b2c3d4e5f6a7b8c9d",
                                    "xx-hall1",
                                    "KC-hall1",
                                    "kc-Hall1",
                                    "kc_hall1",
                                    "kchall1",
                                    " kc-hall1",
                                    "kc-hall1 ",
                                    "kc-ha-ll",
                                    "kc-hall/",
                                    "kc-hall+",
                                    "kc-hall#",
                                    "kc-hall%",
                                    "kc-hall.",
                                    "kc-\xD0\xBA\xD0\xBB",
                                    std::string_view{"kc-hal\0l", 8}};
    for (const std::string_view text : bad) EXPECT_FALSE(DeviceId::parse(text)) << text;
}

// -- topics

TEST(Topics, AreWhatTheContractSays) {
    const DeviceId hall = device("kc-hall1");
    EXPECT_EQ(device_topic(hall, Level::facts), "kl/v1/kc/kc-hall1/up/ev");
    EXPECT_EQ(device_topic(hall, Level::request), "kl/v1/kc/kc-hall1/up/rq");
    EXPECT_EQ(device_topic(hall, Level::telemetry), "kl/v1/kc/kc-hall1/up/tm");
    EXPECT_EQ(device_topic(hall, Level::chunk_up), "kl/v1/kc/kc-hall1/up/ch");
    EXPECT_EQ(device_topic(hall, Level::state), "kl/v1/kc/kc-hall1/st");
    EXPECT_EQ(device_topic(hall, Level::ack), "kl/v1/kc/kc-hall1/dn/ak");
    EXPECT_EQ(device_topic(hall, Level::answer), "kl/v1/kc/kc-hall1/dn/re");
    EXPECT_EQ(device_topic(hall, Level::command), "kl/v1/kc/kc-hall1/dn/cm");
    EXPECT_EQ(device_topic(hall, Level::chunk_down), "kl/v1/kc/kc-hall1/dn/ch");
    EXPECT_EQ(device_filter(hall), "kl/v1/kc/kc-hall1/dn/+");
    EXPECT_EQ(device_topic(device("sg-shop1"), Level::state), "kl/v1/sg/sg-shop1/st");
    EXPECT_EQ(ask_topic("keys", "issue_key", "bridge-1"), "kl/v1/ask/keys/issue_key/bridge-1");
    EXPECT_EQ(ask_answer_topic("bridge-1"), "kl/v1/re/bridge-1");
    EXPECT_EQ(event_topic("keys", "key_taken"), "kl/v1/ev/keys/key_taken");
    EXPECT_EQ(presence_topic("handlers", "1"), "kl/v1/sys/handlers/1");
    EXPECT_EQ(shared_device_filter("s3cret", "keys", "kc", Level::facts),
              "$share/keys-s3cret/kl/v1/kc/+/up/ev");
    EXPECT_EQ(shared_ask_filter("s3cret", "accounts"),
              "$share/accounts-s3cret/kl/v1/ask/accounts/+/+");
    EXPECT_EQ(all_states_filter(), "kl/v1/+/+/st");
    EXPECT_EQ(all_events_filter(), "kl/v1/ev/#");
}

TEST(Topics, EveryDeviceTopicIsParsedBack) {
    std::set<std::string> all;
    for (const char* id : {"kc-hall1", "sg-shop1", "kc-a1b2c3d4e5f6a7b8c9"}) {
        for (const Level level : kEveryLevel) {
            const std::string topic = device_topic(device(id), level);
            EXPECT_TRUE(all.insert(topic).second) << topic;
            const auto parsed = parse_topic(topic);
            const auto* found = std::get_if<DeviceTopic>(&parsed);
            ASSERT_TRUE(found) << topic;
            EXPECT_EQ(found->device, device(id)) << topic;
            EXPECT_EQ(found->level, level) << topic;
        }
    }
}

TEST(Topics, AsksAnswersAndEventsAreParsedBack) {
    const auto ask = parse_topic(ask_topic("keys", "issue_key", "bridge-1a-2"));
    ASSERT_TRUE(std::holds_alternative<AskTopic>(ask));
    EXPECT_EQ(std::get<AskTopic>(ask).domain, "keys");
    EXPECT_EQ(std::get<AskTopic>(ask).name, "issue_key");
    EXPECT_EQ(std::get<AskTopic>(ask).client, "bridge-1a-2");
    const auto answer = parse_topic(ask_answer_topic("bridge-1a-2"));
    ASSERT_TRUE(std::holds_alternative<AskAnswerTopic>(answer));
    EXPECT_EQ(std::get<AskAnswerTopic>(answer).client, "bridge-1a-2");
    const auto event = parse_topic(event_topic("keys", "key_taken"));
    ASSERT_TRUE(std::holds_alternative<EventTopic>(event));
    EXPECT_EQ(std::get<EventTopic>(event).domain, "keys");
    EXPECT_EQ(std::get<EventTopic>(event).type, "key_taken");
}

TEST(Topics, WhatIsNotOursIsForeign) {
    const std::string_view foreign[] = {
        "",
        "/",
        "kl",
        "kl/v1",
        "kl/v1/",
        "kl/v1//",
        "/kl/v1/kc/kc-hall1/up/ev",
        "kl/v2/kc/kc-hall1/up/ev",
        "KL/v1/kc/kc-hall1/up/ev",
        "kl/v1/sg/kc-hall1/up/ev",  // Another class than the id says.
        "kl/v1/kc/sg-shop1/up/ev",
        "kl/v1/xx/kc-hall1/up/ev",
        "kl/v1/kc/hall1/up/ev",
        "kl/v1/kc/kc-hall1",
        "kl/v1/kc/kc-hall1/",
        "kl/v1/kc/kc-hall1/up",
        "kl/v1/kc/kc-hall1/up/",
        "kl/v1/kc/kc-hall1/up/xx",
        "kl/v1/kc/kc-hall1/dn/ev",
        "kl/v1/kc/kc-hall1/up/ev/",
        "kl/v1/kc/kc-hall1/up/ev/more",
        "kl/v1/kc/kc-hall1/st/st",
        "kl/v1/kc//up/ev",
        "kl/v1//kc-hall1/up/ev",
        "kl/v1/kc/kc-hall1//up/ev",
        "kl/v1/kc/kc-hall1/up//ev",
        "kl/v1/kc/+/up/ev",
        "kl/v1/+/kc-hall1/up/ev",
        "kl/v1/kc/kc-hall1/up/+",
        "kl/v1/kc/kc-hall1/#",
        "kl/v1/#",
        "#",
        "+/v1/kc/kc-hall1/up/ev",
        "$share/keys-x/kl/v1/kc/kc-hall1/up/ev",
        "$SYS/broker/uptime",
        "kl/v1/kc/kc-hall1/up/ev ",
        " kl/v1/kc/kc-hall1/up/ev",
        "kl/v1/ask",
        "kl/v1/ask/keys",
        "kl/v1/ask/keys/issue_key",
        "kl/v1/ask/keys/issue_key/",
        "kl/v1/ask/keys/issue_key/bridge",
        "kl/v1/ask/keys/issue_key/bridge-1/more",
        "kl/v1/ask//issue_key/bridge-1",
        "kl/v1/ask/keys//bridge-1",
        "kl/v1/ask/+/issue_key/bridge-1",
        "kl/v1/ask/keys/#/bridge-1",
        "kl/v1/ask/keys/issue_key/+-1",
        "kl/v1/ask/Keys/issue_key/bridge-1",
        "kl/v1/re",
        "kl/v1/re/",
        "kl/v1/re/+",
        "kl/v1/re/bridge-1/more",
        "kl/v1/ev",
        "kl/v1/ev/keys",
        "kl/v1/ev/keys/#",
        "kl/v1/ev/keys/key_taken/more",
        "kl/v1/sys/handlers/1",
        "kl/v1/sys/handlers",
    };
    for (const std::string_view topic : foreign) EXPECT_TRUE(is_foreign(topic)) << topic;
}

TEST(Topics, ANulOrAnotherStrayByteAnywhereMakesATopicForeign) {
    const std::string topics[] = {device_topic(device("kc-hall1"), Level::facts),
                                  ask_topic("keys", "issue_key", "bridge-1"),
                                  ask_answer_topic("bridge-1"), event_topic("keys", "key_taken")};
    for (const std::string& topic : topics) {
        ASSERT_FALSE(is_foreign(topic));
        for (std::size_t at = 0; at <= topic.size(); ++at) {
            for (const char stray : {'\0', '+', '#', ' ', '\n', '\x7F', '\xFF', 'A'}) {
                std::string longer = topic;
                longer.insert(at, 1, stray);
                EXPECT_TRUE(is_foreign(longer)) << longer;
                if (at == topic.size()) continue;
                std::string changed = topic;
                changed[at] = stray;
                EXPECT_TRUE(is_foreign(changed)) << changed;
            }
        }
    }
}

TEST(Topics, LevelsWithoutEndAreForeignAndCheap) {
    EXPECT_TRUE(is_foreign("kl/v1/" + std::string(60'000, '/')));
    EXPECT_TRUE(is_foreign("kl/v1/ask/keys/" + std::string(60'000, 'a') + "/bridge-1"));
    EXPECT_TRUE(is_foreign("kl/v1/re/bridge-" + std::string(33, 'a')));
}

TEST(ClientNames, AreAWordADashAndARest) {
    for (const char* good : {"bridge-1", "b-0", "handlers-a-b-c"}) {
        EXPECT_TRUE(is_client_name(good)) << good;
    }
    for (const char* bad :
         {"", "-", "bridge", "bridge-", "-1", "Bridge-1", "bridge-A", "bridge_1-1", "bridge-1/x",
          "bridge-+", "bridge-#", "b2-1", "abcdefghijklmnopq-1"}) {
        EXPECT_FALSE(is_client_name(bad)) << bad;
    }
    EXPECT_TRUE(is_client_name("b-" + std::string(32, '1')));
    EXPECT_FALSE(is_client_name("b-" + std::string(33, '1')));
}

// -- times

TEST(Times, AreWrittenWithSixDigitsBeforeAndAfter1970AndOnLeapDays) {
    EXPECT_EQ(rfc3339(from_unix_seconds(0)), "1970-01-01T00:00:00.000000Z");
    EXPECT_EQ(rfc3339(from_unix_seconds(1'763'690'000)), "2025-11-21T01:53:20.000000Z");
    EXPECT_EQ(rfc3339(from_unix_micros(1'763'690'000'000'001)), "2025-11-21T01:53:20.000001Z");
    EXPECT_EQ(rfc3339(from_unix_micros(-1)), "1969-12-31T23:59:59.999999Z");
    EXPECT_EQ(rfc3339(from_unix_seconds(-1)), "1969-12-31T23:59:59.000000Z");
    EXPECT_EQ(rfc3339(from_unix_seconds(-14'182'940)), "1969-07-20T20:17:40.000000Z");
    EXPECT_EQ(rfc3339(from_unix_seconds(951'782'400)), "2000-02-29T00:00:00.000000Z");
    EXPECT_EQ(rfc3339(from_unix_seconds(1'709'251'199)), "2024-02-29T23:59:59.000000Z");
    EXPECT_EQ(rfc3339(from_unix_seconds(1'709'251'200)), "2024-03-01T00:00:00.000000Z");
    EXPECT_EQ(rfc3339(from_unix_seconds(4'107'542'400)), "2100-03-01T00:00:00.000000Z");
    EXPECT_EQ(rfc3339(from_unix_seconds(253'402'300'799)), "9999-12-31T23:59:59.000000Z");
}

TEST(Times, UnixSecondsRoundDown) {
    EXPECT_EQ(unix_seconds(from_unix_micros(1'999'999)), 1);
    EXPECT_EQ(unix_seconds(from_unix_micros(-1)), -1);
    EXPECT_EQ(unix_micros(from_unix_seconds(-1)), -1'000'000);
}

// -- codes

TEST(Codes, EachHasItsOwnNameAndIsFoundByIt) {
    std::set<std::string_view> names;
    for (int i = 0; i <= static_cast<int>(Code::not_served); ++i) {
        const CodeInfo& row = info(static_cast<Code>(i));
        EXPECT_EQ(row.code, static_cast<Code>(i)) << row.name;
        EXPECT_TRUE(names.insert(row.name).second) << row.name;
        EXPECT_EQ(code_by_name(row.name), row.code);
        EXPECT_LE(row.name.size(), 40U);
        EXPECT_EQ(row.rc >= 400 && row.rc < 600, row.code != Code::none) << row.name;
    }
    EXPECT_EQ(code_by_name("no_such_code"), Code::none);
    EXPECT_EQ(code_by_name(""), Code::none);
}

}  // namespace klyuchnik::test
