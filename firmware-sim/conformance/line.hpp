// What carries messages between the examiner and the device: MQTT, or memory with a clock of its
// own.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "topics/names.hpp"

namespace klyuchnik::sim::conformance {

/// Time since the line was made, by a clock that never jumps.
using Elapsed = std::chrono::microseconds;

/// One message of the device (or, on `st`, of the broker in its name).
struct Heard {
    topics::Level level = topics::Level::state;
    std::string payload;
    bool retained = false;  ///< The device asked for it to be kept.
    Elapsed at{0};          ///< When it came.
};

/// Both ends of a wire, and the two clocks that the checks know. The checks hold no socket and
/// start no timer: they call wait(), and whoever is behind the line makes time pass.
///
/// One thread. A line that is lost for good (the broker is gone) throws std::runtime_error.
class Line {
 public:
    virtual ~Line() = default;

    virtual Elapsed now() const = 0;
    virtual std::int64_t utc_s() const = 0;

    /// To the device, on one of its `dn` levels. May be lost, as everything may.
    virtual void send(topics::Level level, const std::string& payload) = 0;

    /// The next message of the device, or nothing when `until` has passed.
    virtual std::optional<Heard> wait(Elapsed until) = 0;

    /// Cuts the device's connection so that the broker sends its will. False: this line can not,
    /// and a person has to pull the plug.
    virtual bool cut() = 0;

    /// For the person at the device: what goes on, or what to do now.
    virtual void tell(const std::string& text) = 0;

 protected:
    Line() = default;
    Line(const Line&) = default;
    Line& operator=(const Line&) = default;
};

}  // namespace klyuchnik::sim::conformance
