#pragma once

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "db/access/connection.hpp"
#include "handlers/runtime/work.hpp"
#include "process/clock.hpp"
#include "process/metrics.hpp"

namespace klyuchnik::handlers {

class Intake;

/// Does what domains do because of others (Domain::reactions()): reads the log by position, each
/// event exactly once, since how far it has read is moved in the very transaction that has the
/// effect. One thread in every handlers process; the reaction's row in runtime.reactions, locked
/// with skip locked, decides which process reads on, and a killed one leaves it where it was.
///
/// Woken by NOTIFY when events get their places; it looks every kLookMax besides. What fails is
/// tried again after kTryAgain, as often as it takes: a reaction that can not be done holds up its
/// own successors and nobody else's.
class Reactions {
 public:
    Reactions(db::ConnectionSettings listening, const process::Clock& clock,
              process::Metrics& metrics);
    ~Reactions();

    /// Before start(). `domain` is an object of its own, as for TimedWork; `database` is as its
    /// role.
    void add(std::unique_ptr<Domain> domain, db::ConnectionSettings database);
    /// `intake` publishes what reactions want sent, after each commit; it must outlive stop().
    void start(Intake& intake);
    void stop();

    /// Everything that is there to be done now; returns when to look again. For the thread, and for
    /// tests with a clock of their own. Each message is passed to `send` once its cause is
    /// committed. While `connected` (absent: always) says no, nothing is followed up: it would
    /// count as sent.
    using Send = std::function<void(const Outgoing&)>;
    using Connected = std::function<bool()>;
    topics::Instant work(const Send& send, const Connected& connected = {});

    static constexpr std::chrono::seconds kLookMax{5};
    static constexpr std::chrono::milliseconds kLookMin{10};
    static constexpr std::chrono::seconds kTryAgain{1};
    static constexpr std::int64_t kPageMax = 500;  ///< Events in one transaction.
    static constexpr int kFollowMax = 16;  ///< Follow-ups before events are looked at again.

 private:
    struct Entry;
    void run(Intake& intake);
    topics::Instant do_reaction(Entry& entry, std::size_t which, const Send& send,
                                const Connected& connected);
    bool react(Entry& entry, const Reaction& reaction, const Send& send);
    topics::Instant follow(Entry& entry, std::size_t which, const Send& send,
                           const Connected& connected);

    db::ConnectionSettings listening_;
    const process::Clock& clock_;
    process::Counter& events_;
    process::Counter& faults_;
    std::vector<std::unique_ptr<Entry>> entries_;
    int stop_fd_;
    std::thread thread_;
};

}  // namespace klyuchnik::handlers
