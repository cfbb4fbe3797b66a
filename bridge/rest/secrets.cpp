#include "bridge/rest/secrets.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <vector>

#include <sodium.h>

namespace klyuchnik::bridge {
namespace {

// libsodium speaks unsigned char, texts are char; these are the only places where one becomes the
// other.
const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}
template <class Bytes>
std::string hex(const Bytes& bytes, std::size_t count) {
    std::string out(count * 2 + 1, '\0');
    sodium_bin2hex(out.data(), out.size(), bytes.data(), count);
    out.pop_back();
    return out;
}
std::vector<unsigned char> random_bytes(std::size_t count) {
    std::vector<unsigned char> bytes(count);
    randombytes_buf(bytes.data(), bytes.size());
    return bytes;
}
std::string encoded(std::string_view bytes, int variant) {
    std::string out(sodium_base64_encoded_len(bytes.size(), variant), '\0');
    sodium_bin2base64(out.data(), out.size(), bytes_of(bytes), bytes.size(), variant);
    out.pop_back();
    return out;
}
std::optional<std::string> decoded(std::string_view text, int variant) {
    std::string out(text.size(), '\0');
    std::size_t size = 0;
    if (sodium_base642bin(reinterpret_cast<unsigned char*>(out.data()), out.size(), text.data(),
                          text.size(), nullptr, &size, nullptr, variant) != 0) {
        return std::nullopt;
    }
    out.resize(size);
    return out;
}

}  // namespace

void start_secrets() {
    if (sodium_init() < 0) throw std::runtime_error{"libsodium cannot start: no randomness"};
}

std::string random_token(std::size_t bytes) {
    const auto random = random_bytes(bytes);
    return base64url({reinterpret_cast<const char*>(random.data()), random.size()});
}

std::string random_hex(std::size_t bytes) {
    return hex(random_bytes(bytes), bytes);
}

std::string sha256_hex(std::string_view bytes) {
    std::array<unsigned char, crypto_hash_sha256_BYTES> digest{};
    crypto_hash_sha256(digest.data(), bytes_of(bytes), bytes.size());
    return hex(digest, digest.size());
}

std::string hmac_hex(std::string_view key, std::string_view message, std::size_t bytes) {
    std::array<unsigned char, crypto_auth_hmacsha256_BYTES> digest{};
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, bytes_of(key), key.size());
    crypto_auth_hmacsha256_update(&state, bytes_of(message), message.size());
    crypto_auth_hmacsha256_final(&state, digest.data());
    return hex(digest, std::min(bytes, digest.size()));
}

std::string base64url(std::string_view bytes) {
    return encoded(bytes, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

std::string base64(std::string_view bytes) {
    return encoded(bytes, sodium_base64_VARIANT_ORIGINAL);
}

std::optional<std::string> from_base64url(std::string_view text) {
    return decoded(text, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

std::optional<std::string> from_base64(std::string_view text) {
    return decoded(text, sodium_base64_VARIANT_ORIGINAL);
}

}  // namespace klyuchnik::bridge
