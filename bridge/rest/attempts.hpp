#pragma once

#include <chrono>
#include <cstddef>
#include <mutex>
#include <string>
#include <unordered_map>

#include "process/clock.hpp"

namespace klyuchnik::bridge {

/// How fast somebody may guess.
struct AttemptRules {
    int free = 5;                            ///< Failures before the first pause.
    std::chrono::seconds pause_first{1};     ///< Doubles with each further failure,
    std::chrono::seconds pause_max{60};      ///< up to here: nobody is locked out for ever.
    std::chrono::seconds forget_after{900};  ///< Without a failure.
};

/// At most this many guessers are remembered. A new one beyond it takes the place of the one whose
/// last failure is oldest: an attacker with that many addresses gains little by it, since the
/// account's own pause is kept in a table of its own.
inline constexpr std::size_t kGuessersMax = 10'000;

/// Slows guessing, per account or per address. In memory only: a restart forgives. Thread-safe.
class Attempts {
 public:
    Attempts(AttemptRules rules, const process::Clock& clock,
             std::size_t guessers_max = kGuessersMax);

    /// Zero: go on, and the attempt counts as a failure already, so that many at once are not all
    /// free. Otherwise wait so long; this attempt did not count.
    std::chrono::seconds begin(const std::string& who);
    /// It was right after all: `who` starts anew.
    void succeeded(const std::string& who);
    /// Neither right nor wrong (nothing was checked): the attempt is given back.
    void withdraw(const std::string& who);

    std::size_t size() const;

 private:
    struct Guesser {
        int failures = 0;
        process::Instant last;
        process::Instant before{};  ///< `last` as it was, for withdraw().
    };
    process::Instant free_at(const Guesser& guesser) const;
    void make_room();

    const AttemptRules rules_;
    const process::Clock& clock_;
    const std::size_t guessers_max_;
    mutable std::mutex mutex_;
    std::unordered_map<std::string, Guesser> guessers_;
};

/// Guessing one thing (an account's password, a device's code) from one address: five are free,
/// then pauses up to a minute.
inline constexpr AttemptRules kPairAttempts{5, std::chrono::seconds{1}, std::chrono::seconds{60},
                                            std::chrono::seconds{900}};
/// One thing, from everywhere: pauses are short, or a stranger could keep its owner out.
inline constexpr AttemptRules kThingAttempts{50, std::chrono::seconds{1}, std::chrono::seconds{5},
                                             std::chrono::seconds{900}};
/// Anything, from one address.
inline constexpr AttemptRules kAddressAttempts{
    20, std::chrono::seconds{1}, std::chrono::seconds{900}, std::chrono::seconds{3600}};

/// Wrong claim codes in a second, from all addresses and for all devices together: whoever has many
/// addresses is free of the rules above, and every claim is work for a handler.
inline constexpr int kWrongClaimsPerSecondMax = 50;

/// At most so many in any one second of the clock, from everybody. Thread-safe.
class PerSecond {
 public:
    PerSecond(int most, const process::Clock& clock) : most_{most}, clock_{clock} {}

    /// True: go on, and it counts already. False: not in this second.
    bool begin();
    /// One that began does not count after all. In a later second it is forgotten anyway.
    void withdraw();

 private:
    const int most_;
    const process::Clock& clock_;
    std::mutex mutex_;
    std::chrono::sys_seconds second_{};
    int count_ = 0;
};

/// Slows guessing at one of many things from many addresses, by all three rules. Thread-safe.
class Guessing {
 public:
    explicit Guessing(const process::Clock& clock);

    /// As Attempts::begin: an attempt that has to wait counts nowhere.
    std::chrono::seconds begin(const std::string& thing, const std::string& address);
    /// It was right: this address may begin anew with this thing.
    void succeeded(const std::string& thing, const std::string& address);
    /// Neither right nor wrong.
    void withdraw(const std::string& thing, const std::string& address);

 private:
    Attempts by_pair_;
    Attempts by_thing_;
    Attempts by_address_;
};

}  // namespace klyuchnik::bridge
