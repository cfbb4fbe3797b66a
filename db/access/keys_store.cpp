#include "db/access/keys_store.hpp"

#include "db/access/internal.hpp"

namespace klyuchnik::db {

using namespace topics;

namespace {

std::optional<DeviceId> optional_device(const pqxx::field& field) {
    if (field.is_null()) return std::nullopt;
    return DeviceId::parse(view_of(field));
}

/// Stale rows among which one is chosen: more than processes there are, for each may hold one.
constexpr std::int64_t kStaleLookedAt = 100;

std::string_view name_of(ClosedWhy why) {
    return why == ClosedWhy::returned ? "returned" : "superseded";
}
std::optional<std::string_view> optional_name(const std::optional<ClosedWhy>& why) {
    if (!why) return std::nullopt;
    return name_of(*why);
}

}  // namespace

std::string_view name_of(ConflictWhy why) {
    constexpr std::string_view kNames[] = {"taken_while_held",    "taken_again",
                                           "taken_without_right", "taken_by_unknown_card",
                                           "taken_without_card",  "taken_by_inactive_person",
                                           "returned_while_in",   "unknown_key"};
    return kNames[static_cast<std::size_t>(why)];
}

std::vector<CardHolder> people_by_card(Tx& tx, std::span<const CardSerial> cards) {
    if (cards.empty()) return {};
    std::vector<CardHolder> found;
    for (const auto& row : run(tx, sql::keys_people_by_card, array_of(cards))) {
        found.push_back({CardSerial{row[0].as<std::string>()},
                         {PersonId{row[1].as<std::int64_t>()}, row[2].as<bool>()}});
    }
    return found;
}

void lock_people(Tx& tx, std::span<const PersonId> people) {
    if (people.empty()) return;
    run(tx, sql::keys_lock_people, array_of(people));
}

std::vector<Person> people_known(Tx& tx, std::span<const PersonId> people) {
    if (people.empty()) return {};
    std::vector<Person> found;
    for (const auto& row : run(tx, sql::keys_people_known, array_of(people))) {
        found.push_back({PersonId{row[0].as<std::int64_t>()}, row[1].as<bool>()});
    }
    return found;
}

std::vector<Key> lock_keys(Tx& tx, const WantedKeys& wanted) {
    if (wanted.names.empty() && wanted.tags.empty() && wanted.homes.empty() && wanted.ids.empty()) {
        return {};
    }
    const auto rows = run(tx, sql::keys_lock_keys, array_of(wanted.names), array_of(wanted.tags),
                          column(wanted.homes, [](const auto& home) { return home.first; }),
                          column(wanted.homes, [](const auto& home) { return home.second; }),
                          array_of(wanted.ids));
    std::vector<Key> found;
    for (const auto& row : rows) {
        Key key;
        key.id.value = row[0].as<std::int64_t>();
        key.name.value = row[1].as<std::string>();
        if (!row[2].is_null()) key.tag = TagId{row[2].as<std::string>()};
        key.cabinet = optional_device(row[3]);
        key.slot = optional_id<SlotTag>(row[4]);
        found.push_back(std::move(key));
    }
    return found;
}

std::vector<Loan> open_loans(Tx& tx, std::span<const KeyId> keys) {
    if (keys.empty()) return {};
    std::vector<Loan> found;
    for (const auto& row : run(tx, sql::keys_open_loans, array_of(keys))) {
        Loan loan;
        loan.id.value = row[0].as<std::int64_t>();
        loan.key.value = row[1].as<std::int64_t>();
        loan.person = optional_id<PersonTag>(row[2]);
        loan.opened = instant_of(row[3]);
        loan.issued = row[4].as<bool>();
        loan.confirmed = row[5].as<bool>();
        found.push_back(std::move(loan));
    }
    return found;
}

std::vector<Right> find_rights(Tx& tx, std::span<const Right> wanted) {
    if (wanted.empty()) return {};
    std::vector<Right> found;
    for (const auto& row :
         run(tx, sql::keys_find_rights, column(wanted, [](const Right& r) { return r.person; }),
             column(wanted, [](const Right& r) { return r.key; }))) {
        found.push_back({PersonId{row[0].as<std::int64_t>()}, KeyId{row[1].as<std::int64_t>()}});
    }
    return found;
}

LoanId next_loan_block(Tx& tx) {
    return LoanId{run(tx, sql::keys_next_loan_block)[0][0].as<std::int64_t>() * kLoanBlock};
}

void add_loans(Tx& tx, std::span<const Loan> loans) {
    if (loans.empty()) return;
    run(tx, sql::keys_open_loans_now, column(loans, [](const Loan& l) { return l.id; }),
        column(loans, [](const Loan& l) { return l.key; }),
        column(loans, [](const Loan& l) { return l.person; }),
        column(loans, [](const Loan& l) { return l.opened; }),
        column(loans, [](const Loan& l) { return std::string_view{l.opened_by}; }),
        column(loans, [](const Loan& l) { return l.issued; }),
        column(loans, [](const Loan& l) { return l.confirmed_at; }),
        column(loans, [](const Loan& l) { return l.closed; }),
        column(loans, [](const Loan& l) { return l.closed_by; }),
        column(loans, [](const Loan& l) { return l.closed_person; }),
        column(loans, [](const Loan& l) { return optional_name(l.closed_why); }));
}

void change_loans(Tx& tx, std::span<const Loan> loans) {
    if (loans.empty()) return;
    const auto changed =
        run(tx, sql::keys_change_loans, column(loans, [](const Loan& l) { return l.id; }),
            column(loans, [](const Loan& l) { return l.confirmed_at; }),
            column(loans, [](const Loan& l) { return l.closed; }),
            column(loans, [](const Loan& l) { return l.closed_by; }),
            column(loans, [](const Loan& l) { return l.closed_person; }),
            column(loans, [](const Loan& l) { return optional_name(l.closed_why); }));
    if (changed.affected_rows() != loans.size()) {
        throw Fault{"a loan changed under its lock", Fault::Retry::same_batch};
    }
}

void add_conflicts(Tx& tx, std::span<const Conflict> conflicts, Instant noticed) {
    if (conflicts.empty()) return;
    using Row = Conflict;
    run(tx, sql::keys_add_conflicts, column(conflicts, [](const Row& c) { return c.key; }),
        column(conflicts, [](const Row& c) { return c.person; }),
        column(conflicts, [](const Row& c) { return c.holder; }),
        column(conflicts, [](const Row& c) { return c.loan; }),
        column(conflicts, [](const Row& c) { return c.device; }),
        column(conflicts, [](const Row& c) { return c.epoch; }),
        column(conflicts, [](const Row& c) { return c.sequence; }),
        column(conflicts, [](const Row& c) { return name_of(c.why); }),
        column(conflicts, [](const Row& c) { return c.occurred; }), noticed,
        column(conflicts, [](const Row& c) { return c.right_ended; }),
        column(conflicts, [](const Row& c) { return c.rights_version; }));
}

std::optional<KeyId> add_key(Tx& tx, const Key& key, const std::string& room, Instant now) {
    const auto rows =
        run(tx, sql::keys_add_key, key.name, room, key.tag, key.cabinet, key.slot, now);
    if (rows.empty()) return std::nullopt;
    return KeyId{rows[0][0].as<std::int64_t>()};
}

namespace {
std::vector<Right> rights_of(const pqxx::result& rows) {
    std::vector<Right> rights;
    for (const auto& row : rows) {
        rights.push_back({PersonId{row[0].as<std::int64_t>()}, KeyId{row[1].as<std::int64_t>()}});
    }
    return rights;
}
}  // namespace

std::vector<Right> add_rights(Tx& tx, std::span<const Right> rights, Instant now,
                              const std::string& by) {
    if (rights.empty()) return {};
    return rights_of(run(tx, sql::keys_add_rights,
                         column(rights, [](const Right& r) { return r.person; }),
                         column(rights, [](const Right& r) { return r.key; }), now, by));
}

std::vector<EndedRight> remove_rights(Tx& tx, std::span<const Right> rights, Instant now,
                                      const std::string& by) {
    std::vector<EndedRight> ended;
    if (rights.empty()) return ended;
    for (const auto& row :
         run(tx, sql::keys_remove_rights, column(rights, [](const Right& r) { return r.person; }),
             column(rights, [](const Right& r) { return r.key; }), now, by)) {
        ended.push_back({{PersonId{row[0].as<std::int64_t>()}, KeyId{row[1].as<std::int64_t>()}},
                         instant_of(row[2]),
                         instant_of(row[3])});
    }
    return ended;
}

std::vector<std::optional<EndedRight>> find_ended_rights(Tx& tx, std::span<const RightAt> wanted) {
    std::vector<std::optional<EndedRight>> found(wanted.size());
    if (wanted.empty()) return found;
    for (const auto& row : run(tx, sql::keys_find_ended_rights,
                               column(wanted, [](const RightAt& w) { return w.right.person; }),
                               column(wanted, [](const RightAt& w) { return w.right.key; }),
                               column(wanted, [](const RightAt& w) { return w.at; }))) {
        const std::size_t number = row[0].as<std::size_t>() - 1;
        found.at(number) = EndedRight{wanted[number].right, instant_of(row[1]), instant_of(row[2])};
    }
    return found;
}

void end_rights_of_people(Tx& tx, std::span<const EndedPerson> people) {
    if (people.empty()) return;
    run(tx, sql::keys_end_rights_of_people,
        column(people, [](const EndedPerson& p) { return p.person; }),
        column(people, [](const EndedPerson& p) { return p.at; }),
        column(people, [](const EndedPerson& p) { return std::string_view{p.by}; }));
}

std::size_t forget_rights_ended(Tx& tx, Instant before, std::int64_t rows_max) {
    return run(tx, sql::keys_forget_rights_ended, before, rows_max).affected_rows();
}

void note_stale_cabinets(Tx& tx, const StaleCabinets& stale, Instant due) {
    if (stale.cabinets.empty() && stale.keys.empty() && stale.people.empty()) return;
    run(tx, sql::keys_note_stale_cabinets, array_of(stale.cabinets), array_of(stale.keys),
        array_of(stale.people), due);
}

void note_all_cabinets(Tx& tx, Instant from, std::chrono::seconds spread) {
    run(tx, sql::keys_note_all_cabinets, from, static_cast<std::int64_t>(spread.count()));
}

std::optional<ClaimedCabinet> claim_cabinet(Tx& tx, Instant now, Instant looked_before) {
    const auto rows = run(tx, sql::keys_claim_cabinet, now, looked_before, kStaleLookedAt);
    if (rows.empty()) return std::nullopt;
    const auto cabinet = optional_device(rows[0][0]);
    if (!cabinet) throw Fault{"a stored device id is not one", Fault::Retry::never};
    run(tx, sql::keys_take_stale, *cabinet);
    return ClaimedCabinet{*cabinet, Version{rows[0][1].as<std::int64_t>()},
                          rows[0][2].as<std::string>(), rows[0][3].as<bool>()};
}

void postpone_cabinet(Tx& tx, const DeviceId& cabinet, Instant due) {
    run(tx, sql::keys_postpone_cabinet, cabinet, due);
}

std::optional<Instant> next_stale_cabinet(Tx& tx) {
    const auto rows = run(tx, sql::keys_next_stale);
    if (rows.empty()) return std::nullopt;
    return instant_of(rows[0][0]);
}

std::vector<CabinetKey> cabinet_keys(Tx& tx, const DeviceId& cabinet) {
    std::vector<CabinetKey> keys;
    for (const auto& row : run(tx, sql::keys_cabinet_keys, cabinet)) {
        keys.push_back({KeyId{row[0].as<std::int64_t>()}, Slot{row[1].as<std::int64_t>()},
                        KeyName{row[2].as<std::string>()}});
    }
    return keys;
}

std::vector<CardRight> cabinet_cards(Tx& tx, const DeviceId& cabinet, std::int64_t rows_max) {
    std::vector<CardRight> cards;
    const auto rows = run(tx, sql::keys_cabinet_cards, cabinet, rows_max);
    cards.reserve(rows.size());
    for (const auto& row : rows) {
        cards.push_back({KeyId{row[0].as<std::int64_t>()}, CardSerial{row[1].as<std::string>()}});
    }
    return cards;
}

SiteTime site_time(Tx& tx, Instant now) {
    const auto rows = run(tx, sql::keys_site_time, now);
    if (rows.empty()) throw Fault{"runtime.site has no row", Fault::Retry::never};
    SiteTime time;
    time.offset_min = rows[0][0].as<std::int64_t>();
    time.change = optional_instant_of(rows[0][1]);
    time.after_min = rows[0][2].is_null() ? time.offset_min : rows[0][2].as<std::int64_t>();
    return time;
}

void save_cabinet(Tx& tx, const CabinetRights& rights, Instant looked) {
    run(tx, sql::keys_save_cabinet, rights.cabinet, rights.version, rights.digest, rights.pairs,
        rights.too_large, looked);
}

std::vector<KeyId> rights_of_person(Tx& tx, PersonId person) {
    std::vector<KeyId> keys;
    for (const auto& row : run(tx, sql::keys_rights_of_person, person)) {
        keys.push_back(KeyId{row[0].as<std::int64_t>()});
    }
    return keys;
}

std::vector<RequestFacts> judge_requests(Tx& tx, std::span<const CardSerial> cards,
                                         std::span<const KeyName> keys) {
    std::vector<RequestFacts> judged(cards.size());
    if (cards.empty()) return judged;
    for (const auto& row : run(tx, sql::keys_judge_requests, array_of(cards), array_of(keys))) {
        RequestFacts& one = judged.at(row[0].as<std::size_t>() - 1);
        if (!row[1].is_null()) {
            one.person = Person{PersonId{row[1].as<std::int64_t>()}, row[2].as<bool>()};
        }
        one.key = optional_id<KeyTag>(row[3]);
        one.cabinet = optional_device(row[4]);
        one.slot = optional_id<SlotTag>(row[5]);
        one.has_right = row[6].as<bool>();
        one.is_out = row[7].as<bool>();
        one.holder = optional_id<PersonTag>(row[8]);
    }
    return judged;
}

}  // namespace klyuchnik::db
