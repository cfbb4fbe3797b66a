// The rules that hold all the time, whatever is being tried.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "firmware-sim/conformance/event.hpp"
#include "firmware-sim/conformance/pace.hpp"
#include "firmware-sim/conformance/report.hpp"

namespace klyuchnik::sim::conformance {

/// What the server knows of the device.
struct Cursor {
    std::optional<topics::Birth> birth;  ///< Of the present connection; none while it is away.
    bool admitted = false;               ///< An ack without trouble has answered that birth.
    topics::Epoch epoch;                 ///< That the server gave or accepted.
    topics::Sequence acked;
};

/// Sees every message in both directions, in order, and every moment at which time was looked at.
/// A state machine without clock and line of its own.
///
/// While somebody is blamed, what breaks a rule of the journal counts against that claim: a device
/// that drops facts because of what is being tried is told of the cause, not of its traces.
class Watch {
 public:
    Watch(Report& report, const Pace& pace, const topics::DeviceId& device);

    /// `cursor` is from before the message.
    void heard(const Event& event, const Cursor& cursor);
    void answered(const topics::Ack& ack, const Cursor& cursor);
    void time_passed(Elapsed now, const Cursor& cursor);
    /// Heartbeats are not timed until the next birth or heartbeat_every(): the connection ends or
    /// the period changes because the examiner wants it so.
    void rest() { heartbeat_from_.reset(); }
    void heartbeat_every(std::int64_t seconds, Elapsed now);

    void blame(const Claim* claim) { blamed_ = claim; }
    /// Heartbeats in time since the period last changed.
    int heartbeats() const { return heartbeats_; }

 private:
    struct Waiting {
        topics::Sequence first;
        std::string payload;
    };

    void count_message(const Event& event);
    void journal_broken(const Claim& claim, std::string expected, std::string came);
    void batch(const Event& event, const topics::FactBatch& batch, const Cursor& cursor);
    void heartbeat(const Event& event, const topics::Heartbeat& heartbeat, const Cursor& cursor);
    void unreadable(const Event& event, const Cursor& cursor);
    std::size_t packet_bytes(const Heard& heard) const;

    Report& report_;
    const Pace& pace_;
    topics::DeviceId device_;
    const Claim* blamed_ = nullptr;
    std::optional<Waiting> waiting_;
    Elapsed period_{0};
    std::optional<Elapsed> heartbeat_from_;  ///< The last one, or the birth.
    int heartbeats_ = 0;
    std::deque<Elapsed> lately_;  ///< When the messages of the last kShareOver came.
};

/// While it lives, breaches of the journal's rules count against `claim`.
class Blame {
 public:
    Blame(Watch& watch, const Claim& claim) : watch_{watch} { watch_.blame(&claim); }
    ~Blame() { watch_.blame(nullptr); }
    Blame(const Blame&) = delete;
    Blame& operator=(const Blame&) = delete;

 private:
    Watch& watch_;
};

}  // namespace klyuchnik::sim::conformance
