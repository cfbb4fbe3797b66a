#include "handlers/runtime/dispatcher.hpp"

#include <algorithm>
#include <set>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "db/access/fault.hpp"
#include "db/access/listener.hpp"
#include "handlers/runtime/alarms.hpp"
#include "handlers/runtime/command_stage.hpp"
#include "handlers/runtime/intake.hpp"
#include "process/crash_point.hpp"
#include "process/log.hpp"
#include "topics/codec.hpp"

namespace klyuchnik::handlers {

using namespace std::chrono_literals;
using namespace topics;

namespace {

constexpr const char* kSource = "dispatcher";

bool readable(int fd, std::chrono::milliseconds timeout) {
    pollfd waiting{fd, POLLIN, 0};
    return ::poll(&waiting, 1, static_cast<int>(timeout.count())) > 0;
}

Outgoing message_of(const db::CommandRecord& record, Connection cn) {
    auto body = decode_command_body(record.kind, record.content);
    Command command;
    command.cn = cn;
    command.number = record.number;
    command.expires_s = unix_seconds(record.expires);
    command.body = body ? std::move(*body) : CommandBody{UnknownCommand{record.kind}};
    return {device_topic(record.device, Level::command), encode(command)};
}

void wake(db::Tx& tx, const std::set<DeviceId>& devices, Instant now) {
    const std::vector<DeviceId> list{devices.begin(), devices.end()};
    db::wake_commands(tx, list, now, now);
}

}  // namespace

Dispatcher::Dispatcher(db::ConnectionSettings database, const process::Clock& clock,
                       process::Metrics& metrics)
    : settings_{database},
      connection_{std::move(database)},
      clock_{clock},
      metrics_{metrics},
      sent_{metrics.counter("klyuchnik_commands_sent_total",
                            "Commands handed over for a device, repeats included")},
      open_{metrics.gauge("klyuchnik_commands_open", "Commands queued, sent or accepted")},
      alarms_{metrics.gauge("klyuchnik_alarms_open", "Alarms that are not resolved")},
      stop_fd_{::eventfd(0, EFD_CLOEXEC)} {}

Dispatcher::~Dispatcher() {
    if (thread_.joinable()) stop();
    ::close(stop_fd_);
}

void Dispatcher::start(Intake& intake) {
    thread_ = std::thread{[this, &intake] { run(intake); }};
}

void Dispatcher::stop() {
    ::eventfd_write(stop_fd_, 1);
    thread_.join();
}

void Dispatcher::run(Intake& intake) {
    using Heard = db::Listener::Heard;
    db::Listener listener{settings_, db::Channel::commands};
    Instant next = clock_.now();
    while (!readable(stop_fd_, 0ms)) {
        try {
            const auto until = std::chrono::ceil<std::chrono::milliseconds>(next - clock_.now());
            const auto wait = std::clamp<std::chrono::milliseconds>(until, kLookMin, kLookMax);
            if (listener.wait(wait, stop_fd_) == Heard::lost) {
                connection_.reset();
                if (readable(stop_fd_, 500ms)) break;
                continue;
            }
            next = work_once(intake);
        } catch (const db::Fault& fault) {
            process::log::warn_every("dispatcher", 5s, "dispatcher: {}", fault.what());
            if (fault.retry() == db::Fault::Retry::after_reconnect) connection_.reset();
            next = clock_.now() + kBrokerAway;
        } catch (const std::exception& error) {
            process::log::error("dispatcher: {}", error.what());
            next = clock_.now() + kFaultPause;
        }
    }
}

Instant Dispatcher::work_once(Intake& intake) {
    // What would be marked as sent while nobody can be reached would only wear out its repeats.
    const bool sending = intake.connected();
    const Look done = look(sending);
    if (!done.messages.empty()) process::crash_point("dispatcher_marked");
    for (const Message& message : done.messages) {
        // By the clock of this moment: the commit may have taken long.
        const auto left = life_left(message.expires, clock_.now());
        // Not taken: it is repeated anyway.
        if (left && intake.try_publish(message.outgoing, *left)) sent_.inc();
    }
    const Instant now = clock_.now();
    if (!done.messages.empty()) process::crash_point("dispatcher_published");
    count_open();
    if (done.more) return now;
    const Instant latest = now + kLookMax;
    const Instant next = std::min(done.next.value_or(latest), latest);
    return sending ? next : std::max(next, now + kBrokerAway);
}

void Dispatcher::count_open() {
    const auto now = std::chrono::steady_clock::now();
    if (now - counted_ < kCountEvery) return;
    counted_ = now;
    db::Tx tx{connection_, db::Tx::Mode::read_only};
    open_.set(static_cast<double>(db::count_open_commands(tx)));
    alarms_.set(static_cast<double>(db::count_alarms(tx)));
}

Dispatcher::Look Dispatcher::look(bool sending) {
    Look look;
    Ended ended;
    Work work;
    work.now = clock_.now();
    db::Tx tx{connection_};
    end_overdue(tx, work, look, ended);
    if (sending) send_due(tx, work, look, ended);
    store_alarms_and_events(tx, work);
    look.next = db::next_command_due(tx);
    tx.commit();
    handlers::count_ended(ended, metrics_);
    return look;
}

void Dispatcher::end_overdue(db::Tx& tx, Work& work, Look& look, Ended& ended) {
    std::vector<db::CommandRecord> overdue = db::overdue_commands(tx, work.now, kCommandsMax);
    std::set<DeviceId> free;
    for (db::CommandRecord& command : overdue) {
        const Step step = time_over(command, work.now);
        report(command, step, kSource, work);
        if (!step.ended) continue;
        free.insert(command.device);
        ++ended[command.state];
    }
    db::save_commands(tx, overdue);
    wake(tx, free, work.now);
    look.more = look.more || overdue.size() == static_cast<std::size_t>(kCommandsMax);
}

void Dispatcher::send_due(db::Tx& tx, Work& work, Look& look, Ended& ended) {
    std::vector<db::CommandRecord> due = db::due_commands(tx, work.now, kCommandsMax);
    if (due.empty()) return;
    std::set<DeviceId> devices;
    for (const db::CommandRecord& command : due) devices.insert(command.device);
    const std::vector<DeviceId> wanted{devices.begin(), devices.end()};
    std::map<DeviceId, db::CommandTarget> targets;
    for (const db::CommandTarget& target : db::command_targets(tx, wanted, work.now)) {
        targets[target.device] = target;
    }
    std::set<DeviceId> free;
    for (db::CommandRecord& command : due) {
        const auto found = targets.find(command.device);
        const db::CommandTarget* const target = found == targets.end() ? nullptr : &found->second;
        Outgoing message;
        if (target) message = message_of(command, target->cn);
        switch (judge_sending(command, target, message.topic.size() + message.payload.size(),
                              work.now)) {
            case Sending::send: {
                mark_sent(command, work.now);
                look.messages.push_back({std::move(message), command.expires});
                if (command.sendings > 1) break;
                Event& event =
                    work.log("devices", "command_sent", subject_of(command.device), kSource);
                event.ids.device = command.device;
                event.ids.command = command.id;
                break;
            }
            case Sending::sleep:
                mark_asleep(command, work.now);
                // It holds nobody up any more.
                if (work.now >= command.expires) free.insert(command.device);
                break;
            case Sending::too_large:
                report(command, mark_too_large(command, work.now), kSource, work);
                free.insert(command.device);
                ++ended[command.state];
                break;
        }
    }
    db::save_commands(tx, due);
    wake(tx, free, work.now);
    look.more = look.more || due.size() == static_cast<std::size_t>(kCommandsMax);
}

}  // namespace klyuchnik::handlers
