#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "handlers/runtime/message.hpp"
#include "handlers/runtime/work.hpp"
#include "process/metrics.hpp"
#include "process/mqtt_session.hpp"

namespace klyuchnik::handlers {

class DomainLoop;

/// The process's one MQTT session, and the way from it to the loops.
///
/// The network thread only parses the topic and moves the bytes into a loop's bounded queue. A full
/// queue drops the message and has its loop stop reading for a while: every source repeats until it
/// is answered. Thread-safe.
class Intake {
 public:
    Intake(process::MqttSettings mqtt, std::string share, process::Metrics& metrics);
    ~Intake();

    /// Before start(). `hear` gets what the broker's guard says, besides the loop that owns it, on
    /// the network thread: it must only move bytes.
    void hear_guards(std::function<void(const Incoming&)> hear) { hear_guard_ = std::move(hear); }
    /// Before start(). The loop must outlive the intake's stop().
    void add(DomainLoop& loop);
    void start(const std::string& presence_topic, std::int64_t now_s);
    /// Stops taking: no message reaches a loop after this returned. Publishing still works.
    void stop_taking();
    /// Sends what is queued and leaves.
    void leave();

    /// Gives up or takes again the device subscriptions of a loop. Blocks up to kSubscribeWait; not
    /// for the network thread.
    void pause(const DomainLoop& loop, bool paused);

    /// QoS 0, never blocks. What can not be sent is counted and forgotten: its source repeats.
    void publish(const Outgoing& message);
    /// False: not now.
    bool try_publish(const std::string& topic, const std::string& payload);
    /// QoS 1 where both sides can, and the broker forgets it after `expiry`. False: not now.
    bool try_publish(const Outgoing& message, std::chrono::seconds expiry);
    bool connected() const { return session_->connected(); }
    /// How often it has connected so far: another number, another session.
    std::uint64_t connections() const { return connections_.load(std::memory_order_relaxed); }

    static constexpr std::chrono::milliseconds kSubscribeWait{3000};

 private:
    void on_message(process::MqttMessage&& message);
    void subscribe();

    struct Entry {
        DomainLoop* loop;
        bool paused = false;
    };
    std::string share_;
    std::function<void(const Incoming&)> hear_guard_;
    std::atomic<std::uint64_t> connections_ = 0;
    process::Counter& foreign_;
    process::Counter& unsent_;
    mutable std::mutex
        mutex_;  ///< Guards entries_' pauses and taking_; never held while calling the session.
    std::vector<Entry> entries_;
    bool taking_ = false;
    std::mutex subscribing_;  ///< One change of subscriptions at a time.
    std::unique_ptr<process::MqttSession> session_;
};

}  // namespace klyuchnik::handlers
