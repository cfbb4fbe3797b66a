#include "handlers/runtime/journal_stage.hpp"

#include <algorithm>

#include "handlers/runtime/ack.hpp"
#include "handlers/runtime/letters.hpp"
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

/// Absent: nobody needs to wait.
std::optional<std::int64_t> spread_of(const Pacing& pacing) {
    const std::int64_t seconds = reconnect_spread_s(pacing.fleet);
    if (seconds == 0) return std::nullopt;
    return seconds;
}

/// Kinds that every class of device has and that the runtime itself applies.
bool is_runtime_kind(const FactBody& body) {
    return std::holds_alternative<JournalOverrun>(body) ||
           std::holds_alternative<JournalBad>(body) ||
           std::holds_alternative<CommandAccepted>(body) ||
           std::holds_alternative<CommandDone>(body) ||
           std::holds_alternative<DocumentReady>(body) ||
           std::holds_alternative<FirmwareFailed>(body);
}

/// Whether a device that got a new epoch for this has not the memory that we know.
bool is_other_memory(std::string_view why) {
    return why == "wiped" || why == "restored" || why == "foreign" || why == "swapped";
}

/// The connection of a birth that is not to be worked on now.
std::optional<Connection> put_off_birth(const Message& message, std::size_t backlog) {
    const auto* state = std::get_if<StateMessage>(&message.body);
    const auto* birth = state ? std::get_if<Birth>(&state->state) : nullptr;
    if (!birth || !paced(backlog, birth->cn)) return std::nullopt;
    return birth->cn;
}

}  // namespace

JournalStage::JournalStage(db::Tx& tx, std::span<const Message> messages, Instant now,
                           Pacing pacing)
    : now_{now}, pacing_{pacing} {
    std::set<DeviceId> moving;
    std::set<DeviceId> reading;
    std::vector<db::DeviceConnection> births;
    std::vector<db::FactNumber> old_numbers;
    for (const Message& message : messages) {
        if (put_off_birth(message, pacing_.backlog)) continue;
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
        } else if (std::holds_alternative<HeartbeatMessage>(message.body) ||
                   std::holds_alternative<ChunkMessage>(message.body)) {
            reading.insert(message.device);
        } else if (const auto* guard = std::get_if<GuardMessage>(&message.body)) {
            if (guard->report.flood) reading.insert(message.device);
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
    if (put_off(message, out)) return;
    const auto found = held_.find(message.device);
    if (const auto* guard = std::get_if<GuardMessage>(&message.body)) {
        if (set_aside) return;  // It says the same again before long.
        if (guard->report.flood && found != held_.end()) {
            slow_down(message.device, found->second.cursor.cn, kFloodWaitS, out);
        }
        work.items.push_back(GuardItem{guard->instance, guard->report});
        return;
    }
    if (const auto* chunk = std::get_if<ChunkMessage>(&message.body)) {
        // One that can not be stored is asked for again, and given up in the end.
        const bool ours = found != held_.end() && found->second.cursor.active;
        if (!ours || set_aside) return;
        documents_.arrived(message.device, found->second.cursor.cn, chunk->chunk);
        return;
    }
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
        raise_dead_letter(work, "devices", message.device.text());
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
        const bool known = is_present(held.cursor, beat->heartbeat.cn);
        if (known && held.cursor.active) {
            work.items.push_back(HeartbeatItem{message.device, beat->heartbeat});
        }
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
    const auto error = clock_error(fact.at, sequence, held.cursor, now_);
    const FactTime time = time_of(fact.at, held.cursor, now_, error);
    FactItem item{
        {held.cursor.device, batch.epoch, sequence}, first, fact, time.at, time.source, "", {}};
    item.source = source_of(item.number);
    item.outcome = db::Outcome::logged;
    item.rights_held.value = held.cursor.rights_held;
    note_clock(item, error, held, work);
    // A fact that comes again under a new number later in this very batch must be known then.
    known_.insert({item.number, fact.digest});
    known_.insert({first, fact.digest});
    ++counts_.applied;
    if (set_aside) {
        item.outcome = db::Outcome::set_aside;
        letters_.push_back({"", item.source, fact.kind, fact.content, *set_aside});
        raise_dead_letter(work, "", item.source);
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
    if (commands_.place(item, work)) return true;
    if (!is_runtime_kind(item.fact.body)) return false;
    const std::string subject = device_subject(item.number.device);
    std::string type = item.fact.kind;
    std::ranges::replace(type, '.', '_');
    if (const auto* failed = std::get_if<FirmwareFailed>(&item.fact.body)) {
        const auto held = held_.find(item.number.device);
        // Said late, of a version that is not offered any more, it counts against no roll-out.
        if (held == held_.end() || held->second.cursor.firmware_wanted != failed->version) {
            type = "firmware_failed_earlier";
        }
    }
    Event& event = work.log(item, "devices", type, subject);
    event.ids.epoch = item.number.epoch;
    event.ids.first = item.number.sequence;
    const EventIds ids = event.ids;
    if (std::holds_alternative<DocumentReady>(item.fact.body)) {
        const auto held = held_.find(item.number.device);
        documents_.announced(
            item, held == held_.end() ? std::nullopt : std::optional{held->second.cursor.cn});
    }
    if (std::holds_alternative<JournalOverrun>(item.fact.body)) {
        work.alarm("journal_overrun", subject, 2, ids);
    }
    if (std::holds_alternative<JournalBad>(item.fact.body)) {
        gaps_.push_back({item.number.device, item.number.epoch, item.number.sequence,
                         item.number.sequence, "unreadable"});
        ++counts_.gaps;
        work.alarm("journal_bad", subject, 2, ids);
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
    const bool forgot = verdict.fresh && verdict.new_epoch && is_other_memory(verdict.why);
    if (verdict.fresh) {
        if (verdict.lost) lose(held, verdict.lost_epoch, *verdict.lost, work);
        if (verdict.new_epoch) held.stored.clear();
        held.cursor = std::move(verdict.cursor);
        held.cursor.packet_bytes_max = birth.packet_bytes_max;
        const Version rights =
            believed_rights(Version{birth.rights_version}, Version{held.cursor.rights_wanted});
        held.cursor.rights_held = rights.value;
        held.changed = true;
        documents_.born(held.cursor.device);
        if (rights.value > held.cursor.rights_wanted) {
            // The database was restored: what the device holds is of a time that nobody knows here.
            work.log(held.cursor.device, "rights_ahead", source_of(held.cursor.device, birth.cn))
                .ids.version = rights;
        }
        note_epoch({held.cursor.device, birth.cn, held.cursor.epoch,
                    verdict.new_epoch ? verdict.why : "kept"});
        if (verdict.new_epoch) {
            ++counts_.epochs;
            Event& event = work.log(held.cursor.device, "epoch_issued",
                                    source_of(held.cursor.device, birth.cn));
            event.ids.epoch = held.cursor.epoch;
            event.ids.why = verdict.why;
            // Two devices with one identity, or one that has forgotten what it told us.
            if (verdict.why == "restored" || verdict.why == "foreign") {
                work.alarm("journal_conflict", device_subject(held.cursor.device), 3, event.ids);
            }
        }
    }
    work.items.push_back(StateItem{held.cursor.device, birth, verdict.fresh, retained});
    commands_.born(held.cursor.device, birth.last_command, verdict.fresh, forgot);
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
    // Which of its facts are from before the last birth nobody can tell until the next.
    cursor.born_hi.value = limits::kIntegerMax;
    held.changed = true;
    note_epoch({cursor.device, cursor.cn, cursor.epoch, why});
    ++counts_.epochs;
    Event& event = work.log(cursor.device, "journal_conflict", source_of(cursor.device, cursor.cn));
    event.ids.epoch = cursor.epoch;
    event.ids.why = std::move(why);
    work.alarm("journal_conflict", device_subject(cursor.device), 3, event.ids);
}

void JournalStage::lose(const Held& held, Epoch epoch, const LostRange& lost, Work& work) {
    gaps_.push_back({held.cursor.device, epoch, lost.first, lost.last, "dropped_by_device"});
    ++counts_.gaps;
    const DeviceId& device = held.cursor.device;
    Event& event = work.log(device, "gap", source_of({device, epoch, lost.first}));
    event.ids.epoch = epoch;
    event.ids.first = lost.first;
    event.ids.last = lost.last;
    work.alarm("journal_gap", device_subject(device), 2, event.ids);
}

void JournalStage::acknowledge(const Held& held, Connection cn, AckError error,
                               std::vector<Outgoing>& out) const {
    Ack ack = ack_of(held.cursor, now_);
    ack.cn = cn;
    ack.error = error;
    ack.reconnect_spread_s = spread_of(pacing_);
    out.push_back({device_topic(held.cursor.device, Level::ack), encode(ack)});
}

bool JournalStage::put_off(const Message& message, std::vector<Outgoing>& out) const {
    const auto cn = put_off_birth(message, pacing_.backlog);
    if (!cn) return false;
    // What the broker kept needs no answer: whoever is there says it again, or is asked to at its
    // next heartbeat.
    if (!message.retained) slow_down(message.device, *cn, *paced(pacing_.backlog, *cn), out);
    return true;
}

void JournalStage::slow_down(const DeviceId& device, Connection cn, std::int64_t wait_s,
                             std::vector<Outgoing>& out) const {
    Ack ack;
    ack.cn = cn;
    ack.now_s = unix_seconds(now_);
    ack.lease_s = limits::kLeaseDefault.count();
    ack.error = AckError::slow;
    ack.wait_s = wait_s;
    ack.reconnect_spread_s = spread_of(pacing_);
    out.push_back({device_topic(device, Level::ack), encode(ack)});
}

void JournalStage::note_clock(const FactItem& fact, std::optional<std::int64_t> error, Held& held,
                              Work& work) {
    if (!error) return;
    const bool was_wrong = is_wrong(held.cursor.clock_error_s);
    held.cursor.clock_error_s = error;
    if (is_wrong(error) == was_wrong) return;
    const DeviceId& device = fact.number.device;
    if (was_wrong) {
        work.alarm_over("clock_wrong", device_subject(device));
        return;
    }
    EventIds ids;
    ids.device = device;
    ids.why = *error > 0 ? "ahead" : "behind";
    work.alarm("clock_wrong", device_subject(device), 1, ids);
}

void JournalStage::store(db::Tx& tx, Work& work, std::string_view domain) {
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
    commands_.store(tx, work);
    documents_.store(tx, work);
}

}  // namespace klyuchnik::handlers
