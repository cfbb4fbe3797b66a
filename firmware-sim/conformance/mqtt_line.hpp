// The examiner's line over a real broker, as a service of the name handlers-*.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "firmware-sim/conformance/line.hpp"
#include "topics/ids.hpp"

namespace klyuchnik::sim::conformance {

struct MqttLineSettings {
    std::string host = "127.0.0.1";
    std::int64_t port = 1884;  ///< The broker's listener for services.
    std::string user;          ///< handlers-…, which may hear devices and speak to them.
    std::string password;
    std::string ca_file;  ///< PEM; empty: plain TCP.
    topics::DeviceId device;
    bool kick = true;  ///< The broker has the guard, which cuts connections.
};

/// One connection, MQTT 5, so that the broker says of each message whether the device wanted it
/// retained. It joins share groups of its own: beside running handlers it would hear everything
/// too, and both would answer, so there must be none.
///
/// The constructor connects and subscribes within ten seconds, or throws std::runtime_error with
/// what was wrong; so does any later call once the broker is lost, and wait() when the process is
/// asked to stop. One thread.
class MqttLine final : public Line {
 public:
    explicit MqttLine(const MqttLineSettings& settings);
    ~MqttLine() override;
    MqttLine(const MqttLine&) = delete;
    MqttLine& operator=(const MqttLine&) = delete;

    Elapsed now() const override;
    std::int64_t utc_s() const override;
    void send(topics::Level level, const std::string& payload) override;
    std::optional<Heard> wait(Elapsed until) override;
    bool cut() override;
    /// On stderr.
    void tell(const std::string& text) override;

 private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace klyuchnik::sim::conformance
