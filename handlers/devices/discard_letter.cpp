// What was set aside is given up, for a reason. It is kept as long as facts are.
//
//   in      ask devices.discard_letter   refusable, expires
//   writes  runtime.dead_letters         dead_letters_discarded_have_a_reason
//   event   devices.letter_discarded
//   answer  {} | unknown_letter | not_open

#include "db/access/letters_store.hpp"
#include "handlers/devices/commands.hpp"
#include "handlers/runtime/alarms.hpp"

namespace klyuchnik::handlers::devices {

using namespace topics;

AskOutcome discard_letter(const AskItem& item, const DiscardLetter& ask, Work& work, db::Tx& tx) {
    const auto letter = db::lock_letter(tx, ask.letter);
    if (!letter) return Refusal{Code::unknown_letter, ""};
    if (letter->state != db::LetterState::open) {
        return Refusal{Code::not_open, std::string{db::name_of(letter->state)}};
    }
    db::change_letter(tx, ask.letter, db::LetterState::discarded, item.ask.by.account, ask.reason,
                      work.now);
    work.log(item, "devices", "letter_discarded", subject_of(ask.letter)).ids.letter = ask.letter;
    return AskResult{};
}

}  // namespace klyuchnik::handlers::devices
