#include <map>
#include <set>
#include <vector>

#include <gmock/gmock.h>

#include "tests/store/store.hpp"

namespace klyuchnik::test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Names = std::set<std::string>;

const std::vector<std::string> kRoles{"kl_runtime", "kl_accounts", "kl_devices", "kl_keys",
                                      "kl_relay",   "kl_bridge",   "kl_witness"};

/// "INSERT keys.loans" of every write that a handler may do besides those to its own domain.
const Names kRuntimeWrites{
    "INSERT runtime.cursors", "UPDATE runtime.cursors", "INSERT runtime.epochs",
    "UPDATE runtime.epochs", "INSERT runtime.facts", "INSERT runtime.device_gaps",
    "INSERT runtime.device_conflicts", "INSERT runtime.inbox", "UPDATE runtime.inbox",
    "INSERT runtime.dead_letters", "INSERT log.events",
    // Commands, alarms, letters tried again, and regular work.
    "INSERT runtime.command_numbers", "UPDATE runtime.command_numbers", "INSERT runtime.commands",
    "UPDATE runtime.commands", "INSERT runtime.alarms", "UPDATE runtime.alarms",
    "UPDATE runtime.dead_letters", "UPDATE runtime.facts", "INSERT runtime.chores",
    "UPDATE runtime.chores",
    // Documents, uploads, what acks want, and how far reactions have read.
    "INSERT runtime.blobs", "UPDATE runtime.blobs", "DELETE runtime.blobs",
    "INSERT runtime.blob_parts", "DELETE runtime.blob_parts", "INSERT runtime.documents",
    "DELETE runtime.documents", "INSERT runtime.uploads", "UPDATE runtime.uploads",
    "DELETE runtime.uploads", "INSERT runtime.upload_chunks", "DELETE runtime.upload_chunks",
    "INSERT runtime.wanted", "UPDATE runtime.wanted", "UPDATE runtime.reactions"};
const Names kRuntimeReads{
    "accounts.callers",    "accounts.card_holders",   "accounts.known_people",
    "devices.fleet",       "devices.known_devices",   "devices.present_devices",
    "log.events",          "log.positions",           "public.klyuchnik_migrations",
    "runtime.alarms",      "runtime.blob_parts",      "runtime.blobs",
    "runtime.chores",      "runtime.command_numbers", "runtime.commands",
    "runtime.cursors",     "runtime.dead_letters",    "runtime.device_conflicts",
    "runtime.device_gaps", "runtime.documents",       "runtime.epochs",
    "runtime.facts",       "runtime.inbox",           "runtime.reactions",
    "runtime.site",        "runtime.upload_chunks",   "runtime.uploads",
    "runtime.wanted"};

Names plus(Names names, const Names& more) {
    names.insert(more.begin(), more.end());
    return names;
}

class Grants : public Store {
 protected:
    static constexpr const char* kOurs =
        "c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname !~ '^pg_' and n.nspname <> "
        "'information_schema'";

    /// A column is enough: a role that may write one column of a table writes it.
    Names writes_of(const std::string& role) {
        Names found;
        for (const auto& row : owner_.rows(
                 "select p || ' ' || n.nspname || '.' || c.relname from pg_class c join "
                 "pg_namespace n on n.oid = c.relnamespace, unnest(array['INSERT', 'UPDATE', "
                 "'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) p where " +
                     std::string{kOurs} +
                     " and (has_table_privilege($1, c.oid, p) or case when p in ('INSERT', "
                     "'UPDATE', 'REFERENCES') then has_any_column_privilege($1, c.oid, p) else "
                     "false end)",
                 {role})) {
            found.insert(row[0]);
        }
        return found;
    }
    Names reads_of(const std::string& role) {
        Names found;
        for (const auto& row : owner_.rows(
                 "select n.nspname || '.' || c.relname from pg_class c join pg_namespace n "
                 "on n.oid = c.relnamespace where " +
                     std::string{kOurs} + " and has_any_column_privilege($1, c.oid, 'SELECT')",
                 {role})) {
            found.insert(row[0]);
        }
        return found;
    }
};

TEST_F(Grants, AHandlerWritesItsOwnTablesAndTheRuntimesOnly) {
    const std::map<std::string, Names> own{
        {"kl_runtime", {}},
        {"kl_accounts",
         {"INSERT accounts.people", "UPDATE accounts.people", "INSERT accounts.accounts",
          "UPDATE accounts.accounts", "INSERT accounts.identifiers", "DELETE accounts.identifiers",
          "INSERT accounts.sessions", "DELETE accounts.sessions"}},
        {"kl_devices", {"INSERT devices.devices",         "UPDATE devices.devices",
                        "INSERT devices.presence",        "UPDATE devices.presence",
                        "INSERT devices.credentials",     "UPDATE devices.credentials",
                        "INSERT devices.claims",          "UPDATE devices.claims",
                        "DELETE devices.claims",          "INSERT devices.guard_outbox",
                        "UPDATE devices.guard_outbox",    "DELETE devices.guard_outbox",
                        "INSERT devices.brokers",         "UPDATE devices.brokers",
                        "INSERT devices.heard",           "UPDATE devices.heard",
                        "INSERT devices.telemetry",       "DELETE devices.telemetry",
                        "UPDATE devices.fleet",           "INSERT devices.firmware",
                        "INSERT devices.rollouts",        "UPDATE devices.rollouts",
                        "INSERT devices.rollout_devices", "UPDATE devices.rollout_devices"}},
        {"kl_keys",
         {"INSERT keys.keys", "UPDATE keys.keys", "INSERT keys.rights", "DELETE keys.rights",
          "INSERT keys.loans", "UPDATE keys.loans", "INSERT keys.conflicts",
          "INSERT keys.rights_ended", "INSERT keys.cabinet_rights", "UPDATE keys.cabinet_rights",
          "INSERT keys.stale_cabinets", "UPDATE keys.stale_cabinets",
          "DELETE keys.stale_cabinets"}}};
    for (const auto& [role, tables] : own) {
        SCOPED_TRACE(role);
        EXPECT_EQ(writes_of(role), plus(kRuntimeWrites, tables));
    }
}

TEST_F(Grants, OfAFactNothingButItsOutcomeEverChanges) {
    for (const char* role : {"kl_accounts", "kl_devices", "kl_keys"}) {
        EXPECT_EQ(owner_.number("select count(*) from pg_attribute where attrelid = "
                                "'runtime.facts'::regclass and attnum > 0 and attname <> 'outcome' "
                                "and has_column_privilege($1, attrelid, attnum, 'UPDATE')",
                                {role}),
                  0)
            << role;
    }
}

TEST_F(Grants, TheRelayPlacesEventsAndForgetsWhatIsOldOnly) {
    EXPECT_EQ(writes_of("kl_relay"),
              (Names{"INSERT log.positions", "UPDATE log.published", "UPDATE runtime.chores",
                     "DELETE runtime.inbox", "DELETE runtime.facts", "DELETE runtime.epochs",
                     "DELETE runtime.dead_letters", "DELETE runtime.device_conflicts",
                     "DELETE runtime.commands", "DELETE runtime.alarms", "DELETE runtime.blobs",
                     "DELETE runtime.blob_parts", "DELETE runtime.uploads",
                     "DELETE keys.rights_ended", "DELETE accounts.sessions"}));
}

TEST_F(Grants, TheBridgeAndTheWitnessWriteNothing) {
    EXPECT_THAT(writes_of("kl_bridge"), IsEmpty());
    EXPECT_THAT(writes_of("kl_witness"), IsEmpty());
    for (const char* role : {"kl_bridge", "kl_witness"}) {
        SCOPED_TRACE(role);
        OwnerConnection raw{cluster_, database_.name(), role, passfile_of(cluster_, role)};
        for (const char* attempt :
             {"insert into api.people (full_name) values ('x')",
              "update api.people set full_name = 'x'", "delete from accounts.sessions",
              "insert into keys.rights values (1, 1, now(), 'x')",
              "update runtime.cursors set acked = 0", "truncate log.events",
              "select log.make_partitions(0)", "select nextval('keys.loan_blocks')",
              "create table api.mine (a int)", "create table public.mine (a int)",
              "create schema mine", "set role kl_keys", "alter role kl_bridge superuser"}) {
            EXPECT_EQ(raw.ask(attempt).state, "42501") << attempt;
        }
    }
}

TEST_F(Grants, TheBridgeReadsTheViewsOfItsSchemaOnly) {
    Names views{"public.klyuchnik_migrations"};
    for (const auto& row :
         owner_.rows("select 'api.' || viewname from pg_views where schemaname = 'api'")) {
        views.insert(row[0]);
    }
    EXPECT_GE(views.size(), 10U);
    EXPECT_EQ(reads_of("kl_bridge"), views);
}

TEST_F(Grants, AHandlerReadsOfOtherDomainsOnlyTheViewsMadeForIt) {
    const std::map<std::string, Names> own{
        {"kl_runtime", {}},
        {"kl_accounts",
         {"accounts.people", "accounts.accounts", "accounts.identifiers", "accounts.sessions"}},
        {"kl_devices",
         {"devices.devices", "devices.presence", "devices.credentials", "devices.claims",
          "devices.guard_outbox", "devices.brokers", "devices.heard", "devices.telemetry",
          "devices.firmware_signers", "devices.firmware", "devices.rollouts",
          "devices.rollout_devices"}},
        {"kl_keys",
         {"keys.keys", "keys.rights", "keys.loans", "keys.conflicts", "keys.rights_ended",
          "keys.cabinet_rights", "keys.stale_cabinets"}}};
    for (const auto& [role, tables] : own) {
        SCOPED_TRACE(role);
        EXPECT_EQ(reads_of(role), plus(kRuntimeReads, tables));
    }
}

TEST_F(Grants, SecretsAreReadByThoseWhoCheckThemOnly) {
    Names readers;
    // Of documents a hash is the name, and no secret.
    const std::string not_names =
        " and c.relname not in ('blobs', 'blob_parts', 'documents', 'uploads', 'firmware')";
    for (const std::string& role : kRoles) {
        for (const auto& row : owner_.rows(
                 "select $1 || ' ' || n.nspname || '.' || c.relname || '.' || a.attname from "
                 "pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on "
                 "n.oid = c.relnamespace where a.attnum > 0 and a.attname ~ "
                 "'(hash|sha256|secret|token|password)' and " +
                     std::string{kOurs} +
                     " and has_column_privilege($1, c.oid, a.attnum, "
                     "'SELECT')" +
                     not_names,
                 {role})) {
            readers.insert(row[0]);
        }
    }
    EXPECT_THAT(
        readers,
        ElementsAre(
            "kl_accounts accounts.accounts.password_hash",
            "kl_accounts accounts.sessions.token_sha256",
            "kl_bridge api.device_credentials.secret_sha256",
            // It made the code, and must see whether it still counts before it shows it again.
            "kl_bridge api.open_claims.code_sha256", "kl_bridge api.sessions.token_sha256",
            "kl_bridge api.sign_ins.password_hash", "kl_devices devices.claims.code_sha256",
            "kl_devices devices.claims.nonce_sha256", "kl_devices devices.credentials.nonce_sha256",
            "kl_devices devices.credentials.sha256", "kl_relay accounts.sessions.token_sha256"));
}

TEST_F(Grants, TheWitnessReadsEverythingElse) {
    Names all;
    for (const auto& row :
         owner_.rows("select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on "
                     "n.oid = c.relnamespace where " +
                     std::string{kOurs})) {
        all.insert(row[0]);
    }
    for (const char* secret :
         {"accounts.accounts", "accounts.sessions", "devices.credentials", "devices.claims",
          "api.sign_ins", "api.sessions", "api.device_credentials", "api.open_claims"}) {
        EXPECT_EQ(all.erase(secret), 1U) << secret;
    }
    EXPECT_EQ(reads_of("kl_witness"), all);
    OwnerConnection witness{cluster_, database_.name(), "kl_witness",
                            passfile_of(cluster_, "kl_witness")};
    EXPECT_EQ(witness.ask("select * from accounts.accounts").state, "42501");
    EXPECT_EQ(witness.ask("select * from api.sign_ins").state, "42501");
    EXPECT_EQ(witness.ask("select * from api.loans").state, "");
}

TEST_F(Grants, NoRoleOfOursIsMoreThanItsGrants) {
    EXPECT_EQ(owner_.number("select count(*) from pg_roles where rolname like 'kl\\_%' and "
                            "(rolsuper or rolcreatedb or rolcreaterole or rolreplication or "
                            "rolbypassrls)"),
              0);
    Names members;
    for (const auto& row : owner_.rows(
             "select m.roleid::regrole || ' ' || m.member::regrole || ' ' || m.admin_option::text "
             "from pg_auth_members m join pg_roles r on r.oid = m.member where r.rolname like "
             "'kl\\_%'")) {
        members.insert(row[0]);
    }
    EXPECT_THAT(members, ElementsAre("kl_runtime kl_accounts false", "kl_runtime kl_devices false",
                                     "kl_runtime kl_keys false"));
    EXPECT_EQ(owner_.number("select count(*) from pg_roles where rolname = 'kl_runtime' and "
                            "rolcanlogin"),
              0);
}

TEST_F(Grants, FunctionsThatActAsTheOwnerServeTheRelayOnly) {
    Names callers;
    for (const std::string& role : kRoles) {
        for (const auto& row : owner_.rows(
                 "select $1 || ' ' || n.nspname || '.' || p.proname from pg_proc p join "
                 "pg_namespace n on n.oid = p.pronamespace where p.prosecdef and n.nspname !~ "
                 "'^pg_' and has_function_privilege($1, p.oid, 'EXECUTE')",
                 {role})) {
            callers.insert(row[0]);
        }
    }
    EXPECT_THAT(callers, ElementsAre("kl_relay log.make_partitions"));
}

TEST_F(Grants, NobodyOfOursMakesObjects) {
    for (const std::string& role : kRoles) {
        EXPECT_EQ(owner_.number("select count(*) from pg_namespace where nspname !~ '^pg_' and "
                                "has_schema_privilege($1, oid, 'CREATE')",
                                {role}),
                  0)
            << role;
    }
}

}  // namespace
}  // namespace klyuchnik::test
