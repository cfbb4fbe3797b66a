#include "db/access/witness_store.hpp"

#include "db/access/internal.hpp"

namespace klyuchnik::db {

std::vector<WitnessedFact> witnessed_facts(Tx& tx, const std::string& device) {
    std::vector<WitnessedFact> facts;
    for (const auto& row : run(tx, sql::witness_facts, device)) {
        facts.push_back({row[0].as<std::int64_t>(), row[1].as<std::int64_t>(),
                         row[2].as<std::string>(), row[3].as<std::string>(),
                         row[4].as<std::string>()});
    }
    return facts;
}

std::vector<RepeatedEffect> repeated_effects(Tx& tx, const std::string& device) {
    std::vector<RepeatedEffect> repeated;
    for (const auto& row : run(tx, sql::witness_fact_events, device)) {
        repeated.push_back({row[0].as<std::string>(), row[1].as<std::int64_t>()});
    }
    return repeated;
}

std::int64_t effects(Tx& tx, const std::string& device, const std::string& type) {
    return run(tx, sql::witness_effects, device, type)[0][0].as<std::int64_t>();
}

WitnessTotals witness_totals(Tx& tx) {
    const auto row = run(tx, sql::witness_totals)[0];
    WitnessTotals totals;
    totals.skipped = row[0].as<std::int64_t>();
    totals.dead_letters = row[1].as<std::int64_t>();
    totals.gaps = row[2].as<std::int64_t>();
    totals.device_conflicts = row[3].as<std::int64_t>();
    totals.key_conflicts = row[4].as<std::int64_t>();
    totals.loans = row[5].as<std::int64_t>();
    totals.last_position = row[6].as<std::int64_t>();
    totals.positions = row[7].as<std::int64_t>();
    totals.events = row[8].as<std::int64_t>();
    totals.double_holders = run(tx, sql::witness_double_holders)[0][0].as<std::int64_t>();
    return totals;
}

std::vector<std::string> keys_out(Tx& tx) {
    std::vector<std::string> names;
    for (const auto& row : run(tx, sql::witness_open_loans)) {
        names.push_back(row[0].as<std::string>());
    }
    return names;
}

}  // namespace klyuchnik::db
