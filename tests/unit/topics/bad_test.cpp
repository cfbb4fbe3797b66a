#include <filesystem>
#include <set>

#include <gtest/gtest.h>

#include "tests/unit/topics/golden.hpp"
#include "topics/limits.hpp"

namespace klyuchnik::test {

TEST(BadExamples, EachIsRefusedWithThePathAndWhatWasExpectedThere) {
    for (const BadExample& bad : bad_examples()) {
        const auto answer = reencoded(bad.read_as, bad.payload);
        ASSERT_FALSE(answer) << bad.name << " was read as " << *answer;
        EXPECT_EQ(answer.error().text(), bad.expected) << bad.name;
    }
}

TEST(BadExamples, EveryFileIsInTheTable) {
    std::set<std::string> in_table{"expected.tsv"};
    for (const BadExample& bad : bad_examples()) in_table.insert(bad.name + ".json");
    for (const auto& entry :
         std::filesystem::directory_iterator{std::string{KLYUCHNIK_TOPICS_DIR} + "/golden/bad"}) {
        EXPECT_TRUE(in_table.contains(entry.path().filename())) << entry.path();
    }
}

TEST(BadExamples, EveryDecoderHasSome) {
    std::set<std::string> seen;
    for (const BadExample& bad : bad_examples()) {
        seen.insert(bad.read_as.substr(0, bad.read_as.find(':')));
    }
    EXPECT_EQ(seen, (std::set<std::string>{"state", "facts", "ack", "heartbeat", "request",
                                           "answer", "command", "ask", "ask_answer"}));
}

}  // namespace klyuchnik::test
