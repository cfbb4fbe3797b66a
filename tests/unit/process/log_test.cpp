#include "process/log.hpp"

#include <algorithm>
#include <chrono>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace klyuchnik::process {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

/// Lines that `write` logs under `settings`.
template <class Write>
std::vector<std::string> logged(const LogSettings& settings, const Write& write) {
    testing::internal::CaptureStderr();
    start_log(settings);
    write();
    stop_log();
    std::istringstream captured{testing::internal::GetCapturedStderr()};
    std::vector<std::string> lines;
    for (std::string line; std::getline(captured, line);) lines.push_back(line);
    return lines;
}

const std::string kHostile = std::string{"a\r\nfake line\x1b[2J\t\"quoted\\\""} + '\0' +
                             "\x7f\xff\xc2\x85" + "\u2028\u202e" + "\xc0\xaf" + "ключ";

TEST(Log, OneEventIsOneLineOfTextWhateverItHolds) {
    const auto lines =
        logged({false, "info", "klyuchnik-test"}, [] { log::warn("got {}", kHostile); });
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_NE(lines[0].find(
                  "warn  klyuchnik-test: got a\\r\\nfake line\\x1b[2J\\t\"quoted\\\"\\x00\\x7f\\xff"
                  "\\x85\\u2028\\u202e\\xc0\\xafключ"),
              std::string::npos)
        << lines[0];
}

TEST(Log, JsonLinesParseAndKeepTheMessage) {
    const auto lines = logged({true, "info", "klyuchnik-test"}, [] {
        log::error("got {}", kHostile);
        log::info("plain {}", 7);
    });
    ASSERT_EQ(lines.size(), 2U);
    const json first = json::parse(lines[0]);
    EXPECT_EQ(first.at("level"), "error");
    EXPECT_EQ(first.at("program"), "klyuchnik-test");
    const auto message = first.at("message").get<std::string>();
    EXPECT_EQ(message.substr(0, 30),
              std::string{"got a\r\nfake line\x1b[2J\t\"quoted\\\""}.substr(0, 30));
    EXPECT_NE(message.find(std::string{'\0'}), std::string::npos);
    EXPECT_NE(message.find("\ufffd"), std::string::npos)
        << "bytes that are not UTF-8 become the replacement";
    EXPECT_TRUE(
        std::all_of(lines[0].begin(), lines[0].end(), [](char c) { return c < 0 || c >= 0x20; }));
    EXPECT_EQ(json::parse(lines[1]).at("message"), "plain 7");
    EXPECT_EQ(json::parse(lines[1]).at("time").get<std::string>().size(), 24U);
}

TEST(Log, LevelsBelowTheChosenOneAreNotWritten) {
    const auto lines = logged({false, "warn", ""}, [] {
        EXPECT_FALSE(log::enabled(log::Level::info));
        log::debug("no");
        log::info("no");
        log::warn("yes");
        log::error("yes");
    });
    EXPECT_EQ(lines.size(), 2U);
    EXPECT_TRUE(logged({false, "off", ""}, [] { log::error("no"); }).empty());
    EXPECT_THROW(start_log({false, "loud", ""}), std::invalid_argument);
}

TEST(Log, LongMessagesAreCutAndSaySo) {
    const auto lines =
        logged({true, "info", ""}, [] { log::info("{}", std::string(100'000, 'x')); });
    ASSERT_EQ(lines.size(), 1U);
    const auto message = json::parse(lines[0]).at("message").get<std::string>();
    EXPECT_LT(message.size(), kLogMessageMax + 100);
    EXPECT_TRUE(message.ends_with("(91808 bytes more)")) << message.substr(kLogMessageMax);
}

TEST(Log, AMessageCutInTheMiddleOfALetterIsStillOneGoodLine) {
    const auto lines = logged({true, "info", ""}, [] {
        log::info("x{}", std::string(kLogMessageMax - 2, 'x') + "ключ");
    });
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_TRUE(json::accept(lines[0]));
}

TEST(Log, AFloodOfOneKindIsHeldBackAndCounted) {
    const auto lines = logged({false, "info", ""}, [] {
        for (int i = 0; i < 1000; ++i) log::warn_every("flood", 1h, "bad batch {}", i);
        log::warn_every("other", 1h, "another kind");
        for (int i = 0; i < 3; ++i) log::warn_every("free", 0ms, "not limited");
    });
    EXPECT_EQ(lines.size(), 5U);
    EXPECT_EQ(log::detail::admit("counted", 0ms), 0);
    EXPECT_EQ(log::detail::admit("held", 1h), 0);
    EXPECT_EQ(log::detail::admit("held", 1h), -1);
}

TEST(Log, ManyKeysOfAFloodUseBoundedMemoryAndStayLimited) {
    const auto lines = logged({false, "info", ""}, [] {
        for (int i = 0; i < 100'000; ++i)
            log::warn_every("device-" + std::to_string(i), 1h, "flood");
    });
    EXPECT_LE(lines.size(), kWarnKeysMax);
    EXPECT_GE(lines.size(), 100U);
}

TEST(Log, BeforeTheStartLinesAreWrittenAtOnce) {
    testing::internal::CaptureStderr();
    log::error("early {}", "\n");
    const std::string captured = testing::internal::GetCapturedStderr();
    EXPECT_TRUE(captured.ends_with("error early \\n\n")) << captured;
}

TEST(Log, NothingIsLostWhileTheQueueHasRoom) {
    const auto lines = logged({false, "info", ""}, [] {
        for (std::size_t i = 0; i < kLogQueueMax / 2; ++i) log::info("line {}", i);
    });
    EXPECT_EQ(lines.size(), kLogQueueMax / 2);
    EXPECT_TRUE(lines.back().ends_with("line 4095"));
}

}  // namespace
}  // namespace klyuchnik::process
