#pragma once

#include <chrono>
#include <map>
#include <span>
#include <string>

#include "db/access/connection.hpp"
#include "topics/time.hpp"

/// Regular work of domains: a row of runtime.chores for each task. Every function is one statement;
/// all throw Fault.
namespace klyuchnik::db {

struct Chore {
    std::string name;
    std::chrono::seconds every;
};
/// New ones are due at once; those that are there keep their time.
void add_chores(Tx& tx, std::span<const Chore> chores);

/// True when it is due and nobody else is at it; it is ours until the transaction ends, and due
/// still unless finish_chore() was called in it.
bool claim_chore(Tx& tx, const std::string& name, topics::Instant now);
void finish_chore(Tx& tx, const std::string& name, topics::Instant due_next);

/// When each of these is due. One that has no row is not in it.
std::map<std::string, topics::Instant> chores_due(Tx& tx, std::span<const std::string> names);

}  // namespace klyuchnik::db
