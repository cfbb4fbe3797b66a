#include "firmware-sim/load/storm.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "firmware-sim/device/documents.hpp"
#include "firmware-sim/device/journal.hpp"
#include "firmware-sim/device/mqtt_link.hpp"
#include "firmware-sim/device/protocol.hpp"
#include "firmware-sim/device/rights.hpp"
#include "firmware-sim/load/report.hpp"

namespace klyuchnik::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using SteadyTime = steady_clock::time_point;

constexpr std::size_t kDescriptorsPerDevice = 3;
constexpr std::size_t kDescriptorsBeside = 64;
constexpr seconds kMiscEvery{5};
constexpr milliseconds kLookEvery{100};
constexpr seconds kLineEvery{1};

class MemoryJournalStore final : public JournalStore {
 public:
    std::string read() override { return bytes_; }
    void append(std::string_view bytes, bool) override { bytes_ += bytes; }
    void replace(std::string_view bytes) override { bytes_ = bytes; }

 private:
    std::string bytes_;
};

DeviceSettings device_settings(const StormSettings& all, const topics::DeviceId& id,
                               std::uint64_t seed) {
    DeviceSettings its;
    its.id = id;
    its.packet_bytes_max = all.packet_bytes_max;
    its.heartbeat_s = all.heartbeat_s;
    its.heartbeat = seconds{all.heartbeat_s};
    its.resend_first = milliseconds{all.resend_ms};
    its.resend_max = milliseconds{all.resend_max_ms};
    its.log_bytes_max = 1024;
    its.seed = seed;
    return its;
}

/// No slots and no people: what connects, is born, and has its facts acknowledged.
struct Device {
    Device(const StormSettings& all, const DeviceSecret& who, std::uint64_t seed)
        : id{who.id},
          secret{who.secret},
          journal{std::make_unique<MemoryJournalStore>(),
                  {.facts_max = 256, .compact_bytes = 2048}},
          documents{store},
          rights{documents},
          protocol{device_settings(all, who.id, seed), journal, rights, &documents} {}

    bool is_current() const { return protocol.online() && journal.empty() && protocol.current(); }

    topics::DeviceId id;
    std::string secret;
    Journal journal;
    MemoryDocumentStore store;
    Documents documents;
    DocumentRights rights;
    DeviceProtocol protocol;
    std::unique_ptr<MqttLink> link;
    bool announced = false;
    std::optional<SteadyTime> connect_at;
    milliseconds reconnect_wait{0};
    SteadyTime misc_due;
    SteadyTime due;
    int fd = -1;
    std::int64_t connection = 0;
    std::int64_t watched = 0;  ///< The connection that is in the epoll set.
    bool writes = false;
    // As they were counted last.
    bool online = false;
    bool current = false;
    std::optional<SteadyTime> lost_at;
};

std::int64_t resident_kb() {
    std::ifstream in{"/proc/self/statm"};
    std::int64_t total = 0;
    std::int64_t resident = 0;
    in >> total >> resident;
    return resident * ::sysconf(_SC_PAGESIZE) / 1024;
}

void allow_descriptors(std::size_t devices) {
    const rlim_t wanted = devices * kDescriptorsPerDevice + kDescriptorsBeside;
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        throw std::system_error{errno, std::generic_category(), "getrlimit"};
    }
    if (limit.rlim_cur >= wanted) return;
    limit.rlim_cur = std::min(limit.rlim_max, wanted);
    if (limit.rlim_cur < wanted || ::setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        throw std::system_error{
            EMFILE, std::generic_category(),
            fmt::format("{} devices need {} descriptors (ulimit -n)", devices, wanted)};
    }
}

class Storm {
 public:
    Storm(const StormSettings& settings, const std::vector<DeviceSecret>& devices)
        : settings_{settings},
          random_{settings.seed != 0 ? settings.seed : std::random_device{}()},
          epoll_{::epoll_create1(EPOLL_CLOEXEC)} {
        if (epoll_ < 0) throw std::system_error{errno, std::generic_category(), "epoll_create1"};
        std::uniform_int_distribution<std::int64_t> spread{0, settings_.connect_spread_ms};
        for (const DeviceSecret& who : devices) {
            auto device = std::make_unique<Device>(settings_, who, random_());
            device->connect_at = start_ + milliseconds{spread(random_)};
            device->due = *device->connect_at;
            devices_.push_back(std::move(device));
            dues_.insert({devices_.back()->due, devices_.size() - 1});
            // Nobody reports slots here: only what the boot itself had to say is done.
            act(*devices_.back());
        }
        report_.devices = static_cast<std::int64_t>(devices_.size());
    }
    ~Storm() {
        devices_.clear();
        ::close(epoll_);
    }
    Storm(const Storm&) = delete;
    Storm& operator=(const Storm&) = delete;

    StormReport run(const std::function<bool(const StormReport&)>& stop,
                    const std::function<void(const StormReport&)>& changed) {
        SteadyTime next_look = start_;
        SteadyTime next_line = start_;
        bool all_current = false;
        for (;;) {
            SteadyTime now = steady_clock::now();
            while (!dues_.empty() && dues_.begin()->first <= now) {
                const std::size_t index = dues_.begin()->second;
                tick(index, now);
                now = steady_clock::now();
            }
            if (now >= next_look) {
                next_look = now + kLookEvery;
                const bool all = report_.current == report_.devices;
                const bool just_all = all && !std::exchange(all_current, all);
                all_current = all;
                if (just_all) storm_is_over(now);
                if (just_all || (changed_ && now >= next_line)) {
                    next_line = now + kLineEvery;
                    changed_ = false;
                    measure();
                    changed(report_);
                }
                if (stop(report_)) break;
            }
            wait(std::min(next_look, dues_.empty() ? next_look : dues_.begin()->first));
        }
        measure();
        return report_;
    }

 private:
    Uptime uptime(SteadyTime now) const { return std::chrono::duration_cast<Uptime>(now - start_); }

    void wait(SteadyTime until) {
        const auto left = std::chrono::ceil<milliseconds>(until - steady_clock::now()).count();
        std::array<epoll_event, 512> events{};
        const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()),
                                       static_cast<int>(std::clamp<std::int64_t>(left, 0, 1000)));
        for (int i = 0; i < count; ++i) {
            const epoll_event& event = events[static_cast<std::size_t>(i)];
            const auto index = static_cast<std::size_t>(event.data.u64);
            Device& device = *devices_[index];
            const SteadyTime now = steady_clock::now();
            if (device.link) {
                device.link->service((event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0,
                                     (event.events & EPOLLOUT) != 0);
                hear(device, now);
            }
            settle(index, now);
        }
    }

    void tick(std::size_t index, SteadyTime now) {
        Device& device = *devices_[index];
        if (device.connect_at && now >= *device.connect_at) connect(device, now);
        if (device.link && now >= device.misc_due) {
            device.misc_due = now + kMiscEvery;
            device.link->misc(now);
        }
        device.protocol.tick(uptime(now));
        act(device);
        hear(device, now);
        settle(index, now);
    }

    void connect(Device& device, SteadyTime now) {
        device.connect_at.reset();
        device.announced = false;
        ++device.connection;
        ++report_.connects;
        std::uniform_int_distribution<std::int64_t> any{1, topics::limits::kConnectionMax};
        const topics::Connection cn{any(random_)};
        LinkSettings link;
        link.host = settings_.host;
        link.port = static_cast<int>(settings_.port);
        link.ca_file = settings_.ca_file;
        link.id = device.id;
        link.secret = device.secret;
        device.link = std::make_unique<MqttLink>(link, cn);
        device.misc_due = now + kMiscEvery;
        device.protocol.connected(cn, uptime(now));
    }

    void hear(Device& device, SteadyTime now) {
        if (!device.link) return;
        if (device.link->subscribed() && !device.announced) {
            device.announced = true;
            device.protocol.subscribed(uptime(now));
            act(device);
        }
        for (const Heard& heard : device.link->take_heard()) {
            device.protocol.message(heard.level, heard.payload, uptime(now));
            act(device);
        }
        if (device.protocol.online()) device.reconnect_wait = milliseconds{0};
        if (device.link->down()) lost(device, now);
    }

    void lost(Device& device, SteadyTime now) {
        device.link.reset();
        milliseconds wait{0};
        const auto over = device.protocol.reconnect_spread();
        if (over.count() > 0) {
            std::uniform_int_distribution<std::int64_t> any{0, over.count() * 1000};
            wait += milliseconds{any(random_)};
        }
        const bool was_current = device.current;
        device.protocol.disconnected(uptime(now));
        if (was_current) {
            for (std::int64_t i = 0; i < settings_.facts_per_loss; ++i) {
                device.protocol.record(topics::DoorClosed{}, uptime(now));
            }
        }
        act(device);
        const milliseconds first{settings_.reconnect_first_ms};
        const milliseconds longest{settings_.reconnect_max_ms};
        device.reconnect_wait = device.reconnect_wait.count() == 0
                                    ? first
                                    : std::min(device.reconnect_wait * 2, longest);
        std::uniform_real_distribution<double> jitter{0.5, 1.5};
        wait += std::chrono::duration_cast<milliseconds>(device.reconnect_wait * jitter(random_));
        device.connect_at = now + wait;
    }

    void act(Device& device) {
        for (auto actions = device.protocol.take_actions(); !actions.empty();
             actions = device.protocol.take_actions()) {
            for (Action& action : actions) {
                if (const auto* publish = std::get_if<Publish>(&action)) {
                    if (device.link) {
                        device.link->publish(publish->level, publish->payload, publish->retained);
                    }
                } else if (std::holds_alternative<Recorded>(action)) {
                    ++report_.facts;
                } else if (const auto* run = std::get_if<Run>(&action)) {
                    // There is nothing here that could move.
                    device.protocol.command_finished(run->command, 422, std::nullopt,
                                                     uptime(steady_clock::now()));
                }
            }
        }
    }

    /// After anything was done with a device: the counts, its socket, its next moment.
    void settle(std::size_t index, SteadyTime now) {
        Device& device = *devices_[index];
        const bool online = device.protocol.online();
        const bool current = online && device.is_current();
        if (online != device.online) report_.online += online ? 1 : -1;
        if (current != device.current) {
            report_.current += current ? 1 : -1;
            if (current && device.lost_at) {
                waits_.add(
                    std::chrono::duration_cast<std::chrono::microseconds>(now - *device.lost_at)
                        .count());
                device.lost_at.reset();
                ++report_.back;
            }
        }
        // Current and not any more while the connection stands is no loss: it has something new to
        // tell or to fetch.
        if (device.current && !online && !device.lost_at) {
            if (std::exchange(next_is_new_, false)) {
                report_.lost = 0;
                report_.back = 0;
                waits_ = {};
            }
            device.lost_at = now;
            ++report_.lost;
        }
        changed_ = changed_ || online != device.online || current != device.current;
        device.online = online;
        device.current = current;

        dues_.erase({device.due, index});
        device.due = now + seconds{3600};
        if (device.link) device.due = std::min(device.due, device.misc_due);
        if (device.connect_at) device.due = std::min(device.due, *device.connect_at);
        if (const auto next = device.protocol.next_due()) {
            device.due = std::min(device.due, start_ + *next);
        }
        dues_.insert({device.due, index});
        watch(index, device);
    }

    void watch(std::size_t index, Device& device) {
        const int fd = device.link ? device.link->fd() : -1;
        const bool writes = device.link && device.link->wants_write();
        const bool known = fd == device.fd && device.connection == device.watched;
        if (known && writes == device.writes) return;
        if (fd >= 0) {
            epoll_event event{};
            event.events = writes ? EPOLLIN | EPOLLOUT : EPOLLIN;
            event.data.u64 = index;
            // A closed socket has left the set by itself.
            if (::epoll_ctl(epoll_, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) != 0) {
                throw std::system_error{errno, std::generic_category(), "epoll_ctl"};
            }
        }
        device.fd = fd;
        device.watched = device.connection;
        device.writes = writes;
    }

    void storm_is_over(SteadyTime now) {
        if (report_.first_s == 0) {
            report_.first_s = std::chrono::duration<double>(now - start_).count();
        }
        if (report_.lost * 2 >= report_.devices) ++report_.storms;
        // What is lost from here on belongs to the next one; its figures stay until then.
        next_is_new_ = true;
    }

    void measure() {
        report_.facts_acked = report_.facts;
        for (const auto& device : devices_) {
            report_.facts_acked -= static_cast<std::int64_t>(device->journal.size());
        }
        report_.reconnect_s_p50 = static_cast<double>(waits_.at(0.5)) / 1e6;
        report_.reconnect_s_p99 = static_cast<double>(waits_.at(0.99)) / 1e6;
        report_.reconnect_s_max = static_cast<double>(waits_.max()) / 1e6;
        report_.memory_kb = resident_kb();
    }

    const StormSettings settings_;
    std::mt19937_64 random_;
    int epoll_;
    SteadyTime start_ = steady_clock::now();
    std::vector<std::unique_ptr<Device>> devices_;
    std::set<std::pair<SteadyTime, std::size_t>> dues_;
    StormReport report_;
    Latencies waits_;
    bool changed_ = false;
    bool next_is_new_ = false;
};

}  // namespace

std::string to_json(const StormReport& r) {
    return fmt::format(
        R"({{"devices":{},"online":{},"current":{},"lost":{},"back":{},"reconnect_s_p50":{:.3f},)"
        R"("reconnect_s_p99":{:.3f},"reconnect_s_max":{:.3f},"first_s":{:.3f},"storms":{},)"
        R"("connects":{},"facts":{},"facts_acked":{},"memory_kb":{}}})",
        r.devices, r.online, r.current, r.lost, r.back, r.reconnect_s_p50, r.reconnect_s_p99,
        r.reconnect_s_max, r.first_s, r.storms, r.connects, r.facts, r.facts_acked, r.memory_kb);
}

StormReport run_storm(const StormSettings& settings, const std::vector<DeviceSecret>& devices,
                      const std::function<bool(const StormReport&)>& stop,
                      const std::function<void(const StormReport&)>& changed) {
    if (devices.empty()) throw std::runtime_error{"no devices"};
    allow_descriptors(devices.size());
    Storm storm{settings, devices};
    return storm.run(stop, changed);
}

}  // namespace klyuchnik::sim
