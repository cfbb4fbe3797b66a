#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

/// The codes by which a device becomes itself, and what is made from them. Pure; needs
/// start_secrets() once.
namespace klyuchnik::bridge {

/// 20 letters of 5 bits each: 100 bits, so guessing is hopeless at any rate.
inline constexpr std::size_t kClaimCodeLetters = 20;
/// Of a code as somebody typed it; longer ones cannot be ours.
inline constexpr std::size_t kClaimCodeBytesMax = 64;
/// How long a code may be used when nobody says otherwise.
inline constexpr std::int64_t kClaimHoursDefault = 72;
/// Of the text that a device draws for one claim or one rotation.
inline constexpr std::size_t kNonceBytesMin = 16;
inline constexpr std::size_t kNonceBytesMax = 64;
/// Of a device's secret: 128 bits, 32 hexadecimal digits.
inline constexpr std::size_t kDeviceSecretBytes = 16;

/// "7K2MD-09QXT-ZH4RA-M3W8C": Crockford's alphabet, which has no I, L, O and U, in groups of five.
///
/// Made from `key` (the session's token) and `about`, so that the same request repeated shows the
/// same code, although nobody has stored it; who knows the code learns nothing about the key.
std::string make_claim_code(std::string_view key, std::string_view about);

/// A code as it is compared: capitals, O read as 0, I and L as 1, without dashes and spaces. Never
/// fails: what is no code is merely wrong, and must look so.
std::string plain_claim_code(std::string_view typed);

/// The secret that `device` gets for `proof` (its plain code, or the secret it has now) and the
/// nonce it drew: 32 hexadecimal digits. The same again for the same three, so that a device whose
/// answer was lost asks once more and gets what it was given.
std::string make_device_secret(std::string_view proof, std::string_view device,
                               std::string_view nonce);

/// kNonceBytesMin to kNonceBytesMax printable ASCII characters.
bool is_nonce(std::string_view text);

}  // namespace klyuchnik::bridge
