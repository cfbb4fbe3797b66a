#include "bridge/rest/device_certificates.hpp"

#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

namespace klyuchnik::bridge {
namespace {

template <class T, void (*Free)(T*)>
struct Freed {
    void operator()(T* object) const { Free(object); }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY, EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509, X509_free>>;
using Csr = std::unique_ptr<X509_REQ, Freed<X509_REQ, X509_REQ_free>>;

constexpr topics::Instant kNow = topics::from_unix_seconds(1'763'690'000);

template <class Write>
std::string pem(Write write) {
    BIO* const out = BIO_new(BIO_s_mem());
    write(out);
    char* bytes = nullptr;
    const auto size = BIO_get_mem_data(out, &bytes);
    std::string text{bytes, static_cast<std::size_t>(size)};
    BIO_free(out);
    return text;
}
std::string pem_of(EVP_PKEY* key) {
    return pem([&](BIO* out) {
        PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
    });
}
std::string pem_of(X509* certificate) {
    return pem([&](BIO* out) { PEM_write_bio_X509(out, certificate); });
}

Key ec_key(const char* curve) {
    return Key{EVP_EC_gen(curve)};
}

void name_it(X509_NAME* name, const char* text) {
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(text), -1, -1, 0);
}

std::string authority_of(EVP_PKEY* key, std::chrono::seconds life, const char* ca = "CA:TRUE") {
    const Certificate made{X509_new()};
    X509_set_version(made.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 7);
    name_it(X509_get_subject_name(made.get()), "Test devices");
    X509_set_issuer_name(made.get(), X509_get_subject_name(made.get()));
    ASN1_TIME_set(X509_getm_notBefore(made.get()), topics::unix_seconds(kNow) - 3600);
    ASN1_TIME_set(X509_getm_notAfter(made.get()), topics::unix_seconds(kNow + life));
    X509_set_pubkey(made.get(), key);
    for (const auto& [which, value] :
         {std::pair{NID_basic_constraints, ca}, {NID_subject_key_identifier, "hash"}}) {
        X509V3_CTX context;
        X509V3_set_ctx(&context, made.get(), made.get(), nullptr, nullptr, 0);
        X509_EXTENSION* const one = X509V3_EXT_conf_nid(nullptr, &context, which, value);
        X509_add_ext(made.get(), one, -1);
        X509_EXTENSION_free(one);
    }
    X509_sign(made.get(), key, EVP_sha256());
    return pem_of(made.get());
}

/// A request that wants to be `common_name`, and an authority, and a server.
Csr request_of(EVP_PKEY* key, const char* common_name) {
    Csr request{X509_REQ_new()};
    name_it(X509_REQ_get_subject_name(request.get()), common_name);
    X509_REQ_set_pubkey(request.get(), key);
    STACK_OF(X509_EXTENSION)* wishes = sk_X509_EXTENSION_new_null();
    for (const auto& [which, value] : {std::pair{NID_basic_constraints, "critical,CA:TRUE"},
                                       {NID_ext_key_usage, "serverAuth"},
                                       {NID_subject_alt_name, "DNS:broker.example.org"}}) {
        sk_X509_EXTENSION_push(wishes, X509V3_EXT_conf_nid(nullptr, nullptr, which, value));
    }
    X509_REQ_add_extensions(request.get(), wishes);
    sk_X509_EXTENSION_pop_free(wishes, X509_EXTENSION_free);
    X509_REQ_sign(request.get(), key, EVP_sha256());
    return request;
}
std::string pem_of(X509_REQ* request) {
    return pem([&](BIO* out) { PEM_write_bio_X509_REQ(out, request); });
}

Certificate read(const std::string& text) {
    BIO* const in = BIO_new_mem_buf(text.data(), static_cast<int>(text.size()));
    Certificate certificate{PEM_read_bio_X509(in, nullptr, nullptr, nullptr)};
    BIO_free(in);
    return certificate;
}

std::string subject_of(X509* certificate) {
    return pem([&](BIO* out) {
        X509_NAME_print_ex(out, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
    });
}

struct DeviceCertificatesTest : testing::Test {
    Key authority_key = ec_key("P-256");
    std::string authority_pem = authority_of(authority_key.get(), std::chrono::hours{24 * 3650});
    DeviceCertificates certificates{authority_pem, pem_of(authority_key.get())};
    topics::DeviceId device = *topics::DeviceId::parse("kc-hall1");
    Key device_key = ec_key("P-256");

    std::optional<topics::Code> refusal(std::string_view request) {
        const auto issued = certificates.issue(device, request, kNow);
        if (const auto* refused = std::get_if<topics::Refusal>(&issued)) return refused->code;
        return std::nullopt;
    }
    DeviceCertificates::Issued issued(const std::string& request) {
        return std::get<DeviceCertificates::Issued>(certificates.issue(device, request, kNow));
    }
};

TEST_F(DeviceCertificatesTest, TheSubjectIsOursWhateverTheRequestSays) {
    for (const char* wanted : {"handlers-1", "kc-other1", "kc-hall1", "a/b+c#$ d"}) {
        const auto made = issued(pem_of(request_of(device_key.get(), wanted).get()));
        EXPECT_EQ(subject_of(read(made.pem).get()), "CN=kc-hall1") << wanted;
    }
}

TEST_F(DeviceCertificatesTest, ItIsADevicesAndNeitherAnAuthoritysNorAServers) {
    const auto made = issued(pem_of(request_of(device_key.get(), "handlers-1").get()));
    const Certificate certificate = read(made.pem);
    ASSERT_TRUE(certificate);
    X509* const it = certificate.get();
    EXPECT_EQ(X509_verify(it, authority_key.get()), 1);
    EXPECT_EQ(X509_check_ca(it), 0);
    EXPECT_EQ(X509_get_key_usage(it), static_cast<std::uint32_t>(KU_DIGITAL_SIGNATURE));
    EXPECT_EQ(X509_get_extended_key_usage(it), static_cast<std::uint32_t>(XKU_SSL_CLIENT));
    EXPECT_EQ(X509_get_ext_by_NID(it, NID_subject_alt_name, -1), -1);
    EXPECT_EQ(EVP_PKEY_eq(X509_get0_pubkey(it), device_key.get()), 1);
    EXPECT_EQ(X509_get_version(it), X509_VERSION_3);
    EXPECT_EQ(made.sha256.size(), 64U);
    EXPECT_EQ(certificates.authority_pem(), authority_pem);
}

TEST_F(DeviceCertificatesTest, ItLivesForThirteenMonthsButNotLongerThanItsAuthority) {
    const std::string request = pem_of(request_of(device_key.get(), "x").get());
    EXPECT_EQ(issued(request).ends, kNow + kDeviceCertificateLife);
    const DeviceCertificates old{authority_of(authority_key.get(), std::chrono::hours{24}),
                                 pem_of(authority_key.get())};
    const auto made = std::get<DeviceCertificates::Issued>(old.issue(device, request, kNow));
    EXPECT_EQ(made.ends, kNow + std::chrono::hours{24});
    EXPECT_THROW((void)old.issue(device, request, kNow + std::chrono::hours{24}),
                 std::runtime_error);
}

TEST_F(DeviceCertificatesTest, SerialNumbersAreLongAndDifferent) {
    const std::string request = pem_of(request_of(device_key.get(), "x").get());
    std::set<std::string> serials;
    for (int i = 0; i < 20; ++i) {
        const Certificate certificate = read(issued(request).pem);
        const ASN1_INTEGER* serial = X509_get0_serialNumber(certificate.get());
        BIGNUM* const number = ASN1_INTEGER_to_BN(serial, nullptr);
        EXPECT_EQ(BN_num_bits(number), 128);
        EXPECT_EQ(BN_is_negative(number), 0);
        char* const text = BN_bn2hex(number);
        serials.insert(text);
        OPENSSL_free(text);
        BN_free(number);
    }
    EXPECT_EQ(serials.size(), 20U);
}

TEST_F(DeviceCertificatesTest, RefusesKeysThatAreNotOnP256) {
    const Key rsa{EVP_RSA_gen(2048)};
    EXPECT_EQ(refusal(pem_of(request_of(rsa.get(), "x").get())), topics::Code::invalid);
    for (const char* curve : {"P-384", "P-521", "secp256k1"}) {
        const Key other = ec_key(curve);
        EXPECT_EQ(refusal(pem_of(request_of(other.get(), "x").get())), topics::Code::invalid)
            << curve;
    }
    // The same curve, but written out: so are forged ones.
    const Key written_out = ec_key("P-256");
    EVP_PKEY_set_utf8_string_param(written_out.get(), "encoding", "explicit");
    EXPECT_EQ(refusal(pem_of(request_of(written_out.get(), "x").get())), topics::Code::invalid);
}

TEST_F(DeviceCertificatesTest, RefusesARequestThatItsKeyDidNotSign) {
    const Key other = ec_key("P-256");
    const Csr request = request_of(device_key.get(), "x");
    X509_REQ_sign(request.get(), other.get(), EVP_sha256());
    EXPECT_EQ(refusal(pem_of(request.get())), topics::Code::invalid);
}

TEST_F(DeviceCertificatesTest, RefusesWhatIsNoRequest) {
    const std::string good = pem_of(request_of(device_key.get(), "x").get());
    EXPECT_EQ(refusal(good), std::nullopt);
    EXPECT_EQ(refusal(""), topics::Code::malformed);
    EXPECT_EQ(refusal("garbage"), topics::Code::malformed);
    EXPECT_EQ(refusal(std::string(100'000, 'A')), topics::Code::malformed);
    EXPECT_EQ(refusal(good + std::string(kRequestPemBytesMax, '\n')), topics::Code::malformed);
    EXPECT_EQ(refusal(good.substr(0, good.size() / 2)), topics::Code::malformed);
    EXPECT_EQ(refusal(authority_pem), topics::Code::malformed);
    EXPECT_EQ(refusal(pem_of(device_key.get())), topics::Code::malformed);
    EXPECT_EQ(refusal("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE "
                      "REQUEST-----\n"),
              topics::Code::malformed);
    // A block that says it is encrypted must not make anybody ask for a passphrase.
    EXPECT_EQ(refusal("-----BEGIN CERTIFICATE REQUEST-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: "
                      "AES-128-CBC,00000000000000000000000000000000\n\nAAAA\n-----END CERTIFICATE "
                      "REQUEST-----\n"),
              topics::Code::malformed);
}

TEST_F(DeviceCertificatesTest, RefusesAnyChangedByteOfARequest) {
    const std::string good = pem_of(request_of(device_key.get(), "x").get());
    for (std::size_t at = 0; at < good.size(); at += 7) {
        std::string changed = good;
        changed[at] = changed[at] == 'B' ? 'C' : 'B';
        const auto issued = certificates.issue(device, changed, kNow);
        if (const auto* made = std::get_if<DeviceCertificates::Issued>(&issued)) {
            // Nothing that counts was changed: another letter behind the padding, or a line's end.
            EXPECT_EQ(EVP_PKEY_eq(X509_get0_pubkey(read(made->pem).get()), device_key.get()), 1);
        }
    }
}

TEST_F(DeviceCertificatesTest, AnAuthorityThatCannotBeOneIsSaidSoAtTheStart) {
    const std::string key = pem_of(authority_key.get());
    const auto made = [](const std::string& authority, const std::string& private_key) {
        (void)DeviceCertificates{authority, private_key};
    };
    EXPECT_THROW(made("", key), std::invalid_argument);
    EXPECT_THROW(made(authority_pem, ""), std::invalid_argument);
    EXPECT_THROW(made(authority_pem, pem_of(device_key.get())), std::invalid_argument);
    EXPECT_THROW(made(authority_of(authority_key.get(), std::chrono::hours{1}, "CA:FALSE"), key),
                 std::invalid_argument);
    const Key other = ec_key("P-384");
    EXPECT_THROW(made(authority_of(other.get(), std::chrono::hours{1}), pem_of(other.get())),
                 std::invalid_argument);
    EXPECT_NO_THROW(made(authority_pem, key));
}

}  // namespace
}  // namespace klyuchnik::bridge
