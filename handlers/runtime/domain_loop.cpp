#include "handlers/runtime/domain_loop.hpp"

#include <random>

#include "handlers/runtime/intake.hpp"
#include "process/crash_point.hpp"
#include "process/log.hpp"
#include "topics/codec.hpp"

namespace klyuchnik::handlers {

using namespace std::chrono_literals;
using db::Fault;
using process::log::error;
using process::log::info;
using process::log::warn;
using process::log::warn_every;

namespace {
process::Labels label(const Domain& domain) {
    return {{"domain", std::string{domain.name()}}};
}
constexpr auto kIdleWait = 500ms;
constexpr std::string_view kTwoAtOnce = "23505";  // unique_violation
}  // namespace

DomainLoop::DomainLoop(std::unique_ptr<Domain> domain, db::ConnectionSettings database,
                       const process::Clock& clock, process::Metrics& metrics)
    : domain_{std::move(domain)},
      connection_{std::move(database)},
      clock_{clock},
      metrics_{metrics},
      batch_{*domain_, clock, metrics},
      queue_{kQueueMessagesMax, kQueueBytesMax},
      dropped_{metrics.counter("klyuchnik_messages_dropped_total",
                               "Messages that found the queue full; their sources repeat",
                               label(*domain_))},
      faults_{metrics.counter("klyuchnik_database_faults_total", "Transactions that failed",
                              label(*domain_))},
      seconds_{metrics.histogram("klyuchnik_batch_seconds", "Duration of a batch, answers included",
                                 process::kSecondsBuckets, label(*domain_))} {}

DomainLoop::~DomainLoop() {
    if (thread_.joinable()) stop();
}

bool DomainLoop::offer(Incoming& message) {
    const std::size_t bytes = message.topic.size() + message.payload.size();
    // Looked at first, because what push() refuses is gone; a race only makes the queue one fuller.
    if (queue_.size() < kQueueMessagesMax && queue_.weight() + bytes <= kQueueBytesMax &&
        queue_.push(std::move(message), bytes)) {
        return true;
    }
    dropped_.inc();
    overflowed_.store(true, std::memory_order_relaxed);
    return false;
}

void DomainLoop::start(Intake& intake) {
    thread_ = std::thread{[this, &intake] { run(intake); }};
}

void DomainLoop::stop() {
    queue_.close();
    thread_.join();
}

void DomainLoop::run(Intake& intake) {
    std::vector<Incoming> arrived;
    while (true) {
        arrived.clear();
        queue_.take_up_to(arrived, kBatchMessagesMax, std::chrono::steady_clock::now() + kIdleWait);
        if (arrived.empty()) {
            if (queue_.closed()) return;
        } else {
            try {
                work_on(arrived, intake);
            } catch (const std::exception& slip) {
                // A mistake of ours must not end the loop: what was not answered is repeated by its
                // source.
                faults_.inc();
                error("{}: {} messages failed: {}", domain_->name(), arrived.size(), slip.what());
            }
        }
        if (overflowed_.exchange(false, std::memory_order_relaxed) && !reading_paused_) {
            warn_every("queue full", 10s, "{}: queue full, not reading devices", domain_->name());
            reading_paused_ = true;
            intake.pause(*this, true);
        }
        if (reading_paused_ && queue_.size() < kQueueMessagesMax / 2 &&
            queue_.weight() < kQueueBytesMax / 2) {
            reading_paused_ = false;
            intake.pause(*this, false);
        }
    }
}

std::vector<Message> DomainLoop::read(std::vector<Incoming>& arrived, Intake& intake) {
    std::vector<Message> messages;
    messages.reserve(arrived.size());
    const std::int64_t now_s = topics::unix_seconds(clock_.now());
    for (const Incoming& incoming : arrived) {
        auto result = read_message(incoming, now_s);
        if (auto* message = std::get_if<Message>(&result)) {
            messages.push_back(std::move(*message));
            continue;
        }
        const Unreadable& bad = std::get<Unreadable>(result);
        metrics_
            .counter("klyuchnik_unreadable_total", "Messages that could not be read",
                     {{"domain", std::string{domain_->name()}}, {"kind", bad.kind}})
            .inc();
        warn_every("unreadable " + bad.kind, 10s, "unreadable {} on {}: {}", bad.kind,
                   incoming.topic, bad.why);
        if (bad.answer) intake.publish(*bad.answer);
    }
    return messages;
}

void DomainLoop::work_on(std::vector<Incoming>& arrived, Intake& intake) {
    const auto begun = std::chrono::steady_clock::now();
    const std::vector<Message> messages = read(arrived, intake);
    batch_.set_backlog(queue_.size());
    if (database_away_) {
        refuse_asks(messages, intake);
    } else if (!messages.empty()) {
        apply(messages, intake);
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
    seconds_.observe(took.count());
}

void DomainLoop::send(const std::vector<Outgoing>& out, Intake& intake) {
    for (const Outgoing& message : out) intake.publish(message);
    process::crash_point("after_answer");
}

void DomainLoop::apply(std::span<const Message> messages, Intake& intake) {
    for (int attempt = 1;; ++attempt) {
        try {
            send(batch_.apply(messages, connection_), intake);
            return;
        } catch (const Fault& fault) {
            faults_.inc();
            switch (fault.retry()) {
                case Fault::Retry::same_batch:
                    if (attempt < kAttemptsMax) continue;
                    warn("{}: {} messages left to their repeats: {}", domain_->name(),
                         messages.size(), fault.what());
                    refuse_asks(messages, intake);
                    return;
                case Fault::Retry::one_by_one:
                    warn("{}: the database refused a batch of {}: {}", domain_->name(),
                         messages.size(), fault.what());
                    apply_one_by_one(messages, intake);
                    return;
                case Fault::Retry::after_reconnect:
                    warn("{}: database lost, nothing answered: {}", domain_->name(), fault.what());
                    wait_for_database(intake);
                    return;
                case Fault::Retry::never:
                    warn_every("not applied", 5s, "{}: {} messages can not be applied here: {}",
                               domain_->name(), messages.size(), fault.what());
                    refuse_asks(messages, intake);
                    return;
            }
        }
    }
}

void DomainLoop::apply_one_by_one(std::span<const Message> messages, Intake& intake) {
    for (const Message& whole : messages) {
        for (const Message& single : one_by_one(whole)) {
            if (database_away_) return;
            apply_alone(single, intake);
        }
    }
}

void DomainLoop::apply_alone(const Message& single, Intake& intake) {
    for (int attempt = 1;; ++attempt) {
        try {
            send(batch_.apply({&single, 1}, connection_), intake);
            return;
        } catch (const Fault& fault) {
            faults_.inc();
            if (fault.retry() == Fault::Retry::after_reconnect) {
                wait_for_database(intake);
                return;
            }
            // Two handlers at once look like a violated constraint: the second look finds what the
            // other one has done.
            const bool again =
                fault.retry() == Fault::Retry::same_batch || fault.state() == kTwoAtOnce;
            if (again && attempt < kAttemptsMax) continue;
            if (fault.retry() == Fault::Retry::one_by_one) {
                apply_poison(single, fault.what(), intake);
            } else {
                refuse_asks({&single, 1}, intake);
            }
            return;
        }
    }
}

void DomainLoop::apply_poison(const Message& message, const std::string& why, Intake& intake) {
    warn_every("set aside " + std::string{domain_->name()}, 1s, "{}: set aside: {}",
               domain_->name(), why);
    if (const auto* asked = std::get_if<RequestMessage>(&message.body)) {
        topics::RequestAnswer answer;
        answer.cn = asked->request.cn;
        answer.number = asked->request.number;
        refuse(answer, {topics::Code::set_aside, ""});
        intake.publish(
            {topics::device_topic(message.device, topics::Level::answer), topics::encode(answer)});
        return;
    }
    try {
        send(batch_.apply({&message, 1}, connection_, &why), intake);
    } catch (const Fault& fault) {
        faults_.inc();
        warn_every("not set aside", 10s,
                   "{}: could not be set aside either, left to its repeat: {}", domain_->name(),
                   fault.what());
        if (fault.retry() == Fault::Retry::after_reconnect) wait_for_database(intake);
    }
}

void DomainLoop::refuse_asks(std::span<const Message> messages, Intake& intake) {
    for (const Message& message : messages) {
        const auto* asked = std::get_if<AskMessage>(&message.body);
        if (!asked) continue;
        intake.publish({topics::ask_answer_topic(asked->topic.client),
                        ask_answer(asked->ask.id, topics::Refusal{topics::Code::unavailable, ""})});
    }
}

void DomainLoop::wait_for_database(Intake& intake) {
    connection_.reset();
    intake.pause(*this, true);
    std::minstd_rand random{std::random_device{}()};
    auto pause = kProbeFirst;
    const auto away_since = std::chrono::steady_clock::now();
    std::vector<Incoming> arrived;
    while (!queue_.closed()) {
        try {
            db::Tx probe{connection_};
            probe.commit();
            database_away_ = false;
            break;
        } catch (const Fault& fault) {
            connection_.reset();
            database_away_ = true;
            warn_every("database away", 10s, "{}: database away: {}", domain_->name(),
                       fault.what());
        }
        // What arrives meanwhile can not be worked on: asks are told so at once, devices keep what
        // they have.
        const auto jitter = std::chrono::milliseconds{
            std::uniform_int_distribution<std::int64_t>{pause.count() / 2, pause.count()}(random)};
        const auto until = std::chrono::steady_clock::now() + jitter;
        while (std::chrono::steady_clock::now() < until && !queue_.closed()) {
            arrived.clear();
            queue_.take_up_to(arrived, kBatchMessagesMax, until);
            refuse_asks(read(arrived, intake), intake);
        }
        pause = std::min(pause * 2, kProbeMax);
    }
    if (database_away_) {
        warn("{}: leaving while the database is away", domain_->name());
        return;
    }
    const std::chrono::duration<double> away = std::chrono::steady_clock::now() - away_since;
    info("{}: database back after {:.1f} s", domain_->name(), away.count());
    intake.pause(*this, false);
}

}  // namespace klyuchnik::handlers
