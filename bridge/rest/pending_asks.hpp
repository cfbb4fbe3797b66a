#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "topics/asks.hpp"

namespace klyuchnik::bridge {

/// The id that an ask travels under: the client's key behind a short hash of its account.
///
/// Answers carry the id and nothing else, but a key is unique for one account only: without the
/// prefix two clients who both say "1" would get each other's answers. The same account and key
/// always give the same id, on every bridge and after every restart, since a repeat must find the
/// answer that is kept for the first. A key too long for the rest of limits::kAskIdCharsMax is
/// replaced by a hash of it.
std::string wire_id(std::string_view account, std::string_view key);

/// Who waits for which answer. Knows no broker and no clock of its own. Thread-safe.
class PendingAsks {
 public:
    explicit PendingAsks(std::size_t waiting_max) : waiting_max_{waiting_max} {}

    struct Entry;
    /// One waiting caller; leaving is the end of its life.
    class Ticket {
     public:
        Ticket() = default;
        Ticket(PendingAsks* asks, std::string id, std::shared_ptr<Entry> entry);
        Ticket(Ticket&&) noexcept;
        Ticket& operator=(Ticket&&) noexcept = delete;
        ~Ticket();

        /// Before each copy goes out, and when it could not go out after all.
        void sending();
        void not_sent();
        /// The answer when it is there by `until`.
        std::optional<topics::AskAnswer> wait(std::chrono::steady_clock::time_point until);

     private:
        PendingAsks* asks_ = nullptr;
        std::string id_;
        std::shared_ptr<Entry> entry_;
    };

    enum class Outcome {
        waiting,     ///< The ticket is good. Others may wait for the same answer.
        other_body,  ///< The same id is on its way with another body.
        full,        ///< `waiting_max` callers wait.
    };
    struct Joined {
        Outcome outcome;
        Ticket ticket;
    };
    /// `body` is what was asked, without what differs between repeats.
    Joined join(const std::string& id, const std::string& body);

    /// Wakes everybody who waits for it; false when nobody does (any more).
    ///
    /// "unavailable" and "busy" say of one copy only that it was not done: another copy may have
    /// been, with its answer lost, or may be about to be. They count when every copy that was sent
    /// has been answered so, and not before.
    bool answered(topics::AskAnswer answer);

    std::size_t waiting() const;

 private:
    void leave(const std::string& id, const std::shared_ptr<Entry>& entry);

    const std::size_t waiting_max_;
    mutable std::mutex mutex_;
    std::size_t waiting_ = 0;
    std::map<std::string, std::shared_ptr<Entry>> entries_;
};

}  // namespace klyuchnik::bridge
