#include "topics/sha256.hpp"

#include <stdexcept>

#include <openssl/evp.h>

namespace klyuchnik::topics {

Sha256 sha256(std::string_view bytes) {
    Sha256 hash{};
    unsigned int size = 0;
    if (EVP_Digest(bytes.data(), bytes.size(), hash.data(), &size, EVP_sha256(), nullptr) != 1 ||
        size != hash.size()) {
        throw std::runtime_error{"SHA-256 is not available"};
    }
    return hash;
}

std::string to_hex(const Sha256& hash) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    text.reserve(hash.size() * 2);
    for (const std::uint8_t byte : hash) {
        text += kDigits[byte >> 4U];
        text += kDigits[byte & 0xFU];
    }
    return text;
}

}  // namespace klyuchnik::topics
