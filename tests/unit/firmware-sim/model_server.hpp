// A broker of its own and, behind it, the least server that a cabinet needs: a cursor per device,
// in memory.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "topics/device.hpp"
#include "topics/ids.hpp"
#include "topics/rights_document.hpp"

namespace klyuchnik::test {

struct ServerView {
    std::map<std::string, std::vector<std::string>>
        facts;  ///< By device: kinds, in order, each once.
    std::int64_t requests = 0;
    std::int64_t births = 0;
    std::int64_t wills = 0;
    std::int64_t skipped = 0;  ///< Facts that came again.
    std::int64_t epochs = 0;
    std::map<std::string, topics::Birth> last_birth;  ///< By device.
    std::map<std::string, std::map<std::int64_t, std::int64_t>>
        done;                                 ///< `rc` of ends, by command.
    std::map<std::string, std::string> logs;  ///< As fetched whole, by device.
};

/// Starts Mosquitto on a free port of the loopback, without passwords, and a client that answers
/// the devices. Ends both in the destructor; ends only what it started.
class ModelServer {
 public:
    ModelServer();
    ~ModelServer();
    ModelServer(const ModelServer&) = delete;
    ModelServer& operator=(const ModelServer&) = delete;

    int port() const;
    void kill_broker();   ///< SIGKILL.
    void start_broker();  ///< On the same port; returns when it answers.
    /// While silent it hears and does nothing.
    void silent(bool on);
    /// Commits and does not answer, `times` times.
    void swallow_acks(int times);
    /// Every question gets this rc.
    void answer_with(std::int64_t rc);
    void forget_devices();  ///< Every device gets a new epoch.
    /// Acks want this version from now on; devices that are there hear of it at once.
    void announce_rights(const topics::RightsDocument& document);
    void announce_firmware(const std::string& version, const std::string& image);
    /// To the connection of the last birth; expires after a minute.
    void send_command(const topics::DeviceId& id, topics::CommandBody body, std::int64_t number);
    /// `rj` of every ack.
    void spread_reconnects(std::int64_t seconds);

    ServerView view() const;
    bool wait_until(const std::function<bool(const ServerView&)>& condition,
                    std::chrono::milliseconds deadline) const;

 private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace klyuchnik::test
