#include "tests/support/witness/account.hpp"

#include <fstream>
#include <stdexcept>

namespace klyuchnik::witness {
namespace {

std::vector<std::string> words_of(const std::string& line) {
    std::vector<std::string> words;
    std::size_t at = 0;
    while (true) {
        const std::size_t tab = line.find('\t', at);
        words.push_back(line.substr(at, tab - at));
        if (tab == std::string::npos) return words;
        at = tab + 1;
    }
}

FactNumber number_of(const std::string& text) {
    const std::size_t colon = text.find(':');
    if (colon == std::string::npos) throw std::invalid_argument{text};
    return {std::stoll(text.substr(0, colon)), std::stoll(text.substr(colon + 1))};
}

std::string value_of(const std::string& word) {
    return word == "-" ? std::string{} : word;
}

}  // namespace

Account read_account(const std::filesystem::path& generated_tsv) {
    std::ifstream file{generated_tsv};
    if (!file) throw std::runtime_error{"can not read " + generated_tsv.string()};
    Account account;
    // Where a device's fact stands in the account, by its present number.
    std::map<std::pair<std::string, FactNumber>, std::size_t> places;
    std::string line;
    for (std::int64_t number = 1; std::getline(file, line); ++number) {
        try {
            const auto words = words_of(line);
            if (words.at(0) == "renumbered") {
                const FactNumber before = number_of(words.at(2));
                const FactNumber after = number_of(words.at(3));
                const std::size_t place = places.at({words.at(1), before});
                account.at(words.at(1)).at(place).numbers.push_back(after);
                places[{words.at(1), after}] = place;
            } else if (words.at(0) == "dropped") {
                account.at(words.at(1))
                    .at(places.at({words.at(1), number_of(words.at(2))}))
                    .dropped = true;
            } else if (words.at(0) == "set_aside") {
                account.at(words.at(1))
                    .at(places.at({words.at(1), number_of(words.at(2))}))
                    .set_aside = true;
            } else {
                GeneratedFact fact;
                const FactNumber own{std::stoll(words.at(1)), std::stoll(words.at(2))};
                if (words.at(3) != "-") fact.numbers.push_back(number_of(words.at(3)));
                fact.numbers.push_back(own);
                fact.kind = words.at(4);
                fact.key = value_of(words.at(5));
                fact.card = value_of(words.at(6));
                auto& facts = account[words.at(0)];
                for (const FactNumber& known : fact.numbers) {
                    places[{words.at(0), known}] = facts.size();
                }
                facts.push_back(std::move(fact));
            }
        } catch (const std::logic_error&) {
            throw std::runtime_error{generated_tsv.string() + " line " + std::to_string(number) +
                                     ": not a line of a simulator's account"};
        }
    }
    return account;
}

}  // namespace klyuchnik::witness
