#include "handlers/keys/rules.hpp"

namespace klyuchnik::handlers::keys {

using db::ConflictWhy;
using topics::Code;
using topics::Refusal;

std::optional<Refusal> why_not_grant(const db::RequestFacts& request) {
    if (!request.person) return Refusal{Code::unknown_card, ""};
    if (!request.person->active) return Refusal{Code::inactive_person, ""};
    if (!request.key) return Refusal{Code::unknown_key, ""};
    if (!request.has_right) return Refusal{Code::no_right, ""};
    if (request.is_out) {
        const bool own = request.holder == request.person->id;
        return Refusal{own ? Code::key_held_by_self : Code::key_held_by_other, ""};
    }
    return std::nullopt;
}

std::optional<Refusal> why_not_issue(const std::optional<db::Person>& person, const db::Key* key,
                                     bool has_right, const db::Loan* open_loan) {
    if (!person) return Refusal{Code::unknown_card, ""};
    if (!person->active) return Refusal{Code::inactive_person, ""};
    if (!key) return Refusal{Code::unknown_key, ""};
    if (!has_right) return Refusal{Code::no_right, ""};
    if (open_loan) {
        const bool own = open_loan->person == person->id;
        return Refusal{own ? Code::key_held_by_self : Code::key_held_by_other, ""};
    }
    return std::nullopt;
}

std::optional<Refusal> why_not_return(const std::optional<db::Person>& person, const db::Key* key,
                                      const db::Loan* open_loan) {
    if (!person) return Refusal{Code::unknown_card, ""};
    if (!key) return Refusal{Code::unknown_key, ""};
    if (!open_loan || open_loan->person != person->id) return Refusal{Code::key_not_held, ""};
    return std::nullopt;
}

bool had_right(const std::optional<db::EndedRight>& ended, topics::Instant occurred,
               db::TimeSource source) {
    return ended && source != db::TimeSource::received && ended->granted <= occurred &&
           occurred < ended->ended;
}

Taken judge_taken(const Taker& taker, const db::Loan* open_loan) {
    Taken taken;
    if (open_loan) {
        const bool same_person = taker.person && open_loan->person == taker.person->id;
        // A cabinet whose reader saw no card has not seen another person; an unknown card is one.
        if (same_person || !taker.card_presented) {
            if (!open_loan->confirmed) {
                taken.confirm = true;
                return taken;
            }
            // The sensor saw it leave twice and come back never: the return was lost, the holder is
            // the same.
            taken.supersede = true;
            taken.open = true;
            taken.conflict = ConflictWhy::taken_again;
            return taken;
        }
        taken.supersede = true;
        taken.open = true;
        taken.conflict = ConflictWhy::taken_while_held;
        return taken;
    }
    taken.open = true;
    if (!taker.card_presented) {
        taken.conflict = ConflictWhy::taken_without_card;
    } else if (!taker.person) {
        taken.conflict = ConflictWhy::taken_by_unknown_card;
    } else if (taker.had_right) {
        // Offline it is told later: what has ended since then does not make it wrong.
        return taken;
    } else if (!taker.person->active) {
        taken.conflict = ConflictWhy::taken_by_inactive_person;
    } else if (!taker.has_right) {
        taken.conflict = ConflictWhy::taken_without_right;
    }
    return taken;
}

Returned judge_returned(const db::Loan* open_loan) {
    if (open_loan) return {true, std::nullopt};
    return {false, ConflictWhy::returned_while_in};
}

}  // namespace klyuchnik::handlers::keys
