#include "firmware-sim/conformance/bench_device.hpp"

#include <algorithm>
#include <variant>

namespace klyuchnik::sim::conformance {
namespace {

constexpr std::int64_t kNotPossible = 422;

}  // namespace

Mistake::Mistake()
    : hears{[](BenchDevice& device, topics::Level level, const std::string& payload) {
          device.take(level, payload);
      }},
      says{[](BenchDevice& device, const Publish& publish) { device.send(publish); }} {}

BenchDevice::BenchDevice(BenchSettings settings, OpenStore open, Mistake mistake,
                         std::uint64_t seed)
    : settings_{std::move(settings)},
      open_{std::move(open)},
      mistake_{std::move(mistake)},
      random_{seed} {
    mistake_.adjusts(settings_);
    boot();
}

void BenchDevice::boot() {
    booted_ = now_;
    restart_ = false;
    protocol_.reset();
    rights_.reset();
    documents_.reset();
    journal_.reset();
    journal_ = std::make_unique<Journal>(open_(), settings_.journal);
    mistake_.boots(*journal_);
    documents_ = std::make_unique<Documents>(document_store_);
    rights_ = std::make_unique<DocumentRights>(*documents_, nullptr);
    settings_.device.seed = random_();
    protocol_ =
        std::make_unique<DeviceProtocol>(settings_.device, *journal_, *rights_, documents_.get());
    act();
}

void BenchDevice::reboot(Elapsed now) {
    now_ = now;
    boot();
}

// == the network
// ========================================================================================

topics::Connection BenchDevice::connect(Elapsed now) {
    now_ = now;
    std::uniform_int_distribution<std::int64_t> any{1, topics::limits::kConnectionMax};
    cn_ = mistake_.draws(topics::Connection{any(random_)});
    protocol_->connected(cn_, uptime());
    act();
    return mistake_.wills(cn_);
}

void BenchDevice::subscribed(Elapsed now) {
    now_ = now;
    protocol_->subscribed(uptime());
    act();
}

void BenchDevice::disconnected(Elapsed now) {
    now_ = now;
    protocol_->disconnected(uptime());
    act();
}

void BenchDevice::heard(topics::Level level, const std::string& payload, Elapsed now) {
    now_ = now;
    mistake_.hears(*this, level, payload);
    act();
}

void BenchDevice::tick(Elapsed now) {
    now_ = now;
    if (mistake_.waits) mistake_.waits(*this);
    protocol_->tick(uptime());
    act();
}

std::optional<Elapsed> BenchDevice::next_due() const {
    std::optional<Elapsed> due;
    if (const auto its = protocol_->next_due()) due = booted_ + *its;
    if (mistake_.waits) due = std::min(due.value_or(Elapsed::max()), now_ + kMistakeTick);
    return due;
}

void BenchDevice::ask(const topics::CardSerial& card, const topics::KeyName& key, Elapsed now) {
    now_ = now;
    protocol_->ask(card, key, {}, uptime());
    act();
}

void BenchDevice::act() {
    for (auto actions = protocol_->take_actions(); !actions.empty();
         actions = protocol_->take_actions()) {
        for (Action& action : actions) {
            if (auto* publish = std::get_if<Publish>(&action)) {
                mistake_.says(*this, std::move(*publish));
            } else if (const auto* command = std::get_if<Run>(&action)) {
                run(*command);
            } else if (std::holds_alternative<ReportSlots>(action)) {
                report_slots();
            } else if (std::holds_alternative<InstallFirmware>(action) ||
                       std::holds_alternative<RollBackFirmware>(action)) {
                restart_ = true;
            }
        }
    }
}

void BenchDevice::run(const Run& command) {
    std::int64_t rc = 0;
    if (const auto* unlock = std::get_if<topics::SlotUnlock>(&command.body)) {
        if (unlock->slot.value > settings_.slots) rc = kNotPossible;
    } else if (std::holds_alternative<topics::SlotsReport>(command.body)) {
        report_slots();
    } else if (std::holds_alternative<topics::Reboot>(command.body)) {
        restart_ = true;
    } else if (!std::holds_alternative<topics::Buzz>(command.body) &&
               !std::holds_alternative<topics::Lock>(command.body)) {
        rc = kNotPossible;
    }
    protocol_->command_finished(command.command, rc, std::nullopt, uptime());
}

// == for mistakes
// =======================================================================================

void BenchDevice::take(topics::Level level, const std::string& payload) {
    protocol_->message(level, payload, uptime());
}

void BenchDevice::send(const Publish& publish) {
    said_.push_back(Says{publish.level, publish.payload, publish.retained});
}

void BenchDevice::record(topics::FactBody body) {
    protocol_->record(std::move(body), uptime());
}

void BenchDevice::report_slots() {
    if (settings_.slots == 0) return;
    topics::SlotsState state;
    for (std::int64_t slot = 1; slot <= settings_.slots; ++slot) {
        state.slots.push_back({topics::Slot{slot}, topics::TagId{"TAG" + std::to_string(slot)}});
    }
    record(std::move(state));
}

topics::FactBatch BenchDevice::batch_of(std::size_t from, std::size_t count) const {
    const auto& held = journal_->held();
    topics::FactBatch batch;
    batch.cn = cn_;
    batch.epoch = journal_->epoch();
    batch.lo = journal_->oldest();
    batch.first = held[from].sequence;
    for (std::size_t i = from; i < std::min(held.size(), from + count); ++i) {
        batch.facts.push_back(held[i].fact);
    }
    return batch;
}

}  // namespace klyuchnik::sim::conformance
