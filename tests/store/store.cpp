#include "tests/store/store.hpp"

#include <stdexcept>

#include "db/access/internal.hpp"

namespace klyuchnik::test {
namespace {

const db::Query kBackend{"test_backend", "select pg_backend_pid()::text"};

}  // namespace

std::filesystem::path passfile_of(const Cluster& cluster, const std::string& role) {
    if (role.empty()) return cluster.owner_pass;
    return cluster.passfiles / (role == "kl_bridge"    ? "bridge.pgpass"
                                : role == "kl_witness" ? "witness.pgpass"
                                                       : "handlers.pgpass");
}

db::ConnectionSettings settings_of(const Cluster& cluster, const std::string& database,
                                   const std::string& role) {
    const std::string conninfo =
        cluster.conninfo(database) + " passfile=" + passfile_of(cluster, role).string();
    // Handlers look everything up by key; the bridge, the witness and the owner do not.
    const bool by_key = !role.empty() && role != "kl_bridge" && role != "kl_witness";
    return {conninfo, role.empty() ? "postgres" : role, "store-test", by_key};
}

db::Fault fault_of(const std::function<void()>& work) {
    try {
        work();
    } catch (const db::Fault& fault) {
        return fault;
    }
    ADD_FAILURE() << "expected a fault, and it went well";
    return {"none", db::Fault::Retry::never, "none"};
}

std::string backend_of(db::Tx& tx) {
    return db::run(tx, kBackend)[0][0].as<std::string>();
}

topics::DeviceId device_id(const std::string& text) {
    const auto device = topics::DeviceId::parse(text);
    if (!device) throw std::invalid_argument{text + " is no device id"};
    return *device;
}

topics::Event event(std::int64_t number) {
    topics::Event one;
    one.domain = "keys";
    one.type = "key_taken";
    one.subject = "key:" + std::to_string(number);
    one.actor = "device:kc-hall1";
    one.source = "kc-hall1:1:" + std::to_string(number);
    one.occurred = topics::from_unix_seconds(1'800'000'000 + number);
    one.ids.key = topics::KeyId{number};
    return one;
}

}  // namespace klyuchnik::test
