#include "firmware-sim/load/fleet.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <queue>
#include <random>
#include <set>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

#include <sys/epoll.h>
#include <unistd.h>

#include "firmware-sim/cabinet/cabinet.hpp"
#include "firmware-sim/cabinet/ledger.hpp"

namespace klyuchnik::sim {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;
using topics::CardSerial;
using topics::KeyName;

/// A loop that fell behind its rate by more asks late ones no more: a stall must not become a
/// flood.
constexpr milliseconds kCatchUpMax{200};
/// Cabinets that are tried for a key that hangs in its slot, before somebody asks for one that is
/// out.
constexpr int kTriesForAKey = 8;
constexpr std::chrono::milliseconds kTallyEvery{100};
constexpr std::int64_t kTenYears_s = 315'360'000;

enum class Phase : int { connecting, open, closed, end };

enum class Deed { take, give_back, reboot, online };

struct Plan {
    SteadyTime at;
    Deed deed;
    std::size_t member;
    std::size_t key = 0;
    std::optional<CardSerial> card;
};
struct Later {
    bool operator()(const Plan& a, const Plan& b) const { return a.at > b.at; }
};

}  // namespace

struct Fleet::Shared {
    FleetSettings settings;
    World world;
    Ledger ledger;
    std::vector<CardSerial> cards;
    std::map<KeyName, std::vector<CardSerial>> cards_of_key;
    std::int64_t devices = 0;
    std::atomic<Phase> phase{Phase::connecting};
    std::atomic<bool> failed{false};
    std::mutex mutex;
    std::exception_ptr fault;

    Shared(FleetSettings its_settings, World its_world)
        : settings{std::move(its_settings)},
          world{std::move(its_world)},
          ledger{settings.state_dir} {
        for (const auto& [card, keys] : world.rights.all()) {
            cards.push_back(card);
            for (const KeyName& key : keys) cards_of_key[key].push_back(card);
        }
    }
};

/// One thread: its cabinets, its people, its poll loop.
class Fleet::Shard {
 public:
    Shard(Shared& shared, const std::vector<DeviceSecret>& devices, std::uint64_t seed)
        : shared_{shared}, random_{seed}, epoll_{::epoll_create1(EPOLL_CLOEXEC)} {
        if (epoll_ < 0) throw std::system_error{errno, std::generic_category(), "epoll_create1"};
        const FleetSettings& all = shared.settings;
        rate_ = static_cast<double>(all.rate) * static_cast<double>(devices.size()) /
                static_cast<double>(shared.devices);
        const SteadyTime now = steady_clock::now();
        for (const DeviceSecret& device : devices) {
            CabinetSettings settings;
            settings.link.host = all.host;
            settings.link.port = static_cast<int>(all.port);
            settings.link.ca_file = all.ca_file;
            settings.link.id = device.id;
            settings.link.secret = device.secret;
            settings.state_dir = all.state_dir;
            settings.flush = all.flush;
            settings.seed = random_();
            settings.connect_spread =
                milliseconds{std::min<std::int64_t>(5000, shared.devices * 2)};
            settings.device.packet_bytes_max = all.packet_bytes_max;
            settings.device.heartbeat_s = all.heartbeat_s;
            settings.device.heartbeat = std::chrono::seconds{all.heartbeat_s};
            settings.device.resend_first = milliseconds{all.resend_ms};
            settings.device.resend_max = milliseconds{all.resend_max_ms};
            settings.device.request_deadline = milliseconds{all.request_deadline_ms};
            if (chance(all.wrong_clock_percent)) {
                settings.device.clock_error_s = chance(50) ? kTenYears_s : -kTenYears_s;
            }
            const auto keys = shared.world.keys.find(device.id.text());
            if (keys != shared.world.keys.end()) settings.keys = keys->second;
            auto member = std::make_unique<Member>();
            member->keys = settings.keys;
            member->busy.resize(settings.keys.size(), false);
            member->cabinet = std::make_unique<Cabinet>(std::move(settings), shared.world.rights,
                                                        shared.ledger, now);
            members_.push_back(std::move(member));
            const std::size_t index = members_.size() - 1;
            if (!members_[index]->keys.empty()) with_keys_.push_back(index);
            refresh(index, now);
            bring_back_soon(index, now);
        }
    }

    ~Shard() {
        join();
        ::close(epoll_);
    }

    void start() {
        thread_ = std::thread{[this] {
            try {
                run();
            } catch (...) {
                const std::lock_guard lock{shared_.mutex};
                shared_.fault = std::current_exception();
                shared_.failed = true;
            }
        }};
    }

    void join() {
        if (thread_.joinable()) thread_.join();
    }

    Tally tally() const {
        const std::lock_guard lock{mutex_};
        return published_;
    }
    Latencies latencies(bool recent) {
        const std::lock_guard lock{mutex_};
        return recent ? std::exchange(recent_latencies_, {}) : latencies_;
    }

 private:
    struct Question {
        std::size_t key = 0;
        std::optional<std::size_t>
            busy;  ///< The key that this person came for and nobody else may ask for.
    };
    struct Member {
        std::unique_ptr<Cabinet> cabinet;
        std::vector<CabinetKey> keys;
        std::vector<bool> busy;  ///< Somebody is on the way with it.
        std::map<std::int64_t, Question> questions;
        SteadyTime due;
        int fd = -1;
        std::int64_t connection = 0;
        bool writes = false;
    };

    bool chance(double percent) {
        return std::uniform_real_distribution<double>{0, 100}(random_) < percent;
    }
    std::size_t any(std::size_t count) {
        return std::uniform_int_distribution<std::size_t>{0, count - 1}(random_);
    }
    milliseconds around(std::int64_t ms) {
        return milliseconds{
            std::uniform_int_distribution<std::int64_t>{ms / 2, ms + ms / 2}(random_)};
    }

    // == loop
    // ==================================================================================

    void run() {
        SteadyTime next_ask = steady_clock::now();
        SteadyTime next_tally = next_ask;
        bool closing = false;
        for (;;) {
            const SteadyTime now = steady_clock::now();
            const Phase phase = shared_.phase.load();
            if (phase == Phase::end) break;
            if (phase == Phase::closed && !std::exchange(closing, true)) close_up(now);
            while (!plans_.empty() && plans_.top().at <= now) {
                const Plan plan = plans_.top();
                plans_.pop();
                carry_out(plan, closing, now);
            }
            while (!dues_.empty() && dues_.begin()->first <= now) {
                const std::size_t index = dues_.begin()->second;
                members_[index]->cabinet->tick(now);
                settle(index, now);
            }
            if (phase == Phase::open && rate_ > 0 && !with_keys_.empty()) {
                if (now - next_ask > kCatchUpMax) next_ask = now;
                const auto step = duration_cast<steady_clock::duration>(
                    nanoseconds{static_cast<std::int64_t>(1e9 / rate_)});
                for (; next_ask <= now; next_ask += step) somebody_comes(steady_clock::now());
            } else {
                next_ask = now;
            }
            if (now >= next_tally) {
                next_tally = now + kTallyEvery;
                publish_tally();
            }
            SteadyTime until = next_tally;
            if (phase == Phase::open) until = std::min(until, next_ask);
            if (!plans_.empty()) until = std::min(until, plans_.top().at);
            if (!dues_.empty()) until = std::min(until, dues_.begin()->first);
            wait(until);
        }
        publish_tally();
    }

    void wait(SteadyTime until) {
        const auto left = std::chrono::ceil<milliseconds>(until - steady_clock::now()).count();
        std::array<epoll_event, 256> events{};
        const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()),
                                       static_cast<int>(std::clamp<std::int64_t>(left, 0, 1000)));
        for (int i = 0; i < count; ++i) {
            const epoll_event& event = events[static_cast<std::size_t>(i)];
            const auto index = static_cast<std::size_t>(event.data.u64);
            const SteadyTime now = steady_clock::now();
            members_[index]->cabinet->service((event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0,
                                              (event.events & EPOLLOUT) != 0, now);
            settle(index, now);
        }
    }

    /// After anything was done with a cabinet: its decisions, its socket, its next moment.
    void settle(std::size_t index, SteadyTime now) {
        Member& member = *members_[index];
        for (const Decided& decided : member.cabinet->take_decisions()) {
            take_decision(index, decided, now);
        }
        refresh(index, now);
    }

    void refresh(std::size_t index, SteadyTime now) {
        Member& member = *members_[index];
        dues_.erase({member.due, index});
        member.due = member.cabinet->next_due(now);
        dues_.insert({member.due, index});

        const int fd = member.cabinet->fd();
        const std::int64_t connection = member.cabinet->counters().connects;
        const bool writes = member.cabinet->wants_write();
        if (fd == member.fd && connection == member.connection && writes == member.writes) return;
        if (fd >= 0) {
            epoll_event event{};
            event.events = writes ? EPOLLIN | EPOLLOUT : EPOLLIN;
            event.data.u64 = index;
            // A closed socket has left the set by itself, and its number may have come again with a
            // new connection.
            const bool known = fd == member.fd && connection == member.connection;
            if (::epoll_ctl(epoll_, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) != 0) {
                throw std::system_error{errno, std::generic_category(), "epoll_ctl"};
            }
        }
        member.fd = fd;
        member.connection = connection;
        member.writes = writes;
    }

    // == people
    // =================================================================================

    void somebody_comes(SteadyTime now) {
        const FleetSettings& all = shared_.settings;
        std::size_t index = with_keys_[any(with_keys_.size())];
        std::optional<std::size_t> free = free_key(index);
        for (int i = 0; !free && i < kTriesForAKey; ++i) {
            index = with_keys_[any(with_keys_.size())];
            free = free_key(index);
        }
        Member& member = *members_[index];
        Question question;
        question.key = free.value_or(any(member.keys.size()));
        const KeyName& key = member.keys[question.key].name;
        CardSerial card;
        if (free && chance(all.force_percent)) {
            if (member.cabinet->take_by_force(std::nullopt, key, now)) {
                member.busy[question.key] = true;
                plan(now + around(all.hold_ms), Deed::give_back, index, question.key, std::nullopt);
            }
            settle(index, now);
            return;
        }
        if (chance(all.unknown_card_percent)) {
            card.value = "FF" + std::to_string(any(1'000'000));
        } else if (chance(all.no_right_percent) && !shared_.cards.empty()) {
            card = shared_.cards[any(shared_.cards.size())];
        } else {
            const auto cards = shared_.cards_of_key.find(key);
            if (cards != shared_.cards_of_key.end()) {
                card = cards->second[any(cards->second.size())];
            } else {
                card.value = "FF" + std::to_string(any(1'000'000));
            }
            if (free) {
                question.busy = free;
                member.busy[*free] = true;
            }
        }
        ++tally_.asked;
        const std::int64_t number = member.cabinet->ask(card, key, {}, now);
        member.questions.emplace(number, question);
        settle(index, now);
        trouble(index, now);
    }

    std::optional<std::size_t> free_key(std::size_t index) {
        const Member& member = *members_[index];
        const std::size_t start = any(member.keys.size());
        for (std::size_t i = 0; i < member.keys.size(); ++i) {
            const std::size_t key = (start + i) % member.keys.size();
            if (!member.busy[key] && member.cabinet->has(member.keys[key].name)) return key;
        }
        return std::nullopt;
    }

    void take_decision(std::size_t index, const Decided& decided, SteadyTime now) {
        const FleetSettings& all = shared_.settings;
        Member& member = *members_[index];
        const auto node = member.questions.extract(decided.request);
        if (decided.offline) {
            ++tally_.offline_decisions;
            if (decided.unanswered) ++tally_.unanswered;
            if (decided.granted) ++tally_.offline_granted;
        } else {
            const auto waited =
                std::chrono::duration_cast<std::chrono::microseconds>(decided.waited);
            if (decided.granted) {
                ++tally_.granted;
            } else {
                ++tally_.refused;
            }
            const std::lock_guard lock{mutex_};
            latencies_.add(waited.count());
            recent_latencies_.add(waited.count());
        }
        if (node.empty()) return;
        const Question& question = node.mapped();
        const bool goes_in = decided.granted && shared_.phase.load() == Phase::open &&
                             !chance(all.walk_away_percent);
        if (goes_in) {
            plan(now + around(all.take_ms), Deed::take, index, question.key, decided.card);
        } else if (question.busy) {
            member.busy[*question.busy] = false;
        }
    }

    void trouble(std::size_t index, SteadyTime now) {
        const FleetSettings& all = shared_.settings;
        Member& member = *members_[index];
        if (chance(all.resend_percent) && member.cabinet->repeat_last_batch()) refresh(index, now);
        if (chance(all.reboot_percent))
            plan(now + around(50), Deed::reboot, index, 0, std::nullopt);
        if (chance(all.offline_percent)) {
            ++tally_.went_offline;
            member.cabinet->go_offline(now);
            plan(now + around(all.offline_ms), Deed::online, index, 0, std::nullopt);
            settle(index, now);
        }
    }

    void plan(SteadyTime at, Deed deed, std::size_t member, std::size_t key,
              std::optional<CardSerial> card) {
        plans_.push(Plan{at, deed, member, key, std::move(card)});
    }

    void carry_out(const Plan& plan_now, bool closing, SteadyTime now) {
        const FleetSettings& all = shared_.settings;
        const std::size_t index = plan_now.member;
        Member& member = *members_[index];
        Cabinet& cabinet = *member.cabinet;
        switch (plan_now.deed) {
            case Deed::take:
                if (!closing && plan_now.card &&
                    cabinet.take(*plan_now.card, member.keys[plan_now.key].name, now)) {
                    member.busy[plan_now.key] = true;
                    plan(now + around(all.hold_ms), Deed::give_back, index, plan_now.key,
                         plan_now.card);
                } else if (cabinet.has(member.keys[plan_now.key].name)) {
                    member.busy[plan_now.key] = false;
                }
                break;
            case Deed::give_back:
                // At closing time all keys came back at once, or stay out because that is wanted.
                if (closing) break;
                cabinet.give_back(plan_now.card, member.keys[plan_now.key].name, now);
                member.busy[plan_now.key] = false;
                break;
            case Deed::reboot:
                if (closing) break;
                // Who waited for an answer has it from nobody now, and goes.
                for (const auto& [number, question] : member.questions) {
                    ++tally_.unanswered;
                    if (question.busy) member.busy[*question.busy] = false;
                }
                member.questions.clear();
                cabinet.reboot(now);
                break;
            case Deed::online:
                cabinet.go_online(now);
                break;
        }
        settle(index, now);
    }

    /// Keys that were out when the simulator stopped come back with whoever had them.
    void bring_back_soon(std::size_t index, SteadyTime now) {
        Member& member = *members_[index];
        for (const Cabinet::OutKey& out : member.cabinet->keys_out()) {
            for (std::size_t key = 0; key < member.keys.size(); ++key) {
                if (member.keys[key].name != out.key) continue;
                member.busy[key] = true;
                const auto card =
                    out.card.value.empty() ? std::optional<CardSerial>{} : std::optional{out.card};
                plan(now + around(1000 + shared_.settings.hold_ms), Deed::give_back, index, key,
                     card);
            }
        }
    }

    void close_up(SteadyTime now) {
        for (std::size_t index = 0; index < members_.size(); ++index) {
            Cabinet& cabinet = *members_[index]->cabinet;
            cabinet.go_online(now);
            if (shared_.settings.return_keys) {
                for (const Cabinet::OutKey& out : cabinet.keys_out()) {
                    cabinet.give_back(out.card.value.empty() ? std::optional<CardSerial>{}
                                                             : std::optional{out.card},
                                      out.key, now);
                }
            }
            settle(index, now);
        }
    }

    void publish_tally() {
        Tally sum = tally_;
        for (const auto& member : members_) {
            const Cabinet& cabinet = *member->cabinet;
            const CabinetCounters its = cabinet.counters();
            const ProtocolCounters said = cabinet.protocol_counters();
            sum.taken += its.taken;
            sum.returned += its.returned;
            sum.facts += its.facts;
            sum.batches += its.batches;
            sum.reboots += its.reboots;
            sum.connects += its.connects;
            sum.acked += its.acked;
            sum.resent_on_purpose += its.repeated_on_purpose;
            sum.resent += said.resent;
            sum.epochs += said.epochs;
            sum.gaps += said.gaps;
            sum.bad_acks += said.malformed + said.foreign_acks;
            sum.bad_batches += said.bad_batches;
            sum.late_answers += said.late_answers;
            sum.unacked += static_cast<std::int64_t>(cabinet.journal().size());
            sum.open_questions += static_cast<std::int64_t>(member->questions.size());
            if (cabinet.online()) ++sum.online;
            if (cabinet.drained()) ++sum.drained;
        }
        const std::lock_guard lock{mutex_};
        published_ = sum;
    }

    Shared& shared_;
    std::mt19937_64 random_;
    int epoll_;
    double rate_ = 0;
    std::vector<std::unique_ptr<Member>> members_;
    std::vector<std::size_t> with_keys_;
    std::priority_queue<Plan, std::vector<Plan>, Later> plans_;
    std::set<std::pair<SteadyTime, std::size_t>> dues_;
    Tally tally_;

    mutable std::mutex mutex_;  ///< Guards what other threads read.
    Tally published_;
    Latencies latencies_;
    Latencies recent_latencies_;
    std::thread thread_;
};

Fleet::Fleet(FleetSettings settings, std::vector<DeviceSecret> devices, World world)
    : shared_{std::make_unique<Shared>(std::move(settings), std::move(world))} {
    if (devices.empty()) throw std::runtime_error{"no devices"};
    LinkSettings link;
    link.host = shared_->settings.host;
    link.ca_file = shared_->settings.ca_file;
    check_tls(link);
    shared_->devices = static_cast<std::int64_t>(devices.size());
    std::uint64_t seed = shared_->settings.seed;
    if (seed == 0) seed = std::random_device{}();
    const auto threads = static_cast<std::size_t>(
        std::clamp<std::int64_t>(shared_->settings.threads, 1, shared_->devices));
    std::vector<std::vector<DeviceSecret>> parts(threads);
    for (std::size_t i = 0; i < devices.size(); ++i) {
        parts[i % threads].push_back(std::move(devices[i]));
    }
    for (std::size_t i = 0; i < threads; ++i) {
        shards_.push_back(std::make_unique<Shard>(*shared_, parts[i], seed + i));
    }
}

Fleet::~Fleet() {
    shared_->phase = Phase::end;
    for (const auto& shard : shards_) shard->join();
}

void Fleet::start() {
    for (const auto& shard : shards_) shard->start();
}
void Fleet::open_doors() {
    shared_->phase = Phase::open;
}
void Fleet::close_doors() {
    shared_->phase = Phase::closed;
}
bool Fleet::failed() const {
    return shared_->failed;
}

bool Fleet::drained() const {
    const Tally sum = tally();
    return sum.drained == shared_->devices && sum.open_questions == 0;
}

void Fleet::stop() {
    shared_->phase = Phase::end;
    for (const auto& shard : shards_) shard->join();
    shared_->ledger.sync();
    const std::lock_guard lock{shared_->mutex};
    if (shared_->fault) std::rethrow_exception(shared_->fault);
}

std::int64_t Fleet::devices() const {
    return shared_->devices;
}

Tally Fleet::tally() const {
    Tally sum;
    for (const auto& shard : shards_) sum += shard->tally();
    return sum;
}

Latencies Fleet::latencies(bool recent) {
    Latencies all;
    for (const auto& shard : shards_) all.add(shard->latencies(recent));
    return all;
}

}  // namespace klyuchnik::sim
