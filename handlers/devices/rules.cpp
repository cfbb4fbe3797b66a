#include "handlers/devices/rules.hpp"

#include <algorithm>

namespace klyuchnik::handlers::devices {

using namespace topics;
using db::Credential;
using db::CredentialEnd;

namespace {

bool is_over(const Credential& credential, Instant now) {
    return credential.ends && *credential.ends <= now;
}

CredentialEnd death_of(const Credential& credential, Instant now) {
    // What was over before died then.
    return {credential.id, credential.ends, is_over(credential, now) ? *credential.ends : now};
}

/// The lowest place that none of those that live on has.
std::int64_t free_place(const std::vector<Credential>& living,
                        const std::vector<CredentialEnd>& ends) {
    const auto lives_on = [&](const Credential& one) {
        return std::ranges::none_of(
            ends, [&](const CredentialEnd& end) { return end.id == one.id && end.revoked; });
    };
    std::int64_t place = 1;
    while (std::ranges::any_of(
        living, [&](const Credential& one) { return one.place == place && lives_on(one); })) {
        ++place;
    }
    return place;
}

Credential made(const WantedCredential& wanted, const std::string& nonce_sha256,
                std::int64_t place) {
    return {0, place, wanted.kind, wanted.sha256, wanted.ends, nonce_sha256};
}

bool is_same(const Credential& credential, const WantedCredential& wanted) {
    return credential.kind == wanted.kind && credential.sha256 == wanted.sha256;
}

/// The newest was made by this very claim or rotation, whose answer was lost.
CredentialPlan plan_repeat(const std::vector<Credential>& living, const WantedCredential& wanted,
                           const std::string& nonce_sha256, Instant now) {
    CredentialPlan plan;
    if (is_same(living.front(), wanted)) return plan;
    plan.ends.push_back(death_of(living.front(), now));
    plan.addition = made(wanted, nonce_sha256, free_place(living, plan.ends));
    return plan;
}

bool made_with(const std::vector<Credential>& living, const std::string& nonce_sha256,
               Instant now) {
    return !living.empty() && living.front().nonce_sha256 == nonce_sha256 &&
           !is_over(living.front(), now);
}

}  // namespace

bool is_hash(std::string_view text) {
    return text.size() == 64 && std::ranges::all_of(text, [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
}

Refusal no_hash() {
    return {Code::invalid, "expected SHA-256, 64 hexadecimal digits in lower case"};
}

std::optional<Refusal> why_not_wanted(const std::optional<std::string>& secret_sha256,
                                      const std::optional<std::string>& certificate_sha256,
                                      const std::optional<std::int64_t>& ends_s, Instant now) {
    if (secret_sha256.has_value() == certificate_sha256.has_value()) {
        return Refusal{Code::invalid, "either a secret or a certificate"};
    }
    if (!is_hash(secret_sha256 ? *secret_sha256 : *certificate_sha256)) return no_hash();
    if (certificate_sha256.has_value() != ends_s.has_value()) {
        return Refusal{Code::invalid, "ends_s belongs to a certificate"};
    }
    if (ends_s && from_unix_seconds(*ends_s) <= now) {
        return Refusal{Code::invalid, "the certificate is over"};
    }
    return std::nullopt;
}

WantedCredential wanted_of(const std::optional<std::string>& secret_sha256,
                           const std::optional<std::string>& certificate_sha256,
                           const std::optional<std::int64_t>& ends_s) {
    WantedCredential wanted;
    if (secret_sha256) {
        wanted.sha256 = *secret_sha256;
    } else {
        wanted.kind = db::CredentialKind::certificate;
        wanted.sha256 = certificate_sha256.value_or("");
        if (ends_s) wanted.ends = from_unix_seconds(*ends_s);
    }
    return wanted;
}

std::optional<Refusal> why_not_claim(const ClaimedDevice& device, const ClaimDevice& ask,
                                     Instant now) {
    const Refusal no{Code::claim_refused, ""};
    if (!device.identity || !device.identity->active || !device.claim) return no;
    const db::Claim& claim = *device.claim;
    if (claim.code_sha256 != ask.claim_sha256 || claim.ends <= now) return no;
    if (!claim.used) return std::nullopt;
    if (claim.nonce_sha256 != ask.nonce_sha256) return no;
    if (!made_with(device.living, ask.nonce_sha256, now)) return no;
    return std::nullopt;
}

std::optional<Refusal> why_not_rotate(const std::optional<db::DeviceIdentity>& identity,
                                      const std::vector<Credential>& living,
                                      const std::string& shown_sha256, std::int64_t made_lately,
                                      Instant now) {
    if (!identity) return Refusal{Code::unknown_device, ""};
    if (!identity->active || living.empty()) return Refusal{Code::inactive_device, ""};
    const auto shown = std::ranges::find(living, shown_sha256, &Credential::sha256);
    if (shown == living.end() || is_over(*shown, now)) return Refusal{Code::claim_refused, ""};
    if (made_lately >= kCredentialsPerDayMax) {
        return Refusal{Code::limit_reached, "credentials in one day"};
    }
    return std::nullopt;
}

CredentialPlan plan_claim(const ClaimedDevice& device, const ClaimDevice& ask, Instant now) {
    const WantedCredential wanted =
        wanted_of(ask.secret_sha256, ask.certificate_sha256, ask.ends_s);
    if (device.claim->used) return plan_repeat(device.living, wanted, ask.nonce_sha256, now);
    CredentialPlan plan;
    plan.ends = plan_revoke(device.living, now);
    plan.addition = made(wanted, ask.nonce_sha256, 1);
    return plan;
}

CredentialPlan plan_rotate(const std::vector<Credential>& living, const RotateCredential& ask,
                           Instant now) {
    const WantedCredential wanted =
        wanted_of(ask.secret_sha256, ask.certificate_sha256, ask.ends_s);
    if (made_with(living, ask.nonce_sha256, now)) {
        return plan_repeat(living, wanted, ask.nonce_sha256, now);
    }
    CredentialPlan plan;
    const Instant overlap_ends = now + std::chrono::seconds{ask.overlap_seconds};
    for (const Credential& one : living) {
        if (one.sha256 != ask.shown_sha256 || is_over(one, now) || ask.overlap_seconds == 0) {
            plan.ends.push_back(death_of(one, now));
        } else if (!one.ends || *one.ends > overlap_ends) {
            plan.ends.push_back({one.id, overlap_ends, std::nullopt});
        }
    }
    plan.addition = made(wanted, ask.nonce_sha256, free_place(living, plan.ends));
    return plan;
}

db::Watch watch_on(db::Watch before, Instant now) {
    const bool broken = now - before.watched > kWatchGapMax || now - before.taken > kTakenGapMax;
    return {now, before.taken, broken ? now : before.listening_since};
}

std::vector<CredentialEnd> plan_revoke(const std::vector<Credential>& living, Instant now) {
    std::vector<CredentialEnd> ends;
    for (const Credential& one : living) ends.push_back(death_of(one, now));
    return ends;
}

}  // namespace klyuchnik::handlers::devices
