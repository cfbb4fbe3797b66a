#include "handlers/devices/firmware_rules.hpp"

#include <algorithm>
#include <array>

#include <sodium.h>

namespace klyuchnik::handlers::devices {

using db::OfferState;
using topics::Instant;

namespace {

template <std::size_t Size>
std::optional<std::array<unsigned char, Size>> bytes_of_hex(const std::string& hex) {
    std::array<unsigned char, Size> bytes{};
    std::size_t size = 0;
    const int bad =
        sodium_hex2bin(bytes.data(), bytes.size(), hex.data(), hex.size(), nullptr, &size, nullptr);
    if (bad != 0 || size != Size || hex.size() != 2 * Size) return std::nullopt;
    return bytes;
}

/// How many may be offered now: a minute's worth spread over the minute.
std::size_t offers_due(const db::Rollout& rollout, std::optional<Instant> last, Instant now) {
    if (!last) return 1;
    const auto apart =
        std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::minutes{1}) /
        rollout.per_minute;
    const auto since = now - *last;
    if (since < apart) return 0;
    return std::min(static_cast<std::size_t>(since / apart), kOffersAtOnceMax);
}

}  // namespace

RolloutStep step_rollout(const db::Rollout& rollout, const db::RolloutSoFar& so_far,
                         std::span<const db::RolloutDevice> devices, Instant now) {
    RolloutStep step;
    std::int64_t failures = so_far.failures;
    std::vector<db::RolloutDevice> ready;
    std::vector<db::EndedOffer> open;
    for (const db::RolloutDevice& one : devices) {
        OfferState state = one.state;
        if (one.firmware == rollout.version) {
            state = OfferState::updated;
        } else if (!one.active) {
            state = OfferState::skipped;
        } else if (state == OfferState::offered && one.failed) {
            state = OfferState::rolled_back;
        } else if (state == OfferState::offered && now - *one.offered >= kOfferAnswered) {
            state = OfferState::failed;
        }
        failures += state == OfferState::rolled_back || state == OfferState::failed ? 1 : 0;
        if (state != one.state) {
            step.ended.push_back({one.device, state});
            continue;
        }
        open.push_back({one.device, OfferState::skipped});
        if (state == OfferState::waiting && one.online) ready.push_back(one);
    }
    if (failures > rollout.failures_max) {
        step.end = "stopped";
        step.ended.insert(step.ended.end(), open.begin(), open.end());
        return step;
    }
    if (open.empty()) {
        step.end = "done";
        return step;
    }
    const std::size_t count = std::min(offers_due(rollout, so_far.last_offer, now), ready.size());
    step.offer.assign(ready.begin(), ready.begin() + static_cast<std::ptrdiff_t>(count));
    return step;
}

bool is_signed_by(const std::string& public_key, const std::string& sha256,
                  const std::string& signature) {
    const auto key = bytes_of_hex<crypto_sign_PUBLICKEYBYTES>(public_key);
    const auto hash = bytes_of_hex<32>(sha256);
    const auto sign = bytes_of_hex<crypto_sign_BYTES>(signature);
    return key && hash && sign &&
           crypto_sign_verify_detached(sign->data(), hash->data(), hash->size(), key->data()) == 0;
}

std::optional<std::string> hex_of_base64(std::string_view base64) {
    std::string bytes(base64.size(), '\0');
    std::size_t size = 0;
    // libsodium writes bytes; a char is one.
    auto* const out = reinterpret_cast<unsigned char*>(bytes.data());
    if (sodium_base642bin(out, bytes.size(), base64.data(), base64.size(), nullptr, &size, nullptr,
                          sodium_base64_VARIANT_ORIGINAL) != 0) {
        return std::nullopt;
    }
    std::string hex(size * 2 + 1, '\0');
    sodium_bin2hex(hex.data(), hex.size(), out, size);
    hex.resize(size * 2);
    return hex;
}

}  // namespace klyuchnik::handlers::devices
