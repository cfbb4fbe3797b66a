// broker/certificates, and a broker that uses what it makes.
#include "tests/support/certificates.hpp"

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/process.hpp"
#include "tests/support/test_broker.hpp"

namespace klyuchnik::test {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string openssl(std::vector<std::string> words) {
    words.insert(words.begin(), "/usr/bin/openssl");
    return output_of({std::move(words), {}, {}});
}

/// A request with a key of its own.
std::string request(const Certificates& certificates, const std::vector<std::string>& key,
                    const std::vector<std::string>& more = {}) {
    const std::string file = certificates.file("request.csr");
    std::vector<std::string> words{"req",  "-new", "-nodes", "-keyout",       file + ".key",
                                   "-out", file,   "-subj",  "/CN=handlers-1"};
    words.insert(words.end(), key.begin(), key.end());
    words.insert(words.end(), more.begin(), more.end());
    openssl(words);
    return file;
}

const std::vector<std::string> kP256{"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"};

std::string refusal(const Certificates& certificates, const std::vector<std::string>& words) {
    try {
        return "not refused: " + certificates.run(words);
    } catch (const std::runtime_error& error) {
        return error.what();
    }
}

TEST(Certificates, MakeKeepsWhatIsThereAndANewNameMakesNewOnes) {
    const Certificates certificates;
    const auto all = [&] {
        std::string text;
        for (const char* name : {"device-ca.crt", "service-ca.crt", "server.key", "server.crt"}) {
            text += contents_of(certificates.file(name));
        }
        return text;
    };
    const std::string before = all();
    certificates.run({"make"});
    EXPECT_EQ(all(), before);
    const std::string authority = contents_of(certificates.file("service-ca.crt"));
    certificates.run({"make", "--name", "klyuchnik.example", "--name", "192.168.1.7"});
    EXPECT_NE(all(), before);
    EXPECT_EQ(contents_of(certificates.file("service-ca.crt")), authority);
    const std::string shown = certificates.run({"show"});
    EXPECT_THAT(shown, HasSubstr("DNS:klyuchnik.example, IP Address:192.168.1.7"));
    EXPECT_THAT(shown, HasSubstr("DNS:localhost"));
}

TEST(Certificates, ANameWhoseCertificateCouldNotBeMadeIsMadeUpForByTheNextCall) {
    const Certificates certificates;
    const std::string key = certificates.file("service-ca.key");
    std::filesystem::rename(key, key + ".away");
    EXPECT_THAT(refusal(certificates, {"make", "--name", "later.example"}),
                HasSubstr("no service-ca.key"));
    std::filesystem::rename(key + ".away", key);
    certificates.run({"make", "--name", "later.example"});
    EXPECT_THAT(certificates.run({"show"}), HasSubstr("DNS:later.example"));
    EXPECT_THAT(contents_of(certificates.file("names")), HasSubstr("later.example"));
}

TEST(Certificates, NamesThatAreNoneAreRefusedAndNothingChanges) {
    const Certificates certificates;
    const std::string before = contents_of(certificates.file("names"));
    for (const char* name : {"a b", "-x", "1.2", "999.1.1.1", "a;b", "x,DNS:evil", "a..b"}) {
        EXPECT_THAT(refusal(certificates, {"make", "--name", name}), HasSubstr("not a")) << name;
    }
    EXPECT_EQ(contents_of(certificates.file("names")), before);
}

TEST(Certificates, PrivateKeysAreReadableByTheirOwnerOnly) {
    using std::filesystem::perms;
    const Certificates certificates;
    for (const char* name : {"device-ca.key", "service-ca.key", "http.key"}) {
        EXPECT_EQ(std::filesystem::status(certificates.file(name)).permissions(),
                  perms::owner_read | perms::owner_write)
            << name;
    }
    EXPECT_EQ(std::filesystem::status(certificates.file("server.key")).permissions() &
                  (perms::others_all | perms::group_write),
              perms::none);
}

TEST(Certificates, ADevicesRequestGivesItsKeyAndNothingElse) {
    const Certificates certificates;
    const std::string csr =
        request(certificates, kP256,
                {"-addext", "basicConstraints=CA:TRUE", "-addext", "subjectAltName=DNS:localhost"});
    const std::string file = certificates.file("device.crt");
    std::ofstream{file} << certificates.run({"sign-device", "kc-hall1", csr});
    const std::string text = openssl({"x509", "-in", file, "-noout", "-text"});
    EXPECT_THAT(text, HasSubstr("Subject: CN = kc-hall1\n"));
    EXPECT_THAT(text, HasSubstr("CA:FALSE"));
    EXPECT_THAT(text, HasSubstr("TLS Web Client Authentication"));
    EXPECT_THAT(text, Not(HasSubstr("handlers-1")));
    EXPECT_THAT(text, Not(HasSubstr("DNS:")));
    EXPECT_THAT(text, Not(HasSubstr("Server Authentication")));
    openssl({"verify", "-x509_strict", "-purpose", "sslclient", "-CAfile",
             certificates.file("device-ca.crt"), file});
    EXPECT_THROW(openssl({"verify", "-CAfile", certificates.file("service-ca.crt"), file}),
                 std::runtime_error);
}

TEST(Certificates, RequestsThatMustNotBeSignedAreNot) {
    const Certificates certificates;
    const std::string good = request(certificates, kP256);
    for (const char* id :
         {"kc-a/b#x", "kc-+++++", "kc-abc", "KC-hall1", "handlers-1", "kc-hall 1"}) {
        EXPECT_THAT(refusal(certificates, {"sign-device", id, good}), HasSubstr("not a device id"));
    }
    const std::string rsa = request(certificates, {"-newkey", "rsa:2048"});
    EXPECT_THAT(refusal(certificates, {"sign-device", "kc-hall1", rsa}), HasSubstr("not P-256"));
    const std::string other =
        request(certificates, {"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"});
    EXPECT_THAT(refusal(certificates, {"sign-device", "kc-hall1", other}), HasSubstr("not P-256"));

    const std::string forged = certificates.file("forged.csr");
    openssl({"req", "-in", request(certificates, kP256), "-outform", "DER", "-out", forged});
    std::string der = contents_of(forged);
    der.back() = static_cast<char>(der.back() ^ 1);
    std::ofstream{forged, std::ios::binary} << der;
    openssl({"base64", "-in", forged, "-out", forged + ".pem"});
    std::ofstream{forged} << "-----BEGIN CERTIFICATE REQUEST-----\n"
                          << contents_of(forged + ".pem") << "-----END CERTIFICATE REQUEST-----\n";
    EXPECT_THAT(refusal(certificates, {"sign-device", "kc-hall1", forged}),
                HasSubstr("not signed by its own key"));
    std::ofstream{forged} << std::string(20'000, 'x');
    EXPECT_THAT(refusal(certificates, {"sign-device", "kc-hall1", forged}), HasSubstr("bytes"));
}

TEST(Certificates, WithoutItsKeyAnAuthoritySignsNothing) {
    const Certificates certificates;
    std::filesystem::remove(certificates.file("service-ca.key"));
    certificates.run({"make"});
    EXPECT_THAT(refusal(certificates, {"renew", "--force"}), HasSubstr("no service-ca.key"));
}

TEST(Certificates, RenewingReachesARunningBrokerAndNobodyIsCut) {
    TestBroker broker{{.devices_tls = true}};
    const ClientOptions device = broker.device("kc-hall1", Protocol::v5, Entrance::tls);
    RawClient earlier{device};
    ASSERT_EQ(earlier.connect(), 0);
    const auto shown = [&] {
        const std::string port = std::to_string(broker.devices_port(Entrance::tls));
        return openssl({"s_client", "-connect", "127.0.0.1:" + port, "-CAfile",
                        broker.certificates().file("service-ca.crt"), "-verify_return_error",
                        "-showcerts"});
    };
    const std::string old = contents_of(broker.certificates().file("server.crt"));
    EXPECT_THAT(shown(), HasSubstr(old));
    broker.certificates().run({"renew"});
    EXPECT_EQ(contents_of(broker.certificates().file("server.crt")), old) << "it is good for long";
    const std::string key = contents_of(broker.certificates().file("server.key"));
    broker.certificates().renew();
    EXPECT_EQ(contents_of(broker.certificates().file("server.key")), key);
    const std::string renewed = contents_of(broker.certificates().file("server.crt"));
    EXPECT_NE(renewed, old);
    EXPECT_TRUE(eventually([&] { return shown().find(renewed) != std::string::npos; }));
    EXPECT_TRUE(earlier.connected());
    EXPECT_EQ(earlier.publish("kl/v1/kc/kc-hall1/up/tm", "{}", 1), 0x10);
    RawClient later{device};
    EXPECT_EQ(later.connect(), 0);
}

}  // namespace
}  // namespace klyuchnik::test
