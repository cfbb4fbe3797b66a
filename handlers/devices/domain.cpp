#include "handlers/devices/domain.hpp"

#include "handlers/devices/commands.hpp"
#include "handlers/devices/heard_log.hpp"
#include "handlers/devices/rollouts.hpp"
#include "handlers/devices/rules.hpp"
#include "handlers/runtime/alarms.hpp"
#include "handlers/runtime/document_stage.hpp"
#include "topics/guard.hpp"

namespace klyuchnik::handlers::devices {

using namespace topics;

namespace {

constexpr std::string_view kName = "devices";

AskOutcome apply_ask(const AskItem& item, Work& work, db::Tx& tx) {
    const AskBody& body = item.ask.body;
    if (const auto* ask = std::get_if<AddDevice>(&body)) return add_device(item, *ask, work, tx);
    if (const auto* ask = std::get_if<IssueClaim>(&body)) return issue_claim(item, *ask, work, tx);
    if (const auto* ask = std::get_if<ClaimDevice>(&body))
        return claim_device(item, *ask, work, tx);
    if (const auto* ask = std::get_if<RotateCredential>(&body))
        return rotate_credential(item, *ask, work, tx);
    if (const auto* ask = std::get_if<RevokeDevice>(&body))
        return revoke_device(item, *ask, work, tx);
    if (const auto* ask = std::get_if<SwapDevice>(&body)) return swap_device(item, *ask, work, tx);
    if (const auto* ask = std::get_if<ChangeDevice>(&body))
        return change_device(item, *ask, work, tx);
    if (const auto* ask = std::get_if<SendCommand>(&body))
        return send_command(item, *ask, work, tx);
    if (const auto* ask = std::get_if<AcknowledgeAlarm>(&body))
        return acknowledge_alarm(item, *ask, work, tx);
    if (const auto* ask = std::get_if<SnoozeAlarm>(&body))
        return snooze_alarm(item, *ask, work, tx);
    if (const auto* ask = std::get_if<ResolveAlarm>(&body))
        return resolve_alarm(item, *ask, work, tx);
    if (const auto* ask = std::get_if<RetryLetter>(&body))
        return retry_letter(item, *ask, work, tx);
    if (const auto* ask = std::get_if<DiscardLetter>(&body))
        return discard_letter(item, *ask, work, tx);
    if (const auto* ask = std::get_if<AddBlobPart>(&body)) return add_blob_part(*ask, work, tx);
    if (const auto* ask = std::get_if<AddFirmware>(&body))
        return add_firmware(item, *ask, work, tx);
    if (const auto* ask = std::get_if<StartRollout>(&body))
        return start_rollout(item, *ask, work, tx);
    if (const auto* ask = std::get_if<StopRollout>(&body))
        return stop_rollout(item, *ask, work, tx);
    return Refusal{Code::unknown_ask, ""};
}

class DevicesDomain final : public Domain {
 public:
    std::string_view name() const override { return kName; }

    Filters filters(const std::string& share) const override {
        // `st` is subscribed plainly: retained messages do not reach share groups. Every handler
        // sees every birth then, and the cursor's lock decides who answers. The guard comes before
        // them: a broker that has started anew says so before it says who is there.
        return {{shared_device_filter(share, kName, "kc", Level::telemetry),
                 shared_device_filter(share, kName, "sg", Level::telemetry)},
                {guard_reports_filter(), all_states_filter(), shared_ask_filter(share, kName)}};
    }

    bool owns(const ParsedTopic& topic) const override {
        if (const auto* ask = std::get_if<AskTopic>(&topic)) return ask->domain == kName;
        if (std::holds_alternative<GuardTopic>(topic)) return true;
        const auto* device = std::get_if<DeviceTopic>(&topic);
        return device && (device->level == Level::state || device->level == Level::telemetry);
    }

    void apply(Work& work, db::Tx& tx) override {
        std::vector<const StateItem*> states;
        std::vector<const HeartbeatItem*> heartbeats;
        std::vector<const GuardItem*> reports;
        for (const Item& item : work.items) {
            if (const auto* state = std::get_if<StateItem>(&item)) states.push_back(state);
            if (const auto* beat = std::get_if<HeartbeatItem>(&item)) heartbeats.push_back(beat);
            if (const auto* report = std::get_if<GuardItem>(&item)) reports.push_back(report);
        }
        if (work.now - taken_noted_ >= kTakenEvery && !work.items.empty()) {
            db::note_taken(tx, work.now, kTakenEvery);
            taken_noted_ = work.now;
        }
        if (note_guard(reports, boots_, work, tx)) heard_.forget();
        mark_presence(states, work, tx);
        heard_.note(states, heartbeats, work, tx);
        // Last: whoever is revoked or swapped here is gone, whatever it said in this very batch.
        for (Item& item : work.items) {
            if (auto* asked = std::get_if<AskItem>(&item)) {
                asked->outcome = apply_ask(*asked, work, tx);
            }
        }
    }

    std::vector<TimedTask> timed() override {
        return {wake_snoozed_alarms(),
                ask_for_chunks(),
                {"devices.mark_silent", kWatchEvery, mark_silent},
                {"devices.raise_away", kWatchEvery, raise_away},
                {"devices.count_fleet", kTidyEvery, count_fleet},
                {"devices.thin_telemetry", kTidyEvery, thin_telemetry},
                {"devices.advance_rollouts", kRolloutsEvery, advance_rollouts}};
    }

 private:
    HeardLog heard_;
    HeardBoots boots_;
    topics::Instant taken_noted_;
};

}  // namespace

std::unique_ptr<Domain> make_domain() {
    return std::make_unique<DevicesDomain>();
}

}  // namespace klyuchnik::handlers::devices
