#include "bridge/rest/ask_client.hpp"

#include <algorithm>

#include "process/log.hpp"
#include "topics/codec.hpp"
#include "topics/names.hpp"

namespace klyuchnik::bridge {

using std::chrono::steady_clock;

AskClient::AskClient(std::string client, Publish publish, const process::Clock& clock,
                     process::Metrics& metrics, AskTimes times)
    : client_{std::move(client)},
      publish_{std::move(publish)},
      clock_{clock},
      times_{times},
      pending_{kWaitingWritesMax},
      sent_{metrics.counter("klyuchnik_bridge_asks_total", "Asks sent for the first time")},
      repeated_{metrics.counter("klyuchnik_bridge_asks_repeated_total", "Asks sent again")},
      late_{metrics.counter("klyuchnik_bridge_answers_late_total",
                            "Answers that nobody waited for any more")},
      unreadable_{metrics.counter("klyuchnik_bridge_answers_unreadable_total",
                                  "Answers that could not be read")},
      busy_{metrics.counter("klyuchnik_bridge_asks_busy_total",
                            "Writes turned away because too many waited")},
      unknown_{metrics.counter("klyuchnik_bridge_asks_unknown_total",
                               "Asks without an answer by their deadline")},
      waiting_{metrics.gauge("klyuchnik_bridge_asks_waiting", "Callers that wait for an answer")},
      seconds_{metrics.histogram("klyuchnik_bridge_ask_seconds", "From ask to answer")} {}

AskOutcome AskClient::ask(const topics::Caller& by, std::string_view key, topics::AskBody body) {
    const auto started = steady_clock::now();
    const std::string topic =
        topics::ask_topic(topics::domain_of(body), topics::name_of(body), client_);
    topics::Ask ask;
    ask.id = wire_id(by.account, key);
    ask.by = by;
    ask.body = std::move(body);
    const std::string what = topic + topics::encode(ask);  // before the expiry, which may differ
    ask.expires_s = topics::unix_seconds(clock_.now() + times_.deadline);
    const std::string bytes = topics::encode(ask);

    auto [joined, ticket] = pending_.join(ask.id, what);
    if (joined == PendingAsks::Outcome::full) {
        busy_.inc();
        return {AskOutcome::Kind::busy, {}};
    }
    if (joined == PendingAsks::Outcome::other_body) return {AskOutcome::Kind::reused_id, {}};

    waiting_.set(static_cast<double>(pending_.waiting()));
    const auto deadline = started + times_.deadline;
    const auto* pause = times_.repeats.begin();
    auto next = started;
    bool sent = false;
    std::optional<topics::AskAnswer> answer;
    while (!answer && steady_clock::now() < deadline) {
        const bool again = sent;
        const auto left = std::chrono::ceil<std::chrono::seconds>(deadline - steady_clock::now());
        ticket.sending();
        if (publish_(topic, bytes, left)) {
            (again ? repeated_ : sent_).inc();
            sent = true;
        } else {
            ticket.not_sent();
        }
        if (sent) {
            next = pause == times_.repeats.end() ? deadline : next + *pause++;
        } else {
            // Not connected: nothing is on its way, so trying more often costs nobody anything.
            next = steady_clock::now() + std::chrono::milliseconds{100};
        }
        answer = ticket.wait(std::min(next, deadline));
    }
    if (!answer) {
        if (!sent) return {AskOutcome::Kind::unavailable, {}};
        unknown_.inc();
        return {AskOutcome::Kind::unknown, {}};
    }
    seconds_.observe(std::chrono::duration<double>(steady_clock::now() - started).count());
    return {AskOutcome::Kind::answered, std::move(*answer)};
}

void AskClient::on_answer(std::string_view payload) {
    auto answer = topics::decode_ask_answer(payload);
    if (!answer) {
        unreadable_.inc();
        process::log::warn_every("unreadable answer", std::chrono::seconds{10},
                                 "an answer could not be read: {}", answer.error().text());
        return;
    }
    if (!pending_.answered(std::move(*answer))) late_.inc();
}

}  // namespace klyuchnik::bridge
