// What was set aside is to be tried again, by the domain that set it aside.
//
//   in      ask devices.retry_letter     refusable, expires
//   writes  runtime.dead_letters         retrying; TimedWork of that domain takes it
//   event   devices.letter_retried, later devices.letter_applied or devices.letter_failed
//   answer  {} | unknown_letter | not_open | invalid

#include "db/access/letters_store.hpp"
#include "handlers/devices/commands.hpp"
#include "handlers/runtime/alarms.hpp"
#include "handlers/runtime/letters.hpp"

namespace klyuchnik::handlers::devices {

using namespace topics;

AskOutcome retry_letter(const AskItem& item, const RetryLetter& ask, Work& work, db::Tx& tx) {
    const auto letter = db::lock_letter(tx, ask.letter);
    if (!letter) return Refusal{Code::unknown_letter, ""};
    if (letter->state != db::LetterState::open) {
        return Refusal{Code::not_open, std::string{db::name_of(letter->state)}};
    }
    if (parse_letter_source(letter->source).of == LetterOf::state) {
        return Refusal{Code::invalid, "a birth is said again by the device itself"};
    }
    db::change_letter(tx, ask.letter, db::LetterState::retrying, item.ask.by.account, std::nullopt,
                      work.now);
    work.log(item, "devices", "letter_retried", subject_of(ask.letter)).ids.letter = ask.letter;
    return AskResult{};
}

}  // namespace klyuchnik::handlers::devices
