#include "tests/support/certificates.hpp"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <fstream>
#include <system_error>
#include <utility>

#include <stdlib.h>

#include "tests/support/process.hpp"

namespace klyuchnik::test {
namespace {

std::filesystem::path temporary_folder() {
    std::string name =
        (std::filesystem::temp_directory_path() / "klyuchnik-certificates.XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
        throw std::system_error{errno, std::generic_category(), "mkdtemp"};
    }
    return name;
}

std::string openssl(std::vector<std::string> words) {
    words.insert(words.begin(), "/usr/bin/openssl");
    return output_of({std::move(words), {}, {}});
}

}  // namespace

Certificates::Certificates() : folder_{temporary_folder()}, temporary_{true} {
    // As root a broker runs as another user, who must pass this folder.
    std::filesystem::permissions(folder_, std::filesystem::perms{0755});
    folder_ /= "broker";
    run({"make"});
}

Certificates::Certificates(std::filesystem::path broker_folder)
    : folder_{std::move(broker_folder)} {
    run({"make"});
}

Certificates::~Certificates() {
    std::error_code ignored;
    if (temporary_) std::filesystem::remove_all(folder_.parent_path(), ignored);
}

std::string Certificates::run(const std::vector<std::string>& words) const {
    std::vector<std::string> all{KLYUCHNIK_BROKER_SCRIPTS "/certificates", folder_};
    all.insert(all.end(), words.begin(), words.end());
    return output_of({std::move(all), {}, {}});
}

std::string Certificates::file(std::string_view name) const {
    return (folder_ / "tls" / name).string();
}

TlsFiles Certificates::device(std::string_view id) {
    const std::string stem = file("device-" + std::to_string(++devices_));
    openssl({"req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-subj", "/CN=any", "-keyout", stem + ".key", "-out", stem + ".csr"});
    std::ofstream{stem + ".crt"} << run({"sign-device", std::string{id}, stem + ".csr"});
    return {file("service-ca.crt"), stem + ".crt", stem + ".key"};
}

std::string Certificates::fingerprint(const std::string& certificate_file) {
    // "sha256 Fingerprint=AB:CD:..."
    std::string text =
        openssl({"x509", "-in", certificate_file, "-noout", "-fingerprint", "-sha256"});
    text.erase(0, text.find('=') + 1);
    std::erase_if(text, [](char c) { return std::isxdigit(static_cast<unsigned char>(c)) == 0; });
    std::ranges::transform(text, text.begin(), [](char c) {
        return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    });
    return text;
}

void Certificates::renew() {
    run({"renew", "--force"});
}

}  // namespace klyuchnik::test
