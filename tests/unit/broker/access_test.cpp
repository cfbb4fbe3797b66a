#include "broker/guard/access.h"

#include <array>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace {

struct Who {
    kl_role role;
    const char* name;
};
constexpr Who kCabinet{KL_ROLE_DEVICE, "kc-aaaa"};
constexpr Who kGateway{KL_ROLE_DEVICE, "sg-bbbb"};
constexpr Who kHandlers{KL_ROLE_HANDLERS, "handlers-1"};
constexpr Who kBridge{KL_ROLE_BRIDGE, "bridge-1"};
constexpr Who kSimulator{KL_ROLE_SIMULATOR, "sim-1"};
constexpr Who kOperator{KL_ROLE_OPERATOR, "ops-1"};
constexpr Who kNobody{KL_ROLE_NONE, "kc-aaaa"};
constexpr std::array kEverybody{kCabinet, kGateway, kHandlers, kBridge, kSimulator, kOperator};

bool may_subscribe(Who who, const std::string& filter) {
    return kl_why_not_subscribe(who.role, who.name, filter.c_str()) == nullptr;
}
bool may_publish(Who who, const std::string& topic, bool retain = false, std::size_t bytes = 1) {
    return kl_why_not_publish(who.role, who.name, topic.c_str(), retain, bytes) == nullptr;
}
bool may_read(Who who, const std::string& topic) {
    return kl_why_not_read(who.role, who.name, topic.c_str()) == nullptr;
}

TEST(RoleOf, KnowsDevicesOnTheirListenerOnly) {
    for (const char* name : {"kc-aaaa", "sg-0123", "kc-abcdefghijklmnopqr"}) {
        EXPECT_EQ(kl_role_of(KL_LISTENER_DEVICES, name), KL_ROLE_DEVICE) << name;
        EXPECT_EQ(kl_role_of(KL_LISTENER_SERVICES, name), KL_ROLE_NONE) << name;
    }
}

TEST(RoleOf, KnowsServicesOnTheirListenerOnly) {
    const std::array services{
        std::pair{"handlers-1", KL_ROLE_HANDLERS}, std::pair{"bridge-a-2", KL_ROLE_BRIDGE},
        std::pair{"sim-load", KL_ROLE_SIMULATOR}, std::pair{"ops-anna", KL_ROLE_OPERATOR}};
    for (const auto& [name, role] : services) {
        EXPECT_EQ(kl_role_of(KL_LISTENER_SERVICES, name), role) << name;
        EXPECT_EQ(kl_role_of(KL_LISTENER_DEVICES, name), KL_ROLE_NONE) << name;
    }
}

TEST(RoleOf, RefusesNamesThatWouldWidenATopic) {
    for (const char* name :
         {"", "kc-", "kc-abc", "kc-abcdefghijklmnopqrs", "kc-aaaA", "kc-aa/a", "kc-aaa+", "kc-####",
          "kc-aaa ", "kc_aaaa", "kc-aaaa\n", "xx-aaaa", "KC-aaaa", "+", "#", "kc-aa\xC3\xA9"}) {
        EXPECT_EQ(kl_role_of(KL_LISTENER_DEVICES, name), KL_ROLE_NONE) << name;
    }
    for (const char* name :
         {"", "handlers", "handlers-", "handlers-A", "handlers-a/b", "handlers-+", "handler-1",
          "handlers-123456789012345678901234567890123", "root", "$SYS", "bridge-a b"}) {
        EXPECT_EQ(kl_role_of(KL_LISTENER_SERVICES, name), KL_ROLE_NONE) << name;
    }
    EXPECT_EQ(kl_role_of(KL_LISTENER_DEVICES, nullptr), KL_ROLE_NONE);
    EXPECT_EQ(kl_role_of(KL_LISTENER_SERVICES, nullptr), KL_ROLE_NONE);
}

TEST(Subscribe, ADeviceHasExactlyOneFilter) {
    EXPECT_TRUE(may_subscribe(kCabinet, "kl/v1/kc/kc-aaaa/dn/+"));
    EXPECT_TRUE(may_subscribe(kGateway, "kl/v1/sg/sg-bbbb/dn/+"));
    for (const char* filter : {"#",
                               "+",
                               "+/#",
                               "",
                               "/",
                               "kl/#",
                               "kl/v1/#",
                               "kl/v1/kc/#",
                               "kl/v1/kc/kc-aaaa/#",
                               "kl/v1/kc/kc-aaaa/dn/#",
                               "kl/v1/kc/kc-aaaa/dn/ak",
                               "kl/v1/kc/kc-aaaa/+/+",
                               "kl/v1/kc/+/dn/+",
                               "kl/v1/+/kc-aaaa/dn/+",
                               "kl/v1/kc/kc-aaaa/up/+",
                               "kl/v1/kc/kc-aaaa/st",
                               "kl/v1/sg/kc-aaaa/dn/+",
                               "kl/v1/kc/kc-bbbb/dn/+",
                               "kl/v1/kc/kc-aaaab/dn/+",
                               "kl/v1/kc/kc-aaa/dn/+",
                               "/kl/v1/kc/kc-aaaa/dn/+",
                               "kl/v1/kc/kc-aaaa/dn/+/",
                               "+/+/+/+/+/+",
                               "$SYS/#",
                               "$share/g/kl/v1/kc/kc-aaaa/dn/+",
                               "$share/g/kl/v1/kc/+/up/ev",
                               "$share/g/#",
                               "$queue/#",
                               "kl/v1/ev/#",
                               "kl/v1/re/kc-aaaa",
                               "kl/v1/sys/#",
                               "$CONTROL/#",
                               KL_CONTROL_TOPIC}) {
        EXPECT_FALSE(may_subscribe(kCabinet, filter)) << filter;
    }
}

TEST(Subscribe, HandlersHaveTheirShareGroupsAndTheStates) {
    for (const char* filter : {"$share/keys-0a1B_2/kl/v1/kc/+/up/ev", "$share/g/kl/v1/kc/+/up/rq",
                               "$share/g/kl/v1/sg/+/up/tm", "$share/g/kl/v1/sg/+/up/ch",
                               "$share/keys-x/kl/v1/ask/keys/+/+", "kl/v1/+/+/st"}) {
        EXPECT_TRUE(may_subscribe(kHandlers, filter)) << filter;
    }
    for (const char* filter : {"#",
                               "kl/v1/#",
                               "kl/v1/kc/+/up/ev",
                               "kl/v1/ask/keys/+/+",
                               "$share/g/kl/v1/+/+/up/ev",
                               "$share/g/kl/v1/kc/+/up/+",
                               "$share/g/kl/v1/kc/+/up/#",
                               "$share/g/kl/v1/kc/kc-aaaa/up/ev",
                               "$share/g/kl/v1/kc/+/dn/cm",
                               "$share/g/kl/v1/xx/+/up/ev",
                               "$share/g/kl/v1/ask/+/+/+",
                               "$share/g/kl/v1/ask/#",
                               "$share/g/kl/v1/ask/keys/+/bridge-1",
                               "$share/g/#",
                               "$share/g",
                               "$share//kl/v1/kc/+/up/ev",
                               "$share/g+/kl/v1/kc/+/up/ev",
                               "$share/",
                               "$share",
                               "$share/g/kl/v1/kc",
                               "$share/g/kl/v1/",
                               "$share/g/kl/v1/kc/+/up",
                               "$share/g/kl/v1/ask",
                               "$share/g/kl/v1/kc/+/up/ev/",
                               "kl/v1/re/+",
                               "kl/v1/ev/#",
                               "kl/v1/sys/#",
                               "$SYS/#",
                               "$share/g/kl/v1/+/+/st"}) {
        EXPECT_FALSE(may_subscribe(kHandlers, filter)) << filter;
    }
}

TEST(Subscribe, TheBridgeHearsItsOwnAnswersAndTheLog) {
    for (const char* filter :
         {"kl/v1/re/bridge-1", "kl/v1/ev/#", "kl/v1/ev/keys/+", "kl/v1/sys/#"}) {
        EXPECT_TRUE(may_subscribe(kBridge, filter)) << filter;
    }
    for (const char* filter :
         {"kl/v1/re/bridge-2", "kl/v1/re/+", "kl/v1/re/#", "kl/v1/re/bridge-11", "kl/v1/re/bridge-",
          "kl/v1/ask/+/+/+", "#", "kl/v1/#", "kl/v1/ev", "kl/v1/+/+/st", "$SYS/#",
          "$share/g/kl/v1/ev/#", "$share/g/kl/v1/re/bridge-1", "kl/v1/kc/+/up/ev"}) {
        EXPECT_FALSE(may_subscribe(kBridge, filter)) << filter;
    }
}

TEST(Subscribe, TheOperatorAndTheSimulatorOnlyListen) {
    for (const char* filter : {"$SYS/#", "kl/v1/#", "kl/v1/kc/kc-aaaa/up/ev"}) {
        EXPECT_TRUE(may_subscribe(kOperator, filter)) << filter;
    }
    for (const char* filter : {"#", "+/#", "$share/g/kl/v1/#", "$CONTROL/#", "kl/#"}) {
        EXPECT_FALSE(may_subscribe(kOperator, filter)) << filter;
    }
    EXPECT_TRUE(may_subscribe(kSimulator, "kl/v1/ev/#"));
    EXPECT_FALSE(may_subscribe(kSimulator, "kl/v1/kc/+/up/ev"));
}

TEST(Publish, ADeviceSpeaksAsItselfOnly) {
    for (const char* topic :
         {"kl/v1/kc/kc-aaaa/up/ev", "kl/v1/kc/kc-aaaa/up/rq", "kl/v1/kc/kc-aaaa/up/tm",
          "kl/v1/kc/kc-aaaa/up/ch", "kl/v1/kc/kc-aaaa/st"}) {
        EXPECT_TRUE(may_publish(kCabinet, topic)) << topic;
    }
    EXPECT_TRUE(may_publish(kGateway, "kl/v1/sg/sg-bbbb/up/ev"));
    for (const char* topic : {"kl/v1/kc/kc-bbbb/up/ev",
                              "kl/v1/sg/kc-aaaa/up/ev",
                              "kl/v1/sg/sg-bbbb/up/ev",
                              "kl/v1/kc/kc-aaaa/dn/ak",
                              "kl/v1/kc/kc-aaaa/dn/cm",
                              "kl/v1/kc/kc-aaaa/up/xx",
                              "kl/v1/kc/kc-aaaa/up",
                              "kl/v1/kc/kc-aaaa/up/",
                              "kl/v1/kc/kc-aaaa/up/ev/x",
                              "kl/v1/kc/kc-aaaa/st/x",
                              "kl/v1/kc/kc-aaaa",
                              "kl/v1/kc/kc-aaaa/",
                              "kl/v1/kc",
                              "kl/v1/",
                              "kl/v1",
                              "",
                              "kl/v2/kc/kc-aaaa/up/ev",
                              "kl/v1/ask/keys/issue/kc-aaaa",
                              "kl/v1/re/bridge-1",
                              "kl/v1/ev/keys/taken",
                              "kl/v1/sys/a/b",
                              "$SYS/x",
                              "$share/g/kl/v1/kc/kc-aaaa/up/ev",
                              KL_CONTROL_TOPIC}) {
        EXPECT_FALSE(may_publish(kCabinet, topic)) << topic;
    }
}

TEST(Publish, OnlyStatesAndPresenceMayBeRetained) {
    EXPECT_TRUE(may_publish(kCabinet, "kl/v1/kc/kc-aaaa/st", true));
    EXPECT_FALSE(may_publish(kCabinet, "kl/v1/kc/kc-aaaa/up/ev", true));
    EXPECT_FALSE(may_publish(kCabinet, "kl/v1/kc/kc-aaaa/up/tm", true));
    EXPECT_FALSE(may_publish(kCabinet, "kl/v1/kc/kc-bbbb/st", true));
    EXPECT_TRUE(may_publish(kHandlers, "kl/v1/sys/handlers/1", true));
    EXPECT_FALSE(may_publish(kHandlers, "kl/v1/kc/kc-aaaa/dn/cm", true));
    EXPECT_FALSE(may_publish(kHandlers, "kl/v1/ev/keys/keys.taken", true));
    EXPECT_FALSE(may_publish(kHandlers, KL_CONTROL_TOPIC, true));
    EXPECT_TRUE(may_publish(kBridge, "kl/v1/sys/bridge/1", true));
    EXPECT_FALSE(may_publish(kBridge, "kl/v1/ask/keys/issue_key/bridge-1", true));
}

TEST(Publish, HandlersAnswerAndTellButDoNotAsk) {
    for (const char* topic :
         {"kl/v1/kc/kc-aaaa/dn/ak", "kl/v1/sg/sg-bbbb/dn/cm", "kl/v1/re/bridge-1",
          "kl/v1/ev/keys/keys.taken", "kl/v1/sys/handlers/1", KL_CONTROL_TOPIC}) {
        EXPECT_TRUE(may_publish(kHandlers, topic)) << topic;
    }
    for (const char* topic :
         {"kl/v1/kc/kc-aaaa/up/ev", "kl/v1/kc/kc-aaaa/st", "kl/v1/sg/kc-aaaa/dn/ak",
          "kl/v1/kc/nobody/dn/ak", "kl/v1/kc/kc-aaaa/dn/ak/x", "kl/v1/kc/kc-aaaa/dn",
          "kl/v1/ask/keys/issue_key/handlers-1", "kl/v1/re/bridge-1/x", "kl/v1/re/", "kl/v1/re",
          "kl/v1/ev/keys", "kl/v1/ev/keys/a/b", "kl/v1/sys/handlers", "kl/v1/sys/handlers/1/x",
          "$SYS/x", "$CONTROL/dynamic-security/v1", "$CONTROL/klyuchnik-guard/v1/x"}) {
        EXPECT_FALSE(may_publish(kHandlers, topic)) << topic;
    }
}

TEST(Publish, ABridgeAsksInItsOwnNameOnly) {
    EXPECT_TRUE(may_publish(kBridge, "kl/v1/ask/keys/issue_key/bridge-1"));
    for (const char* topic :
         {"kl/v1/ask/keys/issue_key/bridge-2", "kl/v1/ask/keys/issue_key/bridge-1/x",
          "kl/v1/ask/keys/bridge-1", "kl/v1/re/bridge-1", "kl/v1/ev/keys/taken",
          "kl/v1/kc/kc-aaaa/dn/cm", "kl/v1/kc/kc-aaaa/up/ev", KL_CONTROL_TOPIC}) {
        EXPECT_FALSE(may_publish(kBridge, topic)) << topic;
    }
}

TEST(Publish, TheOperatorMayOnlyKickAndTheSimulatorOnlySayThatItLives) {
    EXPECT_TRUE(may_publish(kOperator, KL_CONTROL_TOPIC));
    EXPECT_FALSE(may_publish(kOperator, "kl/v1/sys/ops/1"));
    EXPECT_FALSE(may_publish(kOperator, "kl/v1/kc/kc-aaaa/dn/cm"));
    EXPECT_TRUE(may_publish(kSimulator, "kl/v1/sys/sim/1", true));
    EXPECT_FALSE(may_publish(kSimulator, "kl/v1/kc/kc-aaaa/up/ev"));
    EXPECT_FALSE(may_publish(kSimulator, KL_CONTROL_TOPIC));
}

TEST(Publish, ThePayloadHasALimitForEverybody) {
    EXPECT_TRUE(may_publish(kCabinet, "kl/v1/kc/kc-aaaa/up/ev", false, KL_PAYLOAD_BYTES_MAX));
    EXPECT_FALSE(may_publish(kCabinet, "kl/v1/kc/kc-aaaa/up/ev", false, KL_PAYLOAD_BYTES_MAX + 1));
    EXPECT_FALSE(may_publish(kHandlers, "kl/v1/re/bridge-1", false, KL_PAYLOAD_BYTES_MAX + 1));
}

TEST(Read, IsNoWiderThanWhatMayBeSubscribed) {
    EXPECT_TRUE(may_read(kCabinet, "kl/v1/kc/kc-aaaa/dn/cm"));
    EXPECT_FALSE(may_read(kCabinet, "kl/v1/kc/kc-bbbb/dn/cm"));
    EXPECT_FALSE(may_read(kCabinet, "kl/v1/kc/kc-aaaa/up/ev"));
    EXPECT_TRUE(may_read(kHandlers, "kl/v1/kc/kc-aaaa/up/ev"));
    EXPECT_TRUE(may_read(kHandlers, "kl/v1/kc/kc-aaaa/st"));
    EXPECT_TRUE(may_read(kHandlers, "kl/v1/ask/keys/issue_key/bridge-1"));
    EXPECT_FALSE(may_read(kHandlers, "kl/v1/kc/kc-aaaa/dn/cm"));
    EXPECT_FALSE(may_read(kHandlers, "kl/v1/re/bridge-1"));
    EXPECT_TRUE(may_read(kBridge, "kl/v1/re/bridge-1"));
    EXPECT_FALSE(may_read(kBridge, "kl/v1/re/bridge-2"));
}

TEST(Nobody, MayDoNothing) {
    EXPECT_FALSE(may_subscribe(kNobody, "kl/v1/kc/kc-aaaa/dn/+"));
    EXPECT_FALSE(may_publish(kNobody, "kl/v1/kc/kc-aaaa/up/ev"));
    EXPECT_FALSE(may_read(kNobody, "kl/v1/kc/kc-aaaa/dn/ak"));
}

TEST(Everybody, SurvivesEveryPrefixOfEveryTopic) {
    for (const std::string whole :
         {"$share/g/kl/v1/kc/+/up/ev/x", "$share/g/kl/v1/ask/keys/+/+/x", "kl/v1/kc/kc-aaaa/dn/+/x",
          "kl/v1/ask/keys/issue/bridge-1/x", "kl/v1/ev/keys/taken/x", "kl/v1/sys/a/b/x",
          "////////////", "$CONTROL/klyuchnik-guard/v1/x"}) {
        for (std::size_t size = 0; size <= whole.size(); ++size) {
            const std::string prefix = whole.substr(0, size);
            for (const Who& who : kEverybody) {
                // The answers are other tests' business; here only that there is one, under
                // sanitizers.
                (void)may_subscribe(who, prefix);
                (void)may_publish(who, prefix, true);
                (void)may_read(who, prefix);
            }
            EXPECT_FALSE(may_publish(kNobody, prefix));
        }
    }
}

TEST(TheGuardsTopic, IsHeardByWhoNeedsItAndSpokenByNobody) {
    EXPECT_TRUE(may_subscribe(kHandlers, "kl/v1/sys/guard/+"));
    EXPECT_TRUE(may_read(kHandlers, "kl/v1/sys/guard/1"));
    EXPECT_FALSE(may_read(kHandlers, "kl/v1/sys/handlers/1"));
    EXPECT_FALSE(may_subscribe(kHandlers, "kl/v1/sys/guard/1"));
    EXPECT_FALSE(may_subscribe(kHandlers, "kl/v1/sys/guard/#"));
    EXPECT_FALSE(may_subscribe(kHandlers, "kl/v1/sys/+/+"));
    EXPECT_FALSE(may_subscribe(kHandlers, "$share/g/kl/v1/sys/guard/+"));
    EXPECT_TRUE(may_subscribe(kBridge, "kl/v1/sys/guard/+"));
    EXPECT_TRUE(may_subscribe(kOperator, "kl/v1/sys/guard/+"));
    EXPECT_FALSE(may_subscribe(kCabinet, "kl/v1/sys/guard/+"));
    EXPECT_FALSE(may_read(kCabinet, "kl/v1/sys/guard/1"));
    for (const Who& who : kEverybody) {
        EXPECT_FALSE(may_publish(who, "kl/v1/sys/guard/1", true)) << who.name;
        EXPECT_FALSE(may_publish(who, "kl/v1/sys/guard/x")) << who.name;
        EXPECT_FALSE(may_publish(who, "kl/v1/sys/guard/")) << who.name;
    }
    EXPECT_TRUE(may_publish(kHandlers, "kl/v1/sys/guardian/1", true)) << "another program";
}

TEST(DeviceName, IsTwoLettersAndFourToEighteenMore) {
    const auto is_name = [](std::string_view name) {
        return kl_is_device_name(name.data(), name.size());
    };
    EXPECT_TRUE(is_name("kc-aaaa"));
    EXPECT_TRUE(is_name("sg-abcdefghijklmnopqr"));
    for (const std::string_view name :
         {"", "kc-", "kc-aaa", "kc-abcdefghijklmnopqrs", "handlers-1", "kc-aaa#", "KC-aaaa"}) {
        EXPECT_FALSE(is_name(name)) << name;
    }
}

}  // namespace
