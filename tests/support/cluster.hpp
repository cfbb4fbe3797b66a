#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/process.hpp"

struct pg_conn;

/// PostgreSQL for tests.
namespace klyuchnik::test {

/// Every database of tests is a copy of this one: migrated, with one administrator.
inline constexpr const char* kTemplate = "klyuchnik_template";

/// A running cluster that holds the template database.
struct Cluster {
    std::filesystem::path dir;
    std::string host;                  ///< Folder of the socket.
    std::filesystem::path owner_pass;  ///< libpq password file of user postgres.
    std::filesystem::path passfiles;   ///< Folder: handlers.pgpass, bridge.pgpass, witness.pgpass.
    std::string admin_password;        ///< Of account "admin" in the template.

    /// libpq connection string without user and password.
    std::string conninfo(const std::string& database) const {
        return "host=" + host + " dbname=" + database;
    }
    /// For programs that act as the owner.
    std::vector<std::string> owner_environment() const;
};

/// The cluster that all tests of one build folder share, started if it is not running. fsync is
/// off. One that a test had to start itself is stopped at the end of the last test that uses it;
/// one that `klyuchnik-test-cluster up` has started stays until `down`. Throws std::runtime_error.
const Cluster& shared_cluster();
void shared_cluster_up();
void shared_cluster_down();

/// A durable cluster (fsync on) of one test, that may be killed. Stopped and removed when the
/// object goes, and also when the test dies.
class OwnCluster {
 public:
    OwnCluster();
    ~OwnCluster();
    OwnCluster(const OwnCluster&) = delete;
    OwnCluster& operator=(const OwnCluster&) = delete;

    const Cluster& access() const noexcept { return cluster_; }
    /// SIGKILL to the postmaster; returns when every process of the server is gone.
    void kill9();
    /// SIGKILL to one backend, given by its pid; the server then restarts all of them.
    void kill9_backend(pid_t pid) const;
    void start();

 private:
    struct Watcher;
    Cluster cluster_;
    std::unique_ptr<Watcher> watcher_;
};

/// A database as its owner sees it, for looking and for setting traps: one small statement at a
/// time.
class OwnerConnection {
 public:
    /// `role` empty: the cluster's owner; else `passfile` must know it.
    OwnerConnection(const Cluster& cluster, const std::string& database,
                    const std::string& role = "", const std::filesystem::path& passfile = {});
    ~OwnerConnection();
    OwnerConnection(const OwnerConnection&) = delete;
    OwnerConnection& operator=(const OwnerConnection&) = delete;

    struct Answer {
        std::string state;  ///< SQLSTATE; empty = done.
        std::string error;
        std::vector<std::vector<std::string>> rows;  ///< NULL is "".
    };
    /// Never throws for what the database says. One statement, or several without parameters.
    Answer ask(const std::string& sql, const std::vector<std::string>& parameters = {});
    /// Throws std::runtime_error when the database refuses.
    std::vector<std::vector<std::string>> rows(const std::string& sql,
                                               const std::vector<std::string>& parameters = {});
    std::string text(const std::string& sql, const std::vector<std::string>& parameters = {});
    std::int64_t number(const std::string& sql, const std::vector<std::string>& parameters = {});
    /// "" or the error's text.
    std::string prepare(const std::string& name, const std::string& sql);
    void reconnect();

 private:
    std::string conninfo_;
    pg_conn* connection_ = nullptr;
};

/// A copy of the template; dropped when the object goes.
class TestDatabase {
 public:
    /// `empty`: without any schema, for tests of migrations.
    explicit TestDatabase(const Cluster& cluster, bool empty = false);
    ~TestDatabase();
    TestDatabase(const TestDatabase&) = delete;
    TestDatabase& operator=(const TestDatabase&) = delete;
    const std::string& name() const noexcept { return name_; }

 private:
    const Cluster& cluster_;
    std::string name_;
};

}  // namespace klyuchnik::test
