// klyuchnik-handlers: turns what devices and the bridge say into PostgreSQL. Any number may run,
// each with any domains. Its subcommands are what an operator does to a database.

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <sodium.h>

#include "db/access/fault.hpp"
#include "db/access/setup.hpp"
#include "handlers/accounts/domain.hpp"
#include "handlers/devices/domain.hpp"
#include "handlers/devices/guard_feeder.hpp"
#include "handlers/keys/domain.hpp"
#include "handlers/runtime/dispatcher.hpp"
#include "handlers/runtime/domain_loop.hpp"
#include "handlers/runtime/housekeeper.hpp"
#include "handlers/runtime/intake.hpp"
#include "handlers/runtime/reaction.hpp"
#include "handlers/runtime/relay.hpp"
#include "handlers/runtime/timed_work.hpp"
#include "process/clock.hpp"
#include "process/crash_point.hpp"
#include "process/log.hpp"
#include "process/metrics.hpp"
#include "process/mqtt_session.hpp"
#include "process/settings.hpp"
#include "process/shutdown.hpp"
#include "topics/catalogue.hpp"
#include "topics/names.hpp"

namespace {

using namespace klyuchnik;
using handlers::Domain;

constexpr const char* kProgram = "klyuchnik-handlers";

struct Options {
    process::MqttSettings mqtt;
    process::LogSettings log;
    std::string database = "dbname=klyuchnik";
    std::vector<std::string> domains{"accounts", "devices", "keys"};
    std::string share;
    std::int64_t metrics_port = 0;
    handlers::Retention retention;
    std::string login = "admin";
    std::string passfiles = ".";
    std::string key_name = "site";
    std::string key_file;
};

struct DomainFactory {
    std::string_view name;
    std::unique_ptr<Domain> (*make)();
};
constexpr std::array kDomains{
    DomainFactory{"accounts", handlers::accounts::make_domain},
    DomainFactory{"devices", handlers::devices::make_domain},
    DomainFactory{"keys", handlers::keys::make_domain},
};

/// Processes that serve this domain send commands and tell the broker's guard who may connect.
constexpr std::string_view kDispatching = "devices";

db::ConnectionSettings as_role(const Options& options, const std::string& role) {
    return {options.database, role, kProgram, true};
}
db::ConnectionSettings as_owner(const Options& options) {
    return {options.database, "", kProgram, false};
}

/// 120 bits, in letters and digits that nobody confuses when copying by hand.
std::string new_password() {
    constexpr std::string_view kLetters = "abcdefghjkmnpqrstuvwxyz23456789";
    std::string password;
    for (int i = 0; i < 25; ++i) {
        password += kLetters[randombytes_uniform(static_cast<std::uint32_t>(kLetters.size()))];
    }
    return password;
}

std::string hash_password(const std::string& password) {
    std::array<char, crypto_pwhash_STRBYTES> hash{};
    if (crypto_pwhash_str(hash.data(), password.data(), password.size(),
                          crypto_pwhash_OPSLIMIT_INTERACTIVE,
                          crypto_pwhash_MEMLIMIT_INTERACTIVE) != 0) {
        throw std::runtime_error{"not enough memory to hash a password"};
    }
    return hash.data();
}

int migrate(const Options& options) {
    const int count = db::migrate(as_owner(options), [](const std::string& name) {
        std::cerr << "applied " << name << '\n';
    });
    std::cerr << (count == 0 ? "nothing to do: the database is up to date\n"
                             : "the database is up to date\n");
    return 0;
}

int write_role_passwords(const Options& options) {
    std::string handlers_file;
    std::string bridge_file;
    std::string witness_file;
    for (const db::RolePassword& one : db::set_role_passwords(as_owner(options))) {
        std::string& file = one.role == "kl_bridge"    ? bridge_file
                            : one.role == "kl_witness" ? witness_file
                                                       : handlers_file;
        file += one.passfile_line + "\n";
    }
    const auto write = [&](const char* name, const std::string& text) {
        const std::filesystem::path path = std::filesystem::path{options.passfiles} / name;
        // Made empty and closed to others first: the secret must not lie open for a moment.
        { std::ofstream empty{path, std::ios::trunc}; }
        std::filesystem::permissions(
            path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
        std::ofstream file{path, std::ios::trunc};
        file << text;
        if (!file.flush()) throw std::runtime_error{"can not write " + path.string()};
        std::cerr << "wrote " << path.string() << '\n';
    };
    write("handlers.pgpass", handlers_file);
    write("bridge.pgpass", bridge_file);
    write("witness.pgpass", witness_file);
    return 0;
}

int add_administrator(const Options& options) {
    const std::string password = new_password();
    if (!db::add_administrator(as_owner(options), options.login, hash_password(password),
                               process::SystemClock{}.now())) {
        std::cerr << "there is an account \"" << options.login
                  << "\" already; reset-password gives it a new password\n";
        return 1;
    }
    std::cout << password << '\n';
    return 0;
}

int reset_password(const Options& options) {
    const std::string password = new_password();
    if (!db::reset_password(as_owner(options), options.login, hash_password(password))) {
        std::cerr << "there is no account \"" << options.login << "\"\n";
        return 1;
    }
    std::cout << password << '\n';
    return 0;
}

/// The 32 bytes of an Ed25519 key, as hexadecimal digits, from the PEM that openssl writes: the DER
/// behind the base64 ends with them.
std::optional<std::string> public_key_hex(const std::string& pem) {
    std::string base64;
    std::istringstream lines{pem};
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with("-----")) base64 += line;
    }
    constexpr std::size_t kDerBytes = 44;
    std::array<unsigned char, kDerBytes> der{};
    std::size_t size = 0;
    if (sodium_base642bin(der.data(), der.size(), base64.data(), base64.size(), " \r\n", &size,
                          nullptr, sodium_base64_VARIANT_ORIGINAL) != 0 ||
        size != der.size()) {
        return std::nullopt;
    }
    std::array<char, 65> hex{};
    sodium_bin2hex(hex.data(), hex.size(), der.data() + kDerBytes - 32, 32);
    return std::string{hex.data()};
}

int trust_firmware_key(const Options& options) {
    std::ifstream file{options.key_file};
    const std::string pem{std::istreambuf_iterator<char>{file}, {}};
    const auto key = public_key_hex(pem);
    if (!key) {
        std::cerr << "--key-file: expected the PEM of an Ed25519 public key, as written by "
                     "`openssl pkey -pubout`, in \""
                  << options.key_file << "\"\n";
        return 2;
    }
    db::trust_firmware_key(as_owner(options), options.key_name, *key, process::SystemClock{}.now());
    std::cerr << "firmware signed by \"" << options.key_name << "\" may be offered now\n";
    return 0;
}

int distrust_firmware_key(const Options& options) {
    if (!db::distrust_firmware_key(as_owner(options), options.key_name)) {
        std::cerr << "there is no key \"" << options.key_name << "\"\n";
        return 1;
    }
    std::cerr << "nothing more that \"" << options.key_name << "\" signs may be added\n";
    return 0;
}

int serve(const Options& options) {
    process::announce_crash_points();
    process::Metrics metrics;
    const process::SystemClock clock;
    if (options.metrics_port > 0) {
        const int port = metrics.listen("127.0.0.1", static_cast<int>(options.metrics_port));
        process::log::info("metrics at http://127.0.0.1:{}/metrics", port);
    }
    {
        db::Connection probe{as_role(options, "kl_" + options.domains.front())};
        if (!db::is_migrated(probe)) {
            process::log::error(
                "the database does not have this program's schema: run `{} migrate` first",
                kProgram);
            return 1;
        }
    }
    std::vector<std::unique_ptr<handlers::DomainLoop>> loops;
    for (const std::string& name : options.domains) {
        const auto found = std::ranges::find(kDomains, name, &DomainFactory::name);
        loops.push_back(std::make_unique<handlers::DomainLoop>(
            found->make(), as_role(options, "kl_" + name), clock, metrics));
    }
    handlers::Intake intake{options.mqtt, options.share, metrics};
    handlers::Relay relay{as_role(options, "kl_relay"), metrics};
    db::ConnectionSettings sweeping = as_role(options, "kl_relay");
    sweeping.by_key = false;  // It looks for what is old, not for what has a key.
    handlers::Housekeeper housekeeper{sweeping, options.retention, clock, metrics};
    handlers::TimedWork timed{as_role(options, "kl_" + options.domains.front()), clock, metrics};
    handlers::Reactions reactions{as_role(options, "kl_" + options.domains.front()), clock,
                                  metrics};
    std::unique_ptr<handlers::Dispatcher> dispatcher;
    std::unique_ptr<handlers::devices::GuardFeeder> feeder;
    for (const std::string& name : options.domains) {
        const auto found = std::ranges::find(kDomains, name, &DomainFactory::name);
        timed.add(found->make(), as_role(options, "kl_" + name));
        reactions.add(found->make(), as_role(options, "kl_" + name));
        if (name != kDispatching) continue;
        dispatcher =
            std::make_unique<handlers::Dispatcher>(as_role(options, "kl_" + name), clock, metrics);
        feeder = std::make_unique<handlers::devices::GuardFeeder>(as_role(options, "kl_" + name),
                                                                  clock, metrics);
    }
    for (const auto& loop : loops) intake.add(*loop);
    for (const auto& loop : loops) loop->start(intake);
    if (feeder) feeder->start(intake);
    intake.start(topics::presence_topic("handlers", options.mqtt.user),
                 topics::unix_seconds(clock.now()));
    relay.start(intake);
    housekeeper.start();
    timed.start(intake);
    reactions.start(intake);
    if (dispatcher) dispatcher->start(intake);
    process::log::info("serving {} domains", loops.size());

    while (!process::Shutdown::wait_for(std::chrono::hours{1})) {
    }
    process::log::info("leaving: taking nothing more, finishing what is here");
    intake.stop_taking();
    for (const auto& loop : loops) loop->stop();
    if (dispatcher) dispatcher->stop();
    if (feeder) feeder->stop();
    reactions.stop();
    timed.stop();
    housekeeper.stop();
    relay.stop();
    intake.leave();
    process::log::info("left");
    return 0;
}

int run(const Options& options, const std::string& chosen) {
    if (chosen == "migrate") return migrate(options);
    if (chosen == "roles") return write_role_passwords(options);
    if (chosen == "add-administrator") return add_administrator(options);
    if (chosen == "reset-password") return reset_password(options);
    if (chosen == "trust-firmware-key") return trust_firmware_key(options);
    if (chosen == "distrust-firmware-key") return distrust_firmware_key(options);
    for (const std::string& name : options.domains) {
        if (std::ranges::find(kDomains, name, &DomainFactory::name) == kDomains.end()) {
            std::cerr << "--domains: there is no domain \"" << name << "\"\n";
            return 2;
        }
    }
    if (options.share.size() < 16) {
        std::cerr
            << "--share-group-file: expected a secret of 16 characters or more, the same for all "
               "handlers\n";
        return 2;
    }
    return serve(options);
}

}  // namespace

int main(int argc, char** argv) {
    process::Shutdown::install();
    if (sodium_init() < 0) {
        std::cerr << "libsodium can not start\n";
        return 1;
    }
    Options options;
    process::Settings settings{kProgram,
                               "Applies what devices report and people ask for to PostgreSQL."};
    process::log_options(settings, options.log);
    process::mqtt_options(settings, options.mqtt);
    settings.text("db", options.database,
                  "libpq connection string without user and password (see PGPASSFILE)");
    settings.list("domains", options.domains, "domains this process serves");
    settings.secret_file("share-group-file", options.share,
                         "file with the secret part of the share groups' names");
    settings.number("metrics-port", options.metrics_port, 0, 65535,
                    "port on 127.0.0.1 for /metrics; 0 = none");
    settings.number("facts-days", options.retention.facts_days, 1, 3650,
                    "days that raw facts (with card numbers) are kept");
    settings.subcommand("migrate", "bring the database's schema up to date, as its owner");
    process::Settings& roles =
        settings.subcommand("roles", "give every role a new password and write password files");
    roles.text("passfiles", options.passfiles, "folder for the password files");
    process::Settings& administrator = settings.subcommand(
        "add-administrator", "make an administrator and print the generated password");
    administrator.text("login", options.login, "name to sign in with");
    process::Settings& reset = settings.subcommand(
        "reset-password", "give an account a new password, print it, end its sessions");
    reset.text("login", options.login, "name to sign in with");
    process::Settings& trust = settings.subcommand(
        "trust-firmware-key", "firmware signed by this Ed25519 key may be offered to devices");
    trust.text("name", options.key_name, "name of the key");
    trust.text("key-file", options.key_file, "PEM of the public key");
    process::Settings& distrust =
        settings.subcommand("distrust-firmware-key", "what this key signs is not taken any more");
    distrust.text("name", options.key_name, "name of the key");
    settings.subcommand("catalogue", "print every kind of message with fields, units and limits");
    if (const auto exit_code = settings.parse(argc, argv)) return *exit_code;
    if (settings.chosen() == "catalogue") {
        std::cout << topics::catalogue_text();
        return 0;
    }
    options.log.program = kProgram;
    process::start_log(options.log);
    if (settings.chosen().empty()) {
        std::istringstream lines{settings.describe()};
        for (std::string line; std::getline(lines, line);) process::log::info("setting {}", line);
    }
    int exit_code = 1;
    try {
        exit_code = run(options, settings.chosen());
    } catch (const std::exception& fault) {
        process::log::error("{}", fault.what());
    }
    process::stop_log();
    return exit_code;
}
