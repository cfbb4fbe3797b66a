#include "tests/support/witness/verdict.hpp"

#include <algorithm>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <stdexcept>

#include <nlohmann/json.hpp>

#include "db/access/witness_store.hpp"
#include "tests/support/witness/account.hpp"

namespace klyuchnik::witness {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

/// Prints the first few of a kind, and how many more there were.
class Examples {
 public:
    explicit Examples(std::string what) : what_{std::move(what)} {}
    ~Examples() {
        if (count_ > kExamplesMax) {
            std::cerr << what_ << ": " << count_ - kExamplesMax << " more\n";
        }
    }
    Examples(const Examples&) = delete;
    Examples& operator=(const Examples&) = delete;
    void add(const std::string& which) {
        if (++count_ <= kExamplesMax) std::cerr << what_ << ": " << which << '\n';
    }
    std::int64_t count() const { return count_; }

 private:
    std::string what_;
    std::int64_t count_ = 0;
};

std::string text_of(const json& content, const char* key) {
    const auto found = content.find(key);
    return found == content.end() ? std::string{} : found->get<std::string>();
}

/// Same kind and same card. The key is named by its tag on the wire, so the name is compared where
/// it is there.
bool says_the_same(const db::WitnessedFact& stored, const GeneratedFact& generated) {
    if (generated.set_aside) return stored.kind == "journal.bad";
    if (stored.kind != generated.kind) return false;
    const json content = json::parse(stored.content);
    const std::string key = text_of(content, "ky");
    return text_of(content, "cd") == generated.card &&
           (key.empty() || generated.key.empty() || key == generated.key);
}

}  // namespace

std::string Verdict::json() const {
    const ordered_json object{{"asked", asked},
                              {"granted", granted},
                              {"refused", refused},
                              {"taken", taken},
                              {"returned", returned},
                              {"resent", resent},
                              {"duplicates_skipped", duplicates_skipped},
                              {"lost", lost},
                              {"doubled", doubled},
                              {"double_holders", double_holders},
                              {"p50_ms", p50_ms},
                              {"p99_ms", p99_ms}};
    return object.dump();
}

Verdict judge(const std::filesystem::path& state_dir, const std::filesystem::path& report,
              db::Connection& connection) {
    Verdict verdict;
    {
        std::ifstream file{report};
        if (!file) throw std::runtime_error{"can not read " + report.string()};
        const json said = json::parse(file);
        verdict.asked = said.at("asked");
        verdict.granted = said.at("granted");
        verdict.refused = said.at("refused");
        verdict.taken = said.at("taken");
        verdict.returned = said.at("returned");
        verdict.resent = said.at("resent").get<std::int64_t>() +
                         said.at("resent_on_purpose").get<std::int64_t>();
        verdict.p50_ms = said.at("p50_ms");
        verdict.p99_ms = said.at("p99_ms");
    }
    const Account account = read_account(state_dir / "generated.tsv");
    Examples missing{"lost: generated, not stored"};
    Examples twice{"doubled: stored under two numbers"};
    Examples foreign{"doubled: stored, never generated"};
    Examples different{"lost: stored with other content"};
    Examples repeated{"doubled: an effect twice"};
    Examples ineffective{"lost: stored without its effect"};
    Examples whereabouts{"lost: a key is not where the facts say"};
    std::set<std::string> should_be_out;

    db::Tx tx{connection, db::Tx::Mode::read_only};
    for (const auto& [device, generated] : account) {
        std::map<FactNumber, db::WitnessedFact> stored;
        for (db::WitnessedFact& fact : db::witnessed_facts(tx, device)) {
            const FactNumber number{fact.epoch, fact.sequence};
            stored.emplace(number, std::move(fact));
        }
        std::int64_t takes = 0;
        std::int64_t returns = 0;
        for (const GeneratedFact& fact : generated) {
            const std::string name = device + ":" + std::to_string(fact.numbers.back().first) +
                                     ":" + std::to_string(fact.numbers.back().second);
            std::vector<FactNumber> found;
            for (const FactNumber& number : fact.numbers) {
                if (stored.contains(number)) found.push_back(number);
            }
            if (found.empty()) {
                if (!fact.dropped) missing.add(name + " " + fact.kind);
                continue;
            }
            if (found.size() > 1) twice.add(name + " " + fact.kind);
            const db::WitnessedFact& there = stored.at(found.front());
            if (!says_the_same(there, fact)) different.add(name + " " + fact.kind);
            for (const FactNumber& number : found) stored.erase(number);
            // Only facts that name a known key change where it is; the simulator's keys are all
            // known.
            if (fact.kind == "key.taken") {
                ++takes;
                should_be_out.insert(fact.key);
            } else if (fact.kind == "key.returned") {
                ++returns;
                should_be_out.erase(fact.key);
            }
        }
        for (const auto& [number, fact] : stored) {
            foreign.add(device + ":" + std::to_string(number.first) + ":" +
                        std::to_string(number.second) + " " + fact.kind);
        }
        for (const db::RepeatedEffect& one : db::repeated_effects(tx, device)) {
            repeated.add(one.source + " " + std::to_string(one.times) + " times");
        }
        const std::int64_t opened =
            db::effects(tx, device, "key_taken") + db::effects(tx, device, "loan_confirmed");
        if (opened < takes) {
            ineffective.add(device + ": " + std::to_string(takes) + " taken, " +
                            std::to_string(opened) + " loans");
        } else if (opened > takes) {
            repeated.add(device + ": " + std::to_string(takes) + " taken, " +
                         std::to_string(opened) + " loans");
        }
        // A return of a key that was in is a conflict, not an effect; the simulator never makes
        // one.
        const std::int64_t closed = db::effects(tx, device, "key_returned");
        if (closed != returns) {
            (closed < returns ? ineffective : repeated)
                .add(device + ": " + std::to_string(returns) + " returned, " +
                     std::to_string(closed) + " loans ended");
        }
    }
    const auto out = db::keys_out(tx);
    const std::set<std::string> is_out{out.begin(), out.end()};
    for (const std::string& key : should_be_out) {
        if (!is_out.contains(key)) whereabouts.add("key " + key + " should be out");
    }
    for (const std::string& key : is_out) {
        if (!should_be_out.contains(key)) whereabouts.add("key " + key + " should be in");
    }
    const db::WitnessTotals totals = db::witness_totals(tx);
    verdict.duplicates_skipped = totals.skipped;
    verdict.lost = missing.count() + different.count() + ineffective.count() + whereabouts.count() +
                   totals.dead_letters;
    verdict.doubled = twice.count() + foreign.count() + repeated.count();
    verdict.double_holders = totals.double_holders;
    if (totals.last_position != totals.positions) {
        std::cerr << "lost: the log's positions have gaps\n";
        ++verdict.lost;
    }
    return verdict;
}

}  // namespace klyuchnik::witness
