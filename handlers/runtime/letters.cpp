#include "handlers/runtime/letters.hpp"

#include <charconv>
#include <optional>
#include <utility>

#include "db/access/fault.hpp"
#include "handlers/runtime/alarms.hpp"
#include "handlers/runtime/inbox_stage.hpp"
#include "handlers/runtime/journal_stage.hpp"
#include "process/log.hpp"
#include "topics/codec.hpp"

namespace klyuchnik::handlers {

using namespace topics;

namespace {

constexpr std::string_view kAskPrefix = "ask:";

std::optional<std::int64_t> number_of(std::string_view text) {
    std::int64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc{} || at != end) return std::nullopt;
    return number;
}

/// What became of a letter that could be tried: a word for its event, or why it can not be.
struct Tried {
    std::string word;
    std::optional<std::string> failed;
};

Tried try_fact(const db::Letter& letter, const db::FactNumber& number, Domain& domain, Work& work,
               db::Tx& tx) {
    const auto row = db::stored_fact(tx, number);
    if (!row || row->outcome != db::Outcome::set_aside) {
        return {"", "the fact is not stored any more, or has been applied already"};
    }
    auto body = decode_fact_body(row->kind, row->content);
    if (!body) return {"", "the fact can not be read: " + body.error().text()};
    FactItem item;
    item.number = number;
    item.first = {number.device, row->first_epoch, row->first_sequence};
    item.fact.kind = row->kind;
    item.fact.body = std::move(*body);
    item.fact.content = row->content;
    item.fact.digest = row->digest;
    item.occurred = row->occurred;
    item.time_source = row->time_source;
    item.source = letter.source;

    JournalStage journal{tx, {}, work.now};
    if (std::holds_alternative<UnknownFact>(item.fact.body)) {
        item.outcome = db::Outcome::unknown;
    } else if (!journal.apply_alone(item, work)) {
        work.items.emplace_back(std::move(item));
        domain.apply(work, tx);
        item = std::get<FactItem>(std::move(work.items.front()));
        // It has its row already; the stage stores what is besides.
        work.items.clear();
    }
    journal.store(tx, work, domain.name());
    db::settle_fact(tx, number, item.outcome);
    return {std::string{db::name_of(item.outcome)}, std::nullopt};
}

Tried try_ask(const db::Letter& letter, Domain& domain, Work& work, db::Tx& tx) {
    const std::size_t dot = letter.kind.find('.');
    const std::string name = dot == std::string::npos ? "" : letter.kind.substr(dot + 1);
    auto ask = decode_ask(letter.kind.substr(0, dot), name, letter.payload);
    if (!ask) return {"", "the ask can not be read: " + ask.error().text()};
    AskItem item;
    item.topic = {std::string{domain.name()}, name, ""};
    item.role = role_of(tx, ask->by);
    item.source = letter.source;
    item.ask = std::move(*ask);
    if (item.role.empty()) {
        item.outcome = Refusal{Code::unknown_account, ""};
    } else if (!may_ask(item.role, item.ask.body, item.ask.by)) {
        item.outcome = Refusal{Code::forbidden, letter.kind};
    } else {
        item.outcome = Refusal{Code::not_served, ""};
        work.items.emplace_back(std::move(item));
        domain.apply(work, tx);
        item = std::get<AskItem>(std::move(work.items.front()));
    }
    db::replace_answer(tx,
                       {{item.ask.by.account, item.ask.id},
                        item.ask.digest,
                        ask_answer(item.ask.id, item.outcome),
                        false},
                       work.now);
    return {std::holds_alternative<Refusal>(item.outcome) ? "refused" : "applied", std::nullopt};
}

void settle(const db::Letter& letter, const LetterSource& source, const Tried& tried,
            std::string_view domain, Work& work, db::Tx& tx) {
    db::finish_letter(tx, letter.letter,
                      tried.failed ? db::LetterState::open : db::LetterState::applied, tried.failed,
                      work.now);
    Event& event = work.log("devices", tried.failed ? "letter_failed" : "letter_applied",
                            subject_of(letter.letter), subject_of(letter.letter));
    if (!letter.changed_by.empty()) event.actor = letter.changed_by;
    event.ids.letter = letter.letter;
    if (source.of == LetterOf::fact) event.ids.device = source.number.device;
    if (!tried.failed) event.ids.why = tried.word;
    if (tried.failed) raise_dead_letter(work, domain, letter.source);
}

/// Opens a letter again that is not claimed any more.
void give_up(const db::Letter& letter, const std::string& why, std::string_view domain,
             db::Connection& connection, Instant now) {
    db::Tx tx{connection};
    // Nobody held it between the two transactions, or it is settled by now.
    const auto again = db::claim_letter(tx, std::string{domain}, LetterId{letter.letter.value - 1});
    if (!again || again->letter != letter.letter) return;
    Work work;
    work.now = now;
    settle(letter, parse_letter_source(letter.source), {"", why}, domain, work, tx);
    store_alarms_and_events(tx, work);
    tx.commit();
}

/// The letter that was claimed; none when there is no further one.
std::optional<db::Letter> retry_one(Domain& domain, db::Connection& connection, Instant now,
                                    LetterId after, std::vector<Outgoing>& out,
                                    LetterTries& tries) {
    std::optional<db::Letter> letter;
    const std::string name{domain.name()};
    std::string why;
    bool refused = false;
    try {
        db::Tx tx{connection};
        letter = db::claim_letter(tx, name, after);
        if (!letter) return std::nullopt;
        const auto failed = tries.find(letter->letter);
        const bool over = failed != tries.end() && failed->second.times >= kLetterTriesMax;
        Work work;
        work.now = now;
        const LetterSource source = parse_letter_source(letter->source);
        Tried tried{"", "there is nothing to try again"};
        if (over) {
            tried = {"", failed->second.why};
        } else if (source.of == LetterOf::fact) {
            tried = try_fact(*letter, source.number, domain, work, tx);
        } else if (source.of == LetterOf::ask) {
            tried = try_ask(*letter, domain, work, tx);
        }
        settle(*letter, source, tried, name, work, tx);
        store_alarms_and_events(tx, work);
        tx.commit();
        tries.erase(letter->letter);
        out.insert(out.end(), work.out.begin(), work.out.end());
        return letter;
    } catch (const db::Fault& fault) {
        if (!letter) throw;
        why = fault.what();
        refused = fault.retry() == db::Fault::Retry::one_by_one;
        if (fault.retry() == db::Fault::Retry::after_reconnect) {
            LetterFailure& failure = tries[letter->letter];
            failure = {failure.times + 1, why};
            throw;
        }
    } catch (const std::exception& error) {
        if (!letter) throw;
        why = error.what();
    }
    process::log::warn_every("letter " + name, std::chrono::seconds{1},
                             "{}: letter {} failed again: {}", name, letter->letter.value, why);
    LetterFailure& failure = tries[letter->letter];
    failure = {failure.times + 1, why};
    if (refused || failure.times >= kLetterTriesMax) {
        give_up(*letter, why, name, connection, now);
        tries.erase(letter->letter);
    }
    return letter;
}

}  // namespace

LetterSource parse_letter_source(const std::string& source) {
    if (source.starts_with(kAskPrefix)) return {LetterOf::ask, {}};
    const std::size_t first = source.find(':');
    const std::size_t second = first == std::string::npos ? first : source.find(':', first + 1);
    if (second == std::string::npos) return {LetterOf::state, {}};
    const std::string_view text{source};
    const auto device = DeviceId::parse(text.substr(0, first));
    const auto epoch = number_of(text.substr(first + 1, second - first - 1));
    const auto sequence = number_of(text.substr(second + 1));
    if (!device || !epoch || !sequence) return {LetterOf::state, {}};
    return {LetterOf::fact, {*device, Epoch{*epoch}, Sequence{*sequence}}};
}

void raise_dead_letter(Work& work, std::string_view domain, const std::string& source) {
    EventIds ids;
    std::string subject = "domain:" + std::string{domain};
    const LetterSource letter = parse_letter_source(source);
    if (letter.of == LetterOf::fact) ids.device = letter.number.device;
    if (letter.of == LetterOf::state) ids.device = DeviceId::parse(source);
    if (ids.device) subject = subject_of(*ids.device);
    work.alarm("dead_letter", std::move(subject), 2, std::move(ids));
}

std::size_t retry_letters(Domain& domain, db::Connection& connection, const process::Clock& clock,
                          std::size_t letters_max, std::vector<Outgoing>& out, LetterTries& tries) {
    std::size_t tried = 0;
    LetterId after;
    LetterTries still;
    while (tried < letters_max) {
        const auto letter = retry_one(domain, connection, clock.now(), after, out, tries);
        if (!letter) {
            // What is not there any more has been settled elsewhere.
            tries = std::move(still);
            break;
        }
        after = letter->letter;
        ++tried;
        const auto failed = tries.find(after);
        if (failed != tries.end()) still.insert(*failed);
    }
    return tried;
}

}  // namespace klyuchnik::handlers
