#include "firmware-sim/cabinet/cabinet_client.hpp"

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace klyuchnik::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// Decisions that nobody waited long enough for are forgotten beyond this many.
constexpr std::size_t kDecisionsKeptMax = 1024;

}  // namespace

struct CabinetClient::Impl {
    Impl(CabinetSettings settings, CardRights its_rights)
        : rights{std::move(its_rights)},
          ledger{settings.state_dir},
          cabinet{std::move(settings), rights, ledger, steady_clock::now()},
          wake_fd{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)} {
        if (wake_fd < 0) throw std::system_error{errno, std::generic_category(), "eventfd"};
        loop = std::thread{[this] { run(); }};
    }

    ~Impl() {
        {
            const std::lock_guard lock{mutex};
            stop = true;
        }
        wake();
        loop.join();
        ::close(wake_fd);
    }

    void wake() const { (void)::eventfd_write(wake_fd, 1); }

    void run() {
        std::unique_lock lock{mutex};
        try {
            while (!stop) {
                cabinet.tick(steady_clock::now());
                collect();
                changed.notify_all();
                const auto now = steady_clock::now();
                const auto wait =
                    std::chrono::ceil<milliseconds>(cabinet.next_due(now) - now).count();
                pollfd ready[2] = {{wake_fd, POLLIN, 0}, {cabinet.fd(), POLLIN, 0}};
                if (cabinet.wants_write()) ready[1].events |= POLLOUT;
                const int polled = ready[1].fd;
                lock.unlock();
                const int count =
                    ::poll(ready, 2, static_cast<int>(std::clamp<std::int64_t>(wait, 0, 1000)));
                lock.lock();
                if (count <= 0) continue;
                if (ready[0].revents != 0) {
                    eventfd_t ignored = 0;
                    (void)::eventfd_read(wake_fd, &ignored);
                }
                // A caller may have rebooted the cabinet meanwhile; the number may name another
                // socket now, on which a read that finds nothing does no harm.
                if (ready[1].revents != 0 && polled >= 0 && polled == cabinet.fd()) {
                    cabinet.service((ready[1].revents & (POLLIN | POLLHUP | POLLERR)) != 0,
                                    (ready[1].revents & POLLOUT) != 0, steady_clock::now());
                }
            }
        } catch (...) {
            fault = std::current_exception();
        }
        changed.notify_all();
    }

    void collect() {
        for (Decided& decided : cabinet.take_decisions()) {
            const std::int64_t number = decided.request;
            decisions.insert_or_assign(number, std::move(decided));
        }
        while (decisions.size() > kDecisionsKeptMax) decisions.erase(decisions.begin());
    }

    void check() const {
        if (fault) std::rethrow_exception(fault);
    }

    /// Runs `act` on the cabinet and lets the loop see what it changed.
    template <class Act>
    auto with_cabinet(Act act) {
        const std::lock_guard lock{mutex};
        check();
        auto result = act(cabinet, steady_clock::now());
        collect();
        wake();
        return result;
    }

    template <class Condition>
    bool wait(milliseconds deadline, Condition condition) {
        std::unique_lock lock{mutex};
        const bool met = changed.wait_for(lock, deadline, [&] { return fault || condition(); });
        check();
        return met;
    }

    CardRights rights;
    Ledger ledger;
    mutable std::mutex mutex;
    std::condition_variable changed;
    Cabinet cabinet;
    std::map<std::int64_t, Decided> decisions;
    std::exception_ptr fault;
    bool stop = false;
    int wake_fd = -1;
    std::thread loop;
};

CabinetClient::CabinetClient(CabinetSettings settings, CardRights rights)
    : impl_{std::make_unique<Impl>(std::move(settings), std::move(rights))} {}

CabinetClient::~CabinetClient() = default;

bool CabinetClient::wait_online(milliseconds deadline) {
    return impl_->wait(deadline, [&] { return impl_->cabinet.online(); });
}

bool CabinetClient::wait_offline(milliseconds deadline) {
    return impl_->wait(deadline, [&] { return !impl_->cabinet.online(); });
}

bool CabinetClient::wait_acked(milliseconds deadline) {
    return impl_->wait(deadline, [&] { return impl_->cabinet.drained(); });
}

std::optional<Decided> CabinetClient::ask(const topics::CardSerial& card,
                                          const topics::KeyName& key, milliseconds deadline,
                                          const std::vector<topics::CardSerial>& with) {
    const std::int64_t number = impl_->with_cabinet(
        [&](Cabinet& cabinet, SteadyTime now) { return cabinet.ask(card, key, with, now); });
    std::optional<Decided> decided;
    impl_->wait(deadline, [&] {
        const auto found = impl_->decisions.find(number);
        if (found == impl_->decisions.end()) return false;
        decided = std::move(found->second);
        impl_->decisions.erase(found);
        return true;
    });
    return decided;
}

bool CabinetClient::take(const topics::CardSerial& card, const topics::KeyName& key) {
    return impl_->with_cabinet(
        [&](Cabinet& cabinet, SteadyTime now) { return cabinet.take(card, key, now); });
}

bool CabinetClient::take_by_force(const std::optional<topics::CardSerial>& card,
                                  const topics::KeyName& key) {
    return impl_->with_cabinet(
        [&](Cabinet& cabinet, SteadyTime now) { return cabinet.take_by_force(card, key, now); });
}

bool CabinetClient::return_key(const std::optional<topics::CardSerial>& card,
                               const topics::KeyName& key) {
    return impl_->with_cabinet(
        [&](Cabinet& cabinet, SteadyTime now) { return cabinet.give_back(card, key, now); });
}

FactNumber CabinetClient::append(topics::FactBody body) {
    return impl_->with_cabinet(
        [&](Cabinet& cabinet, SteadyTime now) { return cabinet.record(std::move(body), now); });
}

void CabinetClient::reboot() {
    impl_->with_cabinet([](Cabinet& cabinet, SteadyTime now) {
        cabinet.reboot(now);
        return true;
    });
}

void CabinetClient::go_offline() {
    impl_->with_cabinet([](Cabinet& cabinet, SteadyTime now) {
        cabinet.go_offline(now);
        return true;
    });
}

void CabinetClient::go_online() {
    impl_->with_cabinet([](Cabinet& cabinet, SteadyTime now) {
        cabinet.go_online(now);
        return true;
    });
}

void CabinetClient::advance(milliseconds by) {
    impl_->with_cabinet([by](Cabinet& cabinet, SteadyTime now) {
        cabinet.advance(by, now);
        return true;
    });
}

void CabinetClient::set_clock_error(std::optional<std::int64_t> seconds) {
    impl_->with_cabinet([seconds](Cabinet& cabinet, SteadyTime) {
        cabinet.set_clock_error(seconds);
        return true;
    });
}

void CabinetClient::wipe_flash() {
    impl_->with_cabinet([](Cabinet& cabinet, SteadyTime now) {
        cabinet.wipe_flash(now);
        return true;
    });
}

void CabinetClient::save_flash(const std::filesystem::path& to) {
    impl_->with_cabinet([&](Cabinet& cabinet, SteadyTime) {
        cabinet.save_flash(to);
        return true;
    });
}

void CabinetClient::restore_flash(const std::filesystem::path& from) {
    impl_->with_cabinet([&](Cabinet& cabinet, SteadyTime now) {
        cabinet.restore_flash(from, now);
        return true;
    });
}

void CabinetClient::set_firmware_trouble(FirmwareTrouble trouble) {
    impl_->with_cabinet([trouble](Cabinet& cabinet, SteadyTime) {
        cabinet.set_firmware_trouble(trouble);
        return true;
    });
}

std::int64_t CabinetClient::rights_version() const {
    return impl_->with_cabinet(
        [](Cabinet& cabinet, SteadyTime) { return cabinet.protocol().rights_version(); });
}

bool CabinetClient::wait_rights_version(std::int64_t version, milliseconds deadline) {
    return impl_->wait(deadline,
                       [&] { return impl_->cabinet.protocol().rights_version() == version; });
}

std::string CabinetClient::firmware() const {
    return impl_->with_cabinet(
        [](Cabinet& cabinet, SteadyTime) { return cabinet.protocol().firmware(); });
}

bool CabinetClient::wait_firmware(const std::string& version, milliseconds deadline) {
    return impl_->wait(deadline, [&] { return impl_->cabinet.protocol().firmware() == version; });
}

void CabinetClient::note(const std::string& line) {
    impl_->with_cabinet([&](Cabinet& cabinet, SteadyTime now) {
        cabinet.note(line, now);
        return true;
    });
}

std::string CabinetClient::last_log() const {
    return impl_->with_cabinet([](Cabinet& cabinet, SteadyTime) { return cabinet.last_log(); });
}

bool CabinetClient::locked() const {
    return impl_->with_cabinet(
        [](Cabinet& cabinet, SteadyTime) { return cabinet.protocol().locked(); });
}

std::string CabinetClient::time_zone() const {
    return impl_->with_cabinet(
        [](Cabinet& cabinet, SteadyTime) { return cabinet.protocol().time_zone(); });
}

bool CabinetClient::repeat_last_batch() {
    return impl_->with_cabinet(
        [](Cabinet& cabinet, SteadyTime) { return cabinet.repeat_last_batch(); });
}

ClientCounters CabinetClient::counters() const {
    const std::lock_guard lock{impl_->mutex};
    const Cabinet& cabinet = impl_->cabinet;
    return ClientCounters{cabinet.counters(),
                          cabinet.protocol_counters(),
                          static_cast<std::int64_t>(cabinet.journal().size()),
                          cabinet.journal().boot(),
                          cabinet.journal().epoch(),
                          cabinet.journal().acked(),
                          cabinet.journal().last()};
}

}  // namespace klyuchnik::sim
