#include "process/clock.hpp"

namespace klyuchnik::process {

Instant SystemClock::now() const {
    return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
}

Instant ManualClock::now() const {
    const std::lock_guard lock{mutex_};
    return now_;
}

void ManualClock::set(Instant instant) {
    const std::lock_guard lock{mutex_};
    now_ = instant;
}

void ManualClock::advance(std::chrono::microseconds by) {
    const std::lock_guard lock{mutex_};
    now_ += by;
}

}  // namespace klyuchnik::process
