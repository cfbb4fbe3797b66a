#include "topics/names.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace klyuchnik::topics {
namespace {

constexpr std::string_view kRoot = "kl/v1/";

struct LevelName {
    Level level;
    std::string_view name;
};
constexpr std::array kLevels{
    LevelName{Level::facts, "up/ev"},      LevelName{Level::request, "up/rq"},
    LevelName{Level::telemetry, "up/tm"},  LevelName{Level::chunk_up, "up/ch"},
    LevelName{Level::state, "st"},         LevelName{Level::ack, "dn/ak"},
    LevelName{Level::answer, "dn/re"},     LevelName{Level::command, "dn/cm"},
    LevelName{Level::chunk_down, "dn/ch"},
};

std::string_view level_name(Level level) {
    return std::ranges::find(kLevels, level, &LevelName::level)->name;
}

template <class... Parts>
std::string joined(const Parts&... parts) {
    std::string text{kRoot};
    (text.append(parts), ...);
    return text;
}

std::vector<std::string_view> levels_of(std::string_view topic) {
    std::vector<std::string_view> levels;
    while (true) {
        const std::size_t slash = topic.find('/');
        levels.push_back(topic.substr(0, slash));
        if (slash == std::string_view::npos) return levels;
        topic.remove_prefix(slash + 1);
    }
}

bool is_word(std::string_view text) {
    return !text.empty() && text.size() <= 48 && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
    });
}

}  // namespace

std::string device_topic(const DeviceId& device, Level level) {
    return joined(device.cls(), "/", device.text(), "/", level_name(level));
}
std::string device_filter(const DeviceId& device) {
    return joined(device.cls(), "/", device.text(), "/dn/+");
}
std::string ask_topic(std::string_view domain, std::string_view name, std::string_view client) {
    return joined("ask/", domain, "/", name, "/", client);
}
std::string ask_answer_topic(std::string_view client) {
    return joined("re/", client);
}
std::string event_topic(std::string_view domain, std::string_view type) {
    return joined("ev/", domain, "/", type);
}
std::string presence_topic(std::string_view program, std::string_view instance) {
    return joined("sys/", program, "/", instance);
}

std::string shared_device_filter(std::string_view share, std::string_view loop,
                                 std::string_view cls, Level level) {
    return "$share/" + std::string{loop} + "-" + std::string{share} + "/" +
           joined(cls, "/+/", level_name(level));
}
std::string shared_ask_filter(std::string_view share, std::string_view domain) {
    return "$share/" + std::string{domain} + "-" + std::string{share} + "/" +
           joined("ask/", domain, "/+/+");
}
std::string all_states_filter() {
    return joined("+/+/st");
}
std::string all_events_filter() {
    return joined("ev/#");
}

bool is_client_name(std::string_view text) {
    const std::size_t dash = text.find('-');
    if (dash == std::string_view::npos || dash == 0 || dash > 16) return false;
    const std::string_view kind = text.substr(0, dash);
    const std::string_view rest = text.substr(dash + 1);
    if (rest.empty() || rest.size() > 32) return false;
    return std::ranges::all_of(kind, [](char c) { return c >= 'a' && c <= 'z'; }) &&
           std::ranges::all_of(rest, [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
           });
}

ParsedTopic parse_topic(std::string_view topic) {
    if (!topic.starts_with(kRoot)) return ForeignTopic{};
    topic.remove_prefix(kRoot.size());
    const auto levels = levels_of(topic);
    if (levels[0] == "ask" && levels.size() == 4) {
        if (!is_word(levels[1]) || !is_word(levels[2]) || !is_client_name(levels[3])) {
            return ForeignTopic{};
        }
        return AskTopic{std::string{levels[1]}, std::string{levels[2]}, std::string{levels[3]}};
    }
    if (levels[0] == "re" && levels.size() == 2 && is_client_name(levels[1])) {
        return AskAnswerTopic{std::string{levels[1]}};
    }
    if (levels[0] == "ev" && levels.size() == 3 && is_word(levels[1]) && is_word(levels[2])) {
        return EventTopic{std::string{levels[1]}, std::string{levels[2]}};
    }
    if (levels.size() < 3) return ForeignTopic{};
    if (levels[0] == "sys" && levels[1] == "guard" && levels.size() == 3 && is_word(levels[2])) {
        return GuardTopic{std::string{levels[2]}};
    }
    const auto device = DeviceId::parse(levels[1]);
    if (!device || device->cls() != levels[0]) return ForeignTopic{};
    const std::string_view rest = topic.substr(levels[0].size() + levels[1].size() + 2);
    const auto level = std::ranges::find(kLevels, rest, &LevelName::name);
    if (level == kLevels.end()) return ForeignTopic{};
    return DeviceTopic{*device, level->level};
}

}  // namespace klyuchnik::topics
