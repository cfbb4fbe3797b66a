#include "handlers/runtime/timed_work.hpp"

#include <algorithm>
#include <map>
#include <stdexcept>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "db/access/chores_store.hpp"
#include "db/access/fault.hpp"
#include "db/access/listener.hpp"
#include "handlers/runtime/alarms.hpp"
#include "handlers/runtime/intake.hpp"
#include "handlers/runtime/letters.hpp"
#include "process/log.hpp"

namespace klyuchnik::handlers {

using namespace std::chrono_literals;
using topics::Instant;

namespace {

bool readable(int fd, std::chrono::milliseconds timeout) {
    pollfd waiting{fd, POLLIN, 0};
    return ::poll(&waiting, 1, static_cast<int>(timeout.count())) > 0;
}

}  // namespace

struct TimedWork::Entry {
    struct Task {
        TimedTask task;
        Instant not_before;  ///< After a failure.
    };
    std::unique_ptr<Domain> domain;
    db::Connection connection;
    std::vector<Task> tasks;
    bool known = false;  ///< Its tasks have their rows.
    Instant not_before;  ///< Of its letters, after a failure.
    LetterTries letter_tries;
};

TimedWork::TimedWork(db::ConnectionSettings listening, const process::Clock& clock,
                     process::Metrics& metrics)
    : listening_{std::move(listening)},
      clock_{clock},
      faults_{metrics.counter("klyuchnik_timed_faults_total",
                              "Pieces of regular work that failed and are tried again")},
      stop_fd_{::eventfd(0, EFD_CLOEXEC)} {}

TimedWork::~TimedWork() {
    if (thread_.joinable()) stop();
    ::close(stop_fd_);
}

void TimedWork::add(std::unique_ptr<Domain> domain, db::ConnectionSettings database) {
    auto entry = std::make_unique<Entry>(
        Entry{std::move(domain), db::Connection{std::move(database)}, {}, false, {}, {}});
    for (TimedTask& task : entry->domain->timed()) {
        if (task.every < 1s) throw std::logic_error{task.name + ": at most once a second"};
        entry->tasks.push_back({std::move(task), {}});
    }
    entries_.push_back(std::move(entry));
}

void TimedWork::start(Intake& intake) {
    thread_ = std::thread{[this, &intake] { run(intake); }};
}

void TimedWork::stop() {
    ::eventfd_write(stop_fd_, 1);
    thread_.join();
}

void TimedWork::run(Intake& intake) {
    using Heard = db::Listener::Heard;
    db::Listener listener{listening_, db::Channel::letters};
    Instant next = clock_.now();
    while (!readable(stop_fd_, 0ms)) {
        try {
            const auto until = std::chrono::ceil<std::chrono::milliseconds>(next - clock_.now());
            const auto wait = std::clamp<std::chrono::milliseconds>(until, kLookMin, kLookMax);
            if (listener.wait(wait, stop_fd_) == Heard::lost) {
                for (const auto& entry : entries_) entry->connection.reset();
                if (readable(stop_fd_, 500ms)) break;
                continue;
            }
            std::vector<Outgoing> out;
            next = work(out, intake.connected());
            for (const Outgoing& message : out) intake.publish(message);
        } catch (const std::exception& error) {
            process::log::error("timed work: {}", error.what());
            next = clock_.now() + kTryAgain;
        }
    }
}

Instant TimedWork::work(std::vector<Outgoing>& out, bool sending) {
    const Instant now = clock_.now();
    Instant next = now + kLookMax;
    for (const auto& entry : entries_) {
        try {
            if (entry->not_before <= now &&
                retry_letters(*entry->domain, entry->connection, clock_, kLettersMax, out,
                              entry->letter_tries) == kLettersMax) {
                next = now;
            } else if (!entry->letter_tries.empty()) {
                entry->not_before = std::max(entry->not_before, now + kTryAgain);
                next = std::min(next, entry->not_before);
            }
        } catch (const db::Fault& fault) {
            faults_.inc();
            process::log::warn_every("letters", 5s, "{}: letters: {}", entry->domain->name(),
                                     fault.what());
            if (fault.retry() == db::Fault::Retry::after_reconnect) entry->connection.reset();
            entry->not_before = now + kTryAgain;
            next = std::min(next, entry->not_before);
        }
        if (!entry->tasks.empty()) next = std::min(next, do_tasks(*entry, now, out, sending));
    }
    return next;
}

Instant TimedWork::do_tasks(Entry& entry, Instant now, std::vector<Outgoing>& out, bool sending) {
    std::vector<std::string> names;
    for (const Entry::Task& one : entry.tasks) names.push_back(one.task.name);
    std::map<std::string, Instant> due;
    try {
        db::Tx tx{entry.connection};
        if (!entry.known) {
            std::vector<db::Chore> chores;
            for (const Entry::Task& one : entry.tasks) {
                chores.push_back({one.task.name, one.task.every});
            }
            db::add_chores(tx, chores);
        }
        due = db::chores_due(tx, names);
        tx.commit();
        entry.known = true;
    } catch (const db::Fault& fault) {
        faults_.inc();
        process::log::warn_every("timed", 5s, "{}: timed work: {}", entry.domain->name(),
                                 fault.what());
        if (fault.retry() == db::Fault::Retry::after_reconnect) entry.connection.reset();
        return now + kTryAgain;
    }
    Instant next = now + kLookMax;
    for (Entry::Task& one : entry.tasks) {
        Instant when = due.contains(one.task.name) ? due[one.task.name] : now;
        when = std::max(when, one.not_before);
        // What it would send counts as sent, and would reach nobody.
        if (one.task.sends && !sending) when = std::max(when, now + kBrokerAway);
        if (when <= now) when = do_task(entry.connection, one.task, one.not_before, now, out);
        next = std::min(next, when);
    }
    return next;
}

Instant TimedWork::do_task(db::Connection& connection, const TimedTask& task, Instant& not_before,
                           Instant now, std::vector<Outgoing>& out) {
    try {
        db::Tx tx{connection};
        // Somebody else is at it, or has done it since we looked.
        if (!db::claim_chore(tx, task.name, now)) return now + task.every;
        Work work;
        work.now = now;
        task.work(work, tx);
        store_alarms_and_events(tx, work);
        db::finish_chore(tx, task.name, now + task.every);
        tx.commit();
        out.insert(out.end(), work.out.begin(), work.out.end());
        not_before = {};
        return now + task.every;
    } catch (const db::Fault& fault) {
        faults_.inc();
        process::log::warn_every("timed " + task.name, 5s, "{}: {}", task.name, fault.what());
        if (fault.retry() == db::Fault::Retry::after_reconnect) connection.reset();
    } catch (const std::exception& error) {
        faults_.inc();
        process::log::error("{}: {}", task.name, error.what());
    }
    not_before = now + std::max<std::chrono::seconds>(task.every, kTryAgain);
    return not_before;
}

}  // namespace klyuchnik::handlers
