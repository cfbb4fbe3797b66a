#include "firmware-sim/cabinet/cabinet.hpp"

#include <algorithm>
#include <utility>
#include <variant>

#include "process/log.hpp"

namespace klyuchnik::sim {
namespace {

using topics::CardSerial;
using topics::KeyName;

constexpr std::chrono::seconds kMiscEvery{1};
constexpr std::chrono::milliseconds kBootTakes{20};

template <class... Ts>
struct Overloaded : Ts... {
    using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

void add(ProtocolCounters& to, const ProtocolCounters& from) {
    to.resent += from.resent;
    to.epochs += from.epochs;
    to.gaps += from.gaps;
    to.foreign_acks += from.foreign_acks;
    to.late_answers += from.late_answers;
    to.malformed += from.malformed;
    to.bad_batches += from.bad_batches;
    to.expired_commands += from.expired_commands;
    to.chunks_sent += from.chunks_sent;
    to.unknown_chunks += from.unknown_chunks;
    to.refused_documents += from.refused_documents;
    to.rolled_back += from.rolled_back;
}

/// The files of one cabinet's flash: ID.journal, ID.rights, ID.state and so on.
std::vector<std::filesystem::path> flash_files(const topics::DeviceId& id,
                                               const std::filesystem::path& directory) {
    std::vector<std::filesystem::path> files;
    if (!std::filesystem::exists(directory)) return files;
    for (const auto& entry : std::filesystem::directory_iterator{directory}) {
        if (entry.path().filename().string().starts_with(id.text() + ".")) {
            files.push_back(entry.path());
        }
    }
    return files;
}

}  // namespace

void copy_flash(const topics::DeviceId& id, const std::filesystem::path& from,
                const std::filesystem::path& to) {
    std::filesystem::create_directories(to);
    for (const auto& file : flash_files(id, to)) std::filesystem::remove(file);
    for (const auto& file : flash_files(id, from)) {
        std::filesystem::copy_file(file, to / file.filename());
    }
}

Cabinet::Cabinet(CabinetSettings settings, const CachedRights& rights, Ledger& ledger,
                 SteadyTime now)
    : settings_{std::move(settings)},
      rights_before_{rights},
      ledger_{ledger},
      random_{settings_.seed} {
    for (const CabinetKey& key : settings_.keys) slots_.push_back(SlotState{key, true, {}, {}});
    settings_.device.id = settings_.link.id;
    std::filesystem::create_directories(settings_.state_dir);
    open_flash();
    ledger_.caught_up(id(), *journal_);
    held_at_start_ = static_cast<std::int64_t>(journal_->size());
    const auto whereabouts = ledger_.whereabouts(id());
    for (SlotState& slot : slots_) {
        const auto found = whereabouts.find(slot.key.name.value);
        if (found == whereabouts.end() || !found->second.out) continue;
        slot.here = false;
        slot.holder = found->second.card;
    }
    boot(now);
}

Cabinet::~Cabinet() = default;

Uptime Cabinet::uptime(SteadyTime now) const {
    return std::chrono::duration_cast<Uptime>(now - booted_) + skew_;
}

void Cabinet::open_flash() {
    journal_ = std::make_unique<Journal>(
        std::make_unique<FileStore>(settings_.state_dir / (id().text() + ".journal"),
                                    settings_.flush),
        settings_.journal);
    document_store_ =
        std::make_unique<FileDocumentStore>(settings_.state_dir, id().text(), settings_.flush);
    documents_ = std::make_unique<Documents>(*document_store_);
    rights_ = std::make_unique<DocumentRights>(*documents_, &rights_before_);
}

void Cabinet::lose_power() {
    add(earlier_, protocol_->counters());
    link_.reset();
    protocol_.reset();
    rights_.reset();
    documents_.reset();
    journal_.reset();
}

void Cabinet::boot(SteadyTime now) {
    booted_ = now;
    skew_ = std::chrono::milliseconds{0};
    restart_ = false;
    if (!journal_) open_flash();
    if (journal_->damaged() > 0) {
        process::log::warn("{}: {} damaged records in the journal", id().text(),
                           journal_->damaged());
    }
    settings_.device.seed = random_();
    protocol_ =
        std::make_unique<DeviceProtocol>(settings_.device, *journal_, *rights_, documents_.get());
    announced_ = false;
    last_batch_.clear();
    for (SlotState& slot : slots_) slot.unlocked_until.reset();
    reconnect_wait_ = std::chrono::milliseconds{0};
    connect_at_.reset();
    const bool dead =
        protocol_->on_trial() && settings_.firmware_trouble == FirmwareTrouble::never_connects;
    if (!offline_ && !dead) {
        std::uniform_int_distribution<std::int64_t> spread{0, settings_.connect_spread.count()};
        connect_at_ = now + kBootTakes + std::chrono::milliseconds{spread(random_)};
    }
    settings_.connect_spread = std::chrono::milliseconds{0};
    act(now);
}

void Cabinet::reboot(SteadyTime now) {
    ++counters_.reboots;
    lose_power();
    boot(now);
}

// == the loop
// ==========================================================================================

int Cabinet::fd() const {
    return link_ ? link_->fd() : -1;
}

bool Cabinet::wants_write() const {
    return link_ && link_->wants_write();
}

void Cabinet::service(bool readable, bool writable, SteadyTime now) {
    if (!link_) return;
    link_->service(readable, writable);
    drain_link(now);
}

void Cabinet::drain_link(SteadyTime now) {
    if (!link_) return;
    // The grant of the subscription comes before anything that it delivers.
    if (link_->subscribed() && !announced_) {
        announced_ = true;
        protocol_->subscribed(uptime(now));
        act(now);
    }
    for (const Heard& heard : link_->take_heard()) {
        protocol_->message(heard.level, heard.payload, uptime(now));
        act(now);
    }
    // Only an answered birth counts: a broker that lets the cabinet in and throws it out again must
    // not be asked five times a second.
    if (protocol_->online()) reconnect_wait_ = std::chrono::milliseconds{0};
    if (link_->down()) lost(now);
}

void Cabinet::tick(SteadyTime now) {
    if (std::exchange(restart_, false)) reboot(now);
    for (SlotState& slot : slots_) {
        if (slot.unlocked_until && now >= *slot.unlocked_until) slot.unlocked_until.reset();
    }
    if (connect_at_ && now >= *connect_at_) connect(now);
    if (link_ && now >= misc_due_) {
        misc_due_ = now + kMiscEvery;
        link_->misc(now);
    }
    protocol_->tick(uptime(now));
    act(now);
    drain_link(now);
}

SteadyTime Cabinet::next_due(SteadyTime now) const {
    if (restart_) return now;
    SteadyTime due = now + kMiscEvery;
    if (link_) due = std::min(due, misc_due_);
    if (connect_at_) due = std::min(due, *connect_at_);
    if (const auto next = protocol_->next_due()) due = std::min(due, booted_ + *next - skew_);
    return due;
}

void Cabinet::connect(SteadyTime now) {
    connect_at_.reset();
    announced_ = false;
    ++counters_.connects;
    std::uniform_int_distribution<std::int64_t> any{1, topics::limits::kConnectionMax};
    const topics::Connection cn{any(random_)};
    link_ = std::make_unique<MqttLink>(settings_.link, cn);
    misc_due_ = now + kMiscEvery;
    protocol_->connected(cn, uptime(now));
    if (link_->down()) lost(now);
}

void Cabinet::lost(SteadyTime now) {
    process::log::debug("{}: {}", id().text(), link_->why_down());
    link_.reset();
    const auto spread = protocol_->reconnect_spread();
    protocol_->disconnected(uptime(now));
    act(now);
    if (offline_) return;
    reconnect_wait_ = reconnect_wait_.count() == 0
                          ? settings_.reconnect_first
                          : std::min(reconnect_wait_ * 2, settings_.reconnect_max);
    std::uniform_real_distribution<double> jitter{0.5, 1.5};
    auto wait =
        std::chrono::duration_cast<std::chrono::milliseconds>(reconnect_wait_ * jitter(random_));
    if (spread.count() > 0) {
        std::uniform_int_distribution<std::int64_t> over{0, spread.count() * 1000};
        wait += std::chrono::milliseconds{over(random_)};
    }
    connect_at_ = now + wait;
}

void Cabinet::act(SteadyTime now) {
    // Doing one action may make others; the order among those of one round is what counts.
    for (auto actions = protocol_->take_actions(); !actions.empty();
         actions = protocol_->take_actions()) {
        for (Action& action : actions) {
            std::visit(
                Overloaded{
                    [&](Publish& publish) {
                        if (publish.what == Said::batch || publish.what == Said::batch_again) {
                            ++counters_.batches;
                            last_batch_ = publish.payload;
                        }
                        if (link_) {
                            link_->publish(publish.level, publish.payload, publish.retained);
                        }
                    },
                    [&](Recorded& recorded) {
                        ++counters_.facts;
                        ledger_.generated(id(), recorded.number, recorded.fact);
                    },
                    [&](Decided& decided) {
                        if (decided.granted) {
                            if (SlotState* slot = slot_of(decided.key)) {
                                unlock(*slot, decided.offline ? "offline" : "request",
                                       decided.request, decided.card, now);
                            }
                        }
                        decisions_.push_back(std::move(decided));
                    },
                    [&](Run& command) { run(command, now); },
                    [&](Renumbered& renumbered) { ledger_.renumbered(id(), renumbered.moved); },
                    [&](Dropped& dropped) {
                        dropped_ += static_cast<std::int64_t>(dropped.numbers.size());
                        ledger_.dropped(id(), dropped.numbers);
                    },
                    [&](SetAside& aside) { ledger_.set_aside(id(), aside.number); },
                    [&](ReportSlots&) {
                        if (!slots_.empty()) protocol_->record(slots_state(), uptime(now));
                    },
                    [](RightsChanged&) {},
                    [&](InstallFirmware&) {
                        if (settings_.firmware_trouble == FirmwareTrouble::does_not_boot) {
                            // It was started, and nobody was there to say that it is good.
                            DeviceState state = documents_->state();
                            state.firmware_started = true;
                            documents_->keep(state);
                        }
                        restart_ = true;
                    },
                    [&](RollBackFirmware&) { restart_ = true; },
                },
                action);
        }
    }
}

// == people
// =====================================================================================

std::int64_t Cabinet::ask(const CardSerial& card, const KeyName& key,
                          const std::vector<CardSerial>& with, SteadyTime now) {
    const std::int64_t number = protocol_->ask(card, key, with, uptime(now));
    act(now);
    return number;
}

bool Cabinet::take(const CardSerial& card, const KeyName& key, SteadyTime now) {
    const SlotState* slot = slot_of(key);
    if (slot == nullptr || !slot->unlocked_until) return false;
    return take_by_force(card, key, now);
}

bool Cabinet::take_by_force(const std::optional<CardSerial>& card, const KeyName& key,
                            SteadyTime now) {
    SlotState* slot = slot_of(key);
    if (slot == nullptr || !slot->here) return false;
    slot->here = false;
    slot->holder = card.value_or(CardSerial{});
    slot->unlocked_until.reset();
    ++counters_.taken;
    protocol_->record(topics::KeyTaken{slot->key.slot, slot->key.tag, slot->key.name, card},
                      uptime(now));
    act(now);
    return true;
}

bool Cabinet::give_back(const std::optional<CardSerial>& card, const KeyName& key, SteadyTime now) {
    SlotState* slot = slot_of(key);
    if (slot == nullptr || slot->here) return false;
    slot->here = true;
    slot->holder = CardSerial{};
    ++counters_.returned;
    protocol_->record(topics::KeyReturned{slot->key.slot, slot->key.tag, slot->key.name, card},
                      uptime(now));
    act(now);
    return true;
}

FactNumber Cabinet::record(topics::FactBody body, SteadyTime now) {
    const topics::Sequence sequence = protocol_->record(std::move(body), uptime(now));
    const FactNumber number{journal_->epoch(), sequence};
    act(now);
    return number;
}

bool Cabinet::has(const KeyName& key) const {
    const SlotState* slot = slot_of(key);
    return slot != nullptr && slot->here;
}

std::string Cabinet::last_log() const {
    const std::string* log = documents_->offered(kLogsDocument);
    return log != nullptr ? *log : std::string{};
}

std::vector<Cabinet::OutKey> Cabinet::keys_out() const {
    std::vector<OutKey> out;
    for (const SlotState& slot : slots_) {
        if (!slot.here) out.push_back(OutKey{slot.key.name, slot.holder});
    }
    return out;
}

void Cabinet::unlock(SlotState& slot, std::string_view why, std::int64_t number,
                     const CardSerial& card, SteadyTime now) {
    slot.unlocked_until = now + settings_.unlocked_for;
    ledger_.actuated(id(), slot.key.slot, why, number, slot.key.name.value, card.value);
}

void Cabinet::run(const Run& command, SteadyTime now) {
    std::int64_t rc = 0;
    std::visit(Overloaded{
                   [&](const topics::SlotUnlock& body) {
                       const auto slot = std::ranges::find_if(
                           slots_, [&](const SlotState& one) { return one.key.slot == body.slot; });
                       if (slot == slots_.end()) {
                           rc = 422;
                       } else {
                           unlock(*slot, "command", command.command, CardSerial{}, now);
                       }
                   },
                   [&](const topics::SlotsReport&) {
                       if (!slots_.empty()) protocol_->record(slots_state(), uptime(now));
                   },
                   [&](const topics::Buzz&) {},
                   [&](const topics::Lock& body) {
                       if (!body.locked) return;
                       for (SlotState& slot : slots_) slot.unlocked_until.reset();
                   },
                   [&](const topics::Reboot&) { restart_ = true; },
                   [&](const auto&) { rc = 422; },
               },
               command.body);
    // The result of a restart is written before it, since after it nobody remembers; the restart is
    // tick()'s.
    protocol_->command_finished(command.command, rc, std::nullopt, uptime(now));
}

Cabinet::SlotState* Cabinet::slot_of(const KeyName& key) {
    const auto found =
        std::ranges::find_if(slots_, [&](const SlotState& slot) { return slot.key.name == key; });
    return found == slots_.end() ? nullptr : &*found;
}
const Cabinet::SlotState* Cabinet::slot_of(const KeyName& key) const {
    const auto found =
        std::ranges::find_if(slots_, [&](const SlotState& slot) { return slot.key.name == key; });
    return found == slots_.end() ? nullptr : &*found;
}

topics::SlotsState Cabinet::slots_state() const {
    topics::SlotsState state;
    for (const SlotState& slot : slots_) {
        state.slots.push_back(topics::SlotContent{
            slot.key.slot, slot.here ? std::optional{slot.key.tag} : std::nullopt});
    }
    return state;
}

// == trouble
// ====================================================================================

void Cabinet::advance(std::chrono::milliseconds by, SteadyTime now) {
    skew_ += by;
    protocol_->tick(uptime(now));
    act(now);
}

void Cabinet::set_clock_error(std::optional<std::int64_t> seconds) {
    settings_.device.clock_error_s = seconds;
}

void Cabinet::wipe_flash(SteadyTime now) {
    ++counters_.reboots;
    lose_power();
    for (const auto& file : flash_files(id(), settings_.state_dir)) std::filesystem::remove(file);
    boot(now);
}

void Cabinet::restore_flash(const std::filesystem::path& from, SteadyTime now) {
    ++counters_.reboots;
    lose_power();
    copy_flash(id(), from, settings_.state_dir);
    boot(now);
}

void Cabinet::save_flash(const std::filesystem::path& to) const {
    copy_flash(id(), settings_.state_dir, to);
}

void Cabinet::go_offline(SteadyTime now) {
    offline_ = true;
    connect_at_.reset();
    if (!link_) return;
    link_.reset();
    protocol_->disconnected(uptime(now));
    act(now);
}

void Cabinet::go_online(SteadyTime now) {
    if (!offline_) return;
    offline_ = false;
    connect_at_ = now;
}

bool Cabinet::repeat_last_batch() {
    if (last_batch_.empty() || !link_ || !protocol_->online()) return false;
    ++counters_.repeated_on_purpose;
    return link_->publish(topics::Level::facts, last_batch_, false);
}

CabinetCounters Cabinet::counters() const {
    CabinetCounters now = counters_;
    now.acked = held_at_start_ + now.facts - dropped_ - static_cast<std::int64_t>(journal_->size());
    return now;
}

ProtocolCounters Cabinet::protocol_counters() const {
    ProtocolCounters sum = earlier_;
    add(sum, protocol_->counters());
    return sum;
}

}  // namespace klyuchnik::sim
