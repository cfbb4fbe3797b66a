#include "firmware-sim/cabinet/world.hpp"

#include <charconv>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "topics/limits.hpp"

namespace klyuchnik::sim {
namespace {

std::vector<std::string> split(const std::string& line, char separator) {
    std::vector<std::string> words;
    std::istringstream in{line};
    for (std::string word; std::getline(in, word, separator);) {
        if (!word.empty()) words.push_back(word);
    }
    return words;
}

template <class Take>
void each_line(const std::filesystem::path& file, Take take) {
    std::ifstream in{file};
    if (!in) throw std::runtime_error{"cannot read " + file.string()};
    int number = 0;
    for (std::string line; std::getline(in, line);) {
        ++number;
        if (!line.empty() && line.back() == '\r') line.pop_back();
        if (line.empty() || line.front() == '#') continue;
        const char separator = line.find('\t') == std::string::npos ? ' ' : '\t';
        if (const std::string wrong = take(split(line, separator)); !wrong.empty()) {
            throw std::runtime_error{file.string() + ":" + std::to_string(number) + ": " + wrong};
        }
    }
}

}  // namespace

bool CardRights::allows(const topics::CardSerial& card, const topics::KeyName& key) const {
    const auto found = rights_.find(card);
    return found != rights_.end() && found->second.contains(key);
}

World read_world(const std::filesystem::path& file) {
    World world;
    each_line(file, [&](const std::vector<std::string>& words) -> std::string {
        if (words[0] == "key") {
            if (words.size() != 5) return "expected: key CABINET SLOT NAME TAG";
            if (!topics::DeviceId::parse(words[1])) return "not a device id: " + words[1];
            CabinetKey key;
            const auto [end, error] =
                std::from_chars(words[2].data(), words[2].data() + words[2].size(), key.slot.value);
            if (error != std::errc{} || end != words[2].data() + words[2].size() ||
                key.slot.value < 1 || key.slot.value > topics::limits::kSlotMax) {
                return "not a slot number: " + words[2];
            }
            key.name.value = words[3];
            key.tag.value = words[4];
            world.keys[words[1]].push_back(std::move(key));
            return {};
        }
        if (words[0] == "card") {
            if (words.size() < 2 || words.size() > 3) return "expected: card SERIAL KEY,KEY,...";
            const topics::CardSerial card{words[1]};
            if (words.size() == 2) {
                world.rights.allow(card, topics::KeyName{""});
                return {};
            }
            for (const std::string& key : split(words[2], ',')) {
                world.rights.allow(card, topics::KeyName{key});
            }
            return {};
        }
        return "expected a line that begins with key or card";
    });
    return world;
}

std::vector<DeviceSecret> read_devices(const std::filesystem::path& file) {
    std::vector<DeviceSecret> devices;
    each_line(file, [&](const std::vector<std::string>& words) -> std::string {
        if (words.size() != 2) return "expected: ID SECRET";
        const auto id = topics::DeviceId::parse(words[0]);
        if (!id) return "not a device id: " + words[0];
        devices.push_back(DeviceSecret{*id, words[1]});
        return {};
    });
    return devices;
}

}  // namespace klyuchnik::sim
