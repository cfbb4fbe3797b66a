// Who may ask what, as a table over every ask: no services.
#include "handlers/runtime/work.hpp"

#include <gtest/gtest.h>

#include "topics/catalogue.hpp"
#include "topics/codec.hpp"

namespace klyuchnik::handlers {
namespace {

using namespace topics;

const std::vector<AskBody> kEveryAsk{
    AddPerson{},    DeactivatePerson{}, OpenSession{},      CloseSession{}, AddDevice{},
    IssueClaim{},   ClaimDevice{},      RotateCredential{}, RevokeDevice{}, SwapDevice{},
    ChangeDevice{}, SendCommand{},      AcknowledgeAlarm{}, SnoozeAlarm{},  ResolveAlarm{},
    RetryLetter{},  DiscardLetter{},    AddBlobPart{},      AddFirmware{},  StartRollout{},
    StopRollout{},  AddKey{},           GrantRight{},       RevokeRight{},  SetRights{},
    IssueKey{},     ReturnKey{}};

TEST(MayAsk, TheTableBelowHasEveryAsk) {
    EXPECT_EQ(kEveryAsk.size(), ask_fields().size());
}

TEST(MayAsk, AnAdministratorMayAskEverythingButWhatIsAnothersOwn) {
    const Caller caller{"account:1", Via::session};
    for (const AskBody& body : kEveryAsk) {
        const bool anothers = std::holds_alternative<OpenSession>(body) ||
                              std::holds_alternative<ClaimDevice>(body) ||
                              std::holds_alternative<RotateCredential>(body);
        EXPECT_EQ(may_ask("admin", body, caller), !anothers) << name_of(body);
    }
    EXPECT_TRUE(may_ask("admin", OpenSession{AccountId{1}, "", 60}, caller));
    EXPECT_FALSE(may_ask("admin", OpenSession{AccountId{2}, "", 60}, caller));
}
TEST(MayAsk, ADeviceGivesKeysOutAndTakesThemBackAndNothingElse) {
    for (const char* role : {"device", "trusted-network"}) {
        for (const AskBody& body : kEveryAsk) {
            const bool key =
                std::holds_alternative<IssueKey>(body) || std::holds_alternative<ReturnKey>(body);
            EXPECT_EQ(may_ask(role, body, {"kc-hall1", Via::legacy}), key) << name_of(body);
            EXPECT_FALSE(may_ask(role, body, {"kc-hall1", Via::token})) << name_of(body);
        }
    }
}
TEST(MayAsk, ADeviceReplacesItsOwnCredentialOnly) {
    RotateCredential rotate;
    rotate.device = *DeviceId::parse("kc-hall1");
    EXPECT_TRUE(may_ask("device", rotate, {"kc-hall1", Via::legacy}));
    EXPECT_FALSE(may_ask("device", rotate, {"kc-hall2", Via::legacy}));
    EXPECT_FALSE(may_ask("trusted-network", rotate, {"trusted-network", Via::legacy}));
    EXPECT_FALSE(may_ask("claim", rotate, {"claim", Via::legacy}));
}
TEST(MayAsk, WhoeverHasNothingButACodeMayShowItAndNothingElse) {
    for (const AskBody& body : kEveryAsk) {
        EXPECT_EQ(may_ask("claim", body, {"claim", Via::legacy}),
                  std::holds_alternative<ClaimDevice>(body))
            << name_of(body);
    }
}
TEST(MayAsk, SomebodyUnknownMayAskNothing) {
    for (const AskBody& body : kEveryAsk) {
        if (std::holds_alternative<OpenSession>(body))
            continue;  // Refused earlier: no such account.
        EXPECT_FALSE(may_ask("", body, {"account:9", Via::session})) << name_of(body);
    }
}

}  // namespace
}  // namespace klyuchnik::handlers
