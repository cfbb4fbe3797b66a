#include "firmware-sim/conformance/pace.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "topics/limits.hpp"

namespace klyuchnik::sim::conformance {
namespace {

constexpr double kLeast = 0.5;
constexpr double kMost = 1.5;
constexpr int kCap = topics::limits::kResendMax / topics::limits::kResendFirst;

int factor(int n) {
    return n > 3 ? kCap : std::min(kCap, 1 << n);
}

Elapsed times(Elapsed time, double by) {
    return std::chrono::duration_cast<Elapsed>(time * by);
}

}  // namespace

Pace Pace::known(Elapsed first, Elapsed slack) {
    return Pace{first, first, slack};
}

Pace Pace::learnt(Elapsed slack) {
    return Pace{Elapsed{1000}, topics::limits::kResendFirst, slack};
}

std::optional<std::string> Pace::judge(int n, Elapsed waited) {
    const Elapsed least = times(min_ * factor(n), kLeast) - slack_;
    const Elapsed most = times(max_ * factor(n), kMost) + slack_;
    if (waited < least || waited > most) {
        return fmt::format("a wait of {} to {} before repeat {}",
                           seconds_text(std::max(least, Elapsed{0})), seconds_text(most), n + 1);
    }
    if (min_ < max_) {
        min_ = std::max(min_, times((waited - slack_) / factor(n), 1 / kMost));
        max_ = std::clamp(times((waited + slack_) / factor(n), 1 / kLeast), min_, max_);
    }
    return std::nullopt;
}

Elapsed Pace::longest(int n) const {
    return times(max_ * factor(n), kMost) + slack_;
}

std::string seconds_text(Elapsed time) {
    return fmt::format("{:.2f} s", std::chrono::duration<double>(time).count());
}

}  // namespace klyuchnik::sim::conformance
