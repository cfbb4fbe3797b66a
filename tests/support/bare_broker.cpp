#include "tests/support/bare_broker.hpp"

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <system_error>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/certificates.hpp"
#include "tests/support/process.hpp"

namespace klyuchnik::test {
namespace {

sockaddr_in loopback(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

bool accepts(int port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = loopback(port);
    const bool ok = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    ::close(fd);
    return ok;
}

}  // namespace

BareBroker::BareBroker(const std::string& more_configuration) {
    directory_ = (std::filesystem::temp_directory_path() / "klyuchnik-bare-broker.XXXXXX").string();
    if (::mkdtemp(directory_.data()) == nullptr) {
        throw std::system_error{errno, std::generic_category(), "mkdtemp"};
    }
    port_ = free_port();
    std::ofstream{directory_ + "/mosquitto.conf"}
        << "listener " << port_ << " 127.0.0.1\nallow_anonymous true\npersistence false\n"
        << "set_tcp_nodelay true\nmax_inflight_messages 0\nmax_queued_messages 100000\n"
        << "log_type error\nlog_type notice\nlog_dest file " << directory_ << "/log\n"
        << (::geteuid() == 0 ? "user root\n" : "") << more_configuration;
    start();
}

BareBroker::~BareBroker() {
    kill9();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
}

void BareBroker::start() {
    const std::string configuration = directory_ + "/mosquitto.conf";
    pid_ = ::fork();
    if (pid_ == 0) {
        // A test that aborts must leave nothing running.
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        const int null = ::open("/dev/null", O_RDWR);
        ::dup2(null, STDERR_FILENO);
        for (const char* path : {"/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"}) {
            ::execl(path, "mosquitto", "-c", configuration.c_str(), nullptr);
        }
        ::_exit(127);
    }
    if (!eventually([&] { return accepts(port_); })) {
        throw std::runtime_error{"mosquitto did not start:\n" + contents_of(directory_ + "/log")};
    }
}

void BareBroker::kill9() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
}

void BareBroker::freeze() const {
    ::kill(pid_, SIGSTOP);
}

void BareBroker::thaw() const {
    ::kill(pid_, SIGCONT);
}

void BareBroker::refuse_subscriptions_except(const std::string& filter) {
    kill9();
    std::ofstream{directory_ + "/rules.json"}
        << R"({"defaultACLAccess":{"publishClientSend":true,"publishClientReceive":true,)"
        << R"("subscribe":false,"unsubscribe":true},"clients":[],)"
        << R"("groups":[{"groupname":"all","roles":[{"rolename":"some"}]}],)"
        << R"("anonymousGroup":"all","roles":[{"rolename":"some","acls":[)"
        << R"({"acltype":"subscribePattern","topic":")" << filter << R"(","allow":true}]}]})";
    std::ofstream{directory_ + "/mosquitto.conf", std::ios::app}
        << "plugin /usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so\n"
        << "plugin_opt_config_file " << directory_ << "/rules.json\n";
    start();
}

std::size_t BareBroker::connections_seen() const {
    std::ifstream log{directory_ + "/log"};
    std::size_t count = 0;
    for (std::string line; std::getline(log, line);) {
        if (line.find("New connection") != std::string::npos) ++count;
    }
    return count;
}

std::string tls_lines(const Certificates& certificates) {
    return "certfile " + certificates.file("server.crt") + "\nkeyfile " +
           certificates.file("server.key") + "\ntls_version tlsv1.2\n";
}

std::string mutual_tls_lines(const Certificates& certificates) {
    return tls_lines(certificates) + "cafile " + certificates.file("device-ca.crt") +
           "\nrequire_certificate true\n";
}

}  // namespace klyuchnik::test
