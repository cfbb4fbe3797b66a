#include "process/crash_point.hpp"

#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <string>

#include <unistd.h>

#include "process/log.hpp"

namespace klyuchnik::process {
namespace {

constexpr const char* kVariable = "KLYUCHNIK_CRASH_AT";

enum class State : int { unread, off, armed };

std::atomic<State> state{State::unread};
std::atomic<std::uint64_t> passes{0};

struct Plan {
    std::string value;
    std::string name;
    std::uint64_t pass = 1;
    bool understood = false;
};

Plan read_plan() {
    Plan plan;
    const char* value = std::getenv(kVariable);
    if (value == nullptr || *value == '\0') return plan;
    plan.value = value;
    const std::size_t colon = plan.value.rfind(':');
    plan.name = plan.value.substr(0, colon);
    plan.understood = !plan.name.empty();
    if (colon != std::string::npos) {
        const char* end = plan.value.data() + plan.value.size();
        const auto [rest, error] = std::from_chars(plan.value.data() + colon + 1, end, plan.pass);
        if (error != std::errc{} || rest != end || plan.pass == 0) plan.understood = false;
    }
    return plan;
}

const Plan& plan() {
    static const Plan the_plan = [] {
        Plan fresh = read_plan();
        state.store(fresh.understood ? State::armed : State::off, std::memory_order_relaxed);
        return fresh;
    }();
    return the_plan;
}

[[noreturn]] void crash(const Plan& at) {
    const std::string line =
        "crash point " + one_line(at.value) + " reached: killing this process\n";
    // The log thread would not live long enough to write this line.
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
    for (;;) ::kill(::getpid(), SIGKILL);
}

}  // namespace

void crash_point(std::string_view name) {
    State now = state.load(std::memory_order_relaxed);
    if (now == State::off) return;
    const Plan& armed = plan();
    if (now == State::unread) now = state.load(std::memory_order_relaxed);
    if (now != State::armed || armed.name != name) return;
    if (passes.fetch_add(1, std::memory_order_relaxed) + 1 == armed.pass) crash(armed);
}

void announce_crash_points() {
    const Plan& armed = plan();
    if (armed.value.empty()) return;
    if (armed.understood)
        log::warn("{}={}: this process will kill itself there (a fault test)", kVariable,
                  armed.value);
    else
        log::error("{}={} is not a name or name:n with n from 1 up; ignored", kVariable,
                   armed.value);
}

}  // namespace klyuchnik::process
