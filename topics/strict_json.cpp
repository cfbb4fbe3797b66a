#include "topics/strict_json.hpp"

#include <string>
#include <string_view>
#include <vector>

#include "topics/limits.hpp"

namespace klyuchnik::topics {
namespace {

using nlohmann::json;

/// Keys in a path come from outside; with the longest reason the whole still fits a note.
constexpr std::size_t kPathCharsMax = 80;

/// What goes into an error text is ASCII, whatever was sent.
std::string printable(std::string_view text) {
    std::string out{text};
    for (char& c : out) {
        if (c < 0x20 || c > 0x7E) c = '?';
    }
    return out;
}

std::string cut(std::string text, std::size_t chars) {
    if (text.size() > chars) text = text.substr(0, chars - 3) + "...";
    return text;
}

/// Builds the document while the parser reads, and stops it at the first thing that is not allowed:
/// a hostile document costs no more than the part of it before its first fault.
class StrictBuilder final : public nlohmann::json_sax<json> {
 public:
    json take() { return std::move(root_); }
    Malformed fault() { return std::move(fault_); }

    bool null() override { return add(json(nullptr)); }
    bool boolean(bool value) override { return add(json(value)); }
    bool number_integer(number_integer_t value) override { return add(json(value)); }
    bool number_unsigned(number_unsigned_t value) override { return add(json(value)); }
    bool number_float(number_float_t value, const string_t& text) override {
        if (text.find_first_of(".eE") == std::string::npos) {
            return stop("expected an integer below 2^53, got " + cut(text, 30));
        }
        return add(json(value));
    }
    bool string(string_t& value) override {
        // Refused here and not only in known fields: PostgreSQL can not store it, neither as text
        // nor in a jsonb, so one NUL in a kind nobody knows yet would fail a whole batch.
        if (value.find('\0') != std::string::npos) return stop("expected a text without NUL");
        return add(json(std::move(value)));
    }
    bool binary(binary_t&) override { return stop("unexpected binary value"); }

    bool start_object(std::size_t) override { return open(json::object()); }
    bool start_array(std::size_t) override { return open(json::array()); }
    bool end_object() override { return close(); }
    bool end_array() override { return close(); }
    bool key(string_t& name) override {
        Level& level = open_.back();
        const auto [member, fresh] = level.container->emplace(name, nullptr);
        level.key = &member.key();
        pending_ = &member.value();
        if (!fresh) return stop("duplicate key");
        if (name.find('\0') != std::string::npos) return stop("expected a key without NUL");
        if (++keys_ > limits::kJsonKeysMax) {
            return stop("expected at most " + std::to_string(limits::kJsonKeysMax) +
                        " keys in the whole payload");
        }
        return true;
    }
    bool parse_error(std::size_t position, const std::string& token,
                     const nlohmann::detail::exception& error) override {
        constexpr int kNumberOverflow = 406;
        if (error.id == kNumberOverflow) {
            return stop("expected a number that a double can hold, got " + cut(token, 30));
        }
        // The library's text quotes the input; only the part that says what was expected is kept.
        // The byte says more than the path would: the fault may be in a key or between two members.
        std::string_view what = error.what();
        const std::size_t reason = what.find("syntax error");
        what = reason == std::string_view::npos ? "syntax error" : what.substr(reason);
        what = what.substr(0, what.find("; last read"));
        if (fault_.why.empty()) {
            fault_.why = "not JSON at byte " + std::to_string(position) + " (" +
                         cut(printable(what), 150) + ")";
        }
        return false;
    }

 private:
    struct Level {
        json* container;
        const std::string* key = nullptr;  ///< The member being read; owned by the container.
    };

    bool stop(std::string why) {
        if (fault_.why.empty()) fault_ = Malformed{cut(path(), kPathCharsMax), std::move(why)};
        return false;
    }
    std::string path() const {
        std::string text;
        for (const Level& level : open_) {
            if (level.container->is_array()) {
                // An element that is itself open has been placed already, any other has not.
                const bool innermost = &level == &open_.back();
                text += "[" + std::to_string(level.container->size() - (innermost ? 0 : 1)) + "]";
            } else if (level.key) {
                if (!text.empty()) text += '.';
                text += cut(printable(*level.key), kPathCharsMax / 2);
            }
        }
        return text;
    }
    json* place(json&& value) {
        if (open_.empty()) {
            root_ = std::move(value);
            return &root_;
        }
        json& container = *open_.back().container;
        if (container.is_array()) {
            container.push_back(std::move(value));
            return &container.back();
        }
        *pending_ = std::move(value);
        return pending_;
    }
    bool add(json&& value) {
        place(std::move(value));
        return true;
    }
    bool open(json&& value) {
        if (open_.size() >= static_cast<std::size_t>(limits::kJsonDepthMax)) {
            return stop("expected objects and lists nested at most " +
                        std::to_string(limits::kJsonDepthMax) + " deep");
        }
        open_.push_back({place(std::move(value))});
        return true;
    }
    bool close() {
        open_.pop_back();
        return true;
    }

    json root_;
    // Pointers into containers stay valid here: an element is only appended to the innermost open
    // container, whose own address was taken after it was placed.
    std::vector<Level> open_;
    json* pending_ = nullptr;
    std::size_t keys_ = 0;
    Malformed fault_;
};

}  // namespace

Decoded<json> parse_strict(std::string_view payload) {
    if (payload.empty()) return Malformed{"", "expected a JSON object, got nothing"};
    if (payload.size() > limits::kPayloadBytesMax) {
        return Malformed{"", "expected at most " + std::to_string(limits::kPayloadBytesMax) +
                                 " bytes, got " + std::to_string(payload.size())};
    }
    if (payload.starts_with("\xEF\xBB\xBF")) {
        return Malformed{"", "expected JSON without a byte order mark"};
    }
    // The library takes a NUL for the end of its input and would ignore what follows it.
    if (const std::size_t nul = payload.find('\0'); nul != std::string_view::npos) {
        return Malformed{"", "not JSON at byte " + std::to_string(nul + 1) + " (a NUL)"};
    }
    StrictBuilder builder;
    const bool complete =
        json::sax_parse(payload.begin(), payload.end(), &builder, json::input_format_t::json, true);
    if (!complete) return builder.fault();
    return builder.take();
}

}  // namespace klyuchnik::topics
