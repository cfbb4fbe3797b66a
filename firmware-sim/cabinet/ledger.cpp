#include "firmware-sim/cabinet/ledger.hpp"

#include <cerrno>
#include <chrono>
#include <fstream>
#include <sstream>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "topics/codec.hpp"
#include "topics/time.hpp"

namespace klyuchnik::sim {
namespace {

[[noreturn]] void raise(const std::string& what) {
    throw std::system_error{errno, std::generic_category(), what};
}

std::string now_micros() {
    return std::to_string(topics::unix_micros(
        std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now())));
}

std::string or_dash(std::string_view text) {
    return text.empty() ? std::string{"-"} : std::string{text};
}

/// Key name and card of a fact, where it has them.
std::pair<std::string, std::string> concerns(const topics::FactBody& body) {
    return std::visit(
        [](const auto& fact) -> std::pair<std::string, std::string> {
            std::pair<std::string, std::string> found;
            if constexpr (requires { fact.key; }) {
                if constexpr (std::is_same_v<std::decay_t<decltype(fact.key)>, topics::KeyName>) {
                    found.first = fact.key.value;
                } else if (fact.key) {
                    found.first = fact.key->value;
                }
            }
            if constexpr (requires { fact.card; }) {
                if constexpr (std::is_same_v<std::decay_t<decltype(fact.card)>,
                                             topics::CardSerial>) {
                    found.second = fact.card.value;
                } else if (fact.card) {
                    found.second = fact.card->value;
                }
            }
            return found;
        },
        body);
}

/// Opens for appending; a line that a loss of power cut short becomes a line of its own.
int open_lines(const std::filesystem::path& path) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) raise("open " + path.string());
    struct stat status {};
    char last = '\n';
    if (::fstat(fd, &status) == 0 && status.st_size > 0 &&
        ::pread(fd, &last, 1, status.st_size - 1) == 1 && last != '\n' &&
        ::write(fd, "\n", 1) != 1) {
        raise("write " + path.string());
    }
    return fd;
}

}  // namespace

Ledger::Ledger(const std::filesystem::path& directory) {
    std::filesystem::create_directories(directory);
    const std::filesystem::path generated = directory / "generated.tsv";
    generated_ = open_lines(generated);
    actuated_ = open_lines(directory / "actuated.tsv");
    std::ifstream in{generated};
    for (std::string line; std::getline(in, line);) learn(line);
}

Ledger::~Ledger() {
    ::close(generated_);
    ::close(actuated_);
}

void Ledger::learn(const std::string& line) {
    std::istringstream in{line};
    std::vector<std::string> words;
    for (std::string word; std::getline(in, word, '\t');) words.push_back(word);
    if (words.size() == 4 && words[0] == "renumbered") {
        const std::size_t colon = words[3].find(':');
        if (colon == std::string::npos) return;
        seen_[words[1]].numbers.insert(
            FactNumber{topics::Epoch{std::atoll(words[3].substr(0, colon).c_str())},
                       topics::Sequence{std::atoll(words[3].substr(colon + 1).c_str())}});
        return;
    }
    if (words.size() != 8) return;
    const FactNumber number{topics::Epoch{std::atoll(words[1].c_str())},
                            topics::Sequence{std::atoll(words[2].c_str())}};
    note(words[0], number, words[4], words[5] == "-" ? "" : words[5],
         words[6] == "-" ? "" : words[6]);
}

void Ledger::note(const std::string& device, FactNumber number, std::string_view kind,
                  const std::string& key, const std::string& card) {
    Seen& seen = seen_[device];
    seen.numbers.insert(number);
    if (kind == topics::KeyTaken::kKind) {
        seen.keys[key] = KeyWhereabouts{true, topics::CardSerial{card}};
    } else if (kind == topics::KeyReturned::kKind) {
        seen.keys[key] = KeyWhereabouts{};
    }
}

void Ledger::write(int fd, const std::string& line) {
    std::string_view rest{line};
    while (!rest.empty()) {
        const ssize_t written = ::write(fd, rest.data(), rest.size());
        if (written < 0) {
            if (errno == EINTR) continue;
            raise("write to the ledger");
        }
        rest.remove_prefix(static_cast<std::size_t>(written));
    }
}

void Ledger::generated(const topics::DeviceId& device, FactNumber number,
                       const topics::Fact& fact) {
    const auto [key, card] = concerns(fact.body);
    std::string old = "-";
    if (fact.old) old = to_string(FactNumber{fact.old->epoch, fact.old->sequence});
    const std::string line = device.text() + "\t" + std::to_string(number.epoch.value) + "\t" +
                             std::to_string(number.sequence.value) + "\t" + old + "\t" +
                             std::string{topics::kind_of(fact.body)} + "\t" + or_dash(key) + "\t" +
                             or_dash(card) + "\t" + now_micros() + "\n";
    const std::lock_guard lock{mutex_};
    write(generated_, line);
}

void Ledger::renumbered(const topics::DeviceId& device,
                        const std::vector<std::pair<FactNumber, FactNumber>>& moved) {
    std::string lines;
    for (const auto& [from, to] : moved) {
        lines +=
            "renumbered\t" + device.text() + "\t" + to_string(from) + "\t" + to_string(to) + "\n";
    }
    const std::lock_guard lock{mutex_};
    write(generated_, lines);
}

void Ledger::dropped(const topics::DeviceId& device, const std::vector<FactNumber>& numbers) {
    std::string lines;
    for (const FactNumber number : numbers) {
        lines += "dropped\t" + device.text() + "\t" + to_string(number) + "\n";
    }
    const std::lock_guard lock{mutex_};
    write(generated_, lines);
}

void Ledger::set_aside(const topics::DeviceId& device, FactNumber number) {
    const std::lock_guard lock{mutex_};
    write(generated_, "set_aside\t" + device.text() + "\t" + to_string(number) + "\n");
}

void Ledger::actuated(const topics::DeviceId& device, topics::Slot slot, std::string_view why,
                      std::int64_t number, std::string_view key, std::string_view card) {
    const std::string line = now_micros() + "\t" + device.text() + "\t" +
                             std::to_string(slot.value) + "\t" + std::string{why} + "\t" +
                             std::to_string(number) + "\t" + or_dash(key) + "\t" + or_dash(card) +
                             "\n";
    const std::lock_guard lock{mutex_};
    write(actuated_, line);
}

void Ledger::caught_up(const topics::DeviceId& device, const Journal& journal) {
    const std::lock_guard lock{mutex_};
    Seen& seen = seen_[device.text()];
    std::string lines;
    for (const HeldFact& held : journal.held()) {
        const FactNumber number{journal.epoch(), held.sequence};
        if (seen.numbers.contains(number)) continue;
        const auto [key, card] = concerns(held.fact.body);
        const bool moved = held.made != number;
        if (moved && seen.numbers.contains(held.made)) {
            lines += "renumbered\t" + device.text() + "\t" + to_string(held.made) + "\t" +
                     to_string(number) + "\n";
            continue;
        }
        lines += device.text() + "\t" + std::to_string(number.epoch.value) + "\t" +
                 std::to_string(number.sequence.value) + "\t" +
                 (moved ? to_string(held.made) : std::string{"-"}) + "\t" +
                 std::string{topics::kind_of(held.fact.body)} + "\t" + or_dash(key) + "\t" +
                 or_dash(card) + "\t" + now_micros() + "\n";
        note(device.text(), number, topics::kind_of(held.fact.body), key, card);
    }
    write(generated_, lines);
    // From here on every line follows from the journal; a million numbers need not stay in memory.
    seen.numbers.clear();
}

std::map<std::string, KeyWhereabouts> Ledger::whereabouts(const topics::DeviceId& device) const {
    const std::lock_guard lock{mutex_};
    const auto found = seen_.find(device.text());
    return found == seen_.end() ? std::map<std::string, KeyWhereabouts>{} : found->second.keys;
}

void Ledger::sync() {
    const std::lock_guard lock{mutex_};
    if (::fdatasync(generated_) != 0 || ::fdatasync(actuated_) != 0) raise("flush the ledger");
}

}  // namespace klyuchnik::sim
