#include <algorithm>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <vector>

#include <nlohmann/json.hpp>

#include "db/access/internal.hpp"
#include "tests/store/store.hpp"

namespace klyuchnik::test {
namespace {

using Roles = std::vector<std::string>;

const Roles kHandlers{"kl_accounts", "kl_devices", "kl_keys"};

bool begins(const std::string& name, const char* prefix) {
    return name.rfind(prefix, 0) == 0;
}

/// Who runs a statement; "" is the owner. None: a folder that nobody has thought of here.
Roles users_of(const std::string& name) {
    static const std::set<std::string> chores{"runtime_claim_chores", "runtime_make_partitions"};
    if (chores.contains(name) || begins(name, "runtime_forget_")) return {"kl_relay"};
    if (name == "keys_forget_rights_ended") return {"kl_relay"};
    if (name == "log_add_events" || name == "log_listen_placed") return kHandlers;
    if (name == "log_events_after") return {"kl_relay", "kl_accounts", "kl_devices", "kl_keys"};
    if (begins(name, "log_")) return {"kl_relay"};
    if (begins(name, "runtime_")) return kHandlers;
    if (begins(name, "accounts_")) return {"kl_accounts"};
    if (begins(name, "devices_")) return {"kl_devices"};
    if (begins(name, "keys_")) return {"kl_keys"};
    if (begins(name, "api_")) return {"kl_bridge"};
    if (begins(name, "witness_")) return {"kl_witness"};
    if (begins(name, "setup_")) return {""};
    return {};
}

/// EXPLAIN knows no plan for these; they are run, and undone.
const std::set<std::string> kWithoutPlan{"log_listen",
                                         "log_listen_placed",
                                         "devices_listen_commands",
                                         "devices_listen_guard",
                                         "runtime_listen_letters",
                                         "setup_make_migrations_table",
                                         "setup_open_public_schema",
                                         "setup_show_migrations_table"};

/// A role's session as the product opens it, spoken to through libpq, so that its plans can be
/// seen.
class Session {
 public:
    Session(const Cluster& cluster, const std::string& database, const std::string& role)
        : raw_{cluster, database, role, passfile_of(cluster, role)} {
        static const db::Query kClient{
            "test_client_settings",
            "select name, setting from pg_settings where source = 'client'"};
        db::Connection product{settings_of(cluster, database, role)};
        db::Tx tx{product, db::Tx::Mode::one_read};
        for (const auto& row : db::run(tx, kClient)) {
            raw_.rows("select set_config($1, $2, false)",
                      {row[0].as<std::string>(), row[1].as<std::string>()});
        }
    }

    /// "" or why `query` can not be prepared here.
    std::string prepare(const db::Query& query) { return raw_.prepare(query.name, query.text); }

    /// The plan of a prepared statement. It checks the grants too, which preparing does not.
    OwnerConnection::Answer explain(const db::Query& query) {
        const auto count = raw_.number(
            "select coalesce(array_length(parameter_types, 1), 0) from pg_prepared_statements "
            "where name = $1",
            {query.name});
        std::string nulls;
        for (std::int64_t i = 0; i < count; ++i) nulls += i == 0 ? "(null" : ", null";
        if (count > 0) nulls += ")";
        return raw_.ask("explain (format json) execute " + std::string{query.name} + nulls);
    }

    OwnerConnection& raw() { return raw_; }

 private:
    OwnerConnection raw_;
};

class Statements : public Store {
 protected:
    Session& session(const std::string& role) {
        auto& one = sessions_[role];
        if (!one) one = std::make_unique<Session>(cluster_, database_.name(), role);
        return *one;
    }
    void fill();

    std::map<std::string, std::unique_ptr<Session>> sessions_;
};

TEST_F(Statements, EveryOnePreparesAndIsGrantedToThoseWhoUseIt) {
    for (const db::Query* query : db::all_queries()) {
        const Roles roles = users_of(query->name);
        EXPECT_FALSE(roles.empty()) << query->name << ": who uses it?";
        for (const std::string& role : roles) {
            SCOPED_TRACE(std::string{query->name} + " as " + (role.empty() ? "owner" : role));
            Session& one = session(role);
            EXPECT_EQ(one.prepare(*query), "");
            if (kWithoutPlan.contains(query->name)) {
                one.raw().rows("begin");
                EXPECT_EQ(one.raw().ask("execute " + std::string{query->name}).error, "");
                one.raw().rows("rollback");
            } else {
                EXPECT_EQ(one.explain(*query).error, "");
            }
        }
    }
}

// -- how rows are found
// -------------------------------------------------------------------------------------------------

/// Statements that may do what no other handler statement may, and why.
const std::map<std::string, std::string> kMayWalk{
    {"devices_count_alarms", "what a person has to look at, counted every few seconds"},
    {"runtime_forget_inbox", "by age, through an index, and then by place"},
    {"runtime_forget_facts", "by age, through a BRIN index, a bounded number at a time"},
    {"runtime_forget_dead_letters", "once a day, from a table that stays small"},
    {"runtime_forget_device_conflicts", "once a day, from a table that stays small"},
    {"devices_mark_silent", "everybody who is online, every five seconds"},
    {"devices_mark_all_unknown", "everybody who is online, when a broker has started anew"},
    {"devices_outbox", "those whom the broker has not been told of, there for a moment"},
    {"devices_next_end", "one row from the beginning of the index"},
    {"devices_count_known", "every device, when a broker says how many it knows"},
    {"devices_count_fleet", "every device, once a minute"},
    {"devices_firmware_signers", "the site's own signing keys, a handful"},
    {"devices_running_rollouts", "those that run just now, from an index of them alone"},
    {"log_last_place", "one row from the end of the index"},
    {"runtime_due_uploads", "by state and device: the device is the second column of the index"},
    {"keys_next_stale", "one row from the beginning of the index"},
    {"keys_note_all_cabinets", "every cabinet, once a day"},
    {"keys_site_time", "one row, there for ever"},
};

void note_breaches(const nlohmann::json& node, const std::map<std::string, std::string>& leading,
                   std::vector<std::string>& breaches) {
    const std::string type = node.value("Node Type", "");
    const std::string table = node.value("Relation Name", "");
    if (type == "Seq Scan" || type == "Sample Scan" || type == "Tid Scan") {
        breaches.push_back(type + " on " + table);
    }
    if (type == "Index Scan" || type == "Index Only Scan" || type == "Bitmap Index Scan") {
        const std::string index = node.value("Index Name", "");
        const std::string cond = node.value("Index Cond", "");
        // The leading column compared with a parameter or another table's column; a constant is the
        // same for all rows that anybody looks for.
        const auto column = leading.find(index);
        const bool bounded =
            column != leading.end() &&
            std::regex_search(cond,
                              std::regex{"\\((ROW\\()?\\(?" + column->second +
                                         R"((\)?::\w+|, [^)]*\)|\))* (=|<|>|<=|>=) (?!'|[0-9]))"});
        if (!bounded) {
            breaches.push_back(type + " on " + table + " walks through " + index +
                               (cond.empty() ? "" : " by " + cond));
        }
    }
    if (node.contains("Plans")) {
        for (const auto& child : node["Plans"]) note_breaches(child, leading, breaches);
    }
}

void Statements::fill() {
    for (
        const char* sql :
        {"insert into accounts.people (full_name, created_at) select 'p' || i, now() from "
         "generate_series(1, 4000) i",
         "insert into accounts.identifiers select 'card', 'c' || i, i, now() from "
         "generate_series(1, 4000) i",
         "insert into accounts.accounts (login, password_hash, role, created_at) select 'l' || i, "
         "'$argon2id$x', 'admin', now() from generate_series(1, 1000) i",
         "insert into accounts.sessions select sha256(i::text::bytea), 1 + i % 1000, now(), now() "
         "+ i * interval '1 s' from generate_series(1, 4000) i",
         "insert into devices.devices (device_id, name, created_at) select 'kc-d' || i, 'n', now() "
         "from generate_series(1000, 2999) i",
         "insert into devices.presence select device_id, 1, 'online', now(), '1', 30 from "
         "devices.devices",
         "insert into devices.credentials (device_id, place, generation, kind, sha256, made_at, "
         "ends_at, revoked_at, why) select 'kc-d' || 1000 + i % 2000, 1, 1, 'secret', "
         "sha256(i::text::bytea), now(), case when i % 10 = 0 then now() + i * interval '1 s' end, "
         "case when i > 2000 then now() end, 'claimed' from generate_series(1, 8000) i",
         "insert into devices.claims (device_id, code_sha256, made_at, made_by, ends_at) select "
         "device_id, sha256(device_id::bytea), now(), 'x', now() from devices.devices",
         "insert into devices.heard (device_id, heard_at) select device_id, now() from "
         "devices.devices",
         "insert into devices.telemetry select 'kc-d' || 1000 + i % 2000, now() - i * interval '1 "
         "min', -60, i, '{}', i % 4 = 0 from generate_series(1, 20000) i",
         "insert into runtime.cursors (device_id) select device_id from devices.devices",
         "insert into runtime.epochs select 'kc-d' || 1000 + i % 2000, i, 1, 'new', now() - i * "
         "interval '1 min' from generate_series(1, 8000) i",
         "insert into runtime.facts select 'kc-d' || 1000 + i % 2000, 1, i, 'key.taken', now(), "
         "'device', now(), i, 'applied', '{}', 1, i from generate_series(1, 20000) i",
         "insert into runtime.device_gaps select 'kc-d' || 1000 + i % 2000, 1, i, i, 'w', now() "
         "from generate_series(1, 2000) i",
         "insert into runtime.command_numbers select device_id, 40 from devices.devices",
         "insert into runtime.commands (device_id, number, kind, content, state, made_at, made_by, "
         "expires_at, send_after, overdue_at, finished_at, rc) select 'kc-d' || 1000 + i % 2000, "
         "1 + i / 2000, 'buzz', '{}', case when i < 19500 then 'done' else 'queued' end, now(), "
         "'a', now() + interval '1 h', now(), now() + interval '1 h', case when i < 19500 then "
         "now() end, case when i < 19500 then 0 end from generate_series(0, 19999) i",
         "insert into runtime.alarms (kind, subject, device_id, severity, raised_at, last_at, "
         "state, resolved_at, resolved_by, reason, ids) select 'journal_gap', 'device:kc-d' || i, "
         "'kc-d' || 1000 + i % 2000, 2, now(), now(), case when i < 9500 then 'resolved' else "
         "'open' end, r.at, case when r.at is not null then 'a' end, case when r.at is not null "
         "then 'over' end, '{}' from generate_series(1, 10000) i, lateral (select case when i < "
         "9500 then now() end as at) r",
         "insert into runtime.dead_letters (domain, source, kind, payload, why, set_aside_at, "
         "state) select 'keys', 'kc-d1000:1:' || i, 'key.taken', '{}', 'w', now(), case when i < "
         "1990 then 'applied' else 'retrying' end from generate_series(1, 2000) i",
         "insert into runtime.inbox select 'account:' || i % 50, 'ask-' || i, i, '{}', now(), "
         "false "
         "from generate_series(1, 10000) i",
         "insert into keys.keys (name, room, tag, cabinet, slot, created_at) select 'k' || i, "
         "'r', 't' || i, 'kc-d' || 1000 + i / 10, 1 + i % 10, now() from generate_series(1, 4000) "
         "i",
         "insert into keys.rights select p, 1 + (p * 7 + k) % 4000, now(), 'x' from "
         "generate_series(1, 4000) p, generate_series(1, 5) k",
         "insert into keys.loans (loan_id, key_id, person_id, opened_at, opened_by, issued, "
         "closed_at, closed_by, closed_why) select i, 1 + i % 4000, 1 + i % 4000, now(), 's', "
         "false, c.at, case when c.at is not null then 's' end, case when c.at is not null then "
         "'returned' end from generate_series(1, 20000) i, lateral (select case when i <= 19500 "
         "then now() end as at) c",
         "insert into log.events (event_id, recorded_at, written_by, domain, type, subject, "
         "actor, source, occurred_at, ids) select i, now() + i % 5 * interval '1 month', "
         "i::text::xid8, 'keys', 'key_taken', 'key:' || i % 4000, 'a', 's', now(), '{}' from "
         "generate_series(1, 20000) i",
         "insert into log.positions select event_id, event_id, recorded_at, written_by from "
         "log.events where event_id <= 15000",
         "insert into runtime.blobs select sha256(i::text::bytea), length(i::text), "
         "i::text::bytea, "
         "now() from generate_series(1, 4000) i",
         "insert into runtime.blob_parts select sha256(i::text::bytea), 0, 1, 1, 'x', now() from "
         "generate_series(1, 4000) i",
         "insert into runtime.documents select 'kc-d' || 1000 + i % 2000, 'down', 'rights', 1 + i "
         "/ "
         "2000, sha256(i::text::bytea), length(i::text), now() from generate_series(1, 4000) i",
         "insert into runtime.wanted select device_id, 2, null from devices.devices",
         "insert into runtime.uploads (device_id, name, sha256, bytes, state, ask_after, "
         "changed_at) "
         "select 'kc-d' || 1000 + i, 'logs', sha256('x'), 1, case when i % 10 = 0 then 'open' else "
         "'done' end, now(), now() from generate_series(0, 1999) i",
         "insert into runtime.upload_chunks select 'kc-d' || 1000 + i % 2000, 'logs', i / 2000, "
         "'x' "
         "from generate_series(0, 19999) i",
         "insert into keys.cabinet_rights (cabinet) select device_id from devices.devices on "
         "conflict do nothing",
         "insert into keys.stale_cabinets (cabinet, due_at) select 'kc-d' || 1000 + i % 2000, "
         "now() "
         "from generate_series(1, 4000) i",
         "insert into keys.rights_ended select p, 1 + p % 4000, now(), now(), 'x' from "
         "generate_series(1, 8000) p",
         "analyze"}) {
        const auto answer = owner_.ask(sql);
        ASSERT_EQ(answer.state, "") << sql << ": " << answer.error;
    }
}

class LookUps : public Statements {
 protected:
    /// Breaches by statement, of every statement that handlers run.
    std::map<std::string, std::vector<std::string>> breaches() {
        std::map<std::string, std::string> leading;
        for (const auto& row : owner_.rows(
                 "select c.relname, pg_get_indexdef(i.indexrelid, 1, true) from pg_index i join "
                 "pg_class c on c.oid = i.indexrelid")) {
            leading[row[0]] = row[1];
        }
        std::map<std::string, std::vector<std::string>> found;
        for (const db::Query* query : db::all_queries()) {
            const std::string name = query->name;
            if (begins(name, "api_") || begins(name, "witness_") || begins(name, "setup_") ||
                kWithoutPlan.contains(name)) {
                continue;
            }
            for (const std::string& role : users_of(name)) {
                Session& one = session(role);
                EXPECT_EQ(one.prepare(*query), "");
                const auto answer = one.explain(*query);
                EXPECT_EQ(answer.error, "") << name;
                if (answer.rows.empty()) continue;
                const auto plan = nlohmann::json::parse(answer.rows[0][0]);
                std::vector<std::string> here;
                note_breaches(plan[0]["Plan"], leading, here);
                if (!here.empty()) {
                    here.push_back(answer.rows[0][0]);
                    found[name] = here;
                }
            }
        }
        return found;
    }
    void expect_look_ups() {
        const auto found = breaches();
        for (const auto& [name, reasons] : found) {
            if (kMayWalk.contains(name)) continue;
            std::string all;
            for (const std::string& reason : reasons) all += "\n  " + reason;
            ADD_FAILURE() << name << all;
        }
        for (const auto& [name, reason] : kMayWalk) {
            EXPECT_TRUE(found.contains(name)) << name << " needs no exception (" << reason << ")";
        }
    }
};

TEST_F(LookUps, EveryHandlerStatementLooksUpByIndex) {
    fill();
    expect_look_ups();
}

// A plan made in the first hour is kept for as long as the connection lives.
TEST_F(LookUps, EveryHandlerStatementLooksUpByIndexInAnEmptyDatabaseToo) {
    expect_look_ups();
}

TEST_F(LookUps, AWalkThroughATableOrAnIndexIsSeen) {
    const std::map<std::string, std::string> leading{{"identifiers_by_kind", "kind"},
                                                     {"loans_one_open", "key_id"}};
    const auto breaches_of = [&](const std::string& type, const std::string& index,
                                 const std::string& cond) {
        const nlohmann::json scan{{"Node Type", type}, {"Index Name", index}, {"Index Cond", cond}};
        const nlohmann::json plan{{"Node Type", "Nested Loop"},
                                  {"Plans", nlohmann::json::array({scan})}};
        std::vector<std::string> found;
        note_breaches(plan, leading, found);
        return found.size();
    };
    EXPECT_EQ(breaches_of("Seq Scan", "", ""), 1U);
    EXPECT_EQ(breaches_of("Index Scan", "loans_one_open", ""), 1U);
    EXPECT_EQ(breaches_of("Index Scan", "loans_one_open", "(loan_id = $1)"), 1U);
    EXPECT_EQ(breaches_of("Index Only Scan", "loans_one_open", "(key_id = 7)"), 1U);
    EXPECT_EQ(breaches_of("Index Scan", "identifiers_by_kind",
                          "((kind = 'card'::text) AND (value = w.card))"),
              1U);
    EXPECT_EQ(breaches_of("Index Scan", "loans_one_open", "(key_id = ANY ($1))"), 0U);
    EXPECT_EQ(breaches_of("Index Scan", "loans_one_open", "((loan_id > $1) AND (key_id = w.key))"),
              0U);
}

}  // namespace
}  // namespace klyuchnik::test
