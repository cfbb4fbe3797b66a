// The simulator's own account of what happened, for whoever checks the server against it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "firmware-sim/device/journal.hpp"
#include "topics/facts.hpp"
#include "topics/ids.hpp"

namespace klyuchnik::sim {

/// Where a key is, as the facts written so far say.
struct KeyWhereabouts {
    bool out = false;
    topics::CardSerial card;  ///< Of the holder; empty when nobody presented one.
};

/// Two files of tab-separated lines; an absent value is `-`. In generated.tsv:
///
/// - `DEVICE EPOCH SEQ OLD KIND KEY CARD MICROS`: a fact was made. OLD: the number it was made
///   under, when that is another (only in lines that were caught up).
/// - `renumbered DEVICE FROM TO`: the same fact under a new epoch; numbers are `epoch:sequence`.
/// - `dropped DEVICE NUMBER`: given up by a full journal; the server is to know it as a gap.
/// - `set_aside DEVICE NUMBER`: journal.bad stands in its place.
///
/// In actuated.tsv, `MICROS DEVICE SLOT WHY NUMBER KEY CARD`: a lock opened. WHY is request or
/// offline (NUMBER of the question) or command (NUMBER of the command).
///
/// One fact is known by the number it was made under and by all it was renumbered to: the server
/// must have it under exactly one of them. Lines follow the order of each device's journal and
/// reach the operating system one by one, after the journal and before the fact is sent, so that a
/// killed simulator leaves a true file; sync() makes them survive lost power. A fact that was in
/// the journal and not in the file is written at the next start, never twice.
///
/// Thread-safe. Faults of the disk are thrown as std::system_error.
class Ledger {
 public:
    /// Opens or creates both files in `directory`, mends a last line cut short, and reads what was
    /// generated.
    explicit Ledger(const std::filesystem::path& directory);
    ~Ledger();
    Ledger(const Ledger&) = delete;
    Ledger& operator=(const Ledger&) = delete;

    void generated(const topics::DeviceId& device, FactNumber number, const topics::Fact& fact);
    void renumbered(const topics::DeviceId& device,
                    const std::vector<std::pair<FactNumber, FactNumber>>& moved);
    void dropped(const topics::DeviceId& device, const std::vector<FactNumber>& numbers);
    void set_aside(const topics::DeviceId& device, FactNumber number);
    void actuated(const topics::DeviceId& device, topics::Slot slot, std::string_view why,
                  std::int64_t number, std::string_view key, std::string_view card);
    /// At the opening of a device's journal: writes what is held and was not written before a kill.
    void caught_up(const topics::DeviceId& device, const Journal& journal);

    /// By device and key name, from every fact in the file. For the start, when nothing is written
    /// yet.
    std::map<std::string, KeyWhereabouts> whereabouts(const topics::DeviceId& device) const;
    void sync();

 private:
    struct Seen {
        std::set<FactNumber> numbers;
        std::map<std::string, KeyWhereabouts> keys;
    };
    void write(int fd, const std::string& line);
    void learn(const std::string& line);
    void note(const std::string& device, FactNumber number, std::string_view kind,
              const std::string& key, const std::string& card);

    mutable std::mutex mutex_;
    int generated_ = -1;
    int actuated_ = -1;
    std::map<std::string, Seen> seen_;  ///< Numbers only until caught_up(), keys always.
};

}  // namespace klyuchnik::sim
