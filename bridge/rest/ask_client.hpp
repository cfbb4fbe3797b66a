#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "bridge/rest/pending_asks.hpp"
#include "process/clock.hpp"
#include "process/metrics.hpp"
#include "topics/asks.hpp"

namespace klyuchnik::bridge {

/// Callers that wait for a handler at once; the next one gets `busy` immediately. Below the number
/// of worker threads, so that handlers that stand still never starve reads.
inline constexpr std::size_t kWaitingWritesMax = 24;
/// From the first sending to giving up; also the ask's expiry: what is reached later is not done.
inline constexpr std::chrono::seconds kAskDeadline{8};
/// The same bytes go out again so long after the sending before.
inline constexpr std::array<std::chrono::milliseconds, 3> kAskRepeats{
    std::chrono::seconds{1}, std::chrono::seconds{2}, std::chrono::seconds{4}};

/// Programs use the constants above; tests cannot wait so long.
struct AskTimes {
    std::chrono::milliseconds deadline = kAskDeadline;
    std::array<std::chrono::milliseconds, 3> repeats = kAskRepeats;
};

struct AskOutcome {
    enum class Kind {
        answered,
        busy,         ///< kWaitingWritesMax callers wait: nothing was sent.
        reused_id,    ///< The same key is on its way with another body: nothing was sent.
        unavailable,  ///< No connection to the broker until the deadline: nothing was sent.
        unknown,      ///< Sent and not answered: it may or may not have happened.
    };
    Kind kind = Kind::unknown;
    topics::AskAnswer answer;  ///< When answered; it may still refuse.
};

/// Asks a handler over MQTT and waits for its answer.
///
/// Thread-safe. `publish(topic, bytes, expiry)` never blocks and is false while there is no
/// connection. Answers come in through on_answer, from any one thread.
class AskClient {
 public:
    using Publish = std::function<bool(const std::string& topic, std::string_view bytes,
                                       std::chrono::seconds expiry)>;
    /// `client` is our name in the answer topic.
    AskClient(std::string client, Publish publish, const process::Clock& clock,
              process::Metrics& metrics, AskTimes times = {});

    /// Blocks for at most the deadline.
    ///
    /// `key` is the client's Idempotency-Key or a random one. After `unknown` repeat with the
    /// *same* key: another one could do it twice.
    AskOutcome ask(const topics::Caller& by, std::string_view key, topics::AskBody body);

    /// The payload of a message on our answer topic. Unreadable or late answers are counted.
    void on_answer(std::string_view payload);

 private:
    const std::string client_;
    const Publish publish_;
    const process::Clock& clock_;
    const AskTimes times_;
    PendingAsks pending_;
    process::Counter& sent_;
    process::Counter& repeated_;
    process::Counter& late_;
    process::Counter& unreadable_;
    process::Counter& busy_;
    process::Counter& unknown_;
    process::Gauge& waiting_;
    process::Histogram& seconds_;
};

}  // namespace klyuchnik::bridge
