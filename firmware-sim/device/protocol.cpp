#include "firmware-sim/device/protocol.hpp"

#include <algorithm>

#include "topics/chunk.hpp"
#include "topics/codec.hpp"

namespace klyuchnik::sim {
namespace {

using topics::AckError;
using topics::Level;
using topics::Sequence;

/// Cards that may wait for an answer at one cabinet; the next one is turned away at once.
constexpr std::size_t kQuestionsMax = 64;
/// A fact alone in its batch and refused so often can not be read by this server.
constexpr int kRefusalsMax = 3;
/// Server trouble: not an answer about rights, so the cabinet decides by its own.
constexpr std::int64_t kBusy = 429;
constexpr std::int64_t kServerTrouble = 500;
constexpr std::int64_t kMoreCards = 428;

/// Acks still waited for that are remembered; from then on the oldest one stands for the rest.
constexpr std::size_t kUnansweredMax = 64;
/// An ack is not under way for longer: what was sent before is not answered any more.
constexpr Uptime kAckLifeMax = std::chrono::seconds{90};
/// How much later the last ack must be to be worth a write.
constexpr std::int64_t kLeaseNoted_s = 600;

/// Fixed header with its longest length, and the length of the topic.
constexpr std::size_t kPacketOverhead = 1 + 4 + 2;

}  // namespace

DeviceProtocol::DeviceProtocol(DeviceSettings settings, Journal& journal,
                               const CachedRights& rights, Documents* documents)
    : settings_{std::move(settings)},
      journal_{journal},
      rights_{rights},
      documents_{documents},
      log_{settings_.log_bytes_max},
      random_{settings_.seed} {
    // Numbers of questions rise over reboots too, so that an answer to an earlier life fits none.
    next_request_ = journal_.boot() * 1'000'000 + 1;
    if (documents_ != nullptr) {
        state_ = documents_->state();
        start_firmware();
        PullSettings pull;
        pull.repeat = settings_.chunk_repeat;
        pull.repeat_max = settings_.resend_max;
        pull.rest = settings_.document_rest;
        pull.mistakes = settings_.mistakes;
        pull.document = kRightsDocument;
        pull.bytes_max = topics::limits::kRightsDocumentBytesMax;
        rights_pull_.emplace(pull, *documents_);
        pull.document = kFirmwareDocument;
        pull.bytes_max = topics::limits::kDocumentBytesMax;
        firmware_pull_.emplace(pull, *documents_);
    }
    if (state_.heartbeat_s > 0) {
        settings_.heartbeat_s = state_.heartbeat_s;
        settings_.heartbeat = std::chrono::seconds{state_.heartbeat_s};
    }
    start_clock();
    note("boot, firmware " + settings_.firmware, Uptime{0});
    const std::int64_t started = journal_.command_started();
    if (started > journal_.command_finished()) {
        command_finished(started, 500, "restarted before the end", Uptime{0});
    }
    actions_.emplace_back(ReportSlots{});
}

/// A clock that is behind the last ack was set back, by a flat battery for example: it tells
/// neither the time nor how much of the lease is left, and counts as if it were not there.
void DeviceProtocol::start_clock() {
    if (!settings_.utc_at_boot_s || *settings_.utc_at_boot_s < state_.lease_from_utc_s) return;
    clock_ = {*settings_.utc_at_boot_s, Uptime{0}};
    if (state_.lease_from_utc_s == 0) return;
    const std::int64_t since_s = *settings_.utc_at_boot_s - state_.lease_from_utc_s;
    lease_until_ = std::chrono::seconds{std::min(state_.lease_s, state_.lease_s - since_s)};
}

/// What the boot loader does: new firmware is started once; if it comes up again without having
/// proven itself, the old one runs.
void DeviceProtocol::start_firmware() {
    if (!state_.firmware_tried.empty()) {
        if (state_.firmware_started) {
            report_failed_firmware();
            state_.firmware_refused = std::exchange(state_.firmware_tried, {});
            state_.firmware_started = false;
            ++counters_.rolled_back;
        } else {
            state_.firmware_started = true;
            trial_until_ = settings_.firmware_trial;
        }
        keep_state();
    }
    if (!state_.firmware_tried.empty()) {
        settings_.firmware = state_.firmware_tried;
    } else if (!state_.firmware.empty()) {
        settings_.firmware = state_.firmware;
    }
}

/// On the disk before the mark of the trial goes, so that no crash leaves it unsaid. Nothing is
/// sent in between: whoever crashed there still holds the fact, made after the install, and does
/// not say it twice.
void DeviceProtocol::report_failed_firmware() {
    const auto said = std::ranges::any_of(journal_.held(), [this](const HeldFact& held) {
        const auto* failed = std::get_if<topics::FirmwareFailed>(&held.fact.body);
        return failed != nullptr && failed->version == state_.firmware_tried &&
               held.fact.at.boot.value_or(0) > state_.firmware_boot;
    });
    if (said) return;
    topics::Fact fact;
    // By the boot, whatever the clock says: that tells one trial from the next.
    fact.at.boot = journal_.boot();
    fact.at.since_boot_ms = 0;
    fact.body = topics::FirmwareFailed{state_.firmware_tried,
                                       "no answer of the server before the next boot"};
    add(std::move(fact));
    journal_.flush();
}

// == inputs
// ============================================================================================

void DeviceProtocol::connected(topics::Connection cn, Uptime) {
    cn_ = cn;
    connected_ = true;
    subscribed_ = false;
    born_ = false;
    in_flight_.reset();
    birth_ = {};
    batch_ = {};
    slow_until_.reset();
    heartbeat_due_.reset();
    unanswered_.clear();
    command_clock_.reset();
    newest_ack_s_ = 0;
    reconnect_spread_ = std::chrono::seconds{0};
    upload_.reset();
}

void DeviceProtocol::subscribed(Uptime now) {
    if (!connected_ || subscribed_) return;
    subscribed_ = true;
    note("connected", now);
    send_birth(now);
    heartbeat_due_ = now + settings_.heartbeat;
    settle(now);
}

void DeviceProtocol::disconnected(Uptime now) {
    connected_ = false;
    subscribed_ = false;
    born_ = false;
    in_flight_.reset();
    upload_.reset();
    if (documents_ != nullptr) {
        rights_pull_->interrupted();
        firmware_pull_->interrupted();
    }
    note("connection lost", now);
    // Their answers would carry the number of a connection that is gone.
    const auto waiting = std::exchange(questions_, {});
    for (const auto& [number, question] : waiting) decide_offline(number, question, true, now);
    settle(now);
}

void DeviceProtocol::message(Level level, std::string_view payload, Uptime now) {
    if (!subscribed_) return;
    const auto read = [&](auto decoded, auto take) {
        if (!decoded) {
            ++counters_.malformed;
        } else if (decoded->cn != cn_) {
            ++counters_.foreign_acks;
        } else {
            take(*decoded);
        }
    };
    switch (level) {
        case Level::ack:
            read(topics::decode_ack(payload), [&](const auto& ack) { take_ack(ack, now); });
            break;
        case Level::answer:
            read(topics::decode_request_answer(payload),
                 [&](const auto& answer) { take_answer(answer, now); });
            break;
        case Level::command:
            read(topics::decode_command(payload),
                 [&](const auto& command) { take_command(command, now); });
            break;
        case Level::chunk_down:
            if (const auto chunk = topics::decode_chunk(payload)) {
                take_chunk(*chunk, now);
            } else {
                read(topics::decode_chunks_wanted(payload),
                     [&](const auto& wanted) { take_chunks_wanted(wanted); });
            }
            break;
        default:
            ++counters_.malformed;
            break;
    }
    settle(now);
}

void DeviceProtocol::tick(Uptime now) {
    if (settings_.mistakes.sends_before_flush) journal_.flush();
    if (trial_until_ && now >= *trial_until_) {
        trial_until_.reset();
        note("firmware " + settings_.firmware + " has not reached the server", now);
        actions_.emplace_back(RollBackFirmware{settings_.firmware});
    }
    std::vector<std::int64_t> overdue;
    for (const auto& [number, question] : questions_) {
        if (now >= question.asked + settings_.request_deadline) overdue.push_back(number);
    }
    for (const std::int64_t number : overdue) {
        const auto node = questions_.extract(number);
        decide_offline(number, node.mapped(), true, now);
    }
    if (subscribed_) {
        if (!born_ && birth_.due && now >= *birth_.due) send_birth(now);
        if (heartbeat_due_ && now >= *heartbeat_due_) send_heartbeat(now);
        if (in_flight_ && batch_.due && now >= *batch_.due) {
            ++counters_.resent;
            in_flight_->answered = false;
            sent(now);
            actions_.emplace_back(
                Publish{Level::facts, in_flight_->payload, false, Said::batch_again});
            again_later(batch_, now);
        }
    }
    settle(now);
}

Sequence DeviceProtocol::record(topics::FactBody body, Uptime now) {
    topics::Fact fact;
    fact.at = time_of_fact(now);
    fact.body = std::move(body);
    const Sequence sequence = add(std::move(fact));
    settle(now);
    return sequence;
}

Sequence DeviceProtocol::add(topics::Fact fact) {
    const Sequence sequence = journal_.append(std::move(fact));
    actions_.emplace_back(
        Recorded{FactNumber{journal_.epoch(), sequence}, journal_.held().back().fact});
    return sequence;
}

std::int64_t DeviceProtocol::ask(topics::CardSerial card, topics::KeyName key,
                                 std::vector<topics::CardSerial> with, Uptime now) {
    const std::int64_t number = next_request_++;
    Question question{std::move(card), std::move(key), now};
    if (!subscribed_ || state_.locked) {
        decide_offline(number, question, false, now);
    } else if (questions_.size() >= kQuestionsMax) {
        Decided busy;
        busy.request = number;
        busy.card = question.card;
        busy.key = question.key;
        busy.offline = true;
        busy.rc = kBusy;
        busy.code = "busy";
        decide(std::move(busy), now);
    } else {
        topics::Request request;
        request.cn = cn_;
        request.number = number;
        request.body = topics::KeyRequest{question.card, question.key, std::move(with)};
        questions_.emplace(number, std::move(question));
        actions_.emplace_back(
            Publish{Level::request, topics::encode(request), false, Said::request});
    }
    settle(now);
    return number;
}

void DeviceProtocol::command_finished(std::int64_t command, std::int64_t rc,
                                      std::optional<std::string> note, Uptime now) {
    // Both reach the disk in one write. If it is cut short, the fact without the mark says as much;
    // the mark alone would leave the server without an end.
    topics::Fact fact;
    fact.at = time_of_fact(now);
    fact.body = topics::CommandDone{command, rc, std::move(note)};
    add(std::move(fact));
    journal_.finish_command(command);
    settle(now);
}

std::optional<Uptime> DeviceProtocol::next_due() const {
    std::optional<Uptime> due;
    const auto consider = [&](const std::optional<Uptime>& at) {
        if (at && (!due || *at < *due)) due = at;
    };
    for (const auto& [number, question] : questions_) {
        consider(question.asked + settings_.request_deadline);
    }
    consider(trial_until_);
    if (!subscribed_) return due;
    if (!born_) consider(birth_.due);
    if (in_flight_) consider(batch_.due);
    if (born_ && !in_flight_ && !journal_.empty()) consider(slow_until_);
    if (born_) consider(documents_due());
    consider(heartbeat_due_);
    return due;
}

// == sending
// ===========================================================================================

/// The end of every input: what was decided reaches the disk, then facts that may go out do.
void DeviceProtocol::settle(Uptime now) {
    if (auto dropped = journal_.take_dropped(); !dropped.empty()) {
        actions_.emplace_back(Dropped{std::move(dropped)});
    }
    if (!settings_.mistakes.sends_before_flush) journal_.flush();
    if (slow_until_ && now >= *slow_until_) slow_until_.reset();
    if (!born_ || slow_until_) return;
    if (!in_flight_ && !journal_.empty()) send_batch(now);
    go_on_with_documents(now);
}

/// Something that an ack will answer goes out.
void DeviceProtocol::sent(Uptime now) {
    while (!unanswered_.empty() && now - unanswered_.front() > kAckLifeMax) unanswered_.pop_front();
    if (unanswered_.size() < kUnansweredMax) unanswered_.push_back(now);
}

void DeviceProtocol::note(const std::string& line, Uptime now) {
    log_.add(journal_.boot(), now, line);
}

void DeviceProtocol::keep_state() {
    if (documents_ != nullptr) documents_->keep(state_);
}

void DeviceProtocol::again_later(Backoff& backoff, Uptime now) {
    backoff.base = backoff.base == Uptime{0}
                       ? settings_.resend_first
                       : std::min<Uptime>(backoff.base * 2, settings_.resend_max);
    std::uniform_real_distribution<double> spread{0.5, 1.5};
    backoff.due = now + std::chrono::duration_cast<Uptime>(backoff.base * spread(random_));
}

void DeviceProtocol::begin_birth(Uptime now) {
    birth_ = {};
    in_flight_.reset();
    send_birth(now);
}

void DeviceProtocol::send_birth(Uptime now) {
    born_ = false;
    topics::Birth birth;
    birth.cn = cn_;
    birth.epoch = journal_.epoch();
    birth.boot = journal_.boot();
    birth.since_boot_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
    birth.lo = journal_.oldest();
    birth.hi = journal_.last();
    birth.rights_version = rights_version();
    birth.last_command = std::max(journal_.command_started(), journal_.command_finished());
    birth.heartbeat_s = settings_.heartbeat_s;
    birth.packet_bytes_max = settings_.packet_bytes_max;
    birth.firmware = settings_.firmware;
    sent(now);
    actions_.emplace_back(Publish{Level::state, topics::encode(birth), true, Said::birth});
    again_later(birth_, now);
}

void DeviceProtocol::send_heartbeat(Uptime now) {
    topics::Heartbeat heartbeat;
    heartbeat.cn = cn_;
    heartbeat.rssi_dbm = -61;
    heartbeat.uptime_s = std::chrono::duration_cast<std::chrono::seconds>(now).count();
    heartbeat.content = R"({"cf":)" + std::to_string(rights_version()) + "}";
    sent(now);
    actions_.emplace_back(
        Publish{Level::telemetry, topics::encode(heartbeat), false, Said::heartbeat});
    heartbeat_due_ = now + settings_.heartbeat;
}

void DeviceProtocol::send_batch(Uptime now) {
    const auto& held = journal_.held();
    const std::size_t bytes_max = payload_max(Level::facts);
    std::size_t count = std::min(facts_max_, held.size());
    topics::FactBatch batch;
    batch.cn = cn_;
    batch.epoch = journal_.epoch();
    batch.lo = journal_.oldest();
    batch.first = held.front().sequence;
    for (std::size_t i = 0; i < count; ++i) batch.facts.push_back(held[i].fact);
    std::string payload = topics::encode(batch);
    while (payload.size() > bytes_max && count > 1) {
        count = std::max<std::size_t>(1, std::min(count - 1, count * bytes_max / payload.size()));
        batch.facts.resize(count);
        payload = topics::encode(batch);
    }
    // A fact that is alone and still too large for one packet goes out all the same: the server may
    // take it.
    in_flight_ = InFlight{held.front().sequence, held[count - 1].sequence, payload, false};
    if (settings_.mistakes.forgets_before_ack) journal_.acknowledge(in_flight_->last);
    sent(now);
    actions_.emplace_back(Publish{Level::facts, std::move(payload), false, Said::batch});
    batch_ = {};
    again_later(batch_, now);
}

std::size_t DeviceProtocol::payload_max(Level level) const {
    const std::size_t around = kPacketOverhead + topics::device_topic(settings_.id, level).size();
    const auto packet = static_cast<std::size_t>(settings_.packet_bytes_max);
    return packet > around ? packet - around : 1;
}

// == hearing
// =======================================================================================

/// UTC at uptime 0, rounded up: `now` is cut to seconds, and what the ack answers was sent before
/// the server looked at its clock. An ack that is no newer than another moves the clock forward
/// only, so that one which was held up for less than a second can not make a late command look
/// early.
void DeviceProtocol::set_command_clock(std::int64_t now_s, bool newer, Uptime now) {
    while (unanswered_.size() > 1 && now - unanswered_.front() > kAckLifeMax) {
        unanswered_.pop_front();
    }
    if (unanswered_.empty()) return;
    const Uptime told = std::chrono::seconds{now_s + 1} - unanswered_.front();
    unanswered_.pop_front();
    if (!command_clock_ || newer || told > *command_clock_) command_clock_ = told;
}

void DeviceProtocol::take_ack(const topics::Ack& ack, Uptime now) {
    // Held up or sent again by somebody: what it says of the journal holds for ever, what it says
    // of the time, the lease and the wishes has been overtaken.
    const bool overtaken = ack.now_s < newest_ack_s_;
    if (!overtaken) {
        const bool newer = ack.now_s > newest_ack_s_;
        newest_ack_s_ = ack.now_s;
        clock_ = {ack.now_s, now};
        set_command_clock(ack.now_s, newer, now);
    }
    if (ack.error == AckError::bad) {
        batch_unreadable(ack);
        return;
    }
    if (!overtaken) {
        reconnect_spread_ = std::chrono::seconds{ack.reconnect_spread_s.value_or(0)};
        // An ack that only says "who are you" or "wait" may come from somebody who has not looked.
        if (ack.error != AckError::hello && ack.error != AckError::slow) take_wishes(ack, now);
    }

    // Epochs rise, so a lower one is an old ack that was held up: numbers would be given twice in
    // the epoch to which the next ack leads back. (What a broken flash claims counts for nothing.)
    const bool credible = journal_.epoch().value <= topics::limits::kEpochMax;
    const bool older = credible && ack.epoch < journal_.epoch();
    if (ack.error == AckError::epoch && older) {
        if (born_) begin_birth(now);
        return;
    }
    if (ack.error == AckError::epoch && ack.epoch.value > 0 && ack.epoch != journal_.epoch()) {
        ++counters_.epochs;
        in_flight_.reset();
        refusals_ = 0;
        note("epoch " + std::to_string(ack.epoch.value), now);
        if (settings_.mistakes.drops_at_new_epoch) journal_.acknowledge(journal_.last());
        actions_.emplace_back(Renumbered{journal_.renumber(ack.epoch)});
        // The retained birth still says the old epoch.
        begin_birth(now);
        return;
    }
    if (ack.epoch == journal_.epoch() && ack.acked > journal_.acked() &&
        ack.acked <= journal_.last()) {
        journal_.acknowledge(ack.acked);
        refusals_ = 0;
        facts_max_ = std::min(topics::limits::kFactsPerBatchMax, facts_max_ * 2);
        if (in_flight_ && ack.acked >= in_flight_->first) {
            in_flight_.reset();
            batch_ = {};
        }
        if (journal_.overrun() > 0) {
            record(topics::JournalOverrun{journal_.overrun()}, now);
            actions_.emplace_back(ReportSlots{});
        }
    }
    switch (ack.error) {
        case AckError::none:
        case AckError::epoch:
            break;
        case AckError::gap:
            ++counters_.gaps;
            note("gap behind " + std::to_string(ack.acked.value), now);
            if (in_flight_ && in_flight_->first.value != ack.acked.value + 1) in_flight_.reset();
            if (!journal_.empty() && journal_.oldest().value > ack.acked.value + 1) {
                actions_.emplace_back(ReportSlots{});
            }
            break;
        case AckError::hello:
            // While a birth is under way its own repeat is the answer: two who misunderstand each
            // other must not become a storm.
            if (born_) begin_birth(now);
            return;
        case AckError::slow:
            slow_until_ = now + std::chrono::seconds{ack.wait_s.value_or(1)};
            if (in_flight_) batch_.due = slow_until_;
            if (!born_) birth_.due = slow_until_;
            return;
        case AckError::bad:
            return;
    }
    if (ack.epoch != journal_.epoch() || ack.epoch.value == 0) return;
    born_ = true;
    if (on_trial()) {
        note("firmware " + settings_.firmware + " is good", now);
        state_.firmware = std::exchange(state_.firmware_tried, {});
        state_.firmware_started = false;
        trial_until_.reset();
        keep_state();
    }
}

/// Lease, rights and firmware, as the server wants them.
void DeviceProtocol::take_wishes(const topics::Ack& ack, Uptime now) {
    lease_until_ = now + std::chrono::seconds{ack.lease_s};
    if (documents_ == nullptr) return;
    if (settings_.utc_at_boot_s) {
        const std::int64_t later_s = ack.now_s - state_.lease_from_utc_s;
        if (ack.lease_s != state_.lease_s || later_s < 0 || later_s > kLeaseNoted_s) {
            state_.lease_from_utc_s = ack.now_s;
            state_.lease_s = ack.lease_s;
        }
    }
    // 0: nothing was made for this device yet.
    if (ack.rights_version > 0 && (ack.rights_version != rights_version() || rights_doubted_)) {
        rights_pull_->want(ack.rights_version, "");
    } else {
        rights_pull_->want_nothing();
    }
    const auto& wanted = ack.firmware_wanted;
    if (wanted && *wanted != state_.firmware_refused) state_.firmware_refused.clear();
    if (!wanted || *wanted == settings_.firmware || *wanted == state_.firmware_refused ||
        on_trial()) {
        firmware_pull_->want_nothing();
    } else {
        firmware_pull_->want(0, *wanted);
    }
    keep_state();
}

void DeviceProtocol::batch_unreadable(const topics::Ack& ack) {
    ++counters_.bad_batches;
    // One complaint counts for one sending: an answer to an earlier sending must not condemn a
    // fact.
    if (!in_flight_ || in_flight_->answered || ack.acked >= in_flight_->first) return;
    const auto count =
        static_cast<std::size_t>(in_flight_->last.value - in_flight_->first.value) + 1;
    if (count > 1) {
        facts_max_ = count / 2;
        in_flight_.reset();
        return;
    }
    in_flight_->answered = true;
    if (++refusals_ < kRefusalsMax) return;
    refusals_ = 0;
    journal_.set_aside(in_flight_->first, topics::crc32(in_flight_->payload),
                       static_cast<std::int64_t>(in_flight_->payload.size()));
    actions_.emplace_back(SetAside{FactNumber{journal_.epoch(), in_flight_->first}});
    in_flight_.reset();
}

void DeviceProtocol::take_answer(const topics::RequestAnswer& answer, Uptime now) {
    for (auto* pull : {&rights_pull_, &firmware_pull_}) {
        if (*pull && (*pull)->answered(answer, random_, now)) return;
    }
    const auto node = questions_.extract(answer.number);
    if (node.empty()) {
        ++counters_.late_answers;
        return;
    }
    const Question& question = node.mapped();
    if (now >= question.asked + settings_.request_deadline) {
        ++counters_.late_answers;
        decide_offline(answer.number, question, true, now);
        return;
    }
    if (answer.rc >= kServerTrouble || answer.rc == kBusy || state_.locked) {
        decide_offline(answer.number, question, true, now);
        return;
    }
    Decided decided;
    decided.request = answer.number;
    decided.card = question.card;
    decided.key = question.key;
    decided.granted = answer.rc == 0;
    decided.rc = answer.rc;
    decided.code = answer.code.value_or("");
    decided.text = answer.text.value_or("");
    decided.slot = answer.slot;
    decided.waited = now - question.asked;
    decide(std::move(decided), now);
}

void DeviceProtocol::decide_offline(std::int64_t number, const Question& question, bool unanswered,
                                    Uptime now) {
    Decided decided;
    decided.request = number;
    decided.card = question.card;
    decided.key = question.key;
    decided.offline = true;
    decided.unanswered = unanswered;
    decided.waited = now - question.asked;
    const auto why_not = [&] { return rights_.why_not(question.card, question.key, utc_s(now)); };
    if (state_.locked) {
        decided.rc = 403;
        decided.code = "locked";
        decided.text = "The cabinet is locked";
    } else if (!lease_runs(now)) {
        decided.rc = 403;
        decided.code = "lease_ended";
        decided.text = "The cabinet has been without the server for too long";
    } else if (const std::string code{why_not()}; !code.empty()) {
        decided.rc = 403;
        decided.code = code;
        decided.text = code == "needs_server" ? "This key is given out with the server only"
                       : code == "not_now"    ? "No right to this key at this time"
                                              : "No right to this key";
    } else {
        decided.granted = true;
    }
    decide(std::move(decided), now);
}

void DeviceProtocol::decide(Decided decided, Uptime now) {
    if (decided.granted) {
        topics::AccessGranted fact;
        if (!decided.offline) fact.request = decided.request;
        fact.card = decided.card;
        fact.key = decided.key;
        record(std::move(fact), now);
    } else if (decided.rc != kMoreCards) {
        const std::string why = decided.code.empty() ? std::to_string(decided.rc) : decided.code;
        record(topics::AccessDenied{decided.card, decided.key, why}, now);
    }
    actions_.emplace_back(std::move(decided));
}

void DeviceProtocol::take_command(const topics::Command& command, Uptime now) {
    const Mistakes& mistakes = settings_.mistakes;
    // Repeated until its fact arrives; the fact is in the journal, which repeats as well.
    if (command.number <= journal_.command_started() && !mistakes.runs_repeated_commands) return;
    // One at a time: the marks of start and end stand for one command. The server repeats.
    if (journal_.command_started() > journal_.command_finished()) return;
    // Without an ack on this connection there is no time to judge the expiry by.
    if (!command_clock_) return;
    const auto utc = *command_clock_ + now;
    if (!mistakes.starts_without_mark) journal_.start_command(command.number);
    record(topics::CommandAccepted{command.number}, now);
    const std::string kind{topics::kind_of(command.body)};
    note("command " + std::to_string(command.number) + " " + kind, now);
    if (utc >= std::chrono::seconds{command.expires_s} && !mistakes.runs_expired_commands) {
        ++counters_.expired_commands;
        command_finished(command.number, 408, std::nullopt, now);
        return;
    }
    if (const auto* wanted = std::get_if<topics::SettingsCommand>(&command.body)) {
        if (wanted->time_zone) state_.time_zone = *wanted->time_zone;
        if (wanted->heartbeat_s) {
            state_.heartbeat_s = *wanted->heartbeat_s;
            settings_.heartbeat_s = *wanted->heartbeat_s;
            settings_.heartbeat = std::chrono::seconds{*wanted->heartbeat_s};
            if (heartbeat_due_) {
                heartbeat_due_ = std::min(*heartbeat_due_, now + settings_.heartbeat);
            }
        }
        keep_state();
        command_finished(command.number, 0, std::nullopt, now);
        return;
    }
    if (std::holds_alternative<topics::LogsSend>(command.body) && documents_ != nullptr) {
        offer_log(command, now);
        return;
    }
    if (std::holds_alternative<topics::RightsRead>(command.body) && documents_ != nullptr) {
        // Of which version the next ack says; the present one if there is none until then.
        rights_doubted_ = true;
        rights_pull_->want(rights_version(), "");
        command_finished(command.number, 0, std::nullopt, now);
        return;
    }
    if (const auto* lock = std::get_if<topics::Lock>(&command.body)) {
        state_.locked = lock->locked;
        keep_state();
    }
    actions_.emplace_back(Run{command.number, command.body});
}

// == documents
// ==============================================================================

bool DeviceProtocol::current() const {
    return !rights_pull_ || (!rights_pull_->wants() && !firmware_pull_->wants());
}

std::optional<Uptime> DeviceProtocol::documents_due() const {
    std::optional<Uptime> due;
    const auto consider = [&](std::optional<Uptime> at) {
        if (at && (!due || *at < *due)) due = at;
    };
    if (rights_pull_) consider(rights_pull_->next_due());
    if (firmware_pull_) consider(firmware_pull_->next_due());
    if (upload_) consider(documents_quiet_until_);
    if (due) due = std::max(*due, documents_quiet_until_);
    if (due && slow_until_) due = std::max(*due, *slow_until_);
    return due;
}

void DeviceProtocol::go_on_with_documents(Uptime now) {
    if (documents_ == nullptr || now < documents_quiet_until_) return;
    if (ask_for(*rights_pull_, now) || ask_for(*firmware_pull_, now) || send_chunk()) {
        documents_quiet_until_ = now + settings_.chunk_pause;
    }
}

bool DeviceProtocol::ask_for(DocumentPull& pull, Uptime now) {
    auto body = pull.next(next_request_, random_, now);
    if (!body) {
        // Nothing to ask: perhaps all of it was there from before a reboot.
        if (pull.whole() != nullptr)
            &pull == &*rights_pull_ ? take_rights(now) : take_firmware(now);
        return false;
    }
    topics::Request request;
    request.cn = cn_;
    request.number = next_request_++;
    request.body = std::move(*body);
    actions_.emplace_back(Publish{Level::request, topics::encode(request), false, Said::document});
    return true;
}

bool DeviceProtocol::send_chunk() {
    if (!upload_) return false;
    const std::string* content = documents_->offered(upload_->document);
    const std::int64_t chunk_bytes = topics::chunk_bytes_for(settings_.packet_bytes_max);
    if (content == nullptr || upload_->next >= upload_->end) {
        upload_.reset();
        return false;
    }
    actions_.emplace_back(Publish{
        Level::chunk_up,
        topics::encode(topics::chunk_at(*content, upload_->tag, upload_->next++, chunk_bytes)),
        false, Said::chunk});
    ++counters_.chunks_sent;
    if (upload_->next >= upload_->end) upload_.reset();
    return true;
}

void DeviceProtocol::take_chunk(const topics::Chunk& chunk, Uptime now) {
    bool taken = false;
    for (auto* pull : {&rights_pull_, &firmware_pull_}) {
        taken = taken || (*pull && (*pull)->arrived(chunk, random_, now));
    }
    if (!taken) ++counters_.unknown_chunks;
    if (rights_pull_ && rights_pull_->whole() != nullptr) take_rights(now);
    if (firmware_pull_ && firmware_pull_->whole() != nullptr) take_firmware(now);
}

void DeviceProtocol::take_rights(Uptime now) {
    const DocumentHead& head = rights_pull_->whole()->head;
    const bool trusting = trusts(settings_.mistakes);
    auto decoded = topics::decode_rights(rights_pull_->whole()->content);
    if (!decoded || (decoded->version != head.version && !trusting)) {
        note("rights " + std::to_string(head.version) + " can not be read", now);
        rights_pull_->refuse(random_, now);
        return;
    }
    if (trusting) decoded->version = head.version;
    documents_->make_rights_current(std::move(*decoded));
    rights_doubted_ = false;
    rights_pull_->want_nothing();
    note("rights " + std::to_string(rights_version()), now);
    actions_.emplace_back(RightsChanged{rights_version()});
}

void DeviceProtocol::take_firmware(Uptime now) {
    const std::string version = firmware_pull_->whole()->head.label;
    state_.firmware_tried = version;
    state_.firmware_started = false;
    state_.firmware_boot = journal_.boot();
    keep_state();
    documents_->drop(kFirmwareDocument);
    firmware_pull_->want_nothing();
    note("firmware " + version + " installed", now);
    actions_.emplace_back(InstallFirmware{version});
}

/// The document is on the disk before its fact is, so the server never asks for what is not there.
void DeviceProtocol::offer_log(const topics::Command& command, Uptime now) {
    const std::string text = log_.text();
    documents_->offer(kLogsDocument, text);
    // Chunks of the one before that were asked for would bear its name and not be of it.
    upload_.reset();
    topics::DocumentReady ready;
    ready.document = kLogsDocument;
    ready.bytes = static_cast<std::int64_t>(text.size());
    ready.sha256 = topics::to_hex(topics::sha256(text));
    record(std::move(ready), now);
    command_finished(command.number, 0, std::nullopt, now);
}

void DeviceProtocol::take_chunks_wanted(const topics::ChunksWanted& wanted) {
    const std::string* content =
        documents_ != nullptr ? documents_->offered(wanted.document) : nullptr;
    const std::int64_t total =
        content == nullptr ? 0
                           : topics::chunks_of(static_cast<std::int64_t>(content->size()),
                                               topics::chunk_bytes_for(settings_.packet_bytes_max));
    if (wanted.index >= total) {
        ++counters_.unknown_chunks;
        return;
    }
    Upload upload;
    upload.document = wanted.document;
    upload.tag = topics::tag_of(topics::sha256(*content));
    upload.next = wanted.index;
    upload.end = std::min(total, wanted.index + wanted.count);
    upload_ = std::move(upload);
}

ProtocolCounters DeviceProtocol::counters() const {
    ProtocolCounters all = counters_;
    for (const auto* pull : {&rights_pull_, &firmware_pull_}) {
        if (*pull) all.refused_documents += (*pull)->counters().refused;
    }
    return all;
}

// == time
// ===================================================================================

bool DeviceProtocol::lease_runs(Uptime now) const {
    return now < lease_until_.value_or(settings_.lease_grace);
}

std::optional<std::int64_t> DeviceProtocol::utc_s(Uptime now) const {
    if (!clock_) return std::nullopt;
    const auto since = std::chrono::duration_cast<std::chrono::seconds>(now - clock_->second);
    const std::int64_t utc = clock_->first + since.count() + settings_.clock_error_s.value_or(0);
    return std::max<std::int64_t>(0, utc);
}

topics::DeviceTime DeviceProtocol::time_of_fact(Uptime now) const {
    topics::DeviceTime at;
    at.utc_s = utc_s(now);
    if (!at.utc_s) {
        at.boot = journal_.boot();
        at.since_boot_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
    }
    return at;
}

}  // namespace klyuchnik::sim
