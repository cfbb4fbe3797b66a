#include "process/settings.hpp"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <stdexcept>
#include <string_view>
#include <utility>

#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include "process/log.hpp"
#include "process/mqtt_session.hpp"

namespace klyuchnik::process {
namespace {

constexpr std::size_t kSecretMax = 4096;
constexpr std::size_t kConfigFileMax = 64 * 1024;
constexpr std::string_view kFileSuffix = "-file";

/// What a person wrote wrongly; what() says it and what to do.
class Mistake : public std::runtime_error {
 public:
    using std::runtime_error::runtime_error;
};

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view kBlank = " \t\r\n";
    const std::size_t first = text.find_first_not_of(kBlank);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

std::string environment_name(std::string_view option) {
    std::string name = "KLYUCHNIK_";
    for (const char c : option)
        name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return name;
}

std::optional<std::string> environment(const std::string& name) {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr || *value == '\0') return std::nullopt;
    return value;
}

/// The whole of a small regular file. `what` names it in the error; `check` sees the file before it
/// is read.
std::string read_file(const std::string& path, const std::string& what, std::size_t bytes_max,
                      const std::function<void(const struct stat&)>& check = {}) {
    // O_NONBLOCK, so that a FIFO is refused below instead of holding up the start.
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) throw Mistake{fmt::format("{} {}: {}", what, one_line(path), std::strerror(errno))};
    struct Closer {
        int fd;
        ~Closer() { ::close(fd); }
    } const closer{fd};

    struct stat info {};
    if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        throw Mistake{fmt::format("{} {} is not a regular file", what, one_line(path))};
    if (check) check(info);
    std::string content(bytes_max + 1, '\0');
    std::size_t size = 0;
    while (size < content.size()) {
        const ssize_t got = ::read(fd, content.data() + size, content.size() - size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0)
            throw Mistake{fmt::format("{} {}: {}", what, one_line(path), std::strerror(errno))};
        if (got == 0) break;
        size += static_cast<std::size_t>(got);
    }
    if (size > bytes_max)
        throw Mistake{fmt::format("{} {} is over {} bytes", what, one_line(path), bytes_max)};
    content.resize(size);
    return content;
}

std::string read_secret(const std::string& path) {
    std::string secret =
        read_file(path, "the secret file", kSecretMax, [&path](const struct stat& info) {
            if ((info.st_mode & S_IRWXO) != 0)
                throw Mistake{
                    fmt::format("the secret file {} can be used by every user of this machine; "
                                "run: chmod o-rwx {}",
                                one_line(path), one_line(path))};
        });
    if (secret.ends_with('\n')) secret.pop_back();
    if (secret.ends_with('\r')) secret.pop_back();
    if (secret.empty()) throw Mistake{fmt::format("the secret file {} is empty", one_line(path))};
    if (secret.find('\0') != std::string::npos)
        throw Mistake{fmt::format("the secret file {} holds a NUL byte", one_line(path))};
    return secret;
}

bool parse_bool(std::string_view text) {
    std::string lower{text};
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (lower == "true" || lower == "1" || lower == "yes" || lower == "on") return true;
    if (lower == "false" || lower == "0" || lower == "no" || lower == "off") return false;
    throw Mistake{fmt::format("\"{}\" is neither true nor false", one_line(text))};
}

std::int64_t parse_number(std::string_view text, std::int64_t min, std::int64_t max) {
    const std::string_view digits = trimmed(text);
    std::int64_t value = 0;
    const auto [rest, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    const bool whole =
        error == std::errc{} && rest == digits.data() + digits.size() && !digits.empty();
    if (!whole || value < min || value > max)
        throw Mistake{
            fmt::format("\"{}\" is not a whole number from {} to {}", one_line(text), min, max)};
    return value;
}

std::vector<std::string> parse_list(std::string_view text) {
    std::vector<std::string> items;
    if (trimmed(text).empty()) return items;
    for (;;) {
        const std::size_t comma = text.find(',');
        const std::string_view item = trimmed(text.substr(0, comma));
        if (item.empty()) throw Mistake{"an item between the commas is empty"};
        items.emplace_back(item);
        if (comma == std::string_view::npos) return items;
        text.remove_prefix(comma + 1);
    }
}

std::string joined(const std::vector<std::string>& items) {
    std::string out;
    for (const std::string& item : items) out += (out.empty() ? "" : ",") + item;
    return out;
}

/// Replaces the password in scheme://user:password@host and in password=... of a connection string.
std::string without_passwords(std::string text) {
    constexpr std::string_view kHidden = "***";
    if (const std::size_t scheme = text.find("://"); scheme != std::string::npos) {
        const std::size_t start = scheme + 3;
        const std::size_t at = text.rfind('@', text.find_first_of("/?", start));
        const std::size_t colon = text.find(':', start);
        if (at != std::string::npos && colon != std::string::npos && colon < at)
            text.replace(colon + 1, at - colon - 1, kHidden);
    }
    constexpr std::string_view kKey = "password=";
    for (std::size_t at = text.find(kKey); at != std::string::npos;
         at = text.find(kKey, at + kKey.size())) {
        const std::size_t start = at + kKey.size();
        std::size_t end = start;
        if (end < text.size() && text[end] == '\'') {
            for (++end; end < text.size() && text[end] != '\''; ++end)
                if (text[end] == '\\') ++end;
            end = std::min(end + 1, text.size());
        } else {
            end = std::min(text.find_first_of(" &", start), text.size());
        }
        text.replace(start, end - start, kHidden);
    }
    return text;
}

// --- the configuration file: the plain part of TOML
// ---------------------------------------------------------

struct FileEntry {
    std::string section;
    std::string key;
    std::string value;  // items of an array joined by commas
    int line = 0;
};

/// One value at the start of `rest`: "quoted", 'literal', or bare up to one of `stops`. Removes it
/// from `rest`.
std::string take_value(std::string_view& rest, std::string_view stops) {
    std::string value;
    const char quote = rest.empty() ? '\0' : rest.front();
    if (quote != '"' && quote != '\'') {
        const std::size_t end = std::min(rest.find_first_of(stops), rest.size());
        value = trimmed(rest.substr(0, end));
        rest.remove_prefix(end);
        return value;
    }
    for (std::size_t i = 1; i < rest.size(); ++i) {
        if (rest[i] == quote) {
            rest.remove_prefix(i + 1);
            return value;
        }
        if (quote == '"' && rest[i] == '\\') {
            if (++i == rest.size()) break;
            switch (rest[i]) {
                case 'n':
                    value += '\n';
                    break;
                case 't':
                    value += '\t';
                    break;
                case '"':
                case '\\':
                    value += rest[i];
                    break;
                default:
                    throw Mistake{
                        R"(after a backslash only n, t, " or \ may follow (use '...' for plain text))"};
            }
        } else {
            value += rest[i];
        }
    }
    throw Mistake{"the closing quote is missing"};
}

std::string take_array(std::string_view& rest) {
    std::vector<std::string> items;
    rest.remove_prefix(1);
    for (;;) {
        rest = trimmed(rest);
        if (rest.empty())
            throw Mistake{"the ] of the array is missing (an array stands on one line)"};
        if (rest.front() == ']') {
            rest.remove_prefix(1);
            return joined(items);
        }
        items.push_back(take_value(rest, ",]"));
        if (items.back().find(',') != std::string::npos)
            throw Mistake{"an item may not hold a comma"};
        rest = trimmed(rest);
        if (!rest.empty() && rest.front() == ',') rest.remove_prefix(1);
    }
}

FileEntry parse_entry(std::string_view line) {
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) throw Mistake{"expected name = value"};
    FileEntry entry;
    entry.key = trimmed(line.substr(0, equals));
    if (entry.key.empty()) throw Mistake{"expected name = value"};
    std::string_view rest = trimmed(line.substr(equals + 1));
    entry.value = !rest.empty() && rest.front() == '[' ? take_array(rest) : take_value(rest, "#");
    rest = trimmed(rest);
    if (!rest.empty() && rest.front() != '#') throw Mistake{"something stands behind the value"};
    return entry;
}

std::vector<FileEntry> parse_config(const std::string& path, std::string_view content) {
    std::vector<FileEntry> entries;
    std::string section;
    int number = 0;
    while (!content.empty()) {
        ++number;
        const std::size_t end = std::min(content.find('\n'), content.size());
        const std::string_view line = trimmed(content.substr(0, end));
        content.remove_prefix(std::min(end + 1, content.size()));
        if (line.empty() || line.front() == '#' || line.front() == ';') continue;
        try {
            if (line.front() == '[') {
                if (line.back() != ']') throw Mistake{"the ] is missing"};
                section = trimmed(line.substr(1, line.size() - 2));
                continue;
            }
            FileEntry entry = parse_entry(line);
            entry.section = section;
            entry.line = number;
            entries.push_back(std::move(entry));
        } catch (const Mistake& mistake) {
            throw Mistake{fmt::format("{}, line {}: {}", one_line(path), number, mistake.what())};
        }
    }
    return entries;
}

}  // namespace

// --- options
// --------------------------------------------------------------------------------------------------

namespace {

enum class Source { flag, environment, file, fallback };

std::string_view name_of(Source source) {
    switch (source) {
        case Source::flag:
            return "flag";
        case Source::environment:
            return "environment";
        case Source::file:
            return "file";
        case Source::fallback:
            break;
    }
    return "default";
}

struct Option {
    std::string name;
    CLI::Option* cli = nullptr;
    bool is_secret = false;
    /// Checks a value and gives what sets the target; throws Mistake. Targets change only when all
    /// is well.
    std::function<std::function<void()>(const std::string&)> read;
    std::function<std::string()> show;
    Source source = Source::fallback;
    /// For a secret: takes the value itself, from the environment.
    std::function<std::function<void()>(const std::string&)> read_direct;
};

}  // namespace

struct Settings::Impl {
    Impl(std::string name_, CLI::App& app_) : name{std::move(name_)}, app{app_} {}

    Option& add(std::string option_name, CLI::Option* cli) {
        options.push_back(std::make_unique<Option>());
        options.back()->name = std::move(option_name);
        options.back()->cli = cli;
        return *options.back();
    }

    void check_name(const std::string& option_name) const {
        const bool well_formed =
            !option_name.empty() && option_name.front() >= 'a' && option_name.front() <= 'z' &&
            std::all_of(option_name.begin(), option_name.end(), [](char c) {
                return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
            });
        if (!well_formed)
            throw std::logic_error{"\"" + option_name + "\" is no name for a setting"};
        for (const auto& option : options)
            if (option->name == option_name || option_name == "config" || option_name == "help" ||
                option_name == "version")
                throw std::logic_error{"setting " + option_name + " is declared twice"};
    }

    CLI::Option* add_cli(const std::string& option_name, const std::string& help,
                         const std::string& type, const std::string& fallback) {
        check_name(option_name);
        // The strings are read back from the parser's results; the target is set by us, after all
        // checks.
        CLI::Option* option = app.add_option_function<std::string>(
            "--" + option_name, [](const std::string&) {}, help);
        option->type_name(type)->expected(1);
        if (!fallback.empty()) option->default_str(fallback);
        return option;
    }

    const FileEntry* file_entry(const std::vector<FileEntry>& file, const std::string& key) const {
        const FileEntry* last = nullptr;
        for (const FileEntry& entry : file)
            if (entry.section == section && entry.key == key) last = &entry;
        return last;
    }

    /// Finds the source of every option by precedence and checks its value.
    void collect(const std::vector<FileEntry>& file, const std::string& file_path,
                 std::vector<std::function<void()>>& changes) {
        for (const auto& option : options) {
            const std::string variable = environment_name(option->name);
            std::string where = "--" + option->name;
            try {
                if (option->cli->count() > 0) {
                    option->source = Source::flag;
                    const auto results = option->cli->results();
                    changes.push_back(
                        option->read(results.empty() ? std::string{} : results.back()));
                } else if (const auto value = environment(variable)) {
                    where = variable;
                    option->source = Source::environment;
                    changes.push_back(option->read(*value));
                } else if (const auto direct = direct_environment(*option)) {
                    where = "the environment";
                    option->source = Source::environment;
                    changes.push_back(option->read_direct(*direct));
                } else if (const FileEntry* entry = file_entry(file, option->name)) {
                    where = fmt::format("{}, line {}, {}", one_line(file_path), entry->line,
                                        option->name);
                    option->source = Source::file;
                    changes.push_back(option->read(entry->value));
                } else {
                    option->source = Source::fallback;
                }
            } catch (const Mistake& mistake) {
                throw Mistake{where + ": " + mistake.what()};
            }
        }
    }

    static std::optional<std::string> direct_environment(const Option& option) {
        if (!option.is_secret) return std::nullopt;
        return environment(environment_name(
            std::string_view{option.name}.substr(0, option.name.size() - kFileSuffix.size())));
    }

    void refuse_unknown(const std::vector<FileEntry>& file, const std::string& file_path) const {
        for (const FileEntry& entry : file) {
            const Impl* owner = entry.section.empty() ? this : nullptr;
            for (const auto& child : children)
                if (child->impl_->section == entry.section) owner = child->impl_.get();
            const bool known =
                owner != nullptr &&
                std::any_of(owner->options.begin(), owner->options.end(),
                            [&](const auto& option) { return option->name == entry.key; });
            if (!known)
                throw Mistake{
                    fmt::format("{}, line {}: there is no setting {}{}{}; --help lists all",
                                one_line(file_path), entry.line, one_line(entry.section),
                                entry.section.empty() ? "" : ".", one_line(entry.key))};
        }
    }

    void describe(std::string& out) const {
        for (const auto& option : options)
            out += fmt::format("{}{}={} ({})\n", section.empty() ? "" : section + ".", option->name,
                               one_line(option->show()), name_of(option->source));
    }

    std::string name;
    std::unique_ptr<CLI::App> root;  // null in a subcommand
    CLI::App& app;
    std::string section;
    std::vector<std::unique_ptr<Option>> options;
    std::vector<std::unique_ptr<Settings>> children;
    std::string config_path;
    std::string chosen;
};

Settings::Settings(std::string program, std::string description) {
    auto root = std::make_unique<CLI::App>(std::move(description), program);
    impl_ = std::make_unique<Impl>(std::move(program), *root);
    impl_->root = std::move(root);
    impl_->app.set_version_flag("--version", impl_->name + " " + KLYUCHNIK_VERSION,
                                "Print the version and leave");
    impl_->app.set_help_flag("--help,-h", "Print this and leave");
    impl_->app
        .add_option("--config", impl_->config_path, "File with name = value lines (plain TOML)")
        ->type_name("FILE");
    impl_->app.require_subcommand(0, 1);
    impl_->app.footer(
        "Every option can also be set in the environment (--mqtt-host: KLYUCHNIK_MQTT_HOST) and in "
        "the file.\nA flag wins over the environment, the environment over the file.");
}

Settings::Settings(std::unique_ptr<Impl> impl) : impl_{std::move(impl)} {}
Settings::~Settings() = default;

void Settings::text(std::string name, std::string& target, std::string help) {
    Option& option =
        impl_->add(name, impl_->add_cli(name, help, "TEXT", without_passwords(target)));
    option.read = [&target](const std::string& value) {
        if (value.find('\0') != std::string::npos) throw Mistake{"a NUL byte is not text"};
        return [&target, value] { target = value; };
    };
    option.show = [&target] { return without_passwords(target); };
}

void Settings::number(std::string name, std::int64_t& target, std::int64_t min, std::int64_t max,
                      std::string help) {
    Option& option = impl_->add(
        name, impl_->add_cli(name, help, fmt::format("{}..{}", min, max), std::to_string(target)));
    option.read = [&target, min, max](const std::string& value) {
        return [&target, parsed = parse_number(value, min, max)] { target = parsed; };
    };
    option.show = [&target] { return std::to_string(target); };
}

void Settings::flag(std::string name, bool& target, std::string help) {
    impl_->check_name(name);
    // A help text that is not const would be taken for the variable to write the flag to.
    Option& option = impl_->add(name, impl_->app.add_flag("--" + name, std::as_const(help)));
    option.read = [&target](const std::string& value) {
        return [&target, parsed = parse_bool(value)] { target = parsed; };
    };
    option.show = [&target] { return target ? "true" : "false"; };
}

void Settings::list(std::string name, std::vector<std::string>& target, std::string help) {
    Option& option = impl_->add(name, impl_->add_cli(name, help, "A,B,...", joined(target)));
    option.read = [&target](const std::string& value) {
        return [&target, parsed = parse_list(value)] { target = parsed; };
    };
    option.show = [&target] { return joined(target); };
}

void Settings::secret_file(std::string name, std::string& target, std::string help) {
    if (name.size() <= kFileSuffix.size() || !name.ends_with(kFileSuffix))
        throw std::logic_error{"secret setting " + name + " must end in -file"};
    Option& option = impl_->add(name, impl_->add_cli(name, help, "FILE", ""));
    option.is_secret = true;
    option.read = [&target](const std::string& path) {
        return [&target, secret = read_secret(path)] { target = secret; };
    };
    option.read_direct = [&target](const std::string& secret) {
        if (secret.size() > kSecretMax)
            throw Mistake{fmt::format("a secret is over {} bytes", kSecretMax)};
        return [&target, secret] { target = secret; };
    };
    option.show = [&target] { return target.empty() ? "(not set)" : "(set)"; };
}

Settings& Settings::subcommand(std::string name, std::string help) {
    CLI::App* app = impl_->app.add_subcommand(name, std::move(help));
    app->fallthrough();
    auto child = std::make_unique<Impl>(impl_->name, *app);
    child->section = std::move(name);
    impl_->children.push_back(std::unique_ptr<Settings>{new Settings{std::move(child)}});
    return *impl_->children.back();
}

std::string Settings::chosen() const {
    return impl_->chosen;
}

std::optional<int> Settings::parse(int argc, char** argv) {
    constexpr int kExitMistake = 2;
    const auto refuse = [this](const std::string& what) {
        const std::string line = fmt::format("{}: {}\nRun {} --help for the settings.\n",
                                             impl_->name, what, impl_->name);
        std::fputs(line.c_str(), stderr);
        return kExitMistake;
    };
    impl_->config_path.clear();
    impl_->chosen.clear();
    try {
        impl_->app.parse(argc, argv);
    } catch (const CLI::Success& wish) {
        return impl_->app.exit(wish);
    } catch (const CLI::ParseError& error) {
        return refuse(one_line(error.what()));
    }
    try {
        std::string path = impl_->config_path;
        if (path.empty()) path = environment("KLYUCHNIK_CONFIG").value_or("");
        std::vector<FileEntry> file;
        if (!path.empty())
            file = parse_config(path, read_file(path, "the configuration file", kConfigFileMax));
        impl_->refuse_unknown(file, path);

        std::vector<std::function<void()>> changes;
        impl_->collect(file, path, changes);
        for (const auto& child : impl_->children) {
            if (!child->impl_->app.parsed()) continue;
            impl_->chosen = child->impl_->section;
            child->impl_->collect(file, path, changes);
        }
        for (const auto& change : changes) change();
    } catch (const Mistake& mistake) {
        return refuse(mistake.what());
    }
    return std::nullopt;
}

std::string Settings::describe() const {
    std::string out;
    impl_->describe(out);
    for (const auto& child : impl_->children)
        if (child->impl_->section == impl_->chosen) child->impl_->describe(out);
    return out;
}

void log_options(Settings& settings, LogSettings& log) {
    settings.flag("log-json", log.json, "Log JSON lines instead of text");
    settings.text("log-level", log.level, "debug, info, warn, error or off");
}

void mqtt_options(Settings& settings, MqttSettings& mqtt) {
    settings.text("mqtt-host", mqtt.host, "MQTT broker: name or address");
    settings.number("mqtt-port", mqtt.port, 1, 65535, "MQTT broker: TCP port");
    settings.text("mqtt-user", mqtt.user, "MQTT user name");
    settings.secret_file("mqtt-password-file", mqtt.password, "File that holds the MQTT password");
    settings.text("mqtt-ca-file", mqtt.ca_file,
                  "CA that signed the broker's certificate (PEM); empty = no TLS");
    settings.text("mqtt-client-id", mqtt.client_id, "MQTT client id; empty = the user name");
}

}  // namespace klyuchnik::process
