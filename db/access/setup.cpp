#include "db/access/setup.hpp"

#include <array>
#include <map>

#include <libpq-fe.h>
#include <sodium.h>

#include "db/access/internal.hpp"

namespace klyuchnik::db {
namespace {

// A step may rewrite a large table. But it waits for a lock on one only briefly: whatever handlers
// ask of the table meanwhile stands in line behind it.
constexpr const char* kStepPatience = "30min";
constexpr const char* kTableLockPatience = "5s";

constexpr std::array kLoginRoles{"kl_accounts", "kl_devices", "kl_keys",
                                 "kl_relay",    "kl_bridge",  "kl_witness"};

std::string hex(const unsigned char* bytes, std::size_t size) {
    std::string text(size * 2 + 1, '\0');
    sodium_bin2hex(text.data(), text.size(), bytes, size);
    text.pop_back();
    return text;
}

std::string checksum(std::string_view text) {
    std::array<unsigned char, crypto_generichash_BYTES> digest{};
    crypto_generichash(digest.data(), digest.size(),
                       reinterpret_cast<const unsigned char*>(text.data()), text.size(), nullptr,
                       0);
    return hex(digest.data(), digest.size());
}

struct Applied {
    std::string name;
    std::string checksum;
};
std::map<int, Applied> applied_migrations(Tx& tx) {
    std::map<int, Applied> applied;
    for (const auto& row : run(tx, sql::setup_applied_migrations)) {
        applied[row[0].as<int>()] = {row[1].as<std::string>(), row[2].as<std::string>()};
    }
    return applied;
}

}  // namespace

int migrate(const ConnectionSettings& owner,
            const std::function<void(const std::string&)>& progress) {
    if (sodium_init() < 0) throw Fault{"libsodium can not start", Fault::Retry::never};
    Connection connection{owner};
    {
        Tx tx{connection, Tx::Mode::one_read};
        // The other one may be in the middle of its steps.
        run(tx, sql::setup_set_patience, kStepPatience, kStepPatience);
        run(tx, sql::setup_lock_migrations);  // Ends with the connection.
        run(tx, sql::setup_set_patience, kTableLockPatience, kStepPatience);
    }
    std::map<int, Applied> applied;
    {
        Tx tx{connection};
        run(tx, sql::setup_make_migrations_table);
        run(tx, sql::setup_show_migrations_table);
        applied = applied_migrations(tx);
        tx.commit();
    }
    for (const auto& [number, row] : applied) {
        if (all_migrations().empty() || number > all_migrations().back().number) {
            throw Fault{"the database has migration " + row.name +
                            ", which this program does not know: install the newer program",
                        Fault::Retry::never};
        }
    }
    int count = 0;
    for (const Migration& migration : all_migrations()) {
        const std::string sum = checksum(migration.text);
        if (const auto found = applied.find(migration.number); found != applied.end()) {
            if (found->second.checksum != sum) {
                throw Fault{std::string{"migration "} + migration.name +
                                " was applied in another form: migrations are never edited",
                            Fault::Retry::never};
            }
            continue;
        }
        Tx tx{connection};
        detail::run_text(tx, migration.text, migration.name);
        run(tx, sql::setup_note_migration, migration.number, migration.name, sum);
        tx.commit();
        progress(migration.name);
        ++count;
    }
    Tx tx{connection};
    run(tx, sql::setup_open_public_schema);
    tx.commit();
    return count;
}

bool is_migrated(Connection& connection) {
    Tx tx{connection, Tx::Mode::read_only};
    if (!run(tx, sql::setup_has_migrations_table)[0][0].as<bool>()) return false;
    const auto applied = applied_migrations(tx);
    return applied.size() == all_migrations().size() && !applied.empty() &&
           applied.rbegin()->first == all_migrations().back().number;
}

std::vector<RolePassword> set_role_passwords(const ConnectionSettings& owner) {
    if (sodium_init() < 0) throw Fault{"libsodium can not start", Fault::Retry::never};
    Connection connection{owner};
    std::vector<RolePassword> lines;
    Tx tx{connection};
    for (const char* role : kLoginRoles) {
        std::array<unsigned char, 24> bytes{};
        randombytes_buf(bytes.data(), bytes.size());
        const std::string password = hex(bytes.data(), bytes.size());
        // libpq computes the verifier here, so that no server log can ever hold the password.
        PGconn* const plain = PQconnectdb((owner.conninfo + " connect_timeout=3").c_str());
        char* const verifier =
            PQencryptPasswordConn(plain, password.c_str(), role, "scram-sha-256");
        const std::string secret = verifier ? verifier : "";
        const std::string error = PQerrorMessage(plain);
        PQfreemem(verifier);
        PQfinish(plain);
        if (secret.empty())
            throw Fault{"no password for " + std::string{role} + ": " + error, Fault::Retry::never};
        const auto statement = run(tx, sql::setup_set_password, role, secret)[0][0];
        detail::run_text(tx, statement.as<std::string>(), "setting a role's password");
        lines.push_back({role, "*:*:*:" + std::string{role} + ":" + password});
    }
    tx.commit();
    return lines;
}

bool add_administrator(const ConnectionSettings& owner, const std::string& login,
                       const std::string& password_hash, topics::Instant now) {
    Connection connection{owner};
    Tx tx{connection};
    const bool added = !run(tx, sql::setup_add_account, login, password_hash, "admin", now).empty();
    tx.commit();
    return added;
}

void trust_firmware_key(const ConnectionSettings& owner, const std::string& name,
                        const std::string& public_key_hex, topics::Instant now) {
    Connection connection{owner};
    Tx tx{connection};
    run(tx, sql::setup_trust_firmware_key, name, public_key_hex, now);
    tx.commit();
}

bool distrust_firmware_key(const ConnectionSettings& owner, const std::string& name) {
    Connection connection{owner};
    Tx tx{connection};
    const bool gone = !run(tx, sql::setup_distrust_firmware_key, name).empty();
    tx.commit();
    return gone;
}

bool reset_password(const ConnectionSettings& owner, const std::string& login,
                    const std::string& password_hash) {
    Connection connection{owner};
    Tx tx{connection};
    const bool changed = !run(tx, sql::setup_reset_password, login, password_hash).empty();
    tx.commit();
    return changed;
}

}  // namespace klyuchnik::db
