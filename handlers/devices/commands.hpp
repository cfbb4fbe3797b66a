#pragma once

#include <chrono>
#include <map>
#include <span>
#include <string>
#include <variant>

#include "handlers/runtime/work.hpp"

/// The commands of the domain, one file each.
namespace klyuchnik::handlers::devices {

using AskOutcome = std::variant<topics::AskResult, topics::Refusal>;

AskOutcome add_device(const AskItem& item, const topics::AddDevice& ask, Work& work, db::Tx& tx);
AskOutcome issue_claim(const AskItem& item, const topics::IssueClaim& ask, Work& work, db::Tx& tx);
AskOutcome claim_device(const AskItem& item, const topics::ClaimDevice& ask, Work& work,
                        db::Tx& tx);
AskOutcome rotate_credential(const AskItem& item, const topics::RotateCredential& ask, Work& work,
                             db::Tx& tx);
AskOutcome revoke_device(const AskItem& item, const topics::RevokeDevice& ask, Work& work,
                         db::Tx& tx);
AskOutcome swap_device(const AskItem& item, const topics::SwapDevice& ask, Work& work, db::Tx& tx);
AskOutcome change_device(const AskItem& item, const topics::ChangeDevice& ask, Work& work,
                         db::Tx& tx);
AskOutcome send_command(const AskItem& item, const topics::SendCommand& ask, Work& work,
                        db::Tx& tx);
AskOutcome acknowledge_alarm(const AskItem& item, const topics::AcknowledgeAlarm& ask, Work& work,
                             db::Tx& tx);
AskOutcome snooze_alarm(const AskItem& item, const topics::SnoozeAlarm& ask, Work& work,
                        db::Tx& tx);
AskOutcome resolve_alarm(const AskItem& item, const topics::ResolveAlarm& ask, Work& work,
                         db::Tx& tx);
AskOutcome retry_letter(const AskItem& item, const topics::RetryLetter& ask, Work& work,
                        db::Tx& tx);
AskOutcome discard_letter(const AskItem& item, const topics::DiscardLetter& ask, Work& work,
                          db::Tx& tx);
AskOutcome add_firmware(const AskItem& item, const topics::AddFirmware& ask, Work& work,
                        db::Tx& tx);
AskOutcome start_rollout(const AskItem& item, const topics::StartRollout& ask, Work& work,
                         db::Tx& tx);
AskOutcome stop_rollout(const AskItem& item, const topics::StopRollout& ask, Work& work,
                        db::Tx& tx);
AskOutcome add_blob_part(const topics::AddBlobPart& ask, Work& work, db::Tx& tx);
/// Births and wills of one batch, in order.
void mark_presence(std::span<const StateItem* const> states, Work& work, db::Tx& tx);
/// When a loop first heard of a broker's present boot, by the guard's instance: its memory, which
/// outlives a transaction that failed. Of more than kBootsMax all are forgotten.
struct HeardBoot {
    std::string boot;
    topics::Instant since;
};
using HeardBoots = std::map<std::string, HeardBoot>;
inline constexpr std::size_t kBootsMax = 64;
/// What the broker's guard said. Before the births of the same batch: what came from a broker that
/// started anew came after it. True: somebody is no longer online because of it.
bool note_guard(std::span<const GuardItem* const> reports, HeardBoots& boots, Work& work,
                db::Tx& tx);

// -- timed work
/// Every kWatchEvery: whoever is not heard for 2.5 heartbeats, or up to 3.7, is not online.
void mark_silent(Work& work, db::Tx& tx);
void raise_away(Work& work, db::Tx& tx);
inline constexpr std::chrono::seconds kWatchEvery{5};
/// Every kTidyEvery.
void count_fleet(Work& work, db::Tx& tx);
void thin_telemetry(Work& work, db::Tx& tx);
inline constexpr std::chrono::seconds kTidyEvery{60};

// -- what the commands about a device's identity have in common
struct CredentialPlan;
/// The event of a thing done to a device, and the answer that names it.
topics::AskResult done(const AskItem& item, const topics::DeviceId& device, std::string_view event,
                       Work& work);
void put(db::Tx& tx, const topics::DeviceId& device, std::int64_t generation,
         const CredentialPlan& plan, std::string_view why, topics::Instant now);

}  // namespace klyuchnik::handlers::devices
