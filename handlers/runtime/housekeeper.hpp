#pragma once

#include <thread>

#include "db/access/connection.hpp"
#include "process/clock.hpp"
#include "process/metrics.hpp"

namespace klyuchnik::handlers {

/// How long what may be forgotten is kept.
struct Retention {
    /// Facts and what was set aside, since they hold card numbers and names; ended commands and
    /// resolved alarms.
    std::int64_t facts_days = 90;
};

/// Does the regular work that keeps tables bounded: makes partitions ahead, forgets old answers,
/// facts, epochs and sessions. Runs in every handlers process; a row with a due time, claimed with
/// skip locked, decides who does it, so a killed process leaves nothing undone. One thread, a few
/// statements an hour, each of bounded size.
class Housekeeper {
 public:
    Housekeeper(db::ConnectionSettings database, Retention retention, const process::Clock& clock,
                process::Metrics& metrics);
    ~Housekeeper();
    void start();
    void stop();

    /// Everything that is due at `now`. For the thread, and for tests with a clock of their own.
    void work();

    static constexpr std::chrono::seconds kLookEvery{30};
    static constexpr std::int64_t kRowsPerStatement = 10'000;
    static constexpr int kStatementsPerChore = 20;
    /// Of the inbox, every 5 minutes: 6,000 answers a second can be kept and forgotten again.
    static constexpr int kInboxStatementsPerChore = 200;
    /// Of content, however many pieces: a statement must be over long before its deadline.
    static constexpr std::int64_t kBlobBytesPerStatement = std::int64_t{64} << 20;
    static constexpr int kPartitionsAhead = 2;

 private:
    void run();
    struct Done {
        std::size_t rows = 0;
        bool more = false;  ///< A limit was reached: there may be more to do.
    };
    Done do_once(db::Tx& tx, const std::string& name, topics::Instant now);
    std::size_t forget(db::Tx& tx, const std::string& name, topics::Instant now);
    void do_chore(const std::string& name, topics::Instant now);
    bool stopping() const;

    db::Connection connection_;
    Retention retention_;
    const process::Clock& clock_;
    process::Counter& forgotten_;
    int stop_fd_;
    std::thread thread_;
};

}  // namespace klyuchnik::handlers
