#include "db/access/runtime_store.hpp"

#include "db/access/internal.hpp"

namespace klyuchnik::db {
namespace {

std::int64_t signed_bits(std::uint64_t digest) {
    return static_cast<std::int64_t>(digest);
}
std::uint64_t unsigned_bits(std::int64_t digest) {
    return static_cast<std::uint64_t>(digest);
}

DeviceId device_of(const pqxx::field& field) {
    const auto device = DeviceId::parse(view_of(field));
    if (!device) throw Fault{"a stored device id is not one", Fault::Retry::never};
    return *device;
}

std::vector<Cursor> cursors_of(const pqxx::result& rows) {
    std::vector<Cursor> cursors;
    cursors.reserve(rows.size());
    for (const auto& row : rows) {
        Cursor cursor;
        cursor.device = device_of(row[0]);
        cursor.cn.value = row[1].as<std::int64_t>();
        cursor.epoch.value = row[2].as<std::int64_t>();
        cursor.acked.value = row[3].as<std::int64_t>();
        cursor.recent_first.value = row[4].as<std::int64_t>();
        for (const std::int64_t digest : integers_of(row[5])) {
            cursor.recent_digests.push_back(unsigned_bits(digest));
        }
        cursor.boot = row[6].as<std::int64_t>();
        cursor.booted_at = optional_instant_of(row[7]);
        cursor.skipped = row[8].as<std::int64_t>();
        cursor.born_ms = row[9].as<std::int64_t>();
        cursor.generation = row[10].as<std::int64_t>();
        cursor.born_hi.value = row[11].as<std::int64_t>();
        cursor.clock_error_s =
            row[12].is_null() ? std::optional<std::int64_t>{} : row[12].as<std::int64_t>();
        cursor.packet_bytes_max = row[13].as<std::int64_t>();
        cursor.rights_held = row[14].as<std::int64_t>();
        cursor.identity = row[15].as<std::int64_t>();
        cursor.active = row[16].as<bool>();
        cursor.lease_s = row[17].as<std::int64_t>();
        cursor.rights_wanted = row[18].as<std::int64_t>();
        cursor.firmware_wanted = optional_text(row[19]);
        cursors.push_back(std::move(cursor));
    }
    return cursors;
}

}  // namespace

std::string_view name_of(TimeSource source) {
    constexpr std::string_view kNames[] = {"device", "boot", "received"};
    return kNames[static_cast<std::size_t>(source)];
}
std::string_view name_of(Outcome outcome) {
    constexpr std::string_view kNames[] = {"applied", "conflict", "logged", "unknown", "set_aside"};
    return kNames[static_cast<std::size_t>(outcome)];
}

std::vector<Cursor> lock_cursors(Tx& tx, std::span<const DeviceId> devices) {
    if (devices.empty()) return {};
    return cursors_of(run(tx, sql::runtime_lock_cursors, array_of(devices)));
}

std::vector<Cursor> read_cursors(Tx& tx, std::span<const DeviceId> devices) {
    if (devices.empty()) return {};
    return cursors_of(run(tx, sql::runtime_read_cursors, array_of(devices)));
}

void save_cursors(Tx& tx, std::span<const Cursor> cursors) {
    if (cursors.empty()) return;
    run(tx, sql::runtime_save_cursors, column(cursors, [](const Cursor& c) { return c.device; }),
        column(cursors, [](const Cursor& c) { return c.cn; }),
        column(cursors, [](const Cursor& c) { return c.epoch; }),
        column(cursors, [](const Cursor& c) { return c.acked; }),
        column(cursors, [](const Cursor& c) { return c.recent_first; }),
        column(cursors, [](const Cursor& c) { return column(c.recent_digests, signed_bits); }),
        column(cursors, [](const Cursor& c) { return c.boot; }),
        column(cursors, [](const Cursor& c) { return c.booted_at; }),
        column(cursors, [](const Cursor& c) { return c.skipped; }),
        column(cursors, [](const Cursor& c) { return c.born_ms; }),
        column(cursors, [](const Cursor& c) { return c.generation; }),
        column(cursors, [](const Cursor& c) { return c.born_hi; }),
        column(cursors, [](const Cursor& c) { return c.clock_error_s; }),
        column(cursors, [](const Cursor& c) { return c.packet_bytes_max; }),
        column(cursors, [](const Cursor& c) { return c.rights_held; }));
}

void add_facts(Tx& tx, std::span<const FactRow> facts, Instant received) {
    if (facts.empty()) return;
    run(tx, sql::runtime_add_facts, column(facts, [](const FactRow& f) { return f.device; }),
        column(facts, [](const FactRow& f) { return f.epoch; }),
        column(facts, [](const FactRow& f) { return f.sequence; }),
        column(facts, [](const FactRow& f) { return std::string_view{f.kind}; }),
        column(facts, [](const FactRow& f) { return f.occurred; }),
        column(facts, [](const FactRow& f) { return name_of(f.time_source); }), received,
        column(facts, [](const FactRow& f) { return signed_bits(f.digest); }),
        column(facts, [](const FactRow& f) { return name_of(f.outcome); }),
        column(facts, [](const FactRow& f) { return std::string_view{f.content}; }),
        column(facts, [](const FactRow& f) { return f.first_epoch; }),
        column(facts, [](const FactRow& f) { return f.first_sequence; }));
}

std::vector<StoredFact> find_facts(Tx& tx, std::span<const FactNumber> numbers) {
    if (numbers.empty()) return {};
    const auto rows = run(tx, sql::runtime_find_facts,
                          column(numbers, [](const FactNumber& n) { return n.device; }),
                          column(numbers, [](const FactNumber& n) { return n.epoch; }),
                          column(numbers, [](const FactNumber& n) { return n.sequence; }));
    std::vector<StoredFact> found;
    for (const auto& row : rows) {
        found.push_back({{device_of(row[0]), Epoch{row[1].as<std::int64_t>()},
                          Sequence{row[2].as<std::int64_t>()}},
                         unsigned_bits(row[3].as<std::int64_t>())});
    }
    return found;
}

void add_gaps(Tx& tx, std::span<const Gap> gaps, Instant noticed) {
    if (gaps.empty()) return;
    run(tx, sql::runtime_add_gaps, column(gaps, [](const Gap& g) { return g.device; }),
        column(gaps, [](const Gap& g) { return g.epoch; }),
        column(gaps, [](const Gap& g) { return g.first; }),
        column(gaps, [](const Gap& g) { return g.last; }),
        column(gaps, [](const Gap& g) { return std::string_view{g.why}; }), noticed);
}

void add_device_conflicts(Tx& tx, std::span<const DeviceConflict> conflicts, Instant noticed) {
    if (conflicts.empty()) return;
    using Row = DeviceConflict;
    run(tx, sql::runtime_add_device_conflicts,
        column(conflicts, [](const Row& c) { return c.number.device; }),
        column(conflicts, [](const Row& c) { return c.number.epoch; }),
        column(conflicts, [](const Row& c) { return c.number.sequence; }),
        column(conflicts, [](const Row& c) { return signed_bits(c.digest); }),
        column(conflicts, [](const Row& c) { return std::string_view{c.kind}; }),
        column(conflicts, [](const Row& c) { return std::string_view{c.content}; }), noticed);
}

std::vector<IssuedEpoch> find_epochs(Tx& tx, std::span<const DeviceConnection> connections) {
    if (connections.empty()) return {};
    const auto rows = run(tx, sql::runtime_find_epochs,
                          column(connections, [](const DeviceConnection& c) { return c.device; }),
                          column(connections, [](const DeviceConnection& c) { return c.cn; }));
    std::vector<IssuedEpoch> found;
    for (const auto& row : rows) {
        found.push_back({device_of(row[0]), topics::Connection{row[1].as<std::int64_t>()},
                         Epoch{row[2].as<std::int64_t>()}, ""});
    }
    return found;
}

void add_epochs(Tx& tx, std::span<const IssuedEpoch> epochs, Instant issued) {
    if (epochs.empty()) return;
    run(tx, sql::runtime_add_epochs, column(epochs, [](const IssuedEpoch& e) { return e.device; }),
        column(epochs, [](const IssuedEpoch& e) { return e.cn; }),
        column(epochs, [](const IssuedEpoch& e) { return e.epoch; }),
        column(epochs, [](const IssuedEpoch& e) { return std::string_view{e.why}; }), issued);
}

std::vector<KeptAnswer> find_answers(Tx& tx, std::span<const AskKey> keys) {
    if (keys.empty()) return {};
    const auto rows = run(tx, sql::runtime_find_answers,
                          column(keys, [](const AskKey& k) { return std::string_view{k.account}; }),
                          column(keys, [](const AskKey& k) { return std::string_view{k.id}; }));
    std::vector<KeptAnswer> found;
    for (const auto& row : rows) {
        found.push_back({{row[0].as<std::string>(), row[1].as<std::string>()},
                         unsigned_bits(row[2].as<std::int64_t>()),
                         row[3].as<std::string>(),
                         row[4].as<bool>()});
    }
    return found;
}

void keep_answers(Tx& tx, std::span<const KeptAnswer> answers, Instant now) {
    if (answers.empty()) return;
    using Row = KeptAnswer;
    const auto kept =
        run(tx, sql::runtime_keep_answers,
            column(answers, [](const Row& a) { return std::string_view{a.key.account}; }),
            column(answers, [](const Row& a) { return std::string_view{a.key.id}; }),
            column(answers, [](const Row& a) { return signed_bits(a.digest); }),
            column(answers, [](const Row& a) { return std::string_view{a.answer}; }), now,
            column(answers, [](const Row& a) { return a.expired; }));
    if (kept.affected_rows() != answers.size()) {
        throw Fault{"another handler has answered the same ask", Fault::Retry::one_by_one, "23505"};
    }
}

void add_dead_letters(Tx& tx, std::span<const DeadLetter> letters, Instant now) {
    if (letters.empty()) return;
    using Row = DeadLetter;
    run(tx, sql::runtime_add_dead_letters,
        column(letters, [](const Row& l) { return std::string_view{l.domain}; }),
        column(letters, [](const Row& l) { return std::string_view{l.source}; }),
        column(letters, [](const Row& l) { return std::string_view{l.kind}; }),
        column(letters, [](const Row& l) { return std::string_view{l.payload}; }),
        column(letters, [](const Row& l) { return std::string_view{l.why}; }), now);
}

std::vector<CallerRole> find_callers(Tx& tx, std::span<const std::int64_t> accounts,
                                     std::span<const std::string> devices) {
    if (accounts.empty() && devices.empty()) return {};
    std::vector<CallerRole> found;
    for (const auto& row :
         run(tx, sql::runtime_find_callers, array_of(accounts), array_of(devices))) {
        found.push_back({row[0].as<std::string>(), row[1].as<std::string>()});
    }
    return found;
}

std::int64_t fleet_size(Tx& tx) {
    const auto rows = run(tx, sql::runtime_fleet_size);
    return rows.empty() ? 0 : rows[0][0].as<std::int64_t>();
}

std::vector<std::string> claim_chores(Tx& tx, Instant now, std::span<const std::string> names) {
    std::vector<std::string> due;
    for (const auto& row : run(tx, sql::runtime_claim_chores, now, array_of(names))) {
        due.push_back(row[0].as<std::string>());
    }
    return due;
}

void make_partitions(Tx& tx, int months_ahead) {
    run(tx, sql::runtime_make_partitions, months_ahead);
}
std::size_t forget_inbox(Tx& tx, Instant before, std::int64_t rows_max) {
    return run(tx, sql::runtime_forget_inbox, before, rows_max).affected_rows();
}
std::size_t forget_facts(Tx& tx, Instant before, std::int64_t rows_max) {
    return run(tx, sql::runtime_forget_facts, before, rows_max).affected_rows();
}
std::size_t forget_dead_letters(Tx& tx, Instant before, std::int64_t rows_max) {
    return run(tx, sql::runtime_forget_dead_letters, before, rows_max).affected_rows();
}
std::size_t forget_device_conflicts(Tx& tx, Instant before, std::int64_t rows_max) {
    return run(tx, sql::runtime_forget_device_conflicts, before, rows_max).affected_rows();
}
std::size_t forget_epochs(Tx& tx, Instant before, std::int64_t rows_max) {
    return run(tx, sql::runtime_forget_epochs, before, rows_max).affected_rows();
}
std::size_t forget_sessions(Tx& tx, Instant before, std::int64_t rows_max) {
    return run(tx, sql::runtime_forget_sessions, before, rows_max).affected_rows();
}

}  // namespace klyuchnik::db
