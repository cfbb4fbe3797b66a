#include "handlers/runtime/journal_stage.hpp"

#include <algorithm>

#include "topics/codec.hpp"
#include "topics/limits.hpp"

namespace klyuchnik::handlers {

using namespace topics;

namespace {

std::string device_subject(const DeviceId& device) {
    return "device:" + device.text();
}

db::FactRow row_of(const FactItem& item) {
    return {item.number.device, item.number.epoch, item.number.sequence, item.fact.kind,
            item.occurred,      item.time_source,  item.fact.digest,     item.outcome,
            item.fact.content,  item.first.epoch,  item.first.sequence};
}

/// Kinds that every class of device has and that the runtime itself applies.
bool is_runtime_kind(const FactBody& body) {
    return std::holds_alternative<JournalOverrun>(body) ||
           std::holds_alternative<JournalBad>(body) ||
           std::holds_alternative<CommandAccepted>(body) ||
           std::holds_alternative<CommandDone>(body) || std::holds_alternative<DocumentReady>(body);
}

}  // namespace

JournalStage::JournalStage(db::Tx& tx, std::span<const Message> messages, Instant now) : now_{now} {
    std::set<DeviceId> moving;
    std::set<DeviceId> reading;
    std::vector<db::DeviceConnection> births;
    std::vector<db::FactNumber> old_numbers;
    for (const Message& message : messages) {
        if (const auto* facts = std::get_if<FactsMessage>(&message.body)) {
            moving.insert(message.device);
            for (const Fact& fact : facts->batch.facts) {
                if (fact.old) {
                    old_numbers.push_back({message.device, fact.old->epoch, fact.old->sequence});
                }
            }
        } else if (const auto* state = std::get_if<StateMessage>(&message.body)) {
            if (const auto* birth = std::get_if<Birth>(&state->state)) {
                moving.insert(message.device);
                births.push_back({message.device, birth->cn});
            }
        } else if (std::holds_alternative<HeartbeatMessage>(message.body)) {
            reading.insert(message.device);
        }
    }
    const std::vector<DeviceId> to_lock{moving.begin(), moving.end()};
    for (db::Cursor& cursor : db::lock_cursors(tx, to_lock)) {
        const DeviceId device = cursor.device;
        held_[device] = {std::move(cursor), true, false, {}};
    }
    std::erase_if(reading, [&](const DeviceId& device) { return held_.contains(device); });
    const std::vector<DeviceId> to_read{reading.begin(), reading.end()};
    for (db::Cursor& cursor : db::read_cursors(tx, to_read)) {
        const DeviceId device = cursor.device;
        held_[device] = {std::move(cursor), false, false, {}};
    }
    for (const db::IssuedEpoch& issued : db::find_epochs(tx, births)) {
        issued_[{issued.device, issued.cn}] = issued.epoch;
    }
    // Facts from before the last batch that come again: a repeat, or another device's under the
    // same numbers.
    for (const Message& message : messages) {
        const auto* facts = std::get_if<FactsMessage>(&message.body);
        const auto held = held_.find(message.device);
        if (!facts || held == held_.end() || !held->second.locked) continue;
        const db::Cursor& cursor = held->second.cursor;
        if (facts->batch.epoch != cursor.epoch) continue;
        const std::int64_t until = std::min(cursor.acked.value, cursor.recent_first.value - 1);
        for (std::size_t i = 0; i < facts->batch.facts.size(); ++i) {
            const Sequence sequence{facts->batch.first.value + static_cast<std::int64_t>(i)};
            if (sequence.value > until) break;
            old_numbers.push_back({message.device, cursor.epoch, sequence});
        }
    }
    for (const db::StoredFact& stored : db::find_facts(tx, old_numbers)) {
        const auto held = held_.find(stored.number.device);
        if (held != held_.end() && stored.number.epoch == held->second.cursor.epoch) {
            held->second.stored[stored.number.sequence] = stored.digest;
        }
        known_.insert({stored.number, stored.digest});
    }
}

void JournalStage::place(const Message& message, const std::string* set_aside, Work& work,
                         std::vector<Outgoing>& out) {
    const auto found = held_.find(message.device);
    if (found == held_.end() ||
        (!found->second.locked && !std::holds_alternative<HeartbeatMessage>(message.body))) {
        if (const auto* state = std::get_if<StateMessage>(&message.body);
            state && std::holds_alternative<Will>(state->state)) {
            work.items.push_back(StateItem{message.device, state->state, false});
            return;
        }
        ++counts_.left;
        return;
    }
    Held& held = found->second;
    if (set_aside && !std::holds_alternative<FactsMessage>(message.body)) {
        letters_.push_back({"", message.device.text(), "state", "{}", *set_aside});
        return;
    }
    if (const auto* facts = std::get_if<FactsMessage>(&message.body)) {
        place_facts(facts->batch, held, set_aside, work, out);
    } else if (const auto* state = std::get_if<StateMessage>(&message.body)) {
        if (const auto* birth = std::get_if<Birth>(&state->state)) {
            place_birth(*birth, message.retained, held, work, out);
        } else {
            work.items.push_back(StateItem{message.device, state->state, false});
        }
    } else if (const auto* beat = std::get_if<HeartbeatMessage>(&message.body)) {
        const bool known = beat->heartbeat.cn == held.cursor.cn && held.cursor.epoch.value != 0;
        acknowledge(held, beat->heartbeat.cn, known ? AckError::none : AckError::hello, out);
    }
}

void JournalStage::place_facts(const FactBatch& batch, Held& held, const std::string* set_aside,
                               Work& work, std::vector<Outgoing>& out) {
    const Placement placement = place_batch(held.cursor, batch, held.stored);
    if (!placement.differ.empty()) {
        for (const std::size_t index : placement.differ) {
            const Fact& fact = batch.facts[index];
            conflicts_.push_back({{held.cursor.device, batch.epoch,
                                   Sequence{batch.first.value + static_cast<std::int64_t>(index)}},
                                  fact.digest,
                                  fact.kind,
                                  fact.content});
            ++counts_.conflicts;
        }
        issue_epoch(held, "conflict", work);
        acknowledge(held, batch.cn, AckError::epoch, out);
        return;
    }
    if (placement.lost) {
        lose(held, batch.epoch, *placement.lost, work);
        held.cursor.acked = placement.lost->last;
        held.changed = true;
    }
    if (placement.skip > 0) {
        held.cursor.skipped += static_cast<std::int64_t>(placement.skip);
        counts_.skipped += static_cast<std::int64_t>(placement.skip);
        held.changed = true;
    }
    if (placement.apply) {
        for (std::size_t i = placement.skip; i < batch.facts.size(); ++i) {
            apply_fact(batch, i, held, set_aside, work);
        }
        held.cursor.acked.value =
            batch.first.value + static_cast<std::int64_t>(batch.facts.size()) - 1;
        held.cursor.recent_first = batch.first;
        held.cursor.recent_digests.clear();
        for (const Fact& fact : batch.facts) held.cursor.recent_digests.push_back(fact.digest);
        held.changed = true;
    }
    acknowledge(held, batch.cn, placement.error, out);
}

void JournalStage::apply_fact(const FactBatch& batch, std::size_t index, Held& held,
                              const std::string* set_aside, Work& work) {
    const Fact& fact = batch.facts[index];
    const Sequence sequence{batch.first.value + static_cast<std::int64_t>(index)};
    db::FactNumber first{held.cursor.device, batch.epoch, sequence};
    // An old number is of an earlier epoch; a device that says otherwise is mistaken, and the fact
    // goes by its own.
    // Numbers of epoch 0 are a device's own and may come again after a wipe: they are no names.
    if (fact.old && fact.old->epoch.value > 0 && fact.old->sequence.value > 0 &&
        fact.old->epoch < batch.epoch && !set_aside) {
        const db::FactNumber old{held.cursor.device, fact.old->epoch, fact.old->sequence};
        if (known_.contains({old, fact.digest})) {
            ++held.cursor.skipped;
            ++counts_.skipped;
            return;
        }
        // Another fact has that number already (a clone's): this one is known by its present number
        // then.
        const auto other = known_.lower_bound({old, 0});
        if (other == known_.end() || other->first != old) first = old;
    }
    const FactTime time = time_of(fact.at, held.cursor, now_);
    FactItem item{
        {held.cursor.device, batch.epoch, sequence}, first, fact, time.at, time.source, "", {}};
    item.source = source_of(item.number);
    item.outcome = db::Outcome::logged;
    // A fact that comes again under a new number later in this very batch must be known then.
    known_.insert({item.number, fact.digest});
    known_.insert({first, fact.digest});
    ++counts_.applied;
    if (set_aside) {
        item.outcome = db::Outcome::set_aside;
        letters_.push_back({"", item.source, fact.kind, fact.content, *set_aside});
        own_rows_.push_back(row_of(item));
        return;
    }
    if (std::holds_alternative<UnknownFact>(fact.body)) {
        item.outcome = db::Outcome::unknown;
        ++counts_.unknown_kinds;
        own_rows_.push_back(row_of(item));
        return;
    }
    if (apply_own(item, work)) {
        own_rows_.push_back(row_of(item));
        return;
    }
    work.items.push_back(std::move(item));
}

bool JournalStage::apply_own(const FactItem& item, Work& work) {
    if (!is_runtime_kind(item.fact.body)) return false;
    const std::string subject = device_subject(item.number.device);
    std::string type = item.fact.kind;
    std::ranges::replace(type, '.', '_');
    Event& event = work.log(item, "devices", type, subject);
    event.ids.epoch = item.number.epoch;
    event.ids.first = item.number.sequence;
    if (std::holds_alternative<JournalBad>(item.fact.body)) {
        gaps_.push_back({item.number.device, item.number.epoch, item.number.sequence,
                         item.number.sequence, "unreadable"});
        ++counts_.gaps;
    }
    return true;
}

void JournalStage::place_birth(const Birth& birth, bool retained, Held& held, Work& work,
                               std::vector<Outgoing>& out) {
    const auto key = std::pair{held.cursor.device, birth.cn};
    const auto found = issued_.find(key);
    const std::optional<Epoch> issued =
        found == issued_.end() ? std::nullopt : std::optional{found->second};
    BirthVerdict verdict = judge_birth(held.cursor, birth, retained, issued, now_);
    if (verdict.stale) return;
    if (verdict.greet) {
        acknowledge(held, birth.cn, AckError::hello, out);
        return;
    }
    if (verdict.fresh) {
        if (verdict.lost) lose(held, verdict.lost_epoch, *verdict.lost, work);
        if (verdict.new_epoch) held.stored.clear();
        held.cursor = std::move(verdict.cursor);
        held.changed = true;
        note_epoch({held.cursor.device, birth.cn, held.cursor.epoch,
                    verdict.new_epoch ? verdict.why : "kept"});
        if (verdict.new_epoch) {
            ++counts_.epochs;
            Event& event = work.log(held.cursor.device, "epoch_issued",
                                    source_of(held.cursor.device, birth.cn));
            event.ids.epoch = held.cursor.epoch;
            event.ids.why = verdict.why;
        }
    }
    work.items.push_back(StateItem{held.cursor.device, birth, verdict.fresh});
    acknowledge(held, birth.cn, birth.epoch == held.cursor.epoch ? AckError::none : AckError::epoch,
                out);
}

void JournalStage::note_epoch(db::IssuedEpoch issued) {
    issued_[{issued.device, issued.cn}] = issued.epoch;
    // One row per connection: a second epoch within one batch replaces the first.
    std::erase_if(epochs_, [&](const db::IssuedEpoch& earlier) {
        return earlier.device == issued.device && earlier.cn == issued.cn;
    });
    epochs_.push_back(std::move(issued));
}

void JournalStage::issue_epoch(Held& held, std::string why, Work& work) {
    db::Cursor& cursor = held.cursor;
    cursor.epoch.value += 1;
    cursor.acked.value = 0;
    cursor.recent_first.value = 0;
    cursor.recent_digests.clear();
    held.stored.clear();  // Of the epoch that is over.
    held.changed = true;
    note_epoch({cursor.device, cursor.cn, cursor.epoch, why});
    ++counts_.epochs;
    Event& event = work.log(cursor.device, "journal_conflict", source_of(cursor.device, cursor.cn));
    event.ids.epoch = cursor.epoch;
    event.ids.why = std::move(why);
}

void JournalStage::lose(const Held& held, Epoch epoch, const LostRange& lost, Work& work) {
    gaps_.push_back({held.cursor.device, epoch, lost.first, lost.last, "dropped_by_device"});
    ++counts_.gaps;
    const DeviceId& device = held.cursor.device;
    Event& event = work.log(device, "gap", source_of({device, epoch, lost.first}));
    event.ids.epoch = epoch;
    event.ids.first = lost.first;
    event.ids.last = lost.last;
}

void JournalStage::acknowledge(const Held& held, Connection cn, AckError error,
                               std::vector<Outgoing>& out) const {
    Ack ack;
    ack.cn = cn;
    ack.epoch = held.cursor.epoch;
    ack.acked = held.cursor.acked;
    ack.now_s = unix_seconds(now_);
    ack.lease_s = limits::kLeaseDefault.count();
    ack.error = error;
    out.push_back({device_topic(held.cursor.device, Level::ack), encode(ack)});
}

void JournalStage::store(db::Tx& tx, const Work& work, std::string_view domain) {
    std::vector<db::FactRow> rows = std::move(own_rows_);
    for (const Item& item : work.items) {
        if (const auto* fact = std::get_if<FactItem>(&item)) rows.push_back(row_of(*fact));
    }
    for (db::DeadLetter& letter : letters_) letter.domain = domain;
    std::vector<db::Cursor> cursors;
    for (const auto& [device, held] : held_) {
        if (held.changed) cursors.push_back(held.cursor);
    }
    db::add_facts(tx, rows, now_);
    db::add_gaps(tx, gaps_, now_);
    db::add_device_conflicts(tx, conflicts_, now_);
    db::add_epochs(tx, epochs_, now_);
    db::add_dead_letters(tx, letters_, now_);
    db::save_cursors(tx, cursors);
}

}  // namespace klyuchnik::handlers
