#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "tests/support/raw_client.hpp"

/// A real Mosquitto with our configuration, access rules and guard, for one test.
namespace klyuchnik::test {

/// Lives in a temporary folder of its own, on two free ports of 127.0.0.1, and ends only the
/// process it started; if the test dies, the kernel ends the broker.
///
/// For one thread. Construct it on the thread that outlives it: the kernel takes the end of that
/// thread for the end of the test. Every function waits at most `kPatience` and throws
/// std::runtime_error with the end of the broker's log when the broker did not do what was asked.
class TestBroker {
 public:
    TestBroker();
    ~TestBroker();
    TestBroker(const TestBroker&) = delete;
    TestBroker& operator=(const TestBroker&) = delete;

    int devices_port() const noexcept { return devices_port_; }
    int services_port() const noexcept { return services_port_; }
    pid_t pid() const noexcept { return pid_; }  ///< 0 while stopped.
    const std::filesystem::path& dir() const noexcept { return dir_; }

    /// Registers a device and returns its secret; returns when the broker accepts it.
    std::string add_device(std::string_view id);
    /// Registers many at once. Secrets in the order of `ids`.
    std::vector<std::string> add_devices(const std::vector<std::string>& ids);
    /// The password of a service; it is registered when it is asked for the first time.
    std::string service_password(std::string_view name);
    /// Takes a device's or service's registration away; returns when the broker refuses it.
    void remove(std::string_view name);

    /// Options of a client that is who it says it is.
    ClientOptions device(std::string_view id, Protocol protocol = Protocol::v5);
    ClientOptions service(std::string_view name, Protocol protocol = Protocol::v5);

    void stop();   ///< SIGTERM, and waits for the end.
    void kill9();  ///< SIGKILL, and waits for the end.
    void
    restart();     ///< On the same ports, with the same credentials; ends a running one by SIGTERM.
    void pause();  ///< SIGSTOP: connections stay, nothing is answered.
    void resume();  ///< SIGCONT.

    /// All that the broker has logged since its last start.
    std::string log() const;

 private:
    void start();
    void end(int signal);
    std::string secret_of_device(std::string_view id) const;
    bool accepts(const ClientOptions& who) const;
    void wait_until_accepts(const ClientOptions& who, bool wanted) const;

    std::filesystem::path dir_;
    int devices_port_ = 0;
    int services_port_ = 0;
    pid_t pid_ = 0;
};

}  // namespace klyuchnik::test
