#include "tests/support/test_broker.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <thread>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace klyuchnik::test {
namespace {

using std::chrono::steady_clock;

/// Between two looks at something that nobody signals.
constexpr std::chrono::milliseconds kGlance{10};
constexpr int kStartsMax = 5;

const std::filesystem::path kScripts{KLYUCHNIK_BROKER_SCRIPTS};
const std::filesystem::path kGuard{KLYUCHNIK_GUARD_FILE};

template <class Done>
bool wait_until(Done done, std::chrono::milliseconds deadline = kPatience) {
    const auto end = steady_clock::now() + deadline;
    while (!done()) {
        if (steady_clock::now() >= end) return false;
        std::this_thread::sleep_for(kGlance);  // polls
    }
    return true;
}

std::string contents(const std::filesystem::path& path) {
    std::ifstream file{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
}

pid_t spawn(const std::vector<std::string>& command,
            const std::filesystem::path& input = "/dev/null") {
    std::vector<char*> arguments;
    for (const std::string& part : command) arguments.push_back(const_cast<char*>(part.c_str()));
    arguments.push_back(nullptr);
    const pid_t child = ::fork();
    if (child < 0) throw std::system_error{errno, std::generic_category(), "fork"};
    if (child == 0) {
        const int in = ::open(input.c_str(), O_RDONLY | O_CLOEXEC);
        if (in < 0 || ::dup2(in, STDIN_FILENO) < 0) ::_exit(126);
        ::execv(arguments[0], arguments.data());
        ::_exit(127);
    }
    return child;
}

void run(const std::vector<std::string>& command,
         const std::filesystem::path& input = "/dev/null") {
    int status = 0;
    const pid_t child = spawn(command, input);
    while (::waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) throw std::system_error{errno, std::generic_category(), "waitpid"};
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        throw std::runtime_error{command[0] + " failed with status " + std::to_string(status)};
    }
}

bool is_free(int port) {
    const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool free =
        ::bind(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    ::close(probe);
    return free;
}

/// Below the range from which the kernel serves outgoing connections, so that a port stays ours
/// while the broker is away.
std::vector<int> free_ports(std::size_t count) {
    static std::mt19937 random{std::random_device{}()};
    std::uniform_int_distribution<int> ports{15'000, 32'000};
    std::vector<int> found;
    for (int i = 0; i < 1000 && found.size() < count; ++i) {
        const int port = ports(random);
        if (std::ranges::find(found, port) == found.end() && is_free(port)) found.push_back(port);
    }
    if (found.size() < count) throw std::runtime_error{"no free port"};
    return found;
}

std::filesystem::path temporary_folder() {
    std::string name =
        (std::filesystem::temp_directory_path() / "klyuchnik-broker.XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
        throw std::system_error{errno, std::generic_category(), "mkdtemp"};
    }
    // As root the broker runs as another user, who must pass this folder; its own is closed.
    std::filesystem::permissions(name, std::filesystem::perms{0755});
    return name;
}

}  // namespace

TestBroker::TestBroker(BrokerOptions options)
    : dir_{temporary_folder()}, options_{std::move(options)} {
    if (options_.devices_tls || options_.services_tls) {
        certificates_ = std::make_unique<Certificates>(dir_ / "broker");
    }
    for (int attempt = 1;; ++attempt) {
        const std::vector<int> ports = free_ports(4);
        ports_ = {{Entrance::plain, ports[0]}};
        if (options_.devices_tls) {
            ports_[Entrance::tls] = ports[1];
            ports_[Entrance::certificate] = ports[2];
        }
        services_port_ = ports[3];
        try {
            run(configuration());
            start();
            return;
        } catch (...) {
            // Another test may have taken the port between the look and the start.
            end(SIGKILL);
            if (attempt == kStartsMax || log().find("in use") == std::string::npos) {
                std::filesystem::remove_all(dir_);
                throw;
            }
        }
    }
}

std::vector<std::string> TestBroker::configuration() const {
    static const std::map<Entrance, std::string> flags{
        {Entrance::plain, "--plain-port"},
        {Entrance::tls, "--tls-port"},
        {Entrance::certificate, "--certificates-port"}};
    std::vector<std::string> words{
        kScripts / "configure",        dir_ / "broker", "--guard", kGuard, "--services-port",
        std::to_string(services_port_)};
    for (const auto& [entrance, port] : ports_) {
        words.push_back(flags.at(entrance));
        words.push_back(std::to_string(port));
    }
    if (options_.services_tls) words.emplace_back("--services-tls");
    words.insert(words.end(), options_.more.begin(), options_.more.end());
    return words;
}

TestBroker::~TestBroker() {
    end(SIGKILL);
    std::error_code ignored;
    std::filesystem::remove_all(dir_, ignored);
}

void TestBroker::start() {
    // Else the line that is waited for could be the one of the run before.
    std::filesystem::remove(dir_ / "broker/run/mosquitto.log");
    pid_ = spawn({kScripts / "serve", dir_ / "broker", "run", "--die-with-parent"});
    bool ended = false;
    const bool ready = wait_until([&] {
        ended = ::waitpid(pid_, nullptr, WNOHANG) == pid_;
        return ended || (log().find(" running\n") != std::string::npos);
    });
    if (ended) pid_ = 0;
    if (!ready || ended) {
        throw std::runtime_error{"Mosquitto did not start:\n" +
                                 contents(dir_ / "broker/run/stderr") + log()};
    }
}

void TestBroker::end(int signal) {
    if (pid_ == 0) return;
    ::kill(pid_, signal);
    if (signal == SIGTERM) ::kill(pid_, SIGCONT);  // A paused one could not hear it.
    const bool ended = wait_until([&] { return ::waitpid(pid_, nullptr, WNOHANG) == pid_; });
    if (!ended) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    pid_ = 0;
}

void TestBroker::stop() {
    end(SIGTERM);
}

void TestBroker::kill9() {
    end(SIGKILL);
}

void TestBroker::restart() {
    end(SIGTERM);
    start();
}

void TestBroker::pause() {
    ::kill(pid_, SIGSTOP);
    // The signal is delivered in its own time; the state says when the process really stands still.
    const auto stands = [&] {
        const std::string stat = contents("/proc/" + std::to_string(pid_) + "/stat");
        const std::size_t name_end = stat.rfind(") ");
        return name_end != std::string::npos && stat.compare(name_end + 2, 1, "T") == 0;
    };
    if (!wait_until(stands)) throw std::runtime_error{"the broker can not be paused"};
}

void TestBroker::resume() {
    ::kill(pid_, SIGCONT);
}

std::string TestBroker::log() const {
    return contents(dir_ / "broker/run/mosquitto.log");
}

std::string TestBroker::devices_list() const {
    return contents(dir_ / "broker/run/devices.list");
}

void TestBroker::write_devices_list(const std::string& content) const {
    // Truncated and not replaced: the file stays the broker's.
    std::ofstream{dir_ / "broker/run/devices.list", std::ios::binary} << content;
}

bool TestBroker::accepts(const ClientOptions& who) const {
    RawClient client{who};
    return client.connect() == 0;
}

void TestBroker::wait_until_accepts(const ClientOptions& who, bool wanted) const {
    if (pid_ == 0) return;  // It will read its files when it starts.
    if (!wait_until([&] { return accepts(who) == wanted; })) {
        throw std::runtime_error{"the broker did not learn of " + who.user + ":\n" + log()};
    }
}

std::string TestBroker::secret_of_device(std::string_view id) const {
    std::istringstream lines{contents(dir_ / "broker/secrets/devices")};
    std::string last;  // One that got another since has more lines than one.
    for (std::string name, secret; lines >> name >> secret;) {
        if (name == id) last = secret;
    }
    return last;
}

void TestBroker::know_device(std::string_view id, std::string_view secret) {
    std::ofstream{dir_ / "broker/secrets/devices", std::ios::app} << id << ' ' << secret << '\n';
    wait_until_accepts(device(id), true);
}

std::string TestBroker::add_device(std::string_view id) {
    return add_devices({std::string{id}}).front();
}

std::vector<std::string> TestBroker::add_devices(const std::vector<std::string>& ids) {
    const auto names = dir_ / "names";
    {
        std::ofstream file{names};
        for (const std::string& id : ids) file << id << '\n';
    }
    run({kScripts / "credentials", dir_ / "broker", "add-device", "--file", names});

    std::map<std::string, std::string> known;
    std::istringstream lines{contents(dir_ / "broker/secrets/devices")};
    for (std::string name, secret; lines >> name >> secret;) known[name] = secret;
    std::vector<std::string> secrets;
    for (const std::string& id : ids) secrets.push_back(known.at(id));

    // A running broker has them when the script returns, and one that starts reads its file first.
    return secrets;
}

std::string TestBroker::secret_of_service(std::string_view name) const {
    std::string secret = contents(dir_ / "broker/secrets" / name);
    while (!secret.empty() && secret.back() == '\n') secret.pop_back();
    return secret;
}

void TestBroker::add_services(const std::vector<std::string>& names) {
    std::vector<std::string> command{kScripts / "credentials", dir_ / "broker", "add-service"};
    command.insert(command.end(), names.begin(), names.end());
    run(command);
    // All lines of the file are read at once, so one who is accepted stands for all.
    ClientOptions last;
    last.port = services_port_;
    last.user = names.back();
    last.password = secret_of_service(names.back());
    if (options_.services_tls) last.tls = certificates_->trust();
    wait_until_accepts(last, true);
}

std::string TestBroker::service_password(std::string_view name) {
    if (secret_of_service(name).empty()) add_services({std::string{name}});
    return secret_of_service(name);
}

void TestBroker::remove(std::string_view name) {
    const bool is_device = !secret_of_device(name).empty();
    const ClientOptions options = is_device ? device(name) : service(name);
    run({kScripts / "credentials", dir_ / "broker", "remove", std::string{name}});
    wait_until_accepts(options, false);
    device_files_.erase(std::string{name});
}

ClientOptions TestBroker::device(std::string_view id, Protocol protocol, Entrance entrance) {
    ClientOptions options;
    options.port = ports_.at(entrance);
    options.user = id;
    options.protocol = protocol;
    std::string secret = secret_of_device(id);
    if (secret.empty()) secret = add_device(id);
    if (entrance != Entrance::certificate) options.password = secret;
    if (entrance == Entrance::tls) options.tls = certificates_->trust();
    if (entrance == Entrance::certificate) {
        auto known = device_files_.find(id);
        if (known == device_files_.end()) {
            known = device_files_.emplace(id, certificates_->device(id)).first;
            run({kScripts / "credentials", dir_ / "broker", "add-certificate", std::string{id},
                 known->second.cert});
        }
        options.tls = known->second;
    }
    return options;
}

ClientOptions TestBroker::service(std::string_view name, Protocol protocol) {
    ClientOptions options;
    options.port = services_port_;
    options.user = name;
    options.password = service_password(name);
    options.protocol = protocol;
    if (options_.services_tls) options.tls = certificates_->trust();
    return options;
}

}  // namespace klyuchnik::test
