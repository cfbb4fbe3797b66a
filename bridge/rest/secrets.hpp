#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

/// Random texts, hashes and the encodings they travel in. All functions are thread-safe; they need
/// start_secrets() once.
namespace klyuchnik::bridge {

/// First thing in main(). Throws std::runtime_error when the system gives no randomness.
void start_secrets();

/// `bytes` random bytes as base64url: 32 bytes are 43 characters.
std::string random_token(std::size_t bytes);
/// `bytes` random bytes as lower-case hexadecimal digits.
std::string random_hex(std::size_t bytes);

/// 64 lower-case hexadecimal digits.
std::string sha256_hex(std::string_view bytes);
/// HMAC-SHA-256, its first `bytes` bytes (at most 32), as lower-case hexadecimal digits.
std::string hmac_hex(std::string_view key, std::string_view message, std::size_t bytes);

/// RFC 4648 section 5, without padding.
std::string base64url(std::string_view bytes);
std::optional<std::string> from_base64url(std::string_view text);
/// RFC 4648 section 4, as in HTTP Basic, with padding.
std::string base64(std::string_view bytes);
/// None when it is not base64.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace klyuchnik::bridge
