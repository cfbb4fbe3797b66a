#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "topics/ids.hpp"
#include "topics/refusal.hpp"
#include "topics/time.hpp"

namespace klyuchnik::bridge {

/// Of a request for a certificate, PEM. One with a P-256 key has less than 1 KiB.
inline constexpr std::size_t kRequestPemBytesMax = std::size_t{8} * 1024;
/// How long a device's certificate lives: a year, and a month in which to notice.
inline constexpr std::chrono::hours kDeviceCertificateLife{397 * 24};

/// Signs devices' own requests (PKCS#10) with the authority that the broker trusts for devices.
///
/// Of a request only its public key is used. Subject and extensions are ours: a device cannot ask
/// to be somebody else, an authority, or a server. Thread-safe.
class DeviceCertificates {
 public:
    /// `authority` and `key` are PEM, the key without a passphrase. Throws std::invalid_argument
    /// that says what is wrong: unreadable, not an authority, not on P-256, not of each other.
    DeviceCertificates(std::string_view authority, std::string_view key);
    ~DeviceCertificates();

    struct Issued {
        std::string pem;
        std::string sha256;  ///< Of the DER, 64 hexadecimal digits: how the broker knows it.
        topics::Instant ends;
    };
    /// `CN=<device>`, from five minutes before `now` for kDeviceCertificateLife or until the
    /// authority ends, with a random serial number of 128 bits. Refusals are `malformed` (too
    /// large, no PKCS#10) and `invalid` (not P-256, not signed by its own key). Throws
    /// std::runtime_error when the authority has ended or OpenSSL fails.
    std::variant<Issued, topics::Refusal> issue(const topics::DeviceId& device,
                                                std::string_view request_pem,
                                                topics::Instant now) const;

    /// The authority's own certificate, PEM.
    const std::string& authority_pem() const noexcept { return authority_pem_; }

 private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
    std::string authority_pem_;
};

}  // namespace klyuchnik::bridge
