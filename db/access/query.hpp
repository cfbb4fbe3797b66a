#pragma once

#include <span>
#include <string_view>

namespace klyuchnik::db {

/// One statement: a file of db/queries, embedded. Prepared on a connection at its first use, under
/// its name.
struct Query {
    const char* name;
    const char* text;
};

/// One step forward: a file of db/migrations, embedded.
struct Migration {
    int number;
    const char* name;
    const char* text;
};

/// For the test that prepares every statement against the migrated schema.
std::span<const Query* const> all_queries();
/// In the order of their numbers.
std::span<const Migration> all_migrations();

}  // namespace klyuchnik::db
