#include "firmware-sim/device/protocol.hpp"

#include <algorithm>

#include "firmware-sim/device/crc32.hpp"
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

/// Fixed header with its longest length, and the length of the topic.
constexpr std::size_t kPacketOverhead = 1 + 4 + 2;

}  // namespace

DeviceProtocol::DeviceProtocol(DeviceSettings settings, Journal& journal,
                               const CachedRights& rights)
    : settings_{std::move(settings)}, journal_{journal}, rights_{rights}, random_{settings_.seed} {
    // Numbers of questions rise over reboots too, so that an answer to an earlier life fits none.
    next_request_ = journal_.boot() * 1'000'000 + 1;
    const std::int64_t started = journal_.command_started();
    if (started > journal_.command_finished()) {
        command_finished(started, 500, "restarted before the end", Uptime{0});
    }
    actions_.emplace_back(ReportSlots{});
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
    oldest_unanswered_.reset();
    command_clock_.reset();
}

void DeviceProtocol::subscribed(Uptime now) {
    if (!connected_ || subscribed_) return;
    subscribed_ = true;
    send_birth(now);
    heartbeat_due_ = now + settings_.heartbeat;
    settle(now);
}

void DeviceProtocol::disconnected(Uptime now) {
    connected_ = false;
    subscribed_ = false;
    born_ = false;
    in_flight_.reset();
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
        default:
            ++counters_.malformed;
            break;
    }
    settle(now);
}

void DeviceProtocol::tick(Uptime now) {
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
            if (!oldest_unanswered_) oldest_unanswered_ = now;
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
    const Sequence sequence = journal_.append(std::move(fact));
    actions_.emplace_back(
        Recorded{FactNumber{journal_.epoch(), sequence}, journal_.held().back().fact});
    settle(now);
    return sequence;
}

std::int64_t DeviceProtocol::ask(topics::CardSerial card, topics::KeyName key,
                                 std::vector<topics::CardSerial> with, Uptime now) {
    const std::int64_t number = next_request_++;
    Question question{std::move(card), std::move(key), now};
    if (!subscribed_) {
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
    journal_.finish_command(command);
    record(topics::CommandDone{command, rc, std::move(note)}, now);
}

std::optional<Uptime> DeviceProtocol::next_due() const {
    std::optional<Uptime> due;
    const auto consider = [&](const std::optional<Uptime>& at) {
        if (at && (!due || *at < *due)) due = at;
    };
    for (const auto& [number, question] : questions_) {
        consider(question.asked + settings_.request_deadline);
    }
    if (!subscribed_) return due;
    if (!born_) consider(birth_.due);
    if (in_flight_) consider(batch_.due);
    if (born_ && !in_flight_ && !journal_.empty()) consider(slow_until_);
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
    journal_.flush();
    if (slow_until_ && now >= *slow_until_) slow_until_.reset();
    if (born_ && !in_flight_ && !slow_until_ && !journal_.empty()) send_batch(now);
}

void DeviceProtocol::again_later(Backoff& backoff, Uptime now) {
    backoff.base = backoff.base == Uptime{0}
                       ? settings_.resend_first
                       : std::min<Uptime>(backoff.base * 2, settings_.resend_max);
    std::uniform_real_distribution<double> spread{0.5, 1.5};
    backoff.due = now + std::chrono::duration_cast<Uptime>(backoff.base * spread(random_));
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
    birth.last_command = std::max(journal_.command_started(), journal_.command_finished());
    birth.heartbeat_s = settings_.heartbeat_s;
    birth.packet_bytes_max = settings_.packet_bytes_max;
    birth.firmware = settings_.firmware;
    if (!oldest_unanswered_) oldest_unanswered_ = now;
    actions_.emplace_back(Publish{Level::state, topics::encode(birth), true, Said::birth});
    again_later(birth_, now);
}

void DeviceProtocol::send_heartbeat(Uptime now) {
    topics::Heartbeat heartbeat;
    heartbeat.cn = cn_;
    heartbeat.rssi_dbm = -61;
    heartbeat.uptime_s = std::chrono::duration_cast<std::chrono::seconds>(now).count();
    if (!oldest_unanswered_) oldest_unanswered_ = now;
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
    if (!oldest_unanswered_) oldest_unanswered_ = now;
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

void DeviceProtocol::take_ack(const topics::Ack& ack, Uptime now) {
    clock_ = {ack.now_s, now};
    if (oldest_unanswered_) {
        command_clock_ = {ack.now_s, *oldest_unanswered_};
        oldest_unanswered_.reset();
    }
    lease_until_ = now + std::chrono::seconds{ack.lease_s};
    reconnect_spread_ = std::chrono::seconds{ack.reconnect_spread_s.value_or(0)};

    if (ack.error == AckError::epoch && ack.epoch.value > 0 && ack.epoch != journal_.epoch()) {
        ++counters_.epochs;
        in_flight_.reset();
        refusals_ = 0;
        actions_.emplace_back(Renumbered{journal_.renumber(ack.epoch)});
        // The retained birth still says the old epoch.
        birth_ = {};
        send_birth(now);
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
            if (in_flight_ && in_flight_->first.value != ack.acked.value + 1) in_flight_.reset();
            if (!journal_.empty() && journal_.oldest().value > ack.acked.value + 1) {
                actions_.emplace_back(ReportSlots{});
            }
            break;
        case AckError::hello:
            // While a birth is under way its own repeat is the answer: two who misunderstand each
            // other must not become a storm.
            if (born_) {
                birth_ = {};
                in_flight_.reset();
                send_birth(now);
            }
            return;
        case AckError::slow:
            slow_until_ = now + std::chrono::seconds{ack.wait_s.value_or(1)};
            if (in_flight_) batch_.due = slow_until_;
            if (!born_) birth_.due = slow_until_;
            return;
        case AckError::bad:
            batch_unreadable(ack);
            return;
    }
    if (ack.epoch == journal_.epoch() && ack.epoch.value > 0) born_ = true;
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
    journal_.set_aside(in_flight_->first, crc32(in_flight_->payload),
                       static_cast<std::int64_t>(in_flight_->payload.size()));
    actions_.emplace_back(SetAside{FactNumber{journal_.epoch(), in_flight_->first}});
    in_flight_.reset();
}

void DeviceProtocol::take_answer(const topics::RequestAnswer& answer, Uptime now) {
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
    if (answer.rc >= kServerTrouble || answer.rc == kBusy) {
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
    if (!lease_runs(now)) {
        decided.rc = 403;
        decided.code = "lease_ended";
        decided.text = "The cabinet has been without the server for too long";
    } else if (!rights_.allows(question.card, question.key)) {
        decided.rc = 403;
        decided.code = "no_right";
        decided.text = "No right to this key";
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
    // Repeated until its fact arrives; the fact is in the journal, which repeats as well.
    if (command.number <= journal_.command_started()) return;
    // Without an ack on this connection there is no time to judge the expiry by.
    if (!command_clock_) return;
    const auto since = std::chrono::ceil<std::chrono::seconds>(now - command_clock_->second);
    const std::int64_t utc = command_clock_->first + since.count();
    journal_.start_command(command.number);
    record(topics::CommandAccepted{command.number}, now);
    if (utc >= command.expires_s) {
        ++counters_.expired_commands;
        command_finished(command.number, 408, std::nullopt, now);
        return;
    }
    if (const auto* wanted = std::get_if<topics::SettingsCommand>(&command.body)) {
        if (wanted->heartbeat_s) {
            settings_.heartbeat_s = *wanted->heartbeat_s;
            settings_.heartbeat = std::chrono::seconds{*wanted->heartbeat_s};
        }
        command_finished(command.number, 0, std::nullopt, now);
        return;
    }
    actions_.emplace_back(Run{command.number, command.body});
}

// == time
// ===================================================================================

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
