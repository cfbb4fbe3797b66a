#include "handlers/devices/guard_feeder.hpp"

#include <algorithm>
#include <random>

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "db/access/fault.hpp"
#include "db/access/listener.hpp"
#include "db/access/log_store.hpp"
#include "process/log.hpp"
#include "topics/names.hpp"

namespace klyuchnik::handlers::devices {

using namespace std::chrono_literals;
using namespace topics;
using std::chrono::steady_clock;

namespace {

std::string random_base() {
    std::random_device random;
    return fmt::format("feed{:08x}", random());
}

void drain(int fd) {
    eventfd_t ignored = 0;
    ::eventfd_read(fd, &ignored);
}

/// True when `fd` became readable within `timeout`.
bool wait_for(int fd, std::chrono::milliseconds timeout) {
    pollfd waiting{fd, POLLIN, 0};
    return ::poll(&waiting, 1, static_cast<int>(timeout.count())) > 0;
}

std::string line_of(const db::KnownDevice& known) {
    return known.living.empty() ? guard_drop_line(known.device)
                                : guard_set_line(known.device, known.living);
}

}  // namespace

GuardFeeder::GuardFeeder(db::ConnectionSettings database, const process::Clock& clock,
                         process::Metrics& metrics)
    : settings_{database},
      connection_{std::move(database)},
      clock_{clock},
      feeding_{metrics.gauge("klyuchnik_guard_feeding", "1 while this process tells the guard")},
      told_devices_{metrics.counter("klyuchnik_guard_devices_told_total",
                                    "Changes of devices that every guard has taken")},
      wholes_{
          metrics.counter("klyuchnik_guard_snapshots_total", "Times that all devices were told")},
      wake_fd_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)},
      token_base_{random_base()} {}

GuardFeeder::~GuardFeeder() {
    if (thread_.joinable()) stop();
    ::close(wake_fd_);
}

void GuardFeeder::start(Intake& intake) {
    intake.hear_guards([this](const Incoming& message) { hear(message); });
    thread_ = std::thread{[this, &intake] { run(intake); }};
}

void GuardFeeder::stop() {
    {
        const std::lock_guard lock{mutex_};
        stopping_ = true;
    }
    ::eventfd_write(wake_fd_, 1);
    thread_.join();
}

void GuardFeeder::hear(const Incoming& message) {
    const ParsedTopic topic = parse_topic(message.topic);
    const auto* guard = std::get_if<GuardTopic>(&topic);
    auto report = decode_guard_report(message.payload);
    if (!guard || !report) return;  // The loop that hears it too says what is wrong with it.
    {
        const std::lock_guard lock{mutex_};
        if (arrived_.size() >= kReportsMax) return;
        arrived_.push_back({guard->instance, std::move(*report)});
    }
    ::eventfd_write(wake_fd_, 1);
}

void GuardFeeder::run(Intake& intake) {
    using Heard = db::Listener::Heard;
    db::Listener listener{settings_, db::Channel::guard};
    bool leading = false;
    while (true) {
        const Heard heard = listener.wait(patience(), wake_fd_);
        drain(wake_fd_);
        take_reports();
        {
            const std::lock_guard lock{mutex_};
            if (stopping_) break;
        }
        if (heard == Heard::lost) {
            connection_.reset();
            leading = false;
            wait_for(wake_fd_, 500ms);
            continue;
        }
        try {
            if (!leading) {
                db::Tx tx{connection_, db::Tx::Mode::one_read};
                leading = db::try_feed(tx);
                if (leading) {
                    process::log::info("guard: this process tells it who may connect");
                    for (auto& [instance, guard] : guards_) guard.whole = false;
                    told_.reset();
                }
            }
            feeding_.set(leading ? 1 : 0);
            if (leading) feed(intake);
        } catch (const db::Fault& fault) {
            process::log::warn_every("guard feeder", 5s, "guard: {}", fault.what());
            connection_.reset();
            leading = false;
        }
    }
    feeding_.set(0);
}

std::chrono::milliseconds GuardFeeder::patience() const {
    auto wait = kLeadEvery;
    const auto at_most = [&](auto remaining) {
        const auto whole = std::chrono::ceil<std::chrono::milliseconds>(remaining);
        wait = std::clamp(whole, 0ms, wait);
    };
    if (told_) at_most(told_->until - steady_clock::now());
    if (next_end_) at_most(*next_end_ - clock_.now());
    return wait;
}

// == hearing
// ===================================================================================================

void GuardFeeder::take_reports() {
    std::vector<Report> reports;
    {
        const std::lock_guard lock{mutex_};
        reports.swap(arrived_);
    }
    for (const Report& report : reports) note(report);
}

void GuardFeeder::note(const Report& heard) {
    const GuardReport& report = heard.report;
    Guard& guard = guards_[heard.instance];
    guard.heard = steady_clock::now();
    if (guard.boot != report.boot) {
        guard.boot = report.boot;
        guard.whole = false;
    }
    guard.devices = report.devices;
    if (report.presence) compare_due_ = true;
    if (report.told && told_ && *report.told == told_->token) {
        told_->waiting.erase(heard.instance);
        if (told_->whole) guard.whole = true;
    }
}

// == telling
// ===================================================================================================

void GuardFeeder::feed(Intake& intake) {
    end_due();
    if (told_ && told_->waiting.empty()) finish_told();
    if (told_ && steady_clock::now() >= told_->until) give_up_told();
    if (told_ || guards_.empty() || !intake.connected()) return;
    if (steady_clock::now() < not_before_) return;
    if (intake.connections() != connections_) {
        connections_ = intake.connections();
        for (auto& [instance, guard] : guards_) guard.whole = false;
    }
    const bool all_whole =
        std::ranges::all_of(guards_, [](const auto& one) { return one.second.whole; });
    if (!(all_whole ? send_changes(intake) : send_whole(intake))) {
        not_before_ = steady_clock::now() + kLeadEvery;
    } else if (!told_) {
        compare();
    }
}

void GuardFeeder::end_due() {
    Work work;
    work.now = clock_.now();
    db::Tx tx{connection_};
    for (const db::EndedCredential& ended : db::end_due_credentials(tx, work.now, kEndedMax)) {
        Event& event = work.log("devices", "credential_ended", "device:" + ended.device.text(),
                                "timed:guard_feeder");
        event.ids.device = ended.device;
        event.ids.why = ended.kind;
    }
    db::add_events(tx, work.events);
    next_end_ = db::next_credential_end(tx);
    tx.commit();
}

void GuardFeeder::compare() {
    const Steady now = steady_clock::now();
    if (!compare_due_ && now - compared_ < kCompareEvery) return;
    std::int64_t wanted = 0;
    {
        db::Tx tx{connection_, db::Tx::Mode::read_only};
        wanted = db::count_known(tx);
        // What a guard can not know yet, it need not.
        if (!db::guard_outbox(tx, 1).empty()) return;
    }
    compare_due_ = false;
    compared_ = now;
    for (auto& [instance, guard] : guards_) {
        if (guard.devices == wanted) continue;
        process::log::warn("guard {}: knows {} devices, not {}: telling it all", instance,
                           guard.devices, wanted);
        guard.whole = false;
    }
}

bool GuardFeeder::make_room(Intake& intake, std::string& lines, std::size_t more) {
    if (lines.size() + more <= kGuardPayloadBytesMax) return true;
    const bool sent = intake.try_publish(guard_control_topic(), lines);
    lines.clear();
    return sent;
}

bool GuardFeeder::send_whole(Intake& intake) {
    Told told;
    told.token = next_token();
    told.whole = true;
    std::int64_t devices = 0;
    std::string after;
    std::string lines = guard_begin_line(told.token);
    while (true) {
        // A page a transaction: what changes meanwhile is in the outbox and is told afterwards.
        db::Tx tx{connection_, db::Tx::Mode::one_read};
        const auto page = db::guard_page(tx, after, kPageMax);
        for (const db::KnownDevice& known : page) {
            if (known.living.empty()) continue;
            const std::string line = guard_set_line(known.device, known.living);
            if (!make_room(intake, lines, line.size())) return false;
            lines += line;
            ++devices;
        }
        if (page.size() < static_cast<std::size_t>(kPageMax)) break;
        after = page.back().device.text();
    }
    const std::string last = guard_end_line(told.token) + guard_tell_line(told.token);
    if (!make_room(intake, lines, last.size())) return false;
    lines += last;
    if (!intake.try_publish(guard_control_topic(), lines)) return false;
    told.until =
        steady_clock::now() + kToldWithin + std::chrono::seconds{devices / (kPageMax * 10)};
    wholes_.inc();
    process::log::info("guard: telling all {} devices", devices);
    expect(std::move(told));
    return true;
}

bool GuardFeeder::send_changes(Intake& intake) {
    Told told;
    {
        db::Tx tx{connection_, db::Tx::Mode::one_read};
        told.rows = db::guard_outbox(tx, kPageMax);
    }
    if (told.rows.empty()) return true;
    told.token = next_token();
    std::string lines;
    for (const db::KnownDevice& known : told.rows) {
        const std::string line = line_of(known);
        if (!make_room(intake, lines, line.size())) return false;
        lines += line;
    }
    const std::string last = guard_tell_line(told.token);
    if (!make_room(intake, lines, last.size())) return false;
    if (!intake.try_publish(guard_control_topic(), lines + last)) return false;
    told.until = steady_clock::now() + kToldWithin;
    expect(std::move(told));
    return true;
}

void GuardFeeder::expect(Told told) {
    for (const auto& [instance, guard] : guards_) told.waiting.insert(instance);
    told_ = std::move(told);
}

void GuardFeeder::finish_told() {
    if (!told_->rows.empty()) {
        db::Tx tx{connection_};
        db::clear_outbox(tx, told_->rows);
        tx.commit();
        told_devices_.inc(static_cast<double>(told_->rows.size()));
    }
    told_.reset();
}

void GuardFeeder::give_up_told() {
    const Steady now = steady_clock::now();
    for (const std::string& instance : told_->waiting) {
        const auto guard = guards_.find(instance);
        if (guard == guards_.end()) continue;
        process::log::warn_every("guard silent", 10s, "guard {}: no answer, telling it again",
                                 instance);
        if (now - guard->second.heard > kSilentMax) {
            process::log::error("guard {}: silent for {} s, not waited for any more", instance,
                                kSilentMax.count());
            guards_.erase(guard);
        }
    }
    // Whoever did answer needs no more; the others get all of it once more.
    told_.reset();
}

std::string GuardFeeder::next_token() {
    return token_base_ + "-" + std::to_string(++tokens_);
}

}  // namespace klyuchnik::handlers::devices
