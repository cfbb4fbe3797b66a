#pragma once

#include <memory>
#include <string>

namespace klyuchnik::db {

/// Where the database is and as whom. Passwords are not in here: libpq reads them from the file
/// that PGPASSFILE names.
struct ConnectionSettings {
    std::string
        conninfo;  ///< "host=/run/x port=5432 dbname=klyuchnik"; several hosts as libpq takes them.
    std::string role;     ///< "kl_keys"; empty = what conninfo says.
    std::string program;  ///< Shown in pg_stat_activity.
    /// For handlers, whose statements all look rows up by key: plans once, without statistics,
    /// always by index. Left to itself the planner keeps a plan made while a table was empty, and a
    /// system installed an hour ago answers a hundred times slower than one of yesterday.
    bool by_key = false;
    /// For whoever leads by an advisory lock that the connection holds. A leader speaks to the
    /// database every second: the server ends this session after 10 s without a word, so that a
    /// process that is stopped or starved does not keep the lead from the others.
    bool leads = false;
};

/// One connection to PostgreSQL. Belongs to one thread at a time.
///
/// It connects at the first transaction and again after a loss, never hidden: a lost connection
/// throws Fault(after_reconnect), and whoever catches it decides when to try again (`reset()` first
/// is not needed). Session limits of every connection: lock_timeout 1 s,
/// idle_in_transaction_session_timeout 3 s, statement_timeout 10 s, connect_timeout 3 s, TCP
/// keep-alives of both sides (the server gives up a dead host within about ten seconds): a paused
/// process holds nobody up. At connect it checks that
/// synchronous_commit is on, since an answer promises durability: Fault(never) if not.
class Connection {
 public:
    explicit Connection(ConnectionSettings settings);
    ~Connection();
    Connection(Connection&&) noexcept;
    Connection& operator=(Connection&&) noexcept;

    /// Connects if it is not. Blocks up to the connect timeout.
    void open();
    bool is_open() const noexcept;
    /// Drops the connection; the next transaction makes a new one.
    void reset() noexcept;

    struct Impl;
    Impl& impl() { return *impl_; }

 private:
    std::unique_ptr<Impl> impl_;
};

/// One transaction. Rolls back unless `commit()` has returned.
///
/// `commit()` throws Fault(after_reconnect) when the outcome is unknown; that is safe only because
/// what was done and the record that it was done are in the same transaction.
class Tx {
 public:
    enum class Mode {
        read_write,
        read_only,  ///< A transaction that may not write.
        one_read,   ///< No transaction at all: one statement that reads, one round trip.
    };
    explicit Tx(Connection& connection, Mode mode = Mode::read_write);
    ~Tx();
    Tx(const Tx&) = delete;
    Tx& operator=(const Tx&) = delete;

    void commit();

    struct Impl;
    Impl& impl() { return *impl_; }

 private:
    std::unique_ptr<Impl> impl_;
};

}  // namespace klyuchnik::db
