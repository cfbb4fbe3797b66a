#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "db/access/firmware_store.hpp"
#include "topics/ids.hpp"
#include "topics/time.hpp"

/// How firmware goes out: to few devices at a time, and no further once too many went back. Pure:
/// no clock, database or MQTT.
namespace klyuchnik::handlers::devices {

/// An offered device that has neither come back with the new version nor said why by then counts
/// as failed. Long enough for a large image over a thin link.
inline constexpr std::chrono::hours kOfferAnswered{2};
/// A roll-out that was started an hour late must not catch up all at once.
inline constexpr std::size_t kOffersAtOnceMax = 10;

/// What is to be done now about one roll-out.
struct RolloutStep {
    std::vector<db::RolloutDevice> offer;
    std::vector<db::EndedOffer> ended;
    /// Nothing = it goes on; "done"; "stopped" when more failed than may.
    std::optional<std::string> end;
};

/// `devices` are those that wait or are offered; `so_far` is what became of the others.
///
/// - Waiting, and has the version already: updated, without an offer.
/// - Offered, and was born with the version: updated. Nothing less counts as success.
/// - Revoked or retired meanwhile: skipped; nobody waits for it.
/// - Offered, and said firmware.failed: rolled back. Offered for kOfferAnswered: failed.
/// - More rolled back or failed than failures_max: stopped; who waits is skipped.
/// - Else the next online ones are offered it, a minute's worth spread over the minute; devices
///   that are away wait.
/// - None waits and none is offered: done.
RolloutStep step_rollout(const db::Rollout& rollout, const db::RolloutSoFar& so_far,
                         std::span<const db::RolloutDevice> devices, topics::Instant now);

/// Ed25519 over the 32 bytes of the image's SHA-256. All in hexadecimal.
bool is_signed_by(const std::string& public_key, const std::string& sha256,
                  const std::string& signature);
/// The bytes as hexadecimal digits; nothing when it is not base64.
std::optional<std::string> hex_of_base64(std::string_view base64);

}  // namespace klyuchnik::handlers::devices
