// What the guard understands: exactly the lines of control.h, whatever bytes come.
#include "broker/guard/control.h"

#include <algorithm>
#include <array>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace {

using std::string_view_literals::operator""sv;

const std::string kHash(64, 'a');
const std::string kOtherHash = "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef";

std::optional<kl_command> parsed(std::string_view line) {
    kl_command command{};
    if (!kl_parse_command(line.data(), line.size(), &command)) return std::nullopt;
    return command;
}

bool is_control(std::string_view payload) {
    return kl_is_control_payload(payload.data(), payload.size());
}

std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> lines;
    const char* at = text.data();
    std::size_t bytes = text.size();
    const char* line = nullptr;
    std::size_t line_bytes = 0;
    while (kl_take_line(&at, &bytes, &line, &line_bytes)) lines.emplace_back(line, line_bytes);
    return lines;
}

TEST(Command, ReadsEveryVerb) {
    const auto kick = parsed("kick kc-aaaa");
    ASSERT_TRUE(kick);
    EXPECT_EQ(kick->verb, KL_KICK);
    EXPECT_STREQ(kick->device, "kc-aaaa");
    const auto drop = parsed("drop sg-abcdefghijklmnopqr");
    ASSERT_TRUE(drop);
    EXPECT_EQ(drop->verb, KL_DROP);
    EXPECT_STREQ(drop->device, "sg-abcdefghijklmnopqr");
    const std::array with_token{std::pair{"begin", KL_BEGIN}, std::pair{"end", KL_END},
                                std::pair{"tell", KL_TELL}};
    for (const auto& [word, verb] : with_token) {
        const auto command = parsed(std::string{word} + " Ab-" + std::string(37, '9'));
        ASSERT_TRUE(command) << word;
        EXPECT_EQ(command->verb, verb);
        EXPECT_EQ(command->token, "Ab-" + std::string(37, '9'));
    }
}

TEST(Command, ReadsOneToFourCredentials) {
    std::string line = "set kc-aaaa";
    for (std::size_t count = 1; count <= KL_CREDENTIALS_MAX; ++count) {
        line += (count % 2 == 0 ? " c:" : " s:") + kOtherHash;
        const auto set = parsed(line);
        ASSERT_TRUE(set) << line;
        EXPECT_EQ(set->verb, KL_SET);
        ASSERT_EQ(set->credential_count, count);
        EXPECT_EQ(set->credentials[count - 1].kind, count % 2 == 0 ? KL_CERTIFICATE : KL_SECRET);
        EXPECT_EQ(set->credentials[count - 1].hash[0], 0x01);
        EXPECT_EQ(set->credentials[count - 1].hash[15], 0xEF) << "digits in either case";
        EXPECT_EQ(set->credentials[count - 1].hash[31], 0xEF);
    }
    EXPECT_FALSE(parsed(line + " s:" + kHash)) << "one too many";
}

TEST(Command, RefusesEverythingElse) {
    const std::string s = " s:" + kHash;
    for (const std::string& line : {
             std::string{},
             std::string{"kick"},
             std::string{"kick "},
             std::string{" kick kc-aaaa"},
             std::string{"kick  kc-aaaa"},
             std::string{"kick kc-aaaa "},
             std::string{"kick kc-aaaa kc-bbbb"},
             std::string{"KICK kc-aaaa"},
             std::string{"kicks kc-aaaa"},
             std::string{"kick handlers-1"},
             std::string{"kick #"},
             std::string{"kick kc-abcdefghijklmnopqrs"},
             std::string{"kick kc-aaaa\r"},
             std::string{"kick kc-aaaa\0", 13},
             std::string{"kick \0kc-aaaa", 13},
             "kick kc-aaaa" + s,
             "drop kc-aaaa" + s,
             std::string{"drop"},
             std::string{"set"},
             std::string{"set kc-aaaa"},
             std::string{"set kc-aaaa "},
             "set kc-aaaa" + s + " ",
             "set kc-aaaa " + s,
             "set kc-aaaa x:" + kHash,
             "set kc-aaaa S:" + kHash,
             "set kc-aaaa s" + kHash,
             "set kc-aaaa s:" + kHash.substr(1),
             "set kc-aaaa s:" + kHash + "a",
             "set kc-aaaa s:" + kHash.substr(1) + "g",
             "set kc-aaaa s:" + kHash.substr(1) + " ",
             "set handlers-1" + s,
             "set" + s,
             std::string{"begin"},
             std::string{"begin "},
             std::string{"begin a b"},
             std::string{"begin a_b"},
             "begin " + std::string(41, 'a'),
             std::string{"end a\0", 6},
             std::string{"tell \xC3\xA9"},
             std::string{"ban kc-aaaa"},
             "kick " + std::string(100'000, 'a'),
         }) {
        EXPECT_FALSE(parsed(line)) << line.substr(0, 80);
    }
    kl_command command{};
    EXPECT_FALSE(kl_parse_command(nullptr, 0, &command));
}

TEST(Payload, IsLinesAndOneBadLineSpoilsIt) {
    EXPECT_TRUE(is_control("kick kc-aaaa"));
    EXPECT_TRUE(is_control("kick kc-aaaa\n"));
    EXPECT_TRUE(is_control("begin 1\nset kc-aaaa s:" + kHash + "\nend 1\ntell 1\n"));
    for (const std::string_view payload :
         {""sv, "\n"sv, "kick kc-aaaa\n\n"sv, "\nkick kc-aaaa"sv, "kick kc-aaaa\r\nkick kc-bbbb"sv,
          "kick kc-aaaa\nban kc-bbbb\nkick kc-cccc"sv, "kick kc-aaaa\n\0"sv}) {
        EXPECT_FALSE(is_control(payload)) << payload;
    }
    EXPECT_FALSE(kl_is_control_payload(nullptr, 0));
}

TEST(Lines, AreTakenOneByOneAndTheLastMayLackItsEnd) {
    EXPECT_EQ(lines_of("a\nb"), (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(lines_of("a\nb\n"), (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(lines_of("\n\n"), (std::vector<std::string>{"", ""}));
    EXPECT_TRUE(lines_of("").empty());
}

TEST(MalformedLine, NamesTheDeviceThatItWouldHaveChanged) {
    std::array<char, KL_DEVICE_NAME_MAX + 1> device{};
    const auto named = [&](std::string_view line) {
        return kl_device_of_malformed(line.data(), line.size(), device.data())
                   ? std::string{device.data()}
                   : std::string{};
    };
    EXPECT_EQ(named("set kc-aaaa s:12"), "kc-aaaa");
    EXPECT_EQ(named("drop kc-aaaa and more"), "kc-aaaa");
    EXPECT_EQ(named("set kc-aaaa"), "kc-aaaa");
    EXPECT_EQ(named("set kc-aa"), "");
    EXPECT_EQ(named("kick kc-aaaa x"), "");
    EXPECT_EQ(named("ste kc-aaaa s:12"), "");
    EXPECT_EQ(named(""), "");
}

TEST(SetLine, IsReadAsItWasWritten) {
    kl_device device{};
    const std::string_view name = "sg-abcdefghijklmnopqr";
    std::copy(name.begin(), name.end(), device.name);
    for (std::uint8_t count = 1; count <= KL_CREDENTIALS_MAX; ++count) {
        kl_credential& added = device.credentials[count - 1];
        added.kind = count % 2 == 0 ? KL_CERTIFICATE : KL_SECRET;
        for (std::size_t i = 0; i < KL_HASH_BYTES; ++i) {
            added.hash[i] = static_cast<std::uint8_t>(i * 8 + count);
        }
        device.credential_count = count;
        std::array<char, KL_LINE_MAX> line{};
        const std::size_t bytes = kl_format_set(line.data(), &device);
        EXPECT_EQ(bytes, kl_set_line_bytes(name.size(), count));
        ASSERT_LE(bytes, line.size());
        ASSERT_EQ(line[bytes - 1], '\n');
        const auto read = parsed({line.data(), bytes - 1});
        ASSERT_TRUE(read);
        EXPECT_EQ(read->device, name);
        ASSERT_EQ(read->credential_count, count);
        for (std::size_t i = 0; i < count; ++i) {
            EXPECT_EQ(read->credentials[i].kind, device.credentials[i].kind);
            EXPECT_TRUE(std::ranges::equal(read->credentials[i].hash, device.credentials[i].hash));
        }
    }
}

/// Bytes are copied to a block of exactly their size, so that a sanitizer sees one read too far.
TEST(Control, SurvivesRandomBytesAndMutations) {
    constexpr int kRounds = 200'000;
    std::mt19937 random{20211};
    const std::vector<std::string> seeds{"kick kc-aaaa",
                                         "drop sg-bbbbbb",
                                         "set kc-aaaa s:" + kHash + " c:" + kOtherHash,
                                         "begin token-1",
                                         "end token-1",
                                         "tell t",
                                         "set kc-aaaa s:" + kHash + "\nend 1\nkick kc-bbbb\n"};
    const auto below = [&](std::size_t end) {
        return std::uniform_int_distribution<std::size_t>{0, end - 1}(random);
    };
    int understood = 0;
    for (int round = 0; round < kRounds; ++round) {
        std::string text = seeds[below(seeds.size())];
        for (std::size_t changes = below(4); changes > 0; --changes) {
            const std::size_t at = below(text.size() + 1);
            switch (below(4)) {
                case 0:
                    text.insert(at, 1, static_cast<char>(below(256)));
                    break;
                case 1:
                    if (at < text.size()) text[at] = static_cast<char>(below(256));
                    break;
                case 2:
                    text.resize(at);
                    break;
                default:
                    text += seeds[below(seeds.size())];
                    break;
            }
        }
        const std::vector<char> exact{text.begin(), text.end()};
        const bool whole = kl_is_control_payload(exact.data(), exact.size());
        bool every = !exact.empty();
        for (const std::string& line : lines_of(text)) {
            const std::vector<char> exact_line{line.begin(), line.end()};
            kl_command command{};
            if (!kl_parse_command(exact_line.data(), exact_line.size(), &command)) {
                every = false;
                std::array<char, KL_DEVICE_NAME_MAX + 1> device{};
                (void)kl_device_of_malformed(exact_line.data(), exact_line.size(), device.data());
                continue;
            }
            EXPECT_LE(command.credential_count, std::size_t{KL_CREDENTIALS_MAX});
            EXPECT_EQ(command.credential_count > 0, command.verb == KL_SET);
            if (command.device[0] != '\0') {
                const std::string_view device{command.device};
                EXPECT_TRUE(kl_is_device_name(device.data(), device.size()));
            }
        }
        EXPECT_EQ(whole, every) << text;
        understood += whole ? 1 : 0;
    }
    EXPECT_GT(understood, kRounds / 10) << "the seeds themselves at least";
    EXPECT_LT(understood, kRounds);
}

}  // namespace
