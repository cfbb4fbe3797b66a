// The one source of time for decisions: programs use SystemClock, tests use ManualClock.
#pragma once

#include <chrono>
#include <mutex>

#include "topics/time.hpp"

namespace klyuchnik::process {

using topics::Instant;

/// Wall-clock time, UTC, in microseconds. Thread-safe.
///
/// Only for what is stored, sent or compared with stored times. Waits and deadlines inside the
/// process use std::chrono::steady_clock, because the wall clock may be set back while somebody
/// waits.
class Clock {
 public:
    virtual ~Clock() = default;
    virtual Instant now() const = 0;

 protected:
    Clock() = default;
    Clock(const Clock&) = default;
    Clock& operator=(const Clock&) = default;
};

/// The machine's clock.
class SystemClock final : public Clock {
 public:
    Instant now() const override;
};

/// A clock that stands still until a test moves it. Thread-safe.
class ManualClock final : public Clock {
 public:
    explicit ManualClock(Instant start = Instant{}) : now_{start} {}

    Instant now() const override;
    void set(Instant instant);
    void advance(std::chrono::microseconds by);

 private:
    mutable std::mutex mutex_;
    Instant now_;
};

}  // namespace klyuchnik::process
