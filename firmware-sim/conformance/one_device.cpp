#include "firmware-sim/conformance/one_device.hpp"

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <utility>

#include <poll.h>

#include "firmware-sim/conformance/broken.hpp"

namespace klyuchnik::sim::conformance {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLookEvery{100};

/// Flash that lasts as long as the process.
class KeptStore final : public JournalStore {
 public:
    explicit KeptStore(std::shared_ptr<std::string> bytes) : bytes_{std::move(bytes)} {}
    std::string read() override { return *bytes_; }
    void append(std::string_view bytes, bool) override { *bytes_ += bytes; }
    void replace(std::string_view bytes) override { *bytes_ = bytes; }

 private:
    std::shared_ptr<std::string> bytes_;
};

class OneDevice {
 public:
    OneDevice(OneDeviceSettings settings, Mistake mistake)
        : settings_{std::move(settings)},
          device_{settings_.bench,
                  [flash = std::make_shared<std::string>()] {
                      return std::make_unique<KeptStore>(flash);
                  },
                  std::move(mistake), settings_.seed} {}

    /// Lets up to `kLookEvery` pass.
    void turn() {
        const Elapsed now = this->now();
        if (!link_ && now >= connect_at_) connect(now);
        if (settings_.visits > 0s && now >= visit_at_) {
            visit_at_ = now + settings_.visits;
            device_.ask(topics::CardSerial{"12345ABC"}, topics::KeyName{"101"}, now);
        }
        device_.tick(now);
        carry();
        if (link_) link_->misc(steady_clock::now());
        wait();
        if (link_ && link_->subscribed() && !subscribed_) {
            subscribed_ = true;
            device_.subscribed(this->now());
        }
        if (link_) {
            for (const auto& heard : link_->take_heard()) {
                device_.heard(heard.level, heard.payload, this->now());
            }
        }
        carry();
        if (device_.wants_reboot() && !rebooting_) {
            lose(settings_.bench.reboot_takes);
            rebooting_ = true;
        } else if (link_ && link_->down()) {
            lose(settings_.bench.reconnect_after);
        }
    }

 private:
    Elapsed now() const {
        return std::chrono::duration_cast<Elapsed>(steady_clock::now() - began_);
    }
    void connect(Elapsed now) {
        if (std::exchange(rebooting_, false)) device_.reboot(now);
        subscribed_ = false;
        link_ = std::make_unique<MqttLink>(settings_.link, device_.connect(now));
    }
    void lose(std::chrono::milliseconds for_how_long) {
        link_.reset();
        device_.disconnected(now());
        device_.take_said();
        connect_at_ = now() + for_how_long;
    }
    void carry() {
        for (const BenchDevice::Says& says : device_.take_said()) {
            if (link_) link_->publish(says.level, says.payload, says.retained);
        }
    }
    void wait() {
        const Elapsed due = device_.next_due().value_or(Elapsed::max());
        const Elapsed left = std::clamp<Elapsed>(due - now(), 0us, kLookEvery);
        pollfd ready{link_ ? link_->fd() : -1, POLLIN, 0};
        if (link_ && link_->wants_write()) ready.events |= POLLOUT;
        const auto left_ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
        if (::poll(&ready, 1, static_cast<int>(left_ms)) <= 0 || !link_) return;
        link_->service((ready.revents & (POLLIN | POLLHUP | POLLERR)) != 0,
                       (ready.revents & POLLOUT) != 0);
    }

    OneDeviceSettings settings_;
    steady_clock::time_point began_ = steady_clock::now();
    BenchDevice device_;
    std::unique_ptr<MqttLink> link_;
    Elapsed connect_at_{0};
    Elapsed visit_at_{0};
    bool subscribed_ = false;
    bool rebooting_ = false;
};

}  // namespace

void run_one_device(OneDeviceSettings settings, const std::function<bool()>& ends) {
    Mistake mistake;
    if (!settings.broken.empty()) {
        const BrokenDevice* broken = find_broken(settings.broken);
        if (broken == nullptr) {
            throw std::invalid_argument{"no broken device is called " + settings.broken};
        }
        mistake = broken->make();
    }
    settings.bench.device.id = settings.link.id;
    check_tls(settings.link);
    OneDevice device{std::move(settings), std::move(mistake)};
    while (!ends()) device.turn();
}

}  // namespace klyuchnik::sim::conformance
