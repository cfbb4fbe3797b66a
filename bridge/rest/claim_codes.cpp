#include "bridge/rest/claim_codes.hpp"

#include <algorithm>

#include "bridge/rest/secrets.hpp"

namespace klyuchnik::bridge {
namespace {

constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::size_t kGroup = 5;
constexpr unsigned kBitsPerLetter = 5;

unsigned nibble(char hex) {
    return static_cast<unsigned>(hex <= '9' ? hex - '0' : hex - 'a' + 10);
}

}  // namespace

std::string make_claim_code(std::string_view key, std::string_view about) {
    const std::string digits = hmac_hex(key, "claim code\n" + std::string{about},
                                        kClaimCodeLetters * kBitsPerLetter / 8 + 1);
    std::string code;
    unsigned held = 0;
    unsigned bits = 0;
    for (auto digit = digits.begin(); code.size() < kClaimCodeLetters; ++digit) {
        held = held << 4U | nibble(*digit);
        bits += 4;
        if (bits < kBitsPerLetter) continue;
        bits -= kBitsPerLetter;
        code += kAlphabet[held >> bits & 31U];
    }
    for (std::size_t at = kClaimCodeLetters - kGroup; at > 0; at -= kGroup) code.insert(at, "-");
    return code;
}

std::string plain_claim_code(std::string_view typed) {
    std::string plain;
    for (char c : typed) {
        if (c == '-' || c == ' ') continue;
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
        if (c == 'O') c = '0';
        if (c == 'I' || c == 'L') c = '1';
        plain += c;
    }
    return plain;
}

std::string make_device_secret(std::string_view proof, std::string_view device,
                               std::string_view nonce) {
    const std::string about = "device secret\n" + std::string{device} + "\n" + std::string{nonce};
    return hmac_hex(proof, about, kDeviceSecretBytes);
}

bool is_nonce(std::string_view text) {
    return text.size() >= kNonceBytesMin && text.size() <= kNonceBytesMax &&
           std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7F; });
}

}  // namespace klyuchnik::bridge
