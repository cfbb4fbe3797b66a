#include "bridge/rest/claim_codes.hpp"

#include <array>
#include <set>

#include <gtest/gtest.h>

#include "bridge/rest/secrets.hpp"

namespace klyuchnik::bridge {
namespace {

struct ClaimCodes : testing::Test {
    bool secrets = (start_secrets(), true);
};

TEST_F(ClaimCodes, AreTwentyLettersInGroupsOfFiveThatCannotBeMisread) {
    for (int i = 0; i < 200; ++i) {
        const std::string code = make_claim_code("token", std::to_string(i));
        ASSERT_EQ(code.size(), 23U) << code;
        for (std::size_t at = 0; at < code.size(); ++at) {
            if (at % 6 == 5) {
                EXPECT_EQ(code[at], '-') << code;
            } else {
                EXPECT_NE(std::string_view{"0123456789ABCDEFGHJKMNPQRSTVWXYZ"}.find(code[at]),
                          std::string_view::npos)
                    << code;
            }
        }
    }
}

TEST_F(ClaimCodes, AreTheSameForTheSameRequestAndForNoOther) {
    EXPECT_EQ(make_claim_code("token", "a"), make_claim_code("token", "a"));
    std::set<std::string> codes;
    for (int i = 0; i < 1000; ++i) codes.insert(make_claim_code("token", std::to_string(i)));
    codes.insert(make_claim_code("other", "1"));
    EXPECT_EQ(codes.size(), 1001U);
}

TEST_F(ClaimCodes, UseEveryLetterInEveryPlace) {
    std::array<std::set<char>, 20> seen;
    for (int i = 0; i < 2000; ++i) {
        const std::string plain = plain_claim_code(make_claim_code("token", std::to_string(i)));
        for (std::size_t at = 0; at < plain.size(); ++at) seen[at].insert(plain[at]);
    }
    for (const auto& letters : seen) EXPECT_EQ(letters.size(), 32U);
}

TEST_F(ClaimCodes, AreComparedAsPeopleTypeThem) {
    EXPECT_EQ(plain_claim_code("7K2MD-09QXT-ZH4RA-M3W8C"), "7K2MD09QXTZH4RAM3W8C");
    EXPECT_EQ(plain_claim_code("7k2md o9qxt zh4ra m3w8c"), "7K2MD09QXTZH4RAM3W8C");
    EXPECT_EQ(plain_claim_code("iIlL"), "1111");
    const std::string code = make_claim_code("token", "x");
    EXPECT_EQ(plain_claim_code(plain_claim_code(code)), plain_claim_code(code));
}

TEST_F(ClaimCodes, MakeASecretOfDeviceAndNonceThatARepeatMakesAgain) {
    const std::string secret = make_device_secret("CODE", "kc-hall1", "0123456789abcdef");
    EXPECT_EQ(secret.size(), 32U);
    EXPECT_EQ(secret.find_first_not_of("0123456789abcdef"), std::string::npos);
    EXPECT_EQ(make_device_secret("CODE", "kc-hall1", "0123456789abcdef"), secret);
    EXPECT_NE(make_device_secret("CODF", "kc-hall1", "0123456789abcdef"), secret);
    EXPECT_NE(make_device_secret("CODE", "kc-hall2", "0123456789abcdef"), secret);
    EXPECT_NE(make_device_secret("CODE", "kc-hall1", "0123456789abcdeg"), secret);
}

TEST_F(ClaimCodes, ANonceIsSixteenToSixtyFourPrintableCharacters) {
    EXPECT_FALSE(is_nonce(std::string(15, 'x')));
    EXPECT_TRUE(is_nonce(std::string(16, 'x')));
    EXPECT_TRUE(is_nonce(std::string(64, '~')));
    EXPECT_FALSE(is_nonce(std::string(65, 'x')));
    EXPECT_FALSE(is_nonce("0123456789 bcdef"));
    EXPECT_FALSE(is_nonce(std::string("0123456789\0bcdef", 16)));
    EXPECT_FALSE(
        is_nonce("0123456789\xd0\x90"
                 "bcdef"));
}

}  // namespace
}  // namespace klyuchnik::bridge
