#include "bridge/rest/device_certificates.hpp"

#include <algorithm>
#include <array>
#include <ctime>
#include <stdexcept>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "topics/sha256.hpp"

namespace klyuchnik::bridge {
namespace {

/// The broker's clock may be a little behind ours.
constexpr std::chrono::minutes kClockMargin{5};
constexpr int kSerialBits = 128;

template <auto Free>
struct Freed {
    template <class T>
    void operator()(T* object) const {
        Free(object);
    }
};
using Bio = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using CertificateRequest = std::unique_ptr<X509_REQ, Freed<X509_REQ_free>>;
using Number = std::unique_ptr<BIGNUM, Freed<BN_free>>;
using Name = std::unique_ptr<X509_NAME, Freed<X509_NAME_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Freed<X509_EXTENSION_free>>;

Bio over(std::string_view bytes) {
    return Bio{BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size()))};
}

/// A PEM block may be marked as encrypted, and then the library would ask for a passphrase on the
/// terminal of whoever started the program.
int no_passphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*mine*/) {
    return -1;
}

[[noreturn]] void fail(const char* what) {
    std::array<char, 256> text{};
    ERR_error_string_n(ERR_get_error(), text.data(), text.size());
    ERR_clear_error();
    throw std::runtime_error{std::string{"a device certificate: "} + what + ": " + text.data()};
}

void must(int result, const char* what) {
    if (result <= 0) fail(what);
}

/// P-256 by its name. The same curve written out as parameters is refused: that is how keys on a
/// forged curve are passed off as good ones.
bool is_p256(EVP_PKEY* key) {
    if (key == nullptr || EVP_PKEY_get_base_id(key) != EVP_PKEY_EC) return false;
    std::array<char, 64> group{};
    int written_out = 0;
    return EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group.data(),
                                          group.size(), nullptr) == 1 &&
           std::string_view{group.data()} == SN_X9_62_prime256v1 &&
           EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS,
                                  &written_out) == 1 &&
           written_out == 0;
}

topics::Instant instant_of(const ASN1_TIME* time) {
    std::tm parts{};
    must(ASN1_TIME_to_tm(time, &parts), "the authority's end");
    return topics::from_unix_seconds(::timegm(&parts));
}

void set_time(ASN1_TIME* time, topics::Instant at) {
    if (ASN1_TIME_set(time, topics::unix_seconds(at)) == nullptr) fail("its times");
}

void set_serial(X509* certificate) {
    const Number number{BN_new()};
    if (!number) fail("its serial number");
    // With its top bit set it is never zero or short.
    must(BN_rand(number.get(), kSerialBits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY),
         "its serial number");
    if (BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) == nullptr) {
        fail("its serial number");
    }
}

void set_subject(X509* certificate, const topics::DeviceId& device) {
    const Name name{X509_NAME_new()};
    if (!name) fail("its subject");
    std::string text = device.text();
    must(X509_NAME_add_entry_by_NID(name.get(), NID_commonName, MBSTRING_ASC,
                                    reinterpret_cast<unsigned char*>(text.data()),
                                    static_cast<int>(text.size()), -1, 0),
         "its subject");
    must(X509_set_subject_name(certificate, name.get()), "its subject");
}

void add_extension(X509* certificate, X509* authority, int which, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, authority, certificate, nullptr, nullptr, 0);
    const Extension extension{X509V3_EXT_conf_nid(nullptr, &context, which, value)};
    if (!extension) fail("its extensions");
    must(X509_add_ext(certificate, extension.get(), -1), "its extensions");
}

std::string pem_of(X509* certificate) {
    const Bio out{BIO_new(BIO_s_mem())};
    if (!out) fail("its text");
    must(PEM_write_bio_X509(out.get(), certificate), "its text");
    char* bytes = nullptr;
    const auto size = BIO_get_mem_data(out.get(), &bytes);
    return {bytes, static_cast<std::size_t>(size)};
}

std::string sha256_of(X509* certificate) {
    unsigned char* der = nullptr;
    const int size = i2d_X509(certificate, &der);
    if (size <= 0) fail("its bytes");
    const std::string_view bytes{reinterpret_cast<const char*>(der),
                                 static_cast<std::size_t>(size)};
    std::string hash = topics::to_hex(topics::sha256(bytes));
    OPENSSL_free(der);
    return hash;
}

std::invalid_argument wrong(const std::string& what) {
    ERR_clear_error();
    return std::invalid_argument{"device authority: " + what};
}

}  // namespace

struct DeviceCertificates::Impl {
    Certificate authority;
    Key key;
    topics::Instant ends;
};

DeviceCertificates::DeviceCertificates(std::string_view authority, std::string_view key)
    : impl_{std::make_unique<Impl>()} {
    impl_->authority.reset(
        PEM_read_bio_X509(over(authority).get(), nullptr, no_passphrase, nullptr));
    if (!impl_->authority) throw wrong("its certificate is not PEM");
    impl_->key.reset(PEM_read_bio_PrivateKey(over(key).get(), nullptr, no_passphrase, nullptr));
    if (!impl_->key) throw wrong("its key is not PEM without a passphrase");
    if (X509_check_ca(impl_->authority.get()) != 1) {
        throw wrong("its certificate is not that of an authority (CA:TRUE)");
    }
    if (!is_p256(impl_->key.get())) throw wrong("its key is not on P-256");
    if (X509_check_private_key(impl_->authority.get(), impl_->key.get()) != 1) {
        throw wrong("the key is not that of the certificate");
    }
    impl_->ends = instant_of(X509_get0_notAfter(impl_->authority.get()));
    authority_pem_ = pem_of(impl_->authority.get());
}

DeviceCertificates::~DeviceCertificates() = default;

std::variant<DeviceCertificates::Issued, topics::Refusal> DeviceCertificates::issue(
    const topics::DeviceId& device, std::string_view request_pem, topics::Instant now) const {
    using topics::Code;
    using topics::Refusal;
    const auto refused = [](Code code, const char* detail) {
        ERR_clear_error();
        return Refusal{code, detail};
    };
    if (request_pem.size() > kRequestPemBytesMax) {
        return refused(Code::malformed, "csr: larger than 8 KiB");
    }
    const CertificateRequest request{
        PEM_read_bio_X509_REQ(over(request_pem).get(), nullptr, no_passphrase, nullptr)};
    if (!request) return refused(Code::malformed, "csr: expected PKCS#10 as PEM");
    EVP_PKEY* const key = X509_REQ_get0_pubkey(request.get());
    if (!is_p256(key)) return refused(Code::invalid, "csr: its key is not on P-256");
    if (X509_REQ_verify(request.get(), key) != 1) {
        return refused(Code::invalid, "csr: it is not signed by its own key");
    }

    if (impl_->ends <= now)
        throw std::runtime_error{"the device authority's certificate has ended"};
    const Certificate certificate{X509_new()};
    if (!certificate) fail("memory");
    X509* const made = certificate.get();
    X509* const authority = impl_->authority.get();
    must(X509_set_version(made, X509_VERSION_3), "its version");
    set_serial(made);
    const topics::Instant ends = std::min<topics::Instant>(
        std::chrono::floor<std::chrono::seconds>(now) + kDeviceCertificateLife, impl_->ends);
    set_time(X509_getm_notBefore(made), now - kClockMargin);
    set_time(X509_getm_notAfter(made), ends);
    set_subject(made, device);
    must(X509_set_issuer_name(made, X509_get_subject_name(authority)), "its issuer");
    must(X509_set_pubkey(made, key), "its key");
    add_extension(made, authority, NID_basic_constraints, "critical,CA:FALSE");
    add_extension(made, authority, NID_key_usage, "critical,digitalSignature");
    add_extension(made, authority, NID_ext_key_usage, "clientAuth");
    add_extension(made, authority, NID_subject_key_identifier, "hash");
    add_extension(made, authority, NID_authority_key_identifier, "keyid");
    must(X509_sign(made, impl_->key.get(), EVP_sha256()), "its signature");
    return Issued{pem_of(made), sha256_of(made), ends};
}

}  // namespace klyuchnik::bridge
