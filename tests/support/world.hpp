#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "firmware-sim/cabinet/cabinet_client.hpp"
#include "tests/support/cluster.hpp"
#include "tests/support/process.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/test_broker.hpp"
#include "topics/asks.hpp"
#include "topics/device.hpp"

/// The whole system for one test: its own database, broker, handlers and bridge, all real.
namespace klyuchnik::test {

/// An HTTP answer; status 0 when there was none.
struct HttpAnswer {
    int status = 0;
    std::string body;
    std::multimap<std::string, std::string> headers;  ///< Names in lower case.

    std::string header(const std::string& name) const;
    /// A member of the JSON object, by JSON pointer or plain name; "" or -1 when it is not there.
    std::string text(const std::string& member) const;
    std::int64_t number(const std::string& member) const;
    /// How many elements the list has; -1 when it is none.
    std::int64_t size(const std::string& member) const;
};

using Headers = std::multimap<std::string, std::string>;

struct WorldOptions {
    int handlers = 1;  ///< Processes to start with.
    bool bridge = true;
    bool own_cluster = false;  ///< A durable one that may be killed; takes some seconds.
    /// The broker has TLS entrances too, and the bridge gives out certificates.
    bool tls = false;
    std::vector<std::string> bridge_flags{};
};

struct Person {
    std::int64_t id = 0;
    topics::CardSerial card;
};
struct Key {
    std::int64_t id = 0;
    sim::CabinetKey home;
};

/// A device that does exactly what the test says: hand-written bytes out, decoded answers back.
class RawDevice {
 public:
    /// Connects and subscribes; no birth is sent. With a `will` number the broker publishes it when
    /// the connection is lost.
    RawDevice(TestBroker& broker, const std::string& id, std::int64_t will = 0);

    const std::string& id() const noexcept { return id_; }
    /// `level` is "up/ev", "st" and so on.
    int publish(std::string_view level, std::string_view payload, bool retain = false);
    /// Sends a birth and returns the ack that answers it.
    topics::Ack birth(std::int64_t cn, std::int64_t epoch = 0, std::int64_t lo = 0,
                      std::int64_t hi = 0, std::int64_t boot = 1, std::int64_t since_boot_ms = 0);
    /// Sends facts, each the JSON object as it is on the wire, and returns the ack.
    topics::Ack facts(std::int64_t cn, std::int64_t epoch, std::int64_t lo, std::int64_t first,
                      const std::vector<std::string>& facts);
    topics::RequestAnswer request(std::int64_t cn, std::int64_t number, const std::string& kind,
                                  const std::string& content);
    /// The next ack. Throws when none comes or it can not be read.
    topics::Ack next_ack();
    RawClient& client() { return client_; }
    /// The ack to a birth (`last` 0) or to facts up to `last`: an error, or one that says that they
    /// are committed.
    topics::Ack ack_to(std::int64_t cn, std::int64_t last);
    std::string topic(std::string_view level) const;

 private:
    std::string id_;
    RawClient client_;
};

/// A program like the bridge, that asks with hand-written bytes.
class RawAsker {
 public:
    explicit RawAsker(TestBroker& broker, const std::string& name = "bridge-9");
    void send(const std::string& domain, const std::string& name, const std::string& payload);
    /// The next answer as it came; "" when none came.
    std::string next_raw(std::chrono::milliseconds deadline = kPatience);
    /// Throws when none comes or it can not be read.
    topics::AskAnswer next();
    topics::AskAnswer ask(const std::string& domain, const std::string& name,
                          const std::string& payload);

 private:
    std::string name_;
    RawClient client_;
};

/// Everything lives as long as the World, which ends only what it started. Logs are kept in the
/// build folder's test-logs/<test>/; their ends are printed when the test failed. For one thread,
/// except get(), post() and send(), which any thread may call.
class World {
 public:
    explicit World(WorldOptions options = {});
    ~World();
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    // -- processes
    /// Starts one more handlers process and waits until it serves. Returns its place, which counts
    /// all that were ever started. A trap like "KLYUCHNIK_CRASH_AT=before_commit:3" goes into the
    /// environment; such a process may die before it serves, which is no failure.
    std::size_t start_handlers(const std::vector<std::string>& environment = {});
    Child& handlers(std::size_t which = 0) { return *handlers_.at(which).child; }
    void kill9_handlers(std::size_t which = 0);
    void kill9_all_handlers();
    /// Waits until the process has killed itself at `point`, and checks that it was SIGKILL and
    /// that its last word names the point. False when it was not so.
    bool died_at(std::size_t which, const std::string& point);
    void start_bridge();
    Child& bridge() { return *bridge_; }
    TestBroker& broker() { return *broker_; }
    void kill9_broker() { broker_->kill9(); }
    void restart_broker() {
        asker_.reset();  // Its connection is gone.
        broker_->restart();
    }
    OwnCluster& own_cluster() { return *own_cluster_; }  ///< Only with WorldOptions::own_cluster.

    // -- the database
    OwnerConnection& db() { return *db_; }
    std::int64_t count(const std::string& sql) { return db_->number(sql); }
    /// Waits until the query says `wanted`. The failure message is the last count.
    ::testing::AssertionResult becomes(const std::string& sql, std::int64_t wanted);
    const Cluster& cluster() const;
    const std::string& database() const { return database_->name(); }

    // -- HTTP, signed in as the administrator unless `headers` has an authorization
    HttpAnswer get(const std::string& path, const Headers& headers = {});
    HttpAnswer post(const std::string& path, const std::string& body, const Headers& headers = {});
    HttpAnswer send(const std::string& method, const std::string& path, const std::string& body,
                    const Headers& headers = {},
                    const std::string& content_type = "application/json");
    int http_port() const { return http_port_; }
    const std::string& token() const { return token_; }
    std::string account() const { return "account:" + std::to_string(account_); }
    void sign_in();

    // -- what is in the building
    /// Adds a device, claims it and waits until the broker accepts it; its secret.
    std::string add_device(const std::string& id);
    /// What a device does with its code; the nonce is what it would draw.
    HttpAnswer claim(const std::string& id, const std::string& code,
                     const std::string& nonce = "a-nonce-of-the-tests");
    /// Asks a handler past the bridge, as the administrator or as `account`; the content is the
    /// JSON object `d`. ask() throws when it is refused.
    topics::AskAnswer try_ask(const std::string& domain, const std::string& name,
                              const std::string& content, const std::string& account = "");
    topics::AskAnswer ask(const std::string& domain, const std::string& name,
                          const std::string& content, const std::string& account = "");
    Person add_person(const std::string& name, const std::string& card);
    Key add_key(const std::string& name, const std::string& cabinet = "", int slot = 0,
                const std::string& tag = "");
    void grant(const Person& person, const Key& key);
    /// A simulated cabinet that repeats after tenths of a second; registered if it is not yet.
    std::unique_ptr<sim::CabinetClient> cabinet(
        const std::string& id, const std::vector<Key>& keys = {},
        const sim::CardRights& rights = {},
        const std::function<void(sim::CabinetSettings&)>& change = {});
    RawDevice raw_device(const std::string& id, std::int64_t will = 0);
    /// Waits until the cabinets' rights documents say what the tables say, so that no ack comes
    /// that nobody asked for.
    void settle();
    std::filesystem::path state_dir(const std::string& cabinet) const;

    // -- numbers
    /// The sum over all living handlers processes of lines that start with `name` and contain
    /// `label`.
    double metric(const std::string& name, const std::string& label = "");
    double metric_of(std::size_t handlers, const std::string& name, const std::string& label = "");
    double bridge_metric(const std::string& name, const std::string& label = "");
    /// Waits until the metric is at least `wanted`.
    bool metric_reaches(const std::string& name, double wanted, const std::string& label = "");

    // -- the oracle
    /// Every fact that these cabinets made is stored exactly once and nothing else is; every fact
    /// has exactly one event; loans are what the facts say; positions have no gap and every event
    /// has one. For cabinets whose keys are known to the system and taken by known cards with
    /// rights, so that no fact is a conflict.
    void expect_exactly_once(const std::vector<std::string>& cabinets);
    /// Positions from 1 without a gap, one for every event.
    void expect_gapless_feed();

    const std::filesystem::path& logs() const { return logs_; }

 private:
    struct Handlers {
        std::unique_ptr<Child> child;
        int metrics_port = 0;
    };
    bool serves(const Handlers& one);
    std::string metrics_text(int port);

    std::filesystem::path logs_;
    std::unique_ptr<OwnCluster> own_cluster_;
    std::unique_ptr<TestDatabase> database_;
    std::unique_ptr<OwnerConnection> db_;
    std::unique_ptr<TestBroker> broker_;
    std::vector<Handlers> handlers_;
    std::unique_ptr<Child> bridge_;
    bool tls_ = false;
    std::vector<std::string> bridge_flags_;
    int http_port_ = 0;
    std::string token_;
    std::int64_t account_ = 0;
    std::map<std::string, std::string> secrets_;  ///< Of devices, for HTTP.
    std::unique_ptr<RawAsker> asker_;             ///< Made when it is first needed.
    std::uint64_t asked_ = 0;
    std::uint64_t seed_ = 1;
};

/// A fact as it is on the wire, with a clock that is trusted.
std::string fact(const std::string& kind, const std::string& content = "{}");
std::string taken(const std::string& tag, const std::string& card = "");
std::string returned(const std::string& tag, const std::string& card = "");
/// 64 hexadecimal digits.
std::string sha256_hex(std::string_view text);
/// Seconds since 1970.
std::int64_t now_s();

}  // namespace klyuchnik::test
