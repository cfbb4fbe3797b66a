#pragma once

#include <cstddef>
#include <string>

#include <sys/types.h>

/// A real Mosquitto without the project's access rules, for tests of a client.
namespace klyuchnik::test {

class Certificates;

/// Lives in a temporary folder of its own, on a free port of 127.0.0.1; everybody may do
/// everything. Ends only the process it started; if the test dies, the kernel ends the broker.
///
/// For one thread, the one that outlives it. Throws std::runtime_error when the broker does not
/// start.
class BareBroker {
 public:
    /// `more_configuration`: whole lines for mosquitto.conf, in the scope of the one listener.
    explicit BareBroker(const std::string& more_configuration = "");
    ~BareBroker();
    BareBroker(const BareBroker&) = delete;
    BareBroker& operator=(const BareBroker&) = delete;

    void start();  ///< Again, after kill9(); on the same port.
    void kill9();
    void freeze() const;  ///< Connections stay, nothing is answered.
    void thaw() const;
    /// Starts it again with the security plugin that Mosquitto brings: access files cannot refuse a
    /// SUBSCRIBE.
    void refuse_subscriptions_except(const std::string& filter);

    int port() const { return port_; }
    /// TCP connections accepted since it was made, over all its starts.
    std::size_t connections_seen() const;

 private:
    std::string directory_;
    int port_ = 0;
    pid_t pid_ = -1;
};

/// Lines for a listener that speaks TLS 1.2 and newer; what it shows is server.crt.
std::string tls_lines(const Certificates& certificates);
/// The same, and clients must show a certificate that the device authority signed.
std::string mutual_tls_lines(const Certificates& certificates);

}  // namespace klyuchnik::test
