#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "tests/support/certificates.hpp"
#include "tests/support/raw_client.hpp"

/// A real Mosquitto with our configuration, access rules and guard, for one test.
namespace klyuchnik::test {

/// How a device comes in.
enum class Entrance { plain, tls, certificate };

struct BrokerOptions {
    bool devices_tls = false;   ///< The entrances `tls` and `certificate` as well as `plain`.
    bool services_tls = false;  ///< Services speak TLS, and only that.
    std::vector<std::string> more = {};  ///< Further words for broker/configure.
};

/// Lives in a temporary folder of its own, on free ports of 127.0.0.1, and ends only the process it
/// started; if the test dies, the kernel ends the broker.
///
/// For one thread. Construct it on the thread that outlives it: the kernel takes the end of that
/// thread for the end of the test. Every function waits at most `kPatience` and throws
/// std::runtime_error with the end of the broker's log when the broker did not do what was asked.
class TestBroker {
 public:
    explicit TestBroker(BrokerOptions options = {});
    ~TestBroker();
    TestBroker(const TestBroker&) = delete;
    TestBroker& operator=(const TestBroker&) = delete;

    int devices_port(Entrance entrance = Entrance::plain) const { return ports_.at(entrance); }
    int services_port() const noexcept { return services_port_; }
    pid_t pid() const noexcept { return pid_; }  ///< 0 while stopped.
    const std::filesystem::path& dir() const noexcept { return dir_; }

    /// Registers a device and returns its secret; returns when the broker accepts it.
    std::string add_device(std::string_view id);
    /// Registers many at once. Secrets in the order of `ids`.
    std::vector<std::string> add_devices(const std::vector<std::string>& ids);
    /// The secret of a device that was registered by others; returns when the broker accepts it.
    void know_device(std::string_view id, std::string_view secret);
    /// Registers services, all at once; returns when the broker accepts them.
    void add_services(const std::vector<std::string>& names);
    /// The password of a service; it is registered when it is asked for the first time.
    std::string service_password(std::string_view name);
    /// Of a broker with TLS.
    Certificates& certificates() { return *certificates_; }
    /// Takes a device's or service's registration away; returns when the broker refuses it.
    void remove(std::string_view name);

    /// Options of a client that is who it says it is; it is registered when it is asked for the
    /// first time, and gets a certificate when it is first to come in by one.
    ClientOptions device(std::string_view id, Protocol protocol = Protocol::v5,
                         Entrance entrance = Entrance::plain);
    ClientOptions service(std::string_view name, Protocol protocol = Protocol::v5);

    void stop();   ///< SIGTERM, and waits for the end.
    void kill9();  ///< SIGKILL, and waits for the end.
    void
    restart();     ///< On the same ports, with the same credentials; ends a running one by SIGTERM.
    void pause();  ///< SIGSTOP: connections stay, nothing is answered.
    void resume();  ///< SIGCONT.

    /// The guard's list of devices, as control lines; written while the broker is stopped.
    std::string devices_list() const;
    void write_devices_list(const std::string& content) const;

    /// All that the broker has logged since its last start.
    std::string log() const;

 private:
    void start();
    void end(int signal);
    std::string secret_of_device(std::string_view id) const;
    std::string secret_of_service(std::string_view name) const;
    bool accepts(const ClientOptions& who) const;
    void wait_until_accepts(const ClientOptions& who, bool wanted) const;

    std::vector<std::string> configuration() const;

    std::filesystem::path dir_;
    BrokerOptions options_;
    std::unique_ptr<Certificates> certificates_;
    std::map<std::string, TlsFiles, std::less<>> device_files_;
    std::map<Entrance, int> ports_;
    int services_port_ = 0;
    pid_t pid_ = 0;
};

}  // namespace klyuchnik::test
