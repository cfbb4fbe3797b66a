#include "db/access/chores_store.hpp"

#include "db/access/internal.hpp"

namespace klyuchnik::db {

void add_chores(Tx& tx, std::span<const Chore> chores) {
    if (chores.empty()) return;
    run(tx, sql::runtime_add_chores,
        column(chores, [](const Chore& c) { return std::string_view{c.name}; }),
        column(chores, [](const Chore& c) { return std::int64_t{c.every.count()}; }));
}

bool claim_chore(Tx& tx, const std::string& name, topics::Instant now) {
    return !run(tx, sql::runtime_claim_chore, name, now).empty();
}

void finish_chore(Tx& tx, const std::string& name, topics::Instant due_next) {
    run(tx, sql::runtime_finish_chore, name, due_next);
}

std::map<std::string, topics::Instant> chores_due(Tx& tx, std::span<const std::string> names) {
    std::map<std::string, topics::Instant> due;
    if (names.empty()) return due;
    for (const auto& row : run(tx, sql::runtime_chores_due, array_of(names))) {
        due[row[0].as<std::string>()] = instant_of(row[1]);
    }
    return due;
}

}  // namespace klyuchnik::db
