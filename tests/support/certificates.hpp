#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/raw_client.hpp"

/// What broker/certificates makes, for one test.
namespace klyuchnik::test {

/// Two authorities and what they signed; valid for localhost, 127.0.0.1 and ::1.
///
/// Made in about 0.1 s. Every object has authorities of its own, so a second one is what an
/// impostor has. For one thread. Everything throws std::runtime_error with the script's words when
/// it fails.
class Certificates {
 public:
    /// In a temporary folder, which goes with the object.
    Certificates();
    /// In `broker_folder`/tls, the folder of broker/configure, made if missing; it stays.
    explicit Certificates(std::filesystem::path broker_folder);
    ~Certificates();
    Certificates(const Certificates&) = delete;
    Certificates& operator=(const Certificates&) = delete;

    /// "server.crt", "http.key", "device-ca.crt", ... as the script's --help names them.
    std::string file(std::string_view name) const;
    /// For clients that show no certificate: whom they trust.
    TlsFiles trust() const { return {file("service-ca.crt"), "", ""}; }
    /// For a device with a certificate: a new key and request each time, signed for `id`.
    TlsFiles device(std::string_view id);
    /// SHA-256 of a certificate's DER form, 64 hexadecimal digits: what the guard knows it by.
    static std::string fingerprint(const std::string& certificate_file);
    /// New server and http certificates with the same keys; the broker of the folder is told.
    void renew();
    /// Runs the script with `words` after the folder and returns what it printed.
    std::string run(const std::vector<std::string>& words) const;

 private:
    std::filesystem::path folder_;
    bool temporary_ = false;
    int devices_ = 0;
};

}  // namespace klyuchnik::test
