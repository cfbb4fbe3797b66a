#pragma once

#include <functional>
#include <string>

#include <gtest/gtest.h>

#include "db/access/connection.hpp"
#include "db/access/fault.hpp"
#include "tests/support/cluster.hpp"
#include "topics/events.hpp"
#include "topics/ids.hpp"

/// What tests of the store share.
namespace klyuchnik::test {

/// How a program of ours connects to `database` as `role`; empty = the owner.
db::ConnectionSettings settings_of(const Cluster& cluster, const std::string& database,
                                   const std::string& role);

/// libpq's view of the same role, for statements that the product does not have.
std::filesystem::path passfile_of(const Cluster& cluster, const std::string& role);

/// The fault that `work` ends with; a failure of the test when it ends well.
db::Fault fault_of(const std::function<void()>& work);

/// The process of the server that serves the connection which `tx` uses.
std::string backend_of(db::Tx& tx);

topics::DeviceId device_id(const std::string& text);
/// Told apart by `number`, which is its key's id.
topics::Event event(std::int64_t number);

/// A test with a database of its own, a copy of the migrated template.
class Store : public ::testing::Test {
 protected:
    db::ConnectionSettings as(const std::string& role) const {
        return settings_of(cluster_, database_.name(), role);
    }

    const Cluster& cluster_ = shared_cluster();
    TestDatabase database_{cluster_};
    OwnerConnection owner_{cluster_, database_.name()};
};

}  // namespace klyuchnik::test
