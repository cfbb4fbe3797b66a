#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "db/access/connection.hpp"

namespace klyuchnik::db {

/// What can be waited for. A notice is a reason to look at the tables and says nothing itself.
enum class Channel : unsigned char {
    log,       ///< Events were written.
    commands,  ///< A command was queued, or may be sent now.
    letters,   ///< A message that was set aside is to be tried again.
    guard,     ///< Who may connect to the broker has changed.
    placed,    ///< Events got their places in the log.
};

/// Waits for a notice on one channel. Plain libpq beneath, because libpqxx does not tell reliably
/// when its connection is gone. Belongs to one thread.
class Listener {
 public:
    explicit Listener(const ConnectionSettings& settings, Channel channel = Channel::log);
    ~Listener();
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    enum class Heard {
        notice,     ///< At least one arrived; look at the tables.
        nothing,    ///< The time passed, or `wake_fd` became readable.
        reconnect,  ///< The connection is new: notices may have been missed, look at the tables.
        lost,       ///< No connection and none to be had right now; wait before the next call.
    };
    /// Blocks up to `timeout` or until `wake_fd` (none if negative) is readable. Connects when it
    /// must (up to the connect timeout of 3 s). Does not throw.
    Heard wait(std::chrono::milliseconds timeout, int wake_fd = -1);

 private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace klyuchnik::db
