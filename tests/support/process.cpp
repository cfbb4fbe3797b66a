#include "tests/support/process.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <thread>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace klyuchnik::test {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kGlance{10};

std::string name_of(const std::string& setting) {
    return setting.substr(0, setting.find('=') + 1);
}

/// The test's own environment with `more` on top.
std::vector<std::string> environment_with(const std::vector<std::string>& more) {
    std::vector<std::string> all;
    for (char** one = environ; *one != nullptr; ++one) {
        const std::string setting{*one};
        const bool replaced = std::ranges::any_of(
            more, [&](const std::string& other) { return name_of(other) == name_of(setting); });
        if (!replaced) all.push_back(setting);
    }
    all.insert(all.end(), more.begin(), more.end());
    return all;
}

std::vector<char*> pointers_to(const std::vector<std::string>& words) {
    std::vector<char*> pointers;
    for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
    pointers.push_back(nullptr);
    return pointers;
}

/// `out` and `error` become its stdout and stderr.
pid_t spawn(const Command& command, int out, int error) {
    const std::vector<std::string> environment = environment_with(command.environment);
    const std::vector<char*> arguments = pointers_to(command.words);
    const std::vector<char*> settings = pointers_to(environment);
    const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child < 0) throw std::system_error{errno, std::generic_category(), "fork"};
    if (child == 0) {
        // Only what is safe after a fork in a program with threads.
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent) ::_exit(126);
        if (::dup2(nothing, 0) < 0 || ::dup2(out, 1) < 0 || ::dup2(error, 2) < 0) ::_exit(126);
        ::execve(arguments[0], arguments.data(), settings.data());
        ::_exit(127);
    }
    ::close(nothing);
    return child;
}

int open_for_append(const std::filesystem::path& file) {
    const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0) throw std::system_error{errno, std::generic_category(), file.string()};
    return fd;
}

}  // namespace

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds deadline) {
    const auto end = steady_clock::now() + deadline;
    while (!condition()) {
        if (steady_clock::now() >= end) return false;
        std::this_thread::sleep_for(kGlance);  // polls
    }
    return true;
}

int free_port() {
    static std::mt19937 random{std::random_device{}()};
    std::uniform_int_distribution<int> ports{15'000, 32'000};
    for (int i = 0; i < 1000; ++i) {
        const int port = ports(random);
        const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(port));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const bool free =
            ::bind(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
        ::close(probe);
        if (free) return port;
    }
    throw std::runtime_error{"no free port"};
}

std::string contents_of(const std::filesystem::path& path) {
    std::ifstream file{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
}

std::string tail_of(const std::filesystem::path& file, std::size_t lines) {
    const std::string text = contents_of(file);
    std::size_t at = text.size();
    while (at > 0 && lines > 0) {
        at = text.rfind('\n', at - 1);
        if (at == std::string::npos) return text;
        --lines;
    }
    return text.substr(at);
}

Child::Child(const Command& command) : log_{command.log} {
    const int out = open_for_append(command.log);
    try {
        pid_ = spawn(command, out, out);
    } catch (...) {
        ::close(out);
        throw;
    }
    ::close(out);
}

Child::~Child() {
    kill9();
}

std::optional<Ending> Child::wait(std::chrono::milliseconds deadline) {
    if (ending_) return ending_;
    int status = 0;
    if (!eventually([&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; }, deadline)) {
        return std::nullopt;
    }
    Ending ending;
    if (WIFSIGNALED(status)) {
        ending.signal = WTERMSIG(status);
    } else {
        ending.exit_code = WEXITSTATUS(status);
    }
    ending_ = ending;
    return ending_;
}

void Child::signal(int number) {
    if (!ending_) ::kill(pid_, number);
}

void Child::kill9() {
    signal(SIGKILL);
    wait();
}

void Child::pause() {
    signal(SIGSTOP);
    // The signal is delivered in its own time; the state says when the process really stands still.
    const auto stands = [&] {
        const std::string stat = contents_of("/proc/" + std::to_string(pid_) + "/stat");
        const std::size_t name_end = stat.rfind(") ");
        return name_end != std::string::npos && stat.compare(name_end + 2, 1, "T") == 0;
    };
    if (!eventually(stands)) throw std::runtime_error{"a process can not be paused"};
}

void Child::resume() {
    signal(SIGCONT);
}

std::string output_of(Command command, std::chrono::milliseconds deadline) {
    static std::atomic<int> count{0};
    const auto base =
        std::filesystem::temp_directory_path() / ("klyuchnik-output." + std::to_string(::getpid()) +
                                                  "." + std::to_string(count.fetch_add(1)));
    const auto out = base.string() + ".out";
    const auto error = base.string() + ".err";
    const int out_fd = open_for_append(out);
    const int error_fd = open_for_append(error);
    const pid_t pid = spawn(command, out_fd, error_fd);
    ::close(out_fd);
    ::close(error_fd);
    int status = 0;
    const bool ended =
        eventually([&] { return ::waitpid(pid, &status, WNOHANG) == pid; }, deadline);
    if (!ended) {
        ::kill(pid, SIGKILL);
        ::waitpid(pid, &status, 0);
    }
    const std::string said = contents_of(out);
    const std::string complained = contents_of(error);
    std::filesystem::remove(out);
    std::filesystem::remove(error);
    if (!ended || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        std::string line;
        for (const std::string& word : command.words) line += word + " ";
        throw std::runtime_error{line + (ended ? "failed" : "did not end") + ":\n" + said +
                                 complained};
    }
    return said;
}

}  // namespace klyuchnik::test
