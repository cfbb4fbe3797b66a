#include "handlers/runtime/intake.hpp"

#include "handlers/runtime/domain_loop.hpp"
#include "process/log.hpp"
#include "topics/codec.hpp"

namespace klyuchnik::handlers {

Intake::Intake(process::MqttSettings mqtt, std::string share, process::Metrics& metrics)
    : share_{std::move(share)},
      foreign_{metrics.counter("klyuchnik_foreign_messages_total",
                               "Messages on topics that no loop here owns")},
      unsent_{metrics.counter("klyuchnik_answers_unsent_total",
                              "Answers that could not be sent; their sources repeat")},
      session_{std::make_unique<process::MqttSession>(
          std::move(mqtt),
          [this](process::MqttMessage&& message) { on_message(std::move(message)); },
          [this](bool connected) {
              if (connected) connections_.fetch_add(1, std::memory_order_relaxed);
              process::log::info("broker {}", connected ? "connected" : "lost");
          },
          metrics)} {}

Intake::~Intake() = default;

void Intake::add(DomainLoop& loop) {
    entries_.push_back({&loop, false});
}

void Intake::start(const std::string& presence_topic, std::int64_t now_s) {
    taking_ = true;
    session_->set_presence(presence_topic, topics::encode_presence(true, now_s),
                           topics::encode_presence(false, 0));
    subscribe();
    session_->connect();
}

void Intake::on_message(process::MqttMessage&& message) {
    const topics::ParsedTopic topic = topics::parse_topic(message.topic);
    if (hear_guard_ && std::holds_alternative<topics::GuardTopic>(topic)) {
        hear_guard_({message.topic, message.payload, message.retained});
    }
    for (const Entry& entry : entries_) {
        if (entry.loop->domain().owns(topic)) {
            Incoming incoming{std::move(message.topic), std::move(message.payload),
                              message.retained};
            if (entry.loop->offer(incoming)) return;
            // Full. A device repeats; whoever asked over HTTP is waiting and is told.
            if (const auto answer = busy_answer(incoming)) {
                session_->publish(answer->topic, answer->payload, 0);
            }
            return;
        }
    }
    foreign_.inc();
}

void Intake::subscribe() {
    const std::lock_guard one_at_a_time{subscribing_};
    std::vector<process::MqttSession::Subscription> wanted;
    {
        const std::lock_guard lock{mutex_};
        for (const Entry& entry : entries_) {
            const Filters filters = entry.loop->domain().filters(share_);
            if (!taking_) continue;
            for (const std::string& filter : filters.always) wanted.push_back({filter, 0});
            if (entry.paused) continue;
            for (const std::string& filter : filters.devices) wanted.push_back({filter, 0});
        }
    }
    const auto wait = session_->connected() ? kSubscribeWait : std::chrono::milliseconds{0};
    session_->set_subscriptions(std::move(wanted), wait);
}

void Intake::pause(const DomainLoop& loop, bool paused) {
    {
        const std::lock_guard lock{mutex_};
        for (Entry& entry : entries_) {
            if (entry.loop == &loop) entry.paused = paused;
        }
    }
    subscribe();
}

void Intake::stop_taking() {
    {
        const std::lock_guard lock{mutex_};
        taking_ = false;
    }
    subscribe();
}

void Intake::leave() {
    session_->disconnect(std::chrono::seconds{2});
}

void Intake::publish(const Outgoing& message) {
    if (!session_->publish(message.topic, message.payload, 0)) unsent_.inc();
}

bool Intake::try_publish(const std::string& topic, const std::string& payload) {
    return session_->publish(topic, payload, 0);
}

bool Intake::try_publish(const Outgoing& message, std::chrono::seconds expiry) {
    return session_->publish(message.topic, message.payload, 1, false, expiry);
}

}  // namespace klyuchnik::handlers
