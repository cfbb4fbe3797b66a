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

db::ConnectionSettings leading(db::ConnectionSettings settings) {
    settings.leads = true;
    return settings;
}

std::string line_of(const db::KnownDevice& known) {
    return known.living.empty() ? guard_drop_line(known.device)
                                : guard_set_line(known.device, known.living);
}

}  // namespace

GuardFeeder::GuardFeeder(db::ConnectionSettings database, const process::Clock& clock,
                         process::Metrics& metrics)
    : settings_{database},
      connection_{leading(std::move(database))},
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
    while (true) {
        const Heard heard = listener.wait(patience(), wake_fd_);
        drain(wake_fd_);
        take_reports();
        {
            const std::lock_guard lock{mutex_};
            if (stopping_) break;
        }
        if (heard == Heard::lost) {
            leave_lead();
            wait_for(wake_fd_, 500ms);
            continue;
        }
        try {
            const Steady now = steady_clock::now();
            const bool apart = is_apart(intake);
            if (!leading_ && !apart && now >= lead_not_before_) {
                db::Tx tx{connection_, db::Tx::Mode::one_read};
                if (db::try_feed(tx)) take_lead();
            }
            if (leading_ && (apart || !feed(intake))) {
                process::log::warn_every("guard lead", 60s,
                                         "guard: {}, leaving it to another process to tell it",
                                         apart ? "not connected to the broker" : "nobody answers");
                leave_lead();
                lead_not_before_ = steady_clock::now() + kStandBack;
            }
            feeding_.set(leading_ ? 1 : 0);
        } catch (const db::Fault& fault) {
            process::log::warn_every("guard feeder", 5s, "guard: {}", fault.what());
            leave_lead();
        } catch (const std::exception& error) {
            process::log::error("guard: {}", error.what());
            leave_lead();
            wait_for(wake_fd_, 1000ms);
        }
    }
    feeding_.set(0);
}

bool GuardFeeder::is_apart(Intake& intake) {
    if (intake.connected()) {
        apart_.reset();
        return false;
    }
    const Steady now = steady_clock::now();
    if (!apart_) apart_ = now;
    return now - *apart_ > kApartMax;
}

void GuardFeeder::take_lead() {
    process::log::info("guard: this process tells it who may connect");
    leading_ = true;
    watch_.doubt_all();
    once_more_ = steady_clock::now() + kOnceMoreAfter;
}

/// The lock goes with the connection. What was told is not waited for: the next leader tells it.
void GuardFeeder::leave_lead() {
    connection_.reset();
    leading_ = false;
    watch_.forget_told();
    next_end_.reset();
    feeding_.set(0);
}

std::chrono::milliseconds GuardFeeder::patience() const {
    auto wait = kLeadEvery;
    const auto at_most = [&](auto remaining) {
        const auto whole = std::chrono::ceil<std::chrono::milliseconds>(remaining);
        wait = std::clamp(whole, kLookMin, wait);
    };
    if (const auto until = watch_.until()) at_most(*until - steady_clock::now());
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
    for (const Report& heard : reports) {
        watch_.note(heard.instance, heard.report);
        if (heard.report.presence) compare_due_ = true;
    }
}

// == telling
// ===================================================================================================

bool GuardFeeder::feed(Intake& intake) {
    using Telling = GuardWatch::Telling;
    end_due();
    const Telling telling = watch_.telling(steady_clock::now());
    if (telling == Telling::waiting || !intake.connected()) return true;
    if (telling == Telling::answered) finish_told();
    if (telling == Telling::overdue && !give_up_told()) return false;
    if (steady_clock::now() < not_before_) return true;
    if (intake.connections() != connections_) {
        connections_ = intake.connections();
        watch_.doubt_all();
    }
    if (once_more_ && steady_clock::now() >= *once_more_) {
        once_more_.reset();
        watch_.doubt_all();
    }
    if (!(watch_.all_whole() ? send_changes(intake) : send_whole(intake))) {
        not_before_ = steady_clock::now() + kLeadEvery;
    } else if (!watch_.until()) {
        compare();
    }
    return true;
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
    for (const std::string& instance : watch_.doubt_others_than(wanted)) {
        process::log::warn("guard {}: does not know the {} devices there are: telling it all",
                           instance, wanted);
    }
}

bool GuardFeeder::make_room(Intake& intake, std::string& lines, std::size_t more) {
    if (lines.size() + more <= kGuardPayloadBytesMax) return true;
    const bool sent = intake.try_publish(guard_control_topic(), lines);
    lines.clear();
    return sent;
}

bool GuardFeeder::send_whole(Intake& intake) {
    GuardWatch::Told told;
    told.token = next_token();
    told.whole = true;
    std::int64_t devices = 0;
    std::string after;
    std::string lines = guard_begin_line(told.token);
    while (true) {
        // A page a transaction: what changes meanwhile is in the outbox and is told afterwards.
        const Steady read = steady_clock::now();
        db::Tx tx{connection_, db::Tx::Mode::one_read};
        const auto page = db::guard_page(tx, after, kPageMax);
        for (const db::KnownDevice& known : page) {
            if (known.living.empty()) continue;
            const std::string line = guard_set_line(known.device, known.living);
            if (!make_room(intake, lines, line.size())) return false;
            lines += line;
            ++devices;
        }
        if (steady_clock::now() - read > kReadHolds) return false;
        if (page.size() < static_cast<std::size_t>(kPageMax)) break;
        after = page.back().device.text();
    }
    const std::string last = guard_end_line(told.token) + guard_tell_line(told.token);
    if (!make_room(intake, lines, last.size())) return false;
    lines += last;
    if (!intake.try_publish(guard_control_topic(), lines)) return false;
    asked_ = steady_clock::now();
    told.until = asked_ + kToldWithin + std::chrono::seconds{devices / (kPageMax * 10)};
    wholes_.inc();
    process::log::info("guard: telling all {} devices", devices);
    watch_.expect(std::move(told), asked_);
    return true;
}

bool GuardFeeder::send_changes(Intake& intake) {
    GuardWatch::Told told;
    const Steady read = steady_clock::now();
    {
        db::Tx tx{connection_, db::Tx::Mode::one_read};
        told.rows = db::guard_outbox(tx, kPageMax);
    }
    if (told.rows.empty() && read - asked_ < kHeartbeatEvery) return true;
    told.token = next_token();
    std::string lines;
    for (const db::KnownDevice& known : told.rows) {
        const std::string line = line_of(known);
        if (!make_room(intake, lines, line.size())) return false;
        lines += line;
    }
    const std::string last = guard_tell_line(told.token);
    if (!make_room(intake, lines, last.size())) return false;
    if (steady_clock::now() - read > kReadHolds) return false;
    if (!intake.try_publish(guard_control_topic(), lines + last)) return false;
    asked_ = steady_clock::now();
    told.until = asked_ + kToldWithin;
    watch_.expect(std::move(told), asked_);
    return true;
}

void GuardFeeder::finish_told() {
    const GuardWatch::Told told = watch_.finish();
    if (told.rows.empty()) return;
    db::Tx tx{connection_};
    db::clear_outbox(tx, told.rows);
    tx.commit();
    told_devices_.inc(static_cast<double>(told.rows.size()));
}

/// Whoever did answer needs no more; the others get all of it once more. False: nobody has answered
/// for so long that another process should try.
bool GuardFeeder::give_up_told() {
    const Steady now = steady_clock::now();
    for (const GuardWatch::Silent& silent : watch_.give_up(now)) {
        process::log::warn_every("guard silent", 10s, "guard {}: no answer, telling it again",
                                 silent.instance);
        if (silent.forgotten) {
            process::log::error("guard {}: silent for {} s, not waited for any more",
                                silent.instance, GuardWatch::kSilentMax.count());
        }
    }
    return !watch_.is_unanswered(now);
}

std::string GuardFeeder::next_token() {
    return token_base_ + "-" + std::to_string(++tokens_);
}

}  // namespace klyuchnik::handlers::devices
