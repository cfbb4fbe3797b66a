#include "handlers/runtime/relay.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "db/access/fault.hpp"
#include "db/access/listener.hpp"
#include "db/access/log_store.hpp"
#include "handlers/runtime/intake.hpp"
#include "process/crash_point.hpp"
#include "process/log.hpp"
#include "topics/codec.hpp"

namespace klyuchnik::handlers {

using namespace std::chrono_literals;

namespace {
constexpr const char* kFeed = "mqtt";

db::ConnectionSettings leading(db::ConnectionSettings settings) {
    settings.leads = true;
    return settings;
}

bool readable(int fd, std::chrono::milliseconds timeout) {
    pollfd waiting{fd, POLLIN, 0};
    return ::poll(&waiting, 1, static_cast<int>(timeout.count())) > 0;
}
}  // namespace

Relay::Relay(db::ConnectionSettings database, process::Metrics& metrics)
    : settings_{database},
      connection_{leading(std::move(database))},
      leading_{metrics.gauge("klyuchnik_relay_leading", "1 while this process places events")},
      placed_{metrics.counter("klyuchnik_events_placed_total", "Events given their position")},
      published_{metrics.counter("klyuchnik_events_published_total", "Events published on MQTT")},
      stop_fd_{::eventfd(0, EFD_CLOEXEC)} {}

Relay::~Relay() {
    if (thread_.joinable()) stop();
    ::close(stop_fd_);
}

void Relay::start(Intake& intake) {
    thread_ = std::thread{[this, &intake] { run(intake); }};
}

void Relay::stop() {
    ::eventfd_write(stop_fd_, 1);
    thread_.join();
}

void Relay::run(Intake& intake) {
    using Heard = db::Listener::Heard;
    db::Listener listener{settings_};
    bool leading = false;
    bool more = false;
    while (!readable(stop_fd_, 0ms)) {
        const Heard heard = listener.wait(more ? kBehindOlder : kLeadEvery, stop_fd_);
        if (heard == Heard::lost) {
            connection_.reset();
            leading = false;
            if (readable(stop_fd_, 500ms)) break;
            continue;
        }
        try {
            if (!leading) {
                db::Tx tx{connection_, db::Tx::Mode::one_read};
                leading = db::try_lead(tx);
                if (leading) process::log::info("relay: this process places events now");
            }
            leading_.set(leading ? 1 : 0);
            more = leading && place_and_publish(intake);
        } catch (const db::Fault& fault) {
            process::log::warn_every("relay", 5s, "relay: {}", fault.what());
            connection_.reset();
            leading = false;
            more = false;
        }
    }
    leading_.set(0);
}

bool Relay::place_and_publish(Intake& intake) {
    bool waiting = false;
    while (true) {
        db::Tx tx{connection_};
        const db::Placed placed = db::place_events(tx, kPageMax);
        tx.commit();
        placed_.inc(static_cast<double>(placed.events));
        waiting = placed.waiting;
        process::crash_point("relay_placed");
        if (placed.events < static_cast<std::size_t>(kPageMax)) break;
    }
    while (true) {
        db::Tx tx{connection_};
        const topics::Position before = db::published_position(tx, kFeed);
        topics::Position after = before;
        const auto events = db::events_after(tx, before, kPageMax);
        for (const topics::PlacedEvent& placed : events) {
            const std::string topic = topics::event_topic(placed.event.domain, placed.event.type);
            if (!intake.try_publish(topic, topics::encode(placed))) break;
            after = placed.position;
            published_.inc();
        }
        process::crash_point("relay_published");
        // Not connected: the next notice or tick tries again, the database has better things to do.
        if (after == before) return waiting;
        db::advance_published(tx, kFeed, after);
        tx.commit();
        if (events.size() < static_cast<std::size_t>(kPageMax)) return waiting;
    }
}

}  // namespace klyuchnik::handlers
