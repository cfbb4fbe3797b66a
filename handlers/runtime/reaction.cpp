#include "handlers/runtime/reaction.hpp"

#include <algorithm>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "db/access/documents_store.hpp"
#include "db/access/fault.hpp"
#include "db/access/listener.hpp"
#include "db/access/log_store.hpp"
#include "handlers/runtime/alarms.hpp"
#include "handlers/runtime/intake.hpp"
#include "process/crash_point.hpp"
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

struct Reactions::Entry {
    struct One {
        Reaction reaction;
        bool refused = false;  ///< The database refused what the last follow-up wrote.
    };
    std::unique_ptr<Domain> domain;
    db::Connection connection;
    std::vector<One> reactions;
};

Reactions::Reactions(db::ConnectionSettings listening, const process::Clock& clock,
                     process::Metrics& metrics)
    : listening_{std::move(listening)},
      clock_{clock},
      events_{metrics.counter("klyuchnik_reaction_events_total", "Events read by reactions")},
      faults_{metrics.counter("klyuchnik_reaction_faults_total",
                              "Reactions that failed and are tried again")},
      stop_fd_{::eventfd(0, EFD_CLOEXEC)} {}

Reactions::~Reactions() {
    if (thread_.joinable()) stop();
    ::close(stop_fd_);
}

void Reactions::add(std::unique_ptr<Domain> domain, db::ConnectionSettings database) {
    auto entry =
        std::make_unique<Entry>(Entry{std::move(domain), db::Connection{std::move(database)}, {}});
    for (Reaction& reaction : entry->domain->reactions()) {
        entry->reactions.push_back({std::move(reaction), false});
    }
    if (!entry->reactions.empty()) entries_.push_back(std::move(entry));
}

void Reactions::start(Intake& intake) {
    thread_ = std::thread{[this, &intake] { run(intake); }};
}

void Reactions::stop() {
    ::eventfd_write(stop_fd_, 1);
    thread_.join();
}

void Reactions::run(Intake& intake) {
    using Heard = db::Listener::Heard;
    db::Listener listener{listening_, db::Channel::placed};
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
            next = work([&](const Outgoing& message) { intake.publish(message); },
                        [&] { return intake.connected(); });
        } catch (const std::exception& error) {
            process::log::error("reactions: {}", error.what());
            next = clock_.now() + kTryAgain;
        }
    }
}

Instant Reactions::work(const Send& send, const Connected& connected) {
    Instant next = clock_.now() + kLookMax;
    for (const auto& entry : entries_) {
        for (std::size_t i = 0; i < entry->reactions.size(); ++i) {
            next = std::min(next, do_reaction(*entry, i, send, connected));
        }
    }
    return next;
}

Instant Reactions::do_reaction(Entry& entry, std::size_t which, const Send& send,
                               const Connected& connected) {
    Entry::One& one = entry.reactions[which];
    try {
        while (true) {
            const bool more = react(entry, one.reaction, send);
            const Instant next = follow(entry, which, send, connected);
            // The wish to stop is looked at between two rounds.
            if (readable(stop_fd_, 0ms)) return next;
            if (!more && next > clock_.now()) return next;
        }
    } catch (const db::Fault& fault) {
        faults_.inc();
        process::log::warn_every("reaction " + one.reaction.name, 5s, "{}: {}", one.reaction.name,
                                 fault.what());
        if (fault.retry() == db::Fault::Retry::after_reconnect) entry.connection.reset();
    } catch (const std::exception& error) {
        faults_.inc();
        process::log::error("{}: {}", one.reaction.name, error.what());
    }
    return clock_.now() + kTryAgain;
}

bool Reactions::react(Entry& entry, const Reaction& reaction, const Send& send) {
    db::Tx tx{entry.connection};
    const auto position = db::lock_reaction(tx, reaction.name);
    if (!position) return false;
    const auto events = db::events_after(tx, *position, kPageMax);
    if (events.empty()) return false;
    Work work;
    work.now = clock_.now();
    reaction.react(events, work, tx);
    db::advance_reaction(tx, reaction.name, events.back().position);
    store_alarms_and_events(tx, work);
    process::crash_point("reaction_read");
    tx.commit();
    events_.inc(static_cast<double>(events.size()));
    for (const Outgoing& message : work.out) send(message);
    return events.size() == static_cast<std::size_t>(kPageMax);
}

Instant Reactions::follow(Entry& entry, std::size_t which, const Send& send,
                          const Connected& connected) {
    Entry::One& one = entry.reactions[which];
    Instant next = clock_.now() + kLookMax;
    if (!one.reaction.follow) return next;
    for (int i = 0; i < kFollowMax; ++i) {
        if (connected && !connected()) return clock_.now() + kTryAgain;
        try {
            db::Tx tx{entry.connection};
            Work work;
            work.now = clock_.now();
            next = one.reaction.follow(work, tx, one.refused);
            const bool done = !work.events.empty();
            store_alarms_and_events(tx, work);
            if (done) process::crash_point("reaction_before_commit");
            tx.commit();
            if (done) process::crash_point("reaction_committed");
            one.refused = false;
            for (const Outgoing& message : work.out) send(message);
        } catch (const db::Fault& fault) {
            one.refused = fault.retry() == db::Fault::Retry::one_by_one ||
                          fault.retry() == db::Fault::Retry::never;
            throw;
        }
        if (next > clock_.now()) break;
    }
    return next;
}

}  // namespace klyuchnik::handlers
