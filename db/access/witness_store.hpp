#pragma once

#include <string>
#include <vector>

#include "db/access/connection.hpp"

/// What the witness reads to hold the database against the simulators' own account. As role
/// kl_witness, which writes nothing. All throw Fault.
namespace klyuchnik::db {

struct WitnessedFact {
    std::int64_t epoch = 0;
    std::int64_t sequence = 0;
    std::string kind;
    std::string outcome;
    std::string content;
};
std::vector<WitnessedFact> witnessed_facts(Tx& tx, const std::string& device);

/// Facts of a device that had their effect more than once: number and times.
struct RepeatedEffect {
    std::string source;
    std::int64_t times = 0;
};
std::vector<RepeatedEffect> repeated_effects(Tx& tx, const std::string& device);

/// How many events of each type a device's facts have caused.
std::int64_t effects(Tx& tx, const std::string& device, const std::string& type);

struct WitnessTotals {
    std::int64_t skipped = 0;
    std::int64_t dead_letters = 0;
    std::int64_t gaps = 0;
    std::int64_t device_conflicts = 0;
    std::int64_t key_conflicts = 0;
    std::int64_t loans = 0;
    std::int64_t last_position = 0;
    std::int64_t positions = 0;
    std::int64_t events = 0;
    std::int64_t double_holders = 0;
};
WitnessTotals witness_totals(Tx& tx);

/// Names of the keys that are out.
std::vector<std::string> keys_out(Tx& tx);

}  // namespace klyuchnik::db
