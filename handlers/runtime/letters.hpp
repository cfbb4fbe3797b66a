#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "db/access/letters_store.hpp"
#include "handlers/runtime/work.hpp"
#include "process/clock.hpp"

namespace klyuchnik::handlers {

/// Which message was set aside, by the source of its letter.
enum class LetterOf : std::uint8_t {
    fact,   ///< "kc-hall1:3:1041"
    ask,    ///< "ask:account:3:<id>"
    state,  ///< A birth: the device says it again by itself, so there is nothing to try.
};
struct LetterSource {
    LetterOf of = LetterOf::state;
    db::FactNumber number;  ///< Of a fact.
};
/// Pure.
LetterSource parse_letter_source(const std::string& source);

/// Raises "dead_letter" about the device whose message was set aside, or about the domain that was
/// asked.
void raise_dead_letter(Work& work, std::string_view domain, const std::string& source);

/// Tries again what a person took out of the dead letters of `domain`, each in one transaction in
/// which it is claimed, applied like the message it was, and settled: the fact's outcome becomes
/// what it would have been, an ask's kept answer is replaced (nobody waits for it any more). Its
/// time is not looked at: an administrator wants it now. Who asked must still be allowed to.
///
/// Refused by the database again: the letter is open again, with the new reason. After any other
/// failure it stays as it was and the next one has its turn; when it has failed kLetterTriesMax
/// times it is open again too. Returns how many were tried, at most `letters_max`; while `tries` is
/// not empty some are to be tried again. Throws db::Fault when the connection is lost (which counts
/// as a failure: a letter that breaks it each time must not hold up the others for ever).
inline constexpr int kLetterTriesMax = 3;
struct LetterFailure {
    int times = 0;
    std::string why;
};
/// What one thread remembers of letters that failed; its own.
using LetterTries = std::map<db::LetterId, LetterFailure>;
std::size_t retry_letters(Domain& domain, db::Connection& connection, const process::Clock& clock,
                          std::size_t letters_max, std::vector<Outgoing>& out, LetterTries& tries);

}  // namespace klyuchnik::handlers
