#include "process/shutdown.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <system_error>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace klyuchnik::process {
namespace {

constexpr int kExitOnSecondSignal = 130;

std::atomic<bool> wish{false};
std::atomic<int> event_fd{-1};
std::atomic<bool> interrupted{false};
std::atomic<bool> terminated{false};

// Only lock-free atomics and write() are allowed inside a signal handler.
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free);

void ask_for_the_end() noexcept {
    wish.store(true);
    const int fd = event_fd.load();
    if (fd < 0) return;
    const int saved_errno = errno;
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(fd, &one, sizeof one);
    errno = saved_errno;
}

extern "C" void on_stop_signal(int number) {
    std::atomic<bool>& seen = number == SIGINT ? interrupted : terminated;
    if (seen.exchange(true)) ::_exit(kExitOnSecondSignal);
    ask_for_the_end();
}

void handle(int number, void (*handler)(int)) {
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    if (::sigaction(number, &action, nullptr) != 0)
        throw std::system_error{errno, std::generic_category(), "sigaction"};
}

}  // namespace

void Shutdown::install() {
    if (event_fd.load() < 0) {
        const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (fd < 0) throw std::system_error{errno, std::generic_category(), "eventfd"};
        event_fd.store(fd);
        if (wish.load()) ask_for_the_end();
    }
    handle(SIGINT, on_stop_signal);
    handle(SIGTERM, on_stop_signal);
    handle(SIGPIPE, SIG_IGN);
}

bool Shutdown::requested() noexcept {
    return wish.load();
}

void Shutdown::request() noexcept {
    ask_for_the_end();
}

bool Shutdown::wait_for(std::chrono::milliseconds timeout) {
    using std::chrono::steady_clock;
    const auto start = steady_clock::now();
    while (!requested()) {
        const auto passed =
            std::chrono::floor<std::chrono::milliseconds>(steady_clock::now() - start);
        if (passed >= timeout) return requested();
        // An hour at a time keeps the sum inside what poll() takes; -1 in fd makes poll() a plain
        // wait.
        const auto slice =
            std::min<std::chrono::milliseconds>(timeout - passed, std::chrono::hours{1});
        pollfd descriptor{event_fd.load(), POLLIN, 0};
        ::poll(&descriptor, 1, static_cast<int>(slice.count()));
    }
    return true;
}

int Shutdown::fd() noexcept {
    return event_fd.load();
}

}  // namespace klyuchnik::process
