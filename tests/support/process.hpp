#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

/// Child processes of a test.
namespace klyuchnik::test {

/// Waits until `condition` is true, looking every 10 ms. False after `deadline`, which is long
/// since test machines are slow; a condition that throws ends the wait.
bool eventually(const std::function<bool()>& condition,
                std::chrono::milliseconds deadline = std::chrono::seconds{30});

/// A port of 127.0.0.1 that nobody listens on, below those that the kernel gives to clients.
int free_port();

std::string contents_of(const std::filesystem::path& file);
/// The last `lines` lines.
std::string tail_of(const std::filesystem::path& file, std::size_t lines);

struct Command {
    std::vector<std::string> words;        ///< The program's path first.
    std::vector<std::string> environment;  ///< NAME=value, on top of the test's own.
    std::filesystem::path log;             ///< stdout and stderr are appended to it.
};

/// How a process ended.
struct Ending {
    int exit_code = -1;  ///< -1: by a signal.
    int signal = 0;
};

/// One child; ended by SIGKILL when the object goes, and by the kernel when the test dies.
///
/// For one thread, the one that outlives it: the kernel takes the end of that thread for the end of
/// the test.
class Child {
 public:
    explicit Child(const Command& command);
    ~Child();
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    pid_t pid() const noexcept { return pid_; }
    /// Its ending if it has ended within `deadline`.
    std::optional<Ending> wait(std::chrono::milliseconds deadline = std::chrono::seconds{30});
    bool running() { return !wait(std::chrono::milliseconds{0}).has_value(); }
    void signal(int number);
    void kill9();   ///< And waits for the end.
    void pause();   ///< SIGSTOP; returns when it stands still.
    void resume();  ///< SIGCONT.
    const std::filesystem::path& log() const noexcept { return log_; }

 private:
    pid_t pid_ = 0;
    std::optional<Ending> ending_;
    std::filesystem::path log_;
};

/// Runs to the end and returns what it wrote to stdout. Throws std::runtime_error with all it wrote
/// when it fails or takes longer than `deadline`.
std::string output_of(Command command,
                      std::chrono::milliseconds deadline = std::chrono::seconds{60});

}  // namespace klyuchnik::test
