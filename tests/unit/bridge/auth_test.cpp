#include "bridge/rest/auth.hpp"

#include <gtest/gtest.h>

#include "bridge/rest/passwords.hpp"
#include "bridge/rest/problem.hpp"
#include "bridge/rest/secrets.hpp"

namespace klyuchnik::bridge {
namespace {

Request post(std::vector<std::pair<std::string, std::string>> headers) {
    Request request;
    request.method = "POST";
    request.headers = std::move(headers);
    return request;
}

bool is_own_page(const Request& request) {
    try {
        require_own_page(request);
        return true;
    } catch (const Problem& problem) {
        EXPECT_EQ(problem.status, 403);
        return false;
    }
}

TEST(Cookie, IsFoundAmongOthersByItsWholeName) {
    const Request request =
        post({{"cookie", "a=1; xklyuchnik_session=no;klyuchnik_session=yes; b=2"}});
    EXPECT_EQ(cookie(request, "klyuchnik_session"), "yes");
    EXPECT_EQ(cookie(request, "b"), "2");
    EXPECT_EQ(cookie(request, "c"), "");
    EXPECT_EQ(cookie(post({}), "a"), "");
}

TEST(OwnPage, AChangeByCookieNeedsOurHeaderAndOurOrigin) {
    EXPECT_FALSE(is_own_page(post({})));
    EXPECT_FALSE(is_own_page(post({{"x-klyuchnik", "0"}})));
    EXPECT_TRUE(is_own_page(post({{"x-klyuchnik", "1"}})));
    EXPECT_TRUE(is_own_page(
        post({{"x-klyuchnik", "1"}, {"host", "kl.local"}, {"origin", "https://kl.local"}})));
    EXPECT_FALSE(is_own_page(
        post({{"x-klyuchnik", "1"}, {"host", "kl.local"}, {"origin", "https://evil.local"}})));
    EXPECT_FALSE(
        is_own_page(post({{"x-klyuchnik", "1"}, {"host", "kl.local"}, {"origin", "null"}})));
}

TEST(OwnPage, LookingNeedsNothing) {
    Request request;
    request.method = "GET";
    EXPECT_TRUE(is_own_page(request));
}

TEST(Secrets, AreLongRandomAndDifferentEachTime) {
    start_secrets();
    EXPECT_EQ(random_token(32).size(), 43U);
    EXPECT_NE(random_token(32), random_token(32));
    EXPECT_EQ(random_hex(16).size(), 32U);
}

TEST(Secrets, HashesAreTheStandardOnes) {
    EXPECT_EQ(sha256_hex("abc"),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    // RFC 4231, test case 2.
    EXPECT_EQ(hmac_hex("Jefe", "what do ya want for nothing?", 32),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    EXPECT_EQ(hmac_hex("Jefe", "what do ya want for nothing?", 16),
              "5bdcc146bf60754e6a042426089575c7");
}

TEST(Secrets, EncodingsAreReadBackAndGarbageIsNot) {
    const std::string bytes{"\x00\xff\xfe plain", 9};
    EXPECT_EQ(from_base64url(base64url(bytes)), bytes);
    EXPECT_EQ(from_base64("a2MtaGFsbDE6c2VjcmV0"), "kc-hall1:secret");
    EXPECT_FALSE(from_base64("!!"));
    EXPECT_FALSE(from_base64url("a+b/"));
}

TEST(Passwords, NobodyHasNoPassword) {
    start_secrets();
    Passwords passwords;
    EXPECT_EQ(passwords.check(std::nullopt, ""), false);
    EXPECT_EQ(passwords.check("$argon2id$garbage", "x"), false);
}

}  // namespace
}  // namespace klyuchnik::bridge
