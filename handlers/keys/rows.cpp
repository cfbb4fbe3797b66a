#include "handlers/keys/rows.hpp"

#include <algorithm>

namespace klyuchnik::handlers::keys {

using namespace topics;

namespace {

/// What the messages of a batch speak of, each once.
struct Wanted {
    std::set<CardSerial> cards;
    std::set<PersonId> people;
    std::set<KeyName> names;
    std::set<TagId> tags;
    std::set<std::pair<DeviceId, Slot>> homes;
    std::set<KeyId> ids;

    template <class Seen>
    void want_seen(const Seen& fact, const DeviceId& device) {
        if (fact.card) cards.insert(*fact.card);
        if (fact.tag) tags.insert(*fact.tag);
        if (fact.key) names.insert(*fact.key);
        if (fact.slot && !fact.tag && !fact.key) homes.insert({device, *fact.slot});
    }
    void want(const FactItem& item) {
        const DeviceId& device = item.number.device;
        if (const auto* taken = std::get_if<KeyTaken>(&item.fact.body)) want_seen(*taken, device);
        if (const auto* back = std::get_if<KeyReturned>(&item.fact.body)) want_seen(*back, device);
        const auto want_card_and_key = [&](const auto& fact) {
            cards.insert(fact.card);
            if constexpr (requires { *fact.key; }) {
                if (fact.key) names.insert(*fact.key);
            } else {
                names.insert(fact.key);
            }
        };
        if (const auto* granted = std::get_if<AccessGranted>(&item.fact.body)) {
            want_card_and_key(*granted);
        }
        if (const auto* denied = std::get_if<AccessDenied>(&item.fact.body)) {
            want_card_and_key(*denied);
        }
    }
    void want(const AskItem& item) {
        const auto want_pair = [&](const auto& ask) {
            people.insert(ask.person);
            ids.insert(ask.key);
        };
        if (const auto* issue = std::get_if<IssueKey>(&item.ask.body)) {
            cards.insert(issue->card);
            names.insert(issue->key);
        } else if (const auto* back = std::get_if<ReturnKey>(&item.ask.body)) {
            cards.insert(back->card);
            names.insert(back->key);
        } else if (const auto* grant = std::get_if<GrantRight>(&item.ask.body)) {
            want_pair(*grant);
        } else if (const auto* revoke = std::get_if<RevokeRight>(&item.ask.body)) {
            want_pair(*revoke);
        } else if (const auto* set = std::get_if<SetRights>(&item.ask.body)) {
            people.insert(set->person);
            ids.insert(set->keys.begin(), set->keys.end());
        }
    }
    void want(const StateItem&) {}
    void want(const HeartbeatItem&) {}
    void want(const GuardItem&) {}
};

template <class T>
std::vector<T> listed(const std::set<T>& values) {
    return {values.begin(), values.end()};
}

}  // namespace

KeysRows::KeysRows(db::Tx& tx, const Work& work, Instant now) : tx_{tx}, now_{now} {
    Wanted wanted;
    for (const Item& item : work.items) {
        std::visit([&](const auto& one) { wanted.want(one); }, item);
    }
    for (const db::CardHolder& holder : db::people_by_card(tx, listed(wanted.cards))) {
        by_card_[holder.card] = holder.person;
    }
    // Only asks about rights name people by id.
    db::lock_people(tx, listed(wanted.people));
    for (const db::Person& one : db::people_known(tx, listed(wanted.people))) {
        people_[one.id] = one;
    }
    for (db::Key& key : db::lock_keys(tx, {listed(wanted.names), listed(wanted.tags),
                                           listed(wanted.homes), listed(wanted.ids)})) {
        learn(std::move(key));
    }
    std::vector<KeyId> ids;
    for (const auto& [id, key] : keys_) ids.push_back(id);
    for (db::Loan& loan : db::open_loans(tx, ids)) {
        const KeyId id = loan.key;
        open_[id] = {std::move(loan), false, false};
    }
    // Only the pairs that messages really bring together; a batch's full product would be
    // thousands.
    std::set<db::Right> pairs;
    const auto want_pair = [&](const std::optional<CardSerial>& card, const db::Key* found) {
        if (const auto holder = person(card); holder && found)
            pairs.insert({holder->id, found->id});
    };
    for (const Item& item : work.items) {
        if (const auto* fact = std::get_if<FactItem>(&item)) {
            if (const auto* taken = std::get_if<KeyTaken>(&fact->fact.body)) {
                want_pair(taken->card,
                          key(KeySeen{taken->tag, taken->key, taken->slot}, fact->number.device));
            }
        } else if (const auto* asked = std::get_if<AskItem>(&item)) {
            if (const auto* issue = std::get_if<IssueKey>(&asked->ask.body)) {
                want_pair(issue->card, key(issue->key));
            }
        }
    }
    for (const db::Right& right : db::find_rights(tx, listed(pairs))) rights_.insert(right);
    std::vector<db::RightAt> past;
    for (const Item& item : work.items) {
        const auto* fact = std::get_if<FactItem>(&item);
        const auto* taken = fact ? std::get_if<KeyTaken>(&fact->fact.body) : nullptr;
        if (!taken) continue;
        const auto holder = person(taken->card);
        const db::Key* found =
            key(KeySeen{taken->tag, taken->key, taken->slot}, fact->number.device);
        if (!holder || !found || (holder->active && has_right(holder->id, found->id))) continue;
        past.push_back({{holder->id, found->id}, fact->occurred});
    }
    const auto ended = db::find_ended_rights(tx, past);
    for (std::size_t i = 0; i < past.size(); ++i) {
        if (ended[i]) ended_rights_[{past[i].right, past[i].at}] = *ended[i];
    }
}

std::optional<db::Person> KeysRows::person(const std::optional<CardSerial>& card) const {
    if (!card) return std::nullopt;
    const auto found = by_card_.find(*card);
    if (found == by_card_.end()) return std::nullopt;
    return found->second;
}

std::optional<db::Person> KeysRows::person(PersonId id) const {
    const auto found = people_.find(id);
    if (found == people_.end()) return std::nullopt;
    return found->second;
}

const db::Key* KeysRows::key(const KeySeen& seen, const DeviceId& cabinet) const {
    if (seen.tag) {
        if (const auto found = by_tag_.find(*seen.tag); found != by_tag_.end()) {
            return key(found->second);
        }
    }
    if (seen.name) return key(*seen.name);
    if (seen.tag || !seen.slot) return nullptr;
    const auto found = by_home_.find({cabinet, *seen.slot});
    return found == by_home_.end() ? nullptr : key(found->second);
}

const db::Key* KeysRows::key(const KeyName& name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : key(found->second);
}

void KeysRows::learn(db::Key key) {
    const KeyId id = key.id;
    by_name_[key.name] = id;
    if (key.tag) by_tag_[*key.tag] = id;
    if (key.cabinet && key.slot) by_home_[{*key.cabinet, *key.slot}] = id;
    keys_[id] = std::move(key);
}

const db::Key* KeysRows::key(KeyId id) const {
    const auto found = keys_.find(id);
    return found == keys_.end() ? nullptr : &found->second;
}

bool KeysRows::has_right(PersonId person, KeyId key) const {
    return rights_.contains({person, key});
}

std::optional<db::EndedRight> KeysRows::ended_right(PersonId person, KeyId key, Instant at) const {
    const db::Right right{person, key};
    if (const auto here = ended_here_.find(right);
        here != ended_here_.end() && here->second.granted <= at) {
        return here->second;
    }
    const auto found = ended_rights_.find({right, at});
    if (found == ended_rights_.end()) return std::nullopt;
    return found->second;
}

void KeysRows::take_right(const db::EndedRight& ended) {
    rights_.erase(ended.right);
    ended_here_[ended.right] = ended;
}

const db::Loan* KeysRows::open_loan(KeyId key) const {
    const auto found = open_.find(key);
    return found == open_.end() ? nullptr : &found->second.loan;
}

LoanId KeysRows::next_loan_id() {
    if (next_loan_ == loan_block_end_) {
        next_loan_ = db::next_loan_block(tx_);
        loan_block_end_.value = next_loan_.value + db::kLoanBlock;
    }
    return LoanId{next_loan_.value++};
}

const db::Loan& KeysRows::open(KeyId key, std::optional<PersonId> person, Instant at,
                               std::string source, bool issued) {
    db::Loan loan;
    loan.id = next_loan_id();
    loan.key = key;
    loan.person = person;
    loan.opened = at;
    loan.opened_by = std::move(source);
    loan.issued = issued;
    loan.confirmed = !issued;
    if (!issued) loan.confirmed_at = at;
    return (open_[key] = {std::move(loan), true, true}).loan;
}

void KeysRows::confirm(KeyId key, Instant at) {
    Touched& touched = open_.at(key);
    touched.loan.confirmed = true;
    touched.loan.confirmed_at = at;
    touched.changed = true;
}

void KeysRows::close(KeyId key, Instant at, std::string source, db::ClosedWhy why,
                     std::optional<PersonId> by) {
    auto node = open_.extract(key);
    Touched& touched = node.mapped();
    touched.loan.closed = at;
    touched.loan.closed_by = std::move(source);
    touched.loan.closed_why = why;
    touched.loan.closed_person = by;
    touched.changed = true;
    ended_.push_back(std::move(touched));
}

void KeysRows::store(db::Tx& tx) {
    std::vector<db::Loan> fresh;
    std::vector<db::Loan> changed;
    const auto sort = [&](const Touched& touched) {
        if (touched.fresh) {
            fresh.push_back(touched.loan);
        } else if (touched.changed) {
            changed.push_back(touched.loan);
        }
    };
    for (const Touched& touched : ended_) sort(touched);
    for (const auto& [key, touched] : open_) sort(touched);
    // Endings first: a key's old loan must be closed before its new one opens.
    db::change_loans(tx, changed);
    db::add_loans(tx, fresh);
    db::add_conflicts(tx, conflicts_, now_);
}

}  // namespace klyuchnik::handlers::keys
