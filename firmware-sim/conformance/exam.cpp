#include "firmware-sim/conformance/exam.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "topics/codec.hpp"
#include "topics/limits.hpp"

namespace klyuchnik::sim::conformance {
namespace {

using namespace std::chrono_literals;
using topics::AckError;
using topics::Epoch;
using topics::Level;
using topics::Sequence;

/// Messages kept for came_since().
constexpr std::size_t kRecentMax = 32;
constexpr std::size_t kShownMessagesMax = 3;
/// A server repeats a command so often until it is accepted.
constexpr Elapsed kCommandRepeat = 3s;
/// Long enough for a device to have journaled what a few short commands made; one that is built
/// with shorter waits is quicker in this as well.
constexpr Elapsed kProvokeMin = 300ms;
constexpr Elapsed kProvokeMax = 2s;
constexpr int kProvokeRounds = 6;
/// Behind the answer to one batch the next one comes at once.
constexpr Elapsed kQuietFor = 1s;
/// A journal of some thousand facts, ten to a batch.
constexpr Elapsed kSettleMax = std::chrono::minutes{10};
constexpr std::int64_t kBuzzMs = 20;
constexpr std::int64_t kAllBits = topics::limits::kConnectionMax;

Pace pace_of(const ExamSettings& settings) {
    if (settings.learn_pace) return Pace::learnt(settings.slack);
    return Pace::known(
        std::chrono::duration_cast<Elapsed>(Elapsed{topics::limits::kResendFirst} * settings.scale),
        settings.slack);
}

Sequence last_of(const topics::FactBatch& batch) {
    return Sequence{batch.first.value + static_cast<std::int64_t>(batch.facts.size()) - 1};
}

}  // namespace

Exam::Exam(Line& line, const ExamSettings& settings, Report& report)
    : line_{line},
      settings_{settings},
      report_{report},
      pace_{pace_of(settings)},
      watch_{report, pace_, settings.device} {}

// == hearing
// ===========================================================================================

std::optional<Event> Exam::hear(Elapsed until) {
    auto heard = line_.wait(until);
    if (heard) {
        if (++messages_ > kMessagesMax) {
            throw CannotGoOn{fmt::format("more than {} messages", kMessagesMax)};
        }
        recent_.push_back(*heard);
        if (recent_.size() > kRecentMax) recent_.pop_front();
    }
    watch_.time_passed(line_.now(), cursor_);
    if (!heard) return std::nullopt;
    Event event = read(std::move(*heard));
    watch_.heard(event, cursor_);
    take(event);
    return event;
}

bool Exam::quiet(Elapsed patience) {
    const Elapsed deadline = in(patience);
    while (in(kQuietFor) <= deadline) {
        const auto batch = until<topics::FactBatch>(in(kQuietFor));
        // What was sent and not acknowledged comes again, be it in a minute.
        if (!batch && !in_flight_ && highest_ <= cursor_.acked) return true;
    }
    return false;
}

void Exam::settle() {
    answers = Answers{};
    const Elapsed from = now();
    if (in_flight_) acknowledge(last_of(in_flight_->batch));
    if (quiet(kSettleMax)) return;
    report_.fail(kDrains, "no more batches once every fact is acknowledged", came_since(from));
}

void Exam::await_admitted() {
    const Elapsed from = now();
    if (until_true(in(settings_.patience), [&] { return cursor_.admitted; })) return;
    report_.fail(kConnectionKept, "a birth, and no loss of the connection after its ack",
                 came_since(from));
    throw CannotGoOn{"the device went away and did not come back"};
}

const topics::Birth& Exam::birth() const {
    if (!cursor_.birth) throw CannotGoOn{"the device went away"};
    return *cursor_.birth;
}

const InFlight& Exam::waiting() const {
    if (!in_flight_) throw CannotGoOn{"the device went away, or gave up what it had sent"};
    return *in_flight_;
}

std::string Exam::came_since(Elapsed since) const {
    std::vector<const Heard*> later;
    for (const Heard& heard : recent_) {
        if (heard.at > since && heard.level != Level::telemetry) later.push_back(&heard);
    }
    if (later.empty()) {
        return fmt::format("nothing in {}", seconds_text(line_.now() - since));
    }
    std::string text;
    const std::size_t from =
        later.size() > kShownMessagesMax ? later.size() - kShownMessagesMax : 0;
    for (std::size_t i = from; i < later.size(); ++i) {
        if (!text.empty()) text += "; ";
        text += fmt::format("after {} {}", seconds_text(later[i]->at - since), shown(*later[i]));
    }
    return text;
}

void Exam::take(const Event& event) {
    if (const auto* birth = std::get_if<topics::Birth>(&event.said)) {
        take_birth(*birth);
    } else if (const auto* will = std::get_if<topics::Will>(&event.said)) {
        if (cursor_.birth && will->cn == cursor_.birth->cn) {
            cursor_.birth.reset();
            cursor_.admitted = false;
            in_flight_.reset();
        }
    } else if (const auto* batch = std::get_if<topics::FactBatch>(&event.said)) {
        take_batch(*batch, event.heard);
    } else if (const auto* heartbeat = std::get_if<topics::Heartbeat>(&event.said)) {
        take_heartbeat(*heartbeat);
    } else if (const auto* request = std::get_if<topics::Request>(&event.said)) {
        take_request(*request);
    } else if (event.heard.level == Level::facts && answers.batches && cursor_.admitted) {
        complain(AckError::bad);
    }
}

void Exam::take_birth(const topics::Birth& birth) {
    if (!cursor_.birth || cursor_.birth->cn != birth.cn) {
        cursor_.admitted = false;
        last_command_ = std::max(last_command_, birth.last_command);
    }
    cursor_.birth = birth;
    in_flight_.reset();
    if (answers.births) answer_birth();
}

void Exam::answer_birth() {
    const topics::Birth& birth = this->birth();
    if (birth.epoch != cursor_.epoch) {
        topics::Ack ack = plain_ack();
        ack.error = AckError::epoch;
        say(ack);
        return;
    }
    // A device that has fewer facts than were acknowledged was restored: nothing that it says under
    // this epoch can be told from what is known.
    if (birth.hi < cursor_.acked) {
        give_epoch();
        return;
    }
    cursor_.admitted = true;
    say(plain_ack());
}

void Exam::take_batch(const topics::FactBatch& batch, const Heard& heard) {
    if (!cursor_.birth || !cursor_.admitted || batch.cn != cursor_.birth->cn) {
        if (!answers.births) return;
        topics::Ack ack = plain_ack();
        ack.cn = batch.cn;
        ack.error = AckError::hello;
        say(ack);
        return;
    }
    if (batch.epoch != cursor_.epoch) {
        complain(AckError::epoch);
        return;
    }
    highest_ = std::max(highest_, last_of(batch));
    if (batch.lo.value > cursor_.acked.value + 1) cursor_.acked.value = batch.lo.value - 1;
    if (batch.first.value == cursor_.acked.value + 1) {
        const bool again = in_flight_ && in_flight_->batch.facts.size() == batch.facts.size();
        in_flight_ = InFlight{batch, heard, again ? in_flight_->sent + 1 : 1};
        learn(batch, heard.at);
    }
    if (!answers.batches) return;
    if (batch.first.value > cursor_.acked.value + 1) {
        complain(AckError::gap);
        return;
    }
    acknowledge(std::max(cursor_.acked, last_of(batch)));
}

void Exam::learn(const topics::FactBatch& batch, Elapsed at) {
    for (std::size_t i = 0; i < batch.facts.size(); ++i) {
        const topics::Fact& fact = batch.facts[i];
        const Sequence sequence{batch.first.value + static_cast<std::int64_t>(i)};
        const std::pair own{batch.epoch.value, sequence.value};
        if (names_.contains(own)) continue;
        if (fact.old) {
            const auto known = names_.find({fact.old->epoch.value, fact.old->sequence.value});
            if (known != names_.end()) {
                names_.emplace(own, known->second);
                continue;
            }
        }
        names_.emplace(own, facts_.size());
        facts_.push_back(SeenFact{batch.epoch, sequence, fact, at});
    }
}

void Exam::take_heartbeat(const topics::Heartbeat& heartbeat) {
    if (!answers.heartbeats || !cursor_.admitted) return;
    if (heartbeat.cn == cn()) say(plain_ack());
}

void Exam::take_request(const topics::Request& request) {
    if (std::holds_alternative<topics::KeyRequest>(request.body)) ++key_requests_;
    if (on_request && on_request(request)) return;
    if (!answers.requests) return;
    topics::RequestAnswer answer;
    answer.cn = request.cn;
    answer.number = request.number;
    if (std::holds_alternative<topics::TimeRequest>(request.body)) {
        answer.now_s = line_.utc_s();
    } else if (std::holds_alternative<topics::KeyRequest>(request.body)) {
        answer.rc = 503;
        answer.code = "unavailable";
    } else {
        answer.rc = 404;
        answer.code = "unknown_document";
    }
    say(answer);
}

// == saying
// ============================================================================================

topics::Ack Exam::plain_ack() const {
    topics::Ack ack;
    ack.cn = cn();
    ack.epoch = cursor_.epoch;
    ack.acked = cursor_.acked;
    ack.now_s = line_.utc_s();
    ack.lease_s = topics::limits::kLeaseDefault.count();
    // A version that the device has: announcing another would make it fetch a document.
    if (cursor_.birth) ack.rights_version = cursor_.birth->rights_version;
    if (rights_version) ack.rights_version = *rights_version;
    return ack;
}

void Exam::say(const topics::Ack& ack) {
    watch_.answered(ack, cursor_);
    line_.send(Level::ack, topics::encode(ack));
}

void Exam::say(const topics::RequestAnswer& answer) {
    line_.send(Level::answer, topics::encode(answer));
}

void Exam::say(const topics::Chunk& chunk) {
    line_.send(Level::chunk_down, topics::encode(chunk));
}

void Exam::acknowledge(Sequence sequence, AckError error) {
    cursor_.acked = sequence;
    if (in_flight_ && in_flight_->batch.first <= sequence) in_flight_.reset();
    complain(error);
}

void Exam::complain(AckError error, std::optional<std::int64_t> wait_s) {
    topics::Ack ack = plain_ack();
    ack.error = error;
    ack.wait_s = wait_s;
    if (error == AckError::bad) ack.detail = "the examiner could not read it";
    say(ack);
}

void Exam::give_epoch() {
    cursor_.epoch.value = std::max(cursor_.epoch.value, birth().epoch.value) + 1;
    cursor_.acked = Sequence{0};
    cursor_.admitted = false;
    in_flight_.reset();
    highest_ = Sequence{0};
    complain(AckError::epoch);
}

void Exam::cut() {
    watch_.rest();
    if (line_.cut()) return;
    line_.tell(
        "Interrupt the device's connection now, without a goodbye: pull its network plug, or "
        "its power.");
}

// == commands
// ==========================================================================================

std::int64_t Exam::send_command(topics::Connection cn, topics::CommandBody body,
                                std::chrono::seconds life) {
    topics::Command command;
    command.cn = cn;
    command.number = ++last_command_;
    command.expires_s = line_.utc_s() + life.count();
    command.body = std::move(body);
    const std::string payload = topics::encode(command);
    commands_[command.number] = payload;
    line_.send(Level::command, payload);
    return command.number;
}

std::int64_t Exam::command(topics::CommandBody body, std::chrono::seconds life) {
    return send_command(cn(), std::move(body), life);
}

std::int64_t Exam::foreign_command(topics::CommandBody body) {
    return send_command(topics::Connection{cn().value ^ kAllBits}, std::move(body), 60s);
}

void Exam::command_again(std::int64_t number) {
    line_.send(Level::command, commands_.at(number));
}

CommandFate Exam::fate(std::int64_t number) const {
    CommandFate fate;
    for (std::size_t i = 0; i < facts_.size(); ++i) {
        const topics::FactBody& body = facts_[i].fact.body;
        if (const auto* accepted = std::get_if<topics::CommandAccepted>(&body)) {
            if (accepted->command == number) ++fate.accepted;
        } else if (const auto* done = std::get_if<topics::CommandDone>(&body)) {
            if (done->command != number) continue;
            if (++fate.done > 1) continue;
            fate.rc = done->rc;
            fate.done_place = i;
        }
    }
    return fate;
}

bool Exam::await_done(std::int64_t number) {
    const Elapsed deadline = in(settings_.command_wait);
    Elapsed again = in(kCommandRepeat);
    while (fate(number).done == 0) {
        if (!hear(std::min(deadline, again))) {
            if (now() >= deadline) return fate(number).done > 0;
            again = in(kCommandRepeat);
            if (fate(number).accepted == 0) command_again(number);
        }
    }
    return true;
}

bool Exam::pass_a_moment() {
    return await_done(command(topics::Buzz{kBuzzMs}));
}

void Exam::provoke(std::size_t commands) {
    for (std::size_t i = 0; i < commands; ++i) command(topics::Buzz{kBuzzMs});
    const Elapsed later = in(std::clamp(pace_.first_max(), kProvokeMin, kProvokeMax));
    while (hear(later)) {
    }
}

const InFlight* Exam::fresh_batch(std::size_t facts) {
    for (int round = 0; round < kProvokeRounds; ++round) {
        provoke(facts);
        if (!until_true(in(pace_.prompt()), [&] { return in_flight_.has_value(); })) continue;
        // What is in flight was sealed before the rest was journaled; the next one has it.
        acknowledge(last_of(in_flight_->batch));
        until_true(in(pace_.prompt()), [&] { return in_flight_.has_value(); });
        if (in_flight_ && in_flight_->batch.facts.size() >= facts) return &*in_flight_;
    }
    return nullptr;
}

// == what is known
// ==========================================================================================

Elapsed Exam::repeat_deadline() const {
    if (!in_flight_) return in(pace_.prompt());
    return std::max(in(pace_.prompt()), in_flight_->heard.at + pace_.longest(in_flight_->sent - 1));
}

std::size_t Exam::count(std::string_view kind) const {
    return static_cast<std::size_t>(
        std::ranges::count(facts_, kind, [](const SeenFact& one) { return one.fact.kind; }));
}

}  // namespace klyuchnik::sim::conformance
