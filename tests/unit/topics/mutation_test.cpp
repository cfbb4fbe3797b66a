#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/topics/golden.hpp"
#include "topics/codec.hpp"
#include "topics/limits.hpp"
#include "topics/names.hpp"

namespace klyuchnik::test {
namespace {

constexpr int kMutations = 20'000;
// The same payloads in every run: a failure is a failure for everybody.
constexpr std::uint32_t kSeed = 20'251'121;

class Mutator {
 public:
    explicit Mutator(std::uint32_t seed) : random_{seed} {
        for (const auto& [name, bytes] : golden()) corpus_.push_back(bytes);
        for (const BadExample& bad : bad_examples()) corpus_.push_back(bad.payload);
    }

    std::string next() {
        std::string bytes = any_payload();
        for (std::size_t rounds = 1 + below(3); rounds > 0; --rounds) mutate(bytes);
        return bytes;
    }
    std::size_t below(std::size_t limit) { return limit == 0 ? 0 : random_() % limit; }

 private:
    const std::string& any_payload() { return corpus_[below(corpus_.size())]; }

    void mutate(std::string& bytes) {
        static const std::vector<std::string> kInteresting{"0",
                                                           "-1",
                                                           "-0",
                                                           "1e3",
                                                           "1.5",
                                                           "9007199254740992",
                                                           "18446744073709551616",
                                                           "null",
                                                           "true",
                                                           "\"\"",
                                                           "[]",
                                                           "{}",
                                                           "[[[[[[[[[",
                                                           "{\"a\":",
                                                           "\\u0000",
                                                           "\\ud800",
                                                           "\xC3",
                                                           "\xEF\xBB\xBF",
                                                           "\"o\":\"3:4\",",
                                                           "\"v\":1,",
                                                           ",",
                                                           ":"};
        const std::size_t at = below(bytes.size() + 1);
        switch (below(6)) {
            case 0:  // One bit.
                if (at < bytes.size()) {
                    const unsigned flipped =
                        static_cast<unsigned char>(bytes[at]) ^ (1U << below(8));
                    bytes[at] = static_cast<char>(static_cast<unsigned char>(flipped));
                }
                break;
            case 1:
                bytes.resize(at);
                break;
            case 2:
                bytes.erase(at, below(12));
                break;
            case 3:
                bytes.insert(at, kInteresting[below(kInteresting.size())]);
                break;
            case 4: {  // The head of one and the tail of another.
                const std::string& other = any_payload();
                bytes = bytes.substr(0, at) + other.substr(below(other.size() + 1));
                break;
            }
            default: {  // A piece of it twice.
                const std::string piece = bytes.substr(at, below(40));
                bytes.insert(below(bytes.size() + 1), piece);
            }
        }
    }

    std::mt19937 random_;
    std::vector<std::string> corpus_;
};

bool is_plain(const std::string& text) {
    return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c <= 0x7E; });
}

}  // namespace

TEST(Mutations, EachIsReadOrRefusedWithAPrintableReasonThatFitsAnAck) {
    Mutator mutator{kSeed};
    int read = 0;
    int refused = 0;
    for (int i = 0; i < kMutations; ++i) {
        const std::string payload = mutator.next();
        for (const std::string& decoder : decoder_names()) {
            const auto answer = reencoded(decoder, payload);
            if (answer) {
                ++read;
                // What was read and written is a fixed point: nothing is lost or invented by
                // reading.
                const auto again = reencoded(decoder, *answer);
                ASSERT_TRUE(again)
                    << decoder << " " << payload << "\nwritten as " << *answer << "\n"
                    << again.error().text();
                ASSERT_EQ(*again, *answer) << decoder << " " << payload;
                continue;
            }
            ++refused;
            const std::string text = answer.error().text();
            ASSERT_FALSE(answer.error().why.empty()) << decoder << " " << payload;
            ASSERT_TRUE(is_plain(text)) << decoder << " " << payload << "\n" << text;
            ASSERT_LE(text.size(), static_cast<std::size_t>(topics::limits::kNoteCharsMax))
                << decoder << " " << payload << "\n"
                << text;
        }
        const topics::Envelope found = topics::salvage(payload);
        if (found.cn) {
            ASSERT_GE(found.cn->value, 0);
            ASSERT_LE(found.cn->value, topics::limits::kConnectionMax);
        }
        ASSERT_EQ(found.ask_id.find('\0'), std::string::npos);
    }
    // Both happened often, or the mutations prove nothing.
    EXPECT_GT(read, kMutations / 20);
    EXPECT_GT(refused, kMutations);
}

TEST(Mutations, OfTopicsAreParsedToWhatBuildsTheSameTopicOrAreForeign) {
    Mutator mutator{kSeed};
    const auto hall = topics::DeviceId::parse("kc-hall1");
    ASSERT_TRUE(hall);
    const std::string seeds[] = {topics::device_topic(*hall, topics::Level::facts),
                                 topics::device_topic(*hall, topics::Level::state),
                                 topics::ask_topic("keys", "issue_key", "bridge-1"),
                                 topics::ask_answer_topic("bridge-1"),
                                 topics::event_topic("keys", "key_taken")};
    for (int i = 0; i < kMutations; ++i) {
        std::string topic = seeds[mutator.below(std::size(seeds))];
        const std::string& other = seeds[mutator.below(std::size(seeds))];
        topic = topic.substr(0, mutator.below(topic.size() + 1)) +
                other.substr(mutator.below(other.size() + 1));
        const auto parsed = topics::parse_topic(topic);
        if (const auto* device = std::get_if<topics::DeviceTopic>(&parsed)) {
            EXPECT_EQ(topics::device_topic(device->device, device->level), topic);
        } else if (const auto* ask = std::get_if<topics::AskTopic>(&parsed)) {
            EXPECT_EQ(topics::ask_topic(ask->domain, ask->name, ask->client), topic);
        } else if (const auto* answer = std::get_if<topics::AskAnswerTopic>(&parsed)) {
            EXPECT_EQ(topics::ask_answer_topic(answer->client), topic);
        } else if (const auto* event = std::get_if<topics::EventTopic>(&parsed)) {
            EXPECT_EQ(topics::event_topic(event->domain, event->type), topic);
        }
    }
}

}  // namespace klyuchnik::test
