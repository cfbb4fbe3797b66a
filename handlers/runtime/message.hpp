#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "topics/asks.hpp"
#include "topics/chunk.hpp"
#include "topics/device.hpp"
#include "topics/guard.hpp"
#include "topics/names.hpp"

/// From bytes on a topic to something that can be worked on, or an answer that says why not.
namespace klyuchnik::handlers {

/// As it came from the broker.
struct Incoming {
    std::string topic;
    std::string payload;
    bool retained = false;
};

/// To be published, after the commit of what it reports.
struct Outgoing {
    std::string topic;
    std::string payload;
};

struct FactsMessage {
    topics::FactBatch batch;
};
struct RequestMessage {
    topics::Request request;
};
struct StateMessage {
    topics::State state;
};
struct HeartbeatMessage {
    topics::Heartbeat heartbeat;
};
/// A piece of a document that the device was asked for.
struct ChunkMessage {
    topics::Chunk chunk;
};
/// What the broker's guard says of itself, or of a device that floods it.
struct GuardMessage {
    std::string instance;
    topics::GuardReport report;
};
struct AskMessage {
    topics::AskTopic topic;
    topics::Ask ask;
};

struct Message {
    std::variant<FactsMessage, RequestMessage, StateMessage, HeartbeatMessage, AskMessage,
                 GuardMessage, ChunkMessage>
        body;
    topics::DeviceId device;  ///< From the topic, or whom the guard speaks of; none for an ask.
    bool retained = false;    ///< Kept by the broker: said some time ago.
};

/// Why bytes did not become a message. `answer` is there when it can be told to whom.
struct Unreadable {
    std::string kind;  ///< facts, request, state, telemetry, chunk, ask, guard, foreign, retained:
                       ///< a metric's label.
    std::string why;
    std::optional<Outgoing> answer;
};

std::variant<Message, Unreadable> read_message(const Incoming& incoming, std::int64_t now_s);

/// The answer to an ask, as bytes for the bridge and the inbox.
std::string ask_answer(const std::string& id,
                       const std::variant<topics::AskResult, topics::Refusal>& outcome);

/// What an ask is told that could not even be queued; nothing for any other message.
std::optional<Outgoing> busy_answer(const Incoming& incoming);

/// A batch of one for every fact, under its own number: how the one that the database refuses is
/// found.
std::vector<Message> one_by_one(const Message& message);

}  // namespace klyuchnik::handlers
