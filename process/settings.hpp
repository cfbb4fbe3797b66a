// Settings of a program: flags, environment, one file, with one precedence and one set of checks.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace klyuchnik::process {

struct LogSettings;
struct MqttSettings;

/// Declares what may be set, and reads it.
///
///     Settings settings{"klyuchnik-bridge", "HTTP in front of the handlers"};
///     settings.text("http-host", options.host, "Address to listen on");
///     if (const auto exit_code = settings.parse(argc, argv)) return *exit_code;
///
/// Precedence: flag > environment > file (--config FILE or KLYUCHNIK_CONFIG; TOML or INI) > the
/// value that the target held. The same checks apply to all sources, and an error names the source.
/// The option `mqtt-host` is
/// --mqtt-host, KLYUCHNIK_MQTT_HOST and the key `mqtt-host` in the file. An environment variable
/// that is set but empty counts as not set. An unknown flag or key in the file is an error; unknown
/// KLYUCHNIK_ variables are not, because several programs share an environment.
///
/// Targets must outlive the Settings; they are written by parse() only. Not thread-safe: for the
/// start of main(). Declaring the same name twice, or a name that is not [a-z][a-z0-9-]*, throws
/// std::logic_error.
class Settings {
 public:
    Settings(std::string program, std::string description);
    ~Settings();
    Settings(const Settings&) = delete;
    Settings& operator=(const Settings&) = delete;

    void text(std::string name, std::string& target, std::string help);

    /// A whole number from `min` to `max`; say the unit in `help`.
    void number(std::string name, std::int64_t& target, std::int64_t min, std::int64_t max,
                std::string help);

    /// --name or --name=false; elsewhere true/false, 1/0, yes/no, on/off.
    void flag(std::string name, bool& target, std::string help);

    /// Comma separated, spaces around items dropped, empty items refused; in a file also a TOML
    /// array.
    void list(std::string name, std::vector<std::string>& target, std::string help);

    /// A secret never stands on a command line, where every user of the machine can read it. `name`
    /// ends in "-file" and names a file: its content, without one trailing newline, goes to
    /// `target`. Or the environment gives the secret itself, in KLYUCHNIK_<NAME without -file>.
    /// Refused, with what to do: a file that others may access (chmod o-rwx), that is not a regular
    /// file, empty, over 4096 bytes, or holds a NUL. Never printed.
    void secret_file(std::string name, std::string& target, std::string help);

    /// A subcommand, with options of its own (in the file: a section of its name). Options of the
    /// program are accepted behind it too. The reference lives as long as this object. At most one
    /// subcommand can be given.
    Settings& subcommand(std::string name, std::string help);

    /// The subcommand that was given, "" when none.
    std::string chosen() const;

    /// Reads everything. nullopt = go on. Otherwise the program's exit code: 0 after --help or
    /// --version (printed on stdout), 2 after an error; what was wrong and what to do is on stderr
    /// then, and no target was changed.
    std::optional<int> parse(int argc, char** argv);

    /// `name=value (source)` lines, for the log at the start; options of a subcommand that was not
    /// given are left out. Secrets appear as (set) or (not set), passwords inside of URLs and
    /// connection strings as ***.
    std::string describe() const;

 private:
    struct Impl;
    explicit Settings(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

/// --log-json, --log-level.
void log_options(Settings& settings, LogSettings& log);

/// --mqtt-host, --mqtt-port, --mqtt-user, --mqtt-password-file, --mqtt-ca-file, --mqtt-client-id.
void mqtt_options(Settings& settings, MqttSettings& mqtt);

}  // namespace klyuchnik::process
