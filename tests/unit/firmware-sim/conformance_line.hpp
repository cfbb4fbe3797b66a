// A line to a device in memory: broker, network and clock at once. Minutes pass in a blink.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "firmware-sim/conformance/bench_device.hpp"
#include "firmware-sim/conformance/line.hpp"
#include "tests/unit/firmware-sim/memory_store.hpp"
#include "topics/codec.hpp"

namespace klyuchnik::test {

using sim::conformance::Elapsed;

class MemoryLine final : public sim::conformance::Line {
 public:
    MemoryLine(sim::conformance::BenchSettings settings, sim::conformance::Mistake mistake,
               std::uint64_t seed = 1)
        : device_{
              std::move(settings),
              [flash = std::make_shared<Flash>()] { return std::make_unique<MemoryStore>(flash); },
              std::move(mistake), seed} {}

    Elapsed now() const override { return now_; }
    std::int64_t utc_s() const override {
        return kStart_s + std::chrono::duration_cast<std::chrono::seconds>(now_).count();
    }
    void send(topics::Level level, const std::string& payload) override {
        if (!up_) return;
        device_.heard(level, payload, now_);
        settle();
    }
    std::optional<sim::conformance::Heard> wait(Elapsed until) override {
        for (int turns = 0;; ++turns) {
            if (turns > kTurnsMax) throw std::logic_error{"the device has no patience"};
            const Elapsed last = std::max(now_, until);
            if (!arriving_.empty() && arriving_.front().at <= last) {
                auto heard = std::move(arriving_.front());
                arriving_.pop_front();
                now_ = std::max(now_, heard.at);
                ++delivered_;
                if (leaves_after_ && --*leaves_after_ <= 0) leave();
                return heard;
            }
            Elapsed next = until;
            if (up_) {
                next = std::min(next, device_.next_due().value_or(until));
            } else {
                next = std::min(next, back_at_);
            }
            if (visits_every_ > Elapsed{0}) next = std::min(next, visit_at_);
            now_ = std::max(now_, next);
            pass();
            const bool more = !arriving_.empty() && arriving_.front().at <= until;
            if (now_ >= until && !more) return std::nullopt;
        }
    }
    bool cut() override {
        if (up_) lose(device_.settings().reconnect_after);
        return true;
    }
    void tell(const std::string&) override {}

    /// The device is never switched on.
    void stay_away() { back_at_ = Elapsed::max(); }
    /// The device goes away behind so many messages, and comes back later or never.
    void leave_after(int messages, Elapsed for_how_long) {
        leaves_after_ = messages;
        away_for_ = for_how_long;
    }
    /// Messages of the device that came to the examiner.
    int delivered() const { return delivered_; }
    /// Somebody asks for a key so often.
    void visit_every(Elapsed time) {
        visits_every_ = time;
        visit_at_ = now_ + time;
    }

 private:
    /// A device that is due without end at one moment would burn its processor.
    static constexpr int kTurnsMax = 100'000;
    static constexpr std::int64_t kStart_s = 1'763'690'000;
    static constexpr Elapsed kLatency = std::chrono::milliseconds{2};

    void leave() {
        leaves_after_.reset();
        if (up_) lose(Elapsed{0});
        back_at_ = away_for_ == Elapsed::max() ? away_for_ : now_ + away_for_;
    }
    void pass() {
        if (visits_every_ > Elapsed{0} && now_ >= visit_at_) {
            visit_at_ = now_ + visits_every_;
            device_.ask(topics::CardSerial{"12345ABC"}, topics::KeyName{"101"}, now_);
        }
        if (!up_ && now_ >= back_at_) {
            if (std::exchange(rebooting_, false)) device_.reboot(now_);
            will_ = device_.connect(now_);
            up_ = true;
            device_.subscribed(now_);
        }
        if (up_) device_.tick(now_);
        settle();
    }
    /// What the device did, on its way.
    void settle() {
        for (auto& says : device_.take_said()) {
            if (!up_) continue;
            arriving_.push_back(
                {says.level, std::move(says.payload), says.retained, now_ + kLatency});
        }
        if (up_ && device_.wants_reboot()) {
            rebooting_ = true;
            lose(device_.settings().reboot_takes);
        }
    }
    void lose(Elapsed for_how_long) {
        up_ = false;
        back_at_ = now_ + for_how_long;
        device_.disconnected(now_);
        device_.take_said();
        arriving_.push_back(
            {topics::Level::state, topics::encode(topics::Will{will_}), true, now_ + kLatency});
    }

    sim::conformance::BenchDevice device_;
    std::deque<sim::conformance::Heard> arriving_;
    Elapsed now_{0};
    Elapsed back_at_{0};
    Elapsed visits_every_{0};
    Elapsed visit_at_{0};
    std::optional<int> leaves_after_;
    int delivered_ = 0;
    Elapsed away_for_{0};
    bool up_ = false;
    bool rebooting_ = false;
    topics::Connection will_;
};

}  // namespace klyuchnik::test
