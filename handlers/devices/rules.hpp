#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "db/access/devices_store.hpp"
#include "topics/asks.hpp"
#include "topics/refusal.hpp"
#include "topics/time.hpp"

/// Who a device is and what it may prove it with. Pure: no clock, database or MQTT.
namespace klyuchnik::handlers::devices {

/// SHA-256 as it travels: 64 hexadecimal digits, lower case.
bool is_hash(std::string_view text);
/// What somebody is told who sent something else.
topics::Refusal no_hash();

/// What a device wants to be known by: from a claim or a rotation, exactly one of the two.
struct WantedCredential {
    db::CredentialKind kind = db::CredentialKind::secret;
    std::string sha256;
    std::optional<topics::Instant> ends;  ///< Of a certificate.
};
/// Refused: neither or both of secret and certificate, a certificate that is over or has no end, a
/// secret that has one, something that is no hash.
std::optional<topics::Refusal> why_not_wanted(const std::optional<std::string>& secret_sha256,
                                              const std::optional<std::string>& certificate_sha256,
                                              const std::optional<std::int64_t>& ends_s,
                                              topics::Instant now);
WantedCredential wanted_of(const std::optional<std::string>& secret_sha256,
                           const std::optional<std::string>& certificate_sha256,
                           const std::optional<std::int64_t>& ends_s);

/// A device as a claim finds it. `living` is newest first.
struct ClaimedDevice {
    std::optional<db::DeviceIdentity> identity;
    std::optional<db::Claim> claim;
    std::vector<db::Credential> living;
};
/// Why this code gives no credential. Every no is the same no, without a word more: whoever tries
/// codes must not learn which devices there are, which were claimed, or which codes are over.
///
/// A used code is good for the one who used it (the same nonce) as long as it is not over and the
/// credential that it gave is still the device's newest: its answer was lost.
std::optional<topics::Refusal> why_not_claim(const ClaimedDevice& device,
                                             const topics::ClaimDevice& ask, topics::Instant now);

/// Why a device may not have another credential: unknown or revoked, or it has no living one to
/// replace, or the one that it showed has died meanwhile (claim_refused), or too many were made
/// lately.
std::optional<topics::Refusal> why_not_rotate(const std::optional<db::DeviceIdentity>& identity,
                                              const std::vector<db::Credential>& living,
                                              const std::string& shown_sha256,
                                              std::int64_t made_lately, topics::Instant now);
/// Credentials that a device may be given within a day.
inline constexpr std::int64_t kCredentialsPerDayMax = 100;

/// What happens to a device's credentials.
struct CredentialPlan {
    std::vector<db::CredentialEnd> ends;     ///< Of those that live.
    std::optional<db::Credential> addition;  ///< None: a repeat, and what it wants is there.
};
/// After why_not_claim() said nothing. The first use kills what the device had before: whoever has
/// the code is the device now. A repeat replaces what the first use gave, where it differs (a
/// certificate is another one each time it is signed).
CredentialPlan plan_claim(const ClaimedDevice& device, const topics::ClaimDevice& ask,
                          topics::Instant now);
/// After why_not_rotate() said nothing. The one that was shown lives on for the overlap, unless it
/// ends before: whoever asks holds it, and may never get the answer. All others die: they may be in
/// other hands. A repeat (the same nonce) replaces what it gave before, where it differs.
CredentialPlan plan_rotate(const std::vector<db::Credential>& living,
                           const topics::RotateCredential& ask, topics::Instant now);
/// Everything dies.
std::vector<db::CredentialEnd> plan_revoke(const std::vector<db::Credential>& living,
                                           topics::Instant now);

/// Since when we have been listening: until now, when silence was not looked for, or nothing taken
/// from the broker, for so long that devices may have spoken and nobody heard. Without any device
/// that speaks, the guard does, every GuardFeeder::kHeartbeatEvery.
db::Watch watch_on(db::Watch before, topics::Instant now);
inline constexpr std::chrono::seconds kWatchGapMax{15};
inline constexpr std::chrono::seconds kTakenGapMax{45};
/// Taking is noted once in so long.
inline constexpr std::chrono::seconds kTakenEvery{5};

/// More connections of one device within db::kBirthsCounted are two devices with one identity that
/// take each other's place, or a radio that can not stay connected.
inline constexpr std::int64_t kBirthsMax = 5;

}  // namespace klyuchnik::handlers::devices
