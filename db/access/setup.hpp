#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "db/access/connection.hpp"
#include "topics/time.hpp"

/// What an operator does to a database: migrate it, give its roles passwords, make the first
/// administrator. Runs as the database's owner. All throw Fault.
namespace klyuchnik::db {

/// Applies what is missing, each file in one transaction, under a lock that makes two at once wait
/// for each other. `progress` hears the name of each file applied. Returns how many were.
///
/// A file that was applied and has changed since, or a database newer than this program, is
/// Fault(never): migrations only go forward and are never edited.
int migrate(const ConnectionSettings& owner,
            const std::function<void(const std::string&)>& progress);

/// True when the database has exactly this program's migrations. Any role may look.
bool is_migrated(Connection& connection);

/// Gives every role of ours a fresh random password, of which PostgreSQL sees the SCRAM verifier
/// only, and returns lines for libpq password files: "*:*:*:role:password".
struct RolePassword {
    std::string role;
    std::string passfile_line;
};
std::vector<RolePassword> set_role_passwords(const ConnectionSettings& owner);

/// False: an account with this login is there already.
bool add_administrator(const ConnectionSettings& owner, const std::string& login,
                       const std::string& password_hash, topics::Instant now);
/// False: no such account. Every session of the account ends.
bool reset_password(const ConnectionSettings& owner, const std::string& login,
                    const std::string& password_hash);

/// Firmware signed by this key (Ed25519, 64 hexadecimal digits) may be offered from now on. The
/// same name again replaces its key.
void trust_firmware_key(const ConnectionSettings& owner, const std::string& name,
                        const std::string& public_key_hex, topics::Instant now);
/// False: there was none of this name. What was added before stays.
bool distrust_firmware_key(const ConnectionSettings& owner, const std::string& name);

}  // namespace klyuchnik::db
