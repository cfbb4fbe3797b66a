#include "handlers/devices/guard_watch.hpp"

#include <algorithm>

namespace klyuchnik::handlers::devices {

void GuardWatch::note(const std::string& instance, const topics::GuardReport& report) {
    Guard& guard = guards_[instance];
    if (guard.boot != report.boot) {
        guard.boot = report.boot;
        guard.whole = false;
    }
    guard.devices = report.devices;
    if (!report.told) return;
    // An answer to an older question is a sign of life, no more.
    guard.asked.reset();
    asked_.reset();
    if (!told_ || *report.told != told_->token) return;
    waiting_.erase(instance);
    answered_ = true;
    if (told_->whole) guard.whole = true;
}

void GuardWatch::doubt_all() {
    for (auto& [instance, guard] : guards_) guard.whole = false;
}

bool GuardWatch::all_whole() const {
    return std::ranges::all_of(guards_, [](const auto& one) { return one.second.whole; });
}

std::vector<std::string> GuardWatch::doubt_others_than(std::int64_t devices) {
    std::vector<std::string> others;
    for (auto& [instance, guard] : guards_) {
        if (guard.devices == devices) continue;
        guard.whole = false;
        others.push_back(instance);
    }
    return others;
}

void GuardWatch::expect(Told told, Steady now) {
    waiting_.clear();
    for (auto& [instance, guard] : guards_) {
        waiting_.insert(instance);
        if (!guard.asked) guard.asked = now;
    }
    if (!asked_) asked_ = now;
    answered_ = false;
    told_ = std::move(told);
}

GuardWatch::Telling GuardWatch::telling(Steady now) const {
    if (!told_) return Telling::nothing;
    if (answered_ && waiting_.empty()) return Telling::answered;
    return now < told_->until ? Telling::waiting : Telling::overdue;
}

std::optional<GuardWatch::Steady> GuardWatch::until() const {
    if (!told_) return std::nullopt;
    return told_->until;
}

GuardWatch::Told GuardWatch::finish() {
    Told told = std::move(*told_);
    told_.reset();
    return told;
}

std::vector<GuardWatch::Silent> GuardWatch::give_up(Steady now) {
    std::vector<Silent> silent;
    for (const std::string& instance : waiting_) {
        const auto guard = guards_.find(instance);
        if (guard == guards_.end()) continue;
        const bool forgotten = guard->second.asked && now - *guard->second.asked > kSilentMax;
        silent.push_back({instance, forgotten});
        if (forgotten) guards_.erase(guard);
    }
    told_.reset();
    waiting_.clear();
    return silent;
}

bool GuardWatch::is_unanswered(Steady now) const {
    return asked_ && now - *asked_ > kUnansweredMax;
}

void GuardWatch::forget_told() {
    told_.reset();
    waiting_.clear();
    asked_.reset();
    for (auto& [instance, guard] : guards_) guard.asked.reset();
}

}  // namespace klyuchnik::handlers::devices
