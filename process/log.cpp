#include "process/log.hpp"

#include <array>
#include <atomic>
#include <ctime>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <unordered_map>
#include <utility>

#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <unistd.h>

namespace klyuchnik::process {
namespace {

using log::Level;
using WallClock = std::chrono::system_clock;

constexpr int kLevelOff = 4;

struct Rune {
    char32_t code = 0;
    std::size_t bytes = 1;
    bool valid = false;
};

/// The UTF-8 sequence at the start of `text`, which is not empty. Overlong forms, surrogates and
/// codes above U+10FFFF are invalid, and an invalid sequence is one byte long.
Rune first_rune(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char lead = byte(0);
    if (lead < 0x80) return {lead, 1, true};
    std::size_t bytes = 0;
    char32_t code = 0;
    char32_t least = 0;
    if ((lead & 0xE0U) == 0xC0U) {
        bytes = 2, code = lead & 0x1FU, least = 0x80;
    } else if ((lead & 0xF0U) == 0xE0U) {
        bytes = 3, code = lead & 0x0FU, least = 0x800;
    } else if ((lead & 0xF8U) == 0xF0U) {
        bytes = 4, code = lead & 0x07U, least = 0x10000;
    } else {
        return {};
    }
    if (text.size() < bytes) return {};
    for (std::size_t i = 1; i < bytes; ++i) {
        if ((byte(i) & 0xC0U) != 0x80U) return {};
        code = (code << 6U) | (byte(i) & 0x3FU);
    }
    if (code < least || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return {};
    return {code, bytes, true};
}

/// What could end a line, move a terminal's cursor or turn the reading direction.
bool is_harmful(char32_t code) {
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || (code >= 0x2028 && code <= 0x202E) ||
           (code >= 0x2066 && code <= 0x2069) || code == 0xFEFF;
}

template <class Out>
void append_text(Out& out, std::string_view text) {
    while (!text.empty()) {
        const Rune rune = first_rune(text);
        const auto at = std::back_inserter(out);
        if (!rune.valid)
            fmt::format_to(at, "\\x{:02x}", static_cast<unsigned char>(text[0]));
        else if (!is_harmful(rune.code))
            out.append(text.data(), text.data() + rune.bytes);
        else if (rune.code == '\n')
            fmt::format_to(at, "\\n");
        else if (rune.code == '\r')
            fmt::format_to(at, "\\r");
        else if (rune.code == '\t')
            fmt::format_to(at, "\\t");
        else if (rune.code < 0x100)
            fmt::format_to(at, "\\x{:02x}", static_cast<std::uint32_t>(rune.code));
        else
            fmt::format_to(at, "\\u{:04x}", static_cast<std::uint32_t>(rune.code));
        text.remove_prefix(rune.bytes);
    }
}

template <class Out>
void append_json_string(Out& out, std::string_view text) {
    const auto at = std::back_inserter(out);
    fmt::format_to(at, "\"");
    while (!text.empty()) {
        const Rune rune = first_rune(text);
        if (!rune.valid)
            fmt::format_to(at, "\\ufffd");
        else if (rune.code == '"' || rune.code == '\\')
            fmt::format_to(at, "\\{}", static_cast<char>(rune.code));
        else if (is_harmful(rune.code))
            fmt::format_to(at, "\\u{:04x}", static_cast<std::uint32_t>(rune.code));
        else
            out.append(text.data(), text.data() + rune.bytes);
        text.remove_prefix(rune.bytes);
    }
    fmt::format_to(at, "\"");
}

struct Form {
    bool json = false;
    std::string program;
};

std::string_view name_of(spdlog::level::level_enum level) {
    switch (level) {
        case spdlog::level::debug:
            return "debug";
        case spdlog::level::warn:
            return "warn";
        case spdlog::level::err:
            return "error";
        default:
            return "info";
    }
}

template <class Out>
void append_line(Out& out, const Form& form, spdlog::level::level_enum level,
                 WallClock::time_point time, std::string_view message) {
    const auto ms = std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch());
    const auto seconds = std::chrono::floor<std::chrono::seconds>(ms);
    const std::time_t unix_seconds = seconds.count();
    std::tm utc{};
    ::gmtime_r(&unix_seconds, &utc);
    const std::string when =
        fmt::format("{:04}-{:02}-{:02}{}{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900,
                    utc.tm_mon + 1, utc.tm_mday, form.json ? 'T' : ' ', utc.tm_hour, utc.tm_min,
                    utc.tm_sec, (ms - seconds).count());
    const auto at = std::back_inserter(out);
    if (form.json) {
        fmt::format_to(at, R"({{"time":"{}","level":"{}","program":)", when, name_of(level));
        append_json_string(out, form.program);
        fmt::format_to(at, R"(,"message":)");
        append_json_string(out, message);
        fmt::format_to(at, "}}\n");
    } else {
        fmt::format_to(at, "{} {:<5} ", when, name_of(level));
        if (!form.program.empty()) fmt::format_to(at, "{}: ", form.program);
        append_text(out, message);
        fmt::format_to(at, "\n");
    }
}

/// spdlog's patterns cannot escape, and JSON needs it; so the whole line is made here.
class LineFormatter final : public spdlog::formatter {
 public:
    LineFormatter(Form form, spdlog::details::thread_pool& pool)
        : form_{std::move(form)}, pool_{pool} {}

    void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
        const std::size_t lost = pool_.overrun_counter();
        if (lost != lost_reported_) {
            append_line(out, form_, spdlog::level::warn, message.time,
                        fmt::format("{} log lines lost: they came faster than stderr took them",
                                    lost - lost_reported_));
            lost_reported_ = lost;
        }
        append_line(out, form_, message.level, message.time,
                    std::string_view{message.payload.data(), message.payload.size()});
    }

    std::unique_ptr<spdlog::formatter> clone() const override {
        return std::make_unique<LineFormatter>(form_, pool_);
    }

 private:
    Form form_;
    spdlog::details::thread_pool& pool_;  // the formatter runs on this pool's thread only
    std::size_t lost_reported_ = 0;
};

/// A running log. The last holder ends the writing thread, after what waits is written.
struct Running {
    std::shared_ptr<spdlog::logger> logger;
    std::shared_ptr<spdlog::details::thread_pool>
        pool;  // goes first, and with it the thread that uses the logger
};

std::mutex running_mutex;
std::shared_ptr<Running> running;
std::uint64_t lost_before = 0;
std::atomic<int> least_level{static_cast<int>(Level::info)};

std::shared_ptr<Running> current() {
    const std::lock_guard lock{running_mutex};
    return running;
}

spdlog::level::level_enum spdlog_level(Level level) {
    static constexpr std::array kLevels{spdlog::level::debug, spdlog::level::info,
                                        spdlog::level::warn, spdlog::level::err};
    return kLevels.at(static_cast<std::size_t>(level));
}

int parse_level(std::string_view name) {
    static constexpr std::array<std::string_view, 5> kNames{"debug", "info", "warn", "error",
                                                            "off"};
    for (std::size_t i = 0; i < kNames.size(); ++i)
        if (kNames.at(i) == name) return static_cast<int>(i);
    throw std::invalid_argument{"log level \"" + one_line(name) +
                                "\" is not one of debug, info, warn, error, off"};
}

void cut(fmt::memory_buffer& message) {
    if (message.size() <= kLogMessageMax) return;
    const std::size_t missing = message.size() - kLogMessageMax;
    message.resize(kLogMessageMax);
    fmt::format_to(std::back_inserter(message), "... ({} bytes more)", missing);
}

void emit(Level level, const fmt::memory_buffer& message) {
    const std::string_view text{message.data(), message.size()};
    if (const auto active = current()) {
        active->logger->log(spdlog_level(level), spdlog::string_view_t{text.data(), text.size()});
        return;
    }
    fmt::memory_buffer line;
    append_line(line, Form{}, spdlog_level(level), WallClock::now(), text);
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

struct RateKey {
    std::chrono::steady_clock::time_point next;
    std::int64_t held_back = 0;
};

std::mutex rate_mutex;
std::unordered_map<std::string, RateKey>& rate_keys() {
    static std::unordered_map<std::string, RateKey> keys;
    return keys;
}

/// Stands for every key that finds the table full.
constexpr std::string_view kSharedKey = "";

}  // namespace

void start_log(const LogSettings& settings) {
    const int level = parse_level(settings.level);
    auto fresh = std::make_shared<Running>();
    fresh->pool = std::make_shared<spdlog::details::thread_pool>(kLogQueueMax, 1);
    auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    fresh->logger = std::make_shared<spdlog::async_logger>(
        "klyuchnik", std::move(sink), fresh->pool, spdlog::async_overflow_policy::overrun_oldest);
    fresh->logger->set_level(spdlog::level::debug);
    fresh->logger->set_formatter(std::make_unique<LineFormatter>(
        Form{settings.json, one_line(settings.program)}, *fresh->pool));
    // A terminal that has gone away must not make the library print about it once a second.
    fresh->logger->set_error_handler([](const std::string&) {});
    stop_log();
    const std::lock_guard lock{running_mutex};
    running = std::move(fresh);
    least_level.store(level, std::memory_order_relaxed);
}

void stop_log() {
    std::shared_ptr<Running> ending;
    {
        const std::lock_guard lock{running_mutex};
        ending = std::move(running);
        running.reset();
        if (ending) lost_before += ending->pool->overrun_counter();
    }
}

std::uint64_t log_lines_lost() {
    const std::lock_guard lock{running_mutex};
    return lost_before + (running ? running->pool->overrun_counter() : 0);
}

std::string one_line(std::string_view untrusted) {
    std::string out;
    out.reserve(untrusted.size());
    append_text(out, untrusted);
    return out;
}

namespace log {

bool enabled(Level level) noexcept {
    const int least = least_level.load(std::memory_order_relaxed);
    return least < kLevelOff && static_cast<int>(level) >= least;
}

namespace detail {

void write(Level level, fmt::string_view format, fmt::format_args args) noexcept {
    try {
        fmt::memory_buffer message;
        fmt::vformat_to(std::back_inserter(message), format, args);
        cut(message);
        emit(level, message);
    } catch (...) {
        // A log line that cannot be made (out of memory, a formatter that throws) must not stop the
        // work.
    }
}

std::int64_t admit(std::string_view key, std::chrono::milliseconds interval) noexcept {
    try {
        const auto now = std::chrono::steady_clock::now();
        const std::lock_guard lock{rate_mutex};
        auto& keys = rate_keys();
        auto found = keys.find(std::string{key});
        if (found == keys.end()) {
            // One place stays free for the shared key.
            if (keys.size() >= kWarnKeysMax - 1)
                std::erase_if(keys, [now](const auto& entry) {
                    return entry.second.next <= now && entry.second.held_back == 0;
                });
            if (keys.size() >= kWarnKeysMax - 1) key = kSharedKey;
            found = keys.try_emplace(std::string{key}).first;
        }
        RateKey& rate = found->second;
        if (now < rate.next) {
            ++rate.held_back;
            return -1;
        }
        rate.next = now + interval;
        return std::exchange(rate.held_back, 0);
    } catch (...) {
        return -1;
    }
}

void write_admitted(std::int64_t held_back, fmt::string_view format,
                    fmt::format_args args) noexcept {
    try {
        fmt::memory_buffer message;
        fmt::vformat_to(std::back_inserter(message), format, args);
        cut(message);
        if (held_back > 0)
            fmt::format_to(std::back_inserter(message), " ({} more like this held back)",
                           held_back);
        emit(Level::warn, message);
    } catch (...) {
        // As in write().
    }
}

}  // namespace detail
}  // namespace log
}  // namespace klyuchnik::process
