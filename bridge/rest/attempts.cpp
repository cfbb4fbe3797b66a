#include "bridge/rest/attempts.hpp"

#include <algorithm>
#include <vector>

namespace klyuchnik::bridge {

Attempts::Attempts(AttemptRules rules, const process::Clock& clock, std::size_t guessers_max)
    : rules_{rules}, clock_{clock}, guessers_max_{guessers_max} {}

process::Instant Attempts::free_at(const Guesser& guesser) const {
    const int beyond = guesser.failures - rules_.free;
    if (beyond < 0) return guesser.last;
    auto pause = rules_.pause_first;
    for (int i = 0; i < beyond && pause < rules_.pause_max; ++i) pause *= 2;
    return guesser.last + std::min(pause, rules_.pause_max);
}

std::chrono::seconds Attempts::begin(const std::string& who) {
    const process::Instant now = clock_.now();
    const std::lock_guard lock{mutex_};
    auto found = guessers_.find(who);
    if (found == guessers_.end()) {
        if (guessers_.size() >= guessers_max_) make_room();
        found = guessers_.emplace(who, Guesser{}).first;
    }
    Guesser& guesser = found->second;
    if (now - guesser.last > rules_.forget_after) guesser.failures = 0;
    if (guesser.failures >= rules_.free) {
        const auto wait = free_at(guesser) - now;
        if (wait > std::chrono::microseconds{0}) {
            return std::chrono::ceil<std::chrono::seconds>(wait);
        }
    }
    ++guesser.failures;
    guesser.before = guesser.last;
    guesser.last = now;
    return std::chrono::seconds{0};
}

void Attempts::succeeded(const std::string& who) {
    const std::lock_guard lock{mutex_};
    guessers_.erase(who);
}

void Attempts::withdraw(const std::string& who) {
    const std::lock_guard lock{mutex_};
    const auto found = guessers_.find(who);
    if (found == guessers_.end() || found->second.failures == 0) return;
    --found->second.failures;
    // As if it had not been: what was right must not renew the pause after what was wrong.
    found->second.last = found->second.before;
}

void Attempts::make_room() {
    // A tenth at once, so that a flood of new guessers does not search the whole table each time.
    const process::Instant now = clock_.now();
    std::erase_if(guessers_,
                  [&](const auto& one) { return now - one.second.last > rules_.forget_after; });
    if (guessers_.size() < guessers_max_) return;
    std::vector<process::Instant> times;
    times.reserve(guessers_.size());
    for (const auto& [who, guesser] : guessers_) times.push_back(guesser.last);
    const auto tenth = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 10);
    std::ranges::nth_element(times, tenth);
    const process::Instant oldest_kept = *tenth;
    std::size_t surplus = guessers_.size() / 10 + 1;
    std::erase_if(guessers_, [&](const auto& one) {
        if (surplus == 0 || one.second.last > oldest_kept) return false;
        --surplus;
        return true;
    });
}

std::size_t Attempts::size() const {
    const std::lock_guard lock{mutex_};
    return guessers_.size();
}

bool PerSecond::begin() {
    const auto now = std::chrono::floor<std::chrono::seconds>(clock_.now());
    const std::lock_guard lock{mutex_};
    if (now != second_) {
        second_ = now;
        count_ = 0;
    }
    if (count_ >= most_) return false;
    ++count_;
    return true;
}

void PerSecond::withdraw() {
    const auto now = std::chrono::floor<std::chrono::seconds>(clock_.now());
    const std::lock_guard lock{mutex_};
    if (now == second_ && count_ > 0) --count_;
}

namespace {
std::string pair_of(const std::string& thing, const std::string& address) {
    return thing + '\n' + address;
}
}  // namespace

Guessing::Guessing(const process::Clock& clock)
    : by_pair_{kPairAttempts, clock},
      by_thing_{kThingAttempts, clock},
      by_address_{kAddressAttempts, clock} {}

std::chrono::seconds Guessing::begin(const std::string& thing, const std::string& address) {
    if (const auto wait = by_address_.begin(address); wait.count() > 0) return wait;
    const std::string pair = pair_of(thing, address);
    if (const auto wait = by_pair_.begin(pair); wait.count() > 0) {
        by_address_.withdraw(address);
        return wait;
    }
    if (const auto wait = by_thing_.begin(thing); wait.count() > 0) {
        by_address_.withdraw(address);
        by_pair_.withdraw(pair);
        return wait;
    }
    return std::chrono::seconds{0};
}

void Guessing::succeeded(const std::string& thing, const std::string& address) {
    by_pair_.succeeded(pair_of(thing, address));
    by_thing_.withdraw(thing);
    by_address_.withdraw(address);
}

void Guessing::withdraw(const std::string& thing, const std::string& address) {
    by_pair_.withdraw(pair_of(thing, address));
    by_thing_.withdraw(thing);
    by_address_.withdraw(address);
}

}  // namespace klyuchnik::bridge
