// How long a device may take: the waits of the contract, or those of a device built with shorter
// ones.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "firmware-sim/conformance/line.hpp"

namespace klyuchnik::sim::conformance {

/// The wait before a repeat doubles from `first` to 12 × `first` (5 s and 60 s), each ±50 %.
///
/// With a known `first` each wait is held to its own bounds. While it is learnt (a device built
/// with shorter waits) only the ratios are: what each wait says about `first` must have a value in
/// common.
class Pace {
 public:
    /// `slack`: what network and scheduler may add to or take from a wait.
    static Pace known(Elapsed first, Elapsed slack);
    static Pace learnt(Elapsed slack);

    /// The wait number `n` (from 0) was `waited`. Nothing, or what is wrong with it.
    std::optional<std::string> judge(int n, Elapsed waited);

    /// The longest that wait number `n` may last.
    Elapsed longest(int n) const;
    /// By then a reaction has come that needs no waiting, be it with the next repeat.
    Elapsed prompt() const { return longest(0) + std::chrono::seconds{1}; }
    /// The first wait as long as it may be, before its spread.
    Elapsed first_max() const { return max_; }
    Elapsed slack() const { return slack_; }

 private:
    Pace(Elapsed min, Elapsed max, Elapsed slack) : min_{min}, max_{max}, slack_{slack} {}

    Elapsed min_;
    Elapsed max_;
    Elapsed slack_;
};

/// "7.25 s"
std::string seconds_text(Elapsed time);

}  // namespace klyuchnik::sim::conformance
