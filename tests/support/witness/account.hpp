#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace klyuchnik::witness {

using FactNumber = std::pair<std::int64_t, std::int64_t>;  ///< epoch, sequence

/// One fact that a simulated device wrote into its journal.
struct GeneratedFact {
    std::vector<FactNumber>
        numbers;  ///< The one it was made under, and those it was moved to since.
    std::string kind;
    std::string key;         ///< Name; empty = none.
    std::string card;        ///< Serial; empty = none.
    bool dropped = false;    ///< Given up by a full journal: a gap is expected instead.
    bool set_aside = false;  ///< A journal.bad stands in its place.
};

/// What the simulator says of its devices: generated.tsv of its state folder.
using Account = std::map<std::string, std::vector<GeneratedFact>>;

/// Throws std::runtime_error naming the line that can not be read.
Account read_account(const std::filesystem::path& generated_tsv);

}  // namespace klyuchnik::witness
