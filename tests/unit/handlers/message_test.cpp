// From bytes to messages, and what is answered when that fails: no services.
#include "handlers/runtime/message.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "topics/codec.hpp"
#include "topics/limits.hpp"

namespace klyuchnik::handlers {
namespace {

using testing::HasSubstr;

constexpr std::int64_t kNow = 1'800'000'000;

Unreadable unreadable(const std::string& topic, const std::string& payload, bool retained = false) {
    auto result = read_message({topic, payload, retained}, kNow);
    EXPECT_TRUE(std::holds_alternative<Unreadable>(result)) << payload;
    return std::get<Unreadable>(result);
}

TEST(ReadMessage, TakesTheDeviceFromTheTopic) {
    auto result =
        read_message({"kl/v1/kc/kc-hall1/up/rq",
                      R"({"v":1,"cn":7,"r":1,"k":"time","d":{"device":"kc-other"}})", false},
                     kNow);
    ASSERT_TRUE(std::holds_alternative<Message>(result));
    EXPECT_EQ(std::get<Message>(result).device.text(), "kc-hall1");
}
TEST(ReadMessage, TellsADeviceWhatIsWrongWithItsBatchAndWhere) {
    const Unreadable bad = unreadable(
        "kl/v1/kc/kc-hall1/up/ev",
        R"({"v":1,"cn":7,"ep":1,"lo":1,"s":1,"e":[{"t":1800000000,"k":"key.taken","d":{"sl":0}}]})");
    ASSERT_TRUE(bad.answer);
    EXPECT_EQ(bad.answer->topic, "kl/v1/kc/kc-hall1/dn/ak");
    const auto ack = topics::decode_ack(bad.answer->payload);
    ASSERT_TRUE(ack);
    EXPECT_EQ(ack->error, topics::AckError::bad);
    EXPECT_EQ(ack->cn.value, 7);
    EXPECT_THAT(*ack->detail, HasSubstr("e[0].d.sl"));
}
TEST(ReadMessage, SaysNothingToABatchThatDoesNotSayWhoseItIs) {
    EXPECT_FALSE(unreadable("kl/v1/kc/kc-hall1/up/ev", "not json").answer);
    EXPECT_FALSE(unreadable("kl/v1/kc/kc-hall1/up/ev", "").answer);
}
TEST(ReadMessage, RefusesARequestItCanNotReadUnderItsNumber) {
    const Unreadable bad = unreadable("kl/v1/kc/kc-hall1/up/rq",
                                      R"({"v":1,"cn":7,"r":17,"k":"key.request","d":{"cd":5}})");
    ASSERT_TRUE(bad.answer);
    const auto answer = topics::decode_request_answer(bad.answer->payload);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->number, 17);
    EXPECT_EQ(answer->rc, 400);
}
TEST(ReadMessage, RefusesAnAskItCanNotReadUnderItsId) {
    const Unreadable bad = unreadable("kl/v1/ask/keys/issue_key/bridge-1",
                                      R"({"v":1,"id":"a1","x":1,"by":{},"d":{}})");
    ASSERT_TRUE(bad.answer);
    EXPECT_EQ(bad.answer->topic, "kl/v1/re/bridge-1");
    const auto answer = topics::decode_ask_answer(bad.answer->payload);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->rc, 400);
    EXPECT_EQ(answer->code, "malformed");
}
TEST(ReadMessage, TakesNothingRetainedButState) {
    EXPECT_EQ(
        unreadable("kl/v1/kc/kc-hall1/up/rq", R"({"v":1,"cn":7,"r":1,"k":"time"})", true).kind,
        "retained");
    EXPECT_TRUE(std::holds_alternative<Message>(
        read_message({"kl/v1/kc/kc-hall1/st", R"({"v":1,"on":0,"cn":7})", true}, kNow)));
}
TEST(ReadMessage, KnowsNoTopicButOurs) {
    EXPECT_EQ(unreadable("kl/v1/sg/kc-hall1/up/ev", "{}").kind, "foreign");
    EXPECT_EQ(unreadable("kl/v1/kc/kc-hall1/dn/ak", "{}").kind, "foreign");
    EXPECT_EQ(unreadable("other", "{}").kind, "foreign");
}

TEST(AskAnswer, CutsALongDetailWithoutBreakingItsLetters) {
    std::string detail;
    for (int i = 0; i < 400; ++i) detail += "ж";
    const std::string bytes = ask_answer("a1", topics::Refusal{topics::Code::invalid, detail});
    const auto answer = topics::decode_ask_answer(bytes);
    ASSERT_TRUE(answer) << answer.error().text();
    EXPECT_EQ(answer->rc, 422);
}

TEST(OneByOne, GivesEveryFactItsOwnNumberAndTheSameLo) {
    topics::FactBatch batch;
    batch.first.value = 11;
    batch.lo.value = 9;
    batch.facts.resize(3);
    const auto singles = one_by_one({FactsMessage{batch}, *topics::DeviceId::parse("kc-hall1")});
    ASSERT_EQ(singles.size(), 3U);
    const auto& last = std::get<FactsMessage>(singles[2].body).batch;
    EXPECT_EQ(last.first.value, 13);
    EXPECT_EQ(last.lo.value, 9);
    EXPECT_EQ(last.facts.size(), 1U);
}

TEST(ReadMessage, AChunkIsTakenAndADamagedOneIsAnsweredByNobody) {
    topics::Chunk chunk;
    chunk.total = 1;
    chunk.bytes = "abc";
    std::string payload = topics::encode(chunk);
    const auto result = read_message({"kl/v1/kc/kc-hall1/up/ch", payload, false}, kNow);
    ASSERT_TRUE(std::holds_alternative<Message>(result));
    const Message& message = std::get<Message>(result);
    EXPECT_EQ(message.device.text(), "kc-hall1");
    EXPECT_EQ(std::get<ChunkMessage>(message.body).chunk.bytes, "abc");
    payload.back() = 'd';
    const Unreadable bad = unreadable("kl/v1/kc/kc-hall1/up/ch", payload);
    EXPECT_EQ(bad.kind, "chunk");
    EXPECT_FALSE(bad.answer);
    EXPECT_EQ(unreadable("kl/v1/kc/kc-hall1/up/ch", topics::encode(chunk), true).kind, "retained");
}

}  // namespace
}  // namespace klyuchnik::handlers
