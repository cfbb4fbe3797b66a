#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "db/access/connection.hpp"
#include "db/access/runtime_store.hpp"
#include "topics/asks.hpp"
#include "topics/device.hpp"
#include "topics/events.hpp"
#include "topics/names.hpp"

/// What the runtime hands to a domain, and what a domain hands back. Decoded, deduplicated, in
/// order: a domain has no JSON, no topic, no thread and no "is this a repeat".
namespace klyuchnik::handlers {

/// A fact that is new, next in its device's order.
struct FactItem {
    db::FactNumber number;
    db::FactNumber first;  ///< The first number it was known by, over all epochs.
    topics::Fact fact;
    topics::Instant occurred;
    db::TimeSource time_source = db::TimeSource::received;
    std::string source;                         ///< "kc-hall1:3:1041"
    db::Outcome outcome = db::Outcome::logged;  ///< Set by the domain.
};

/// An ask that was not answered before and has not expired, by somebody who may ask it.
struct AskItem {
    topics::Ask ask;
    topics::AskTopic topic;
    std::string role;    ///< Looked up by the handler, never taken from the message.
    std::string source;  ///< "ask:account:3:<id>"
    std::variant<topics::AskResult, topics::Refusal> outcome;  ///< Set by the domain.
};

/// A birth or will. `fresh` = a birth of a connection not seen before.
struct StateItem {
    topics::DeviceId device;
    topics::State state;
    bool fresh = false;
};

/// A question that is only read for.
struct RequestItem {
    topics::DeviceId device;
    topics::Request request;
    topics::RequestAnswer answer;  ///< Set by the domain.
};

using Item = std::variant<FactItem, AskItem, StateItem>;

/// One transaction's worth, in arrival order.
struct Work {
    topics::Instant now;
    std::vector<Item> items;
    std::vector<topics::Event>
        events;  ///< Appended to by the domain; written in the same transaction.

    /// Appends an event caused by `fact`, or by `ask`.
    topics::Event& log(const FactItem& fact, std::string_view domain, std::string_view type,
                       std::string subject);
    topics::Event& log(const AskItem& ask, std::string_view domain, std::string_view type,
                       std::string subject);
    /// Appends an event of the domain "devices" about a device itself, which neither a fact nor an
    /// ask has caused.
    topics::Event& log(const topics::DeviceId& device, std::string_view type, std::string source);
};

/// Subscriptions of a domain. `devices` are given up while the queue is full or the database away:
/// devices keep what they have. `always` are asks, which must be told at once that nothing can be
/// done, and states, which the broker would send all over again at every new subscription.
struct Filters {
    std::vector<std::string> devices;
    std::vector<std::string> always;
};

/// A domain, as the runtime sees it. One object per loop; called on the loop's thread only.
class Domain {
 public:
    virtual ~Domain() = default;

    virtual std::string_view name() const = 0;
    /// What it subscribes; `share` is the secret part of the group's name.
    virtual Filters filters(const std::string& share) const = 0;
    /// Whether a message on this topic is for this domain. Called on the network thread.
    virtual bool owns(const topics::ParsedTopic& topic) const = 0;

    /// Decides every item and stores what follows. In one transaction with what the runtime stores:
    /// facts, cursors, answers, events. Throws db::Fault; nothing is kept then, and the batch comes
    /// again.
    virtual void apply(Work& work, db::Tx& tx) = 0;
    /// Answers requests; reads only. `tx` may be a single-statement one: at most one statement.
    virtual void answer(std::span<RequestItem> requests, topics::Instant now, db::Tx& tx);
};

/// Which asks a role may use; checked again here although the bridge has checked. Pure.
bool may_ask(std::string_view role, const topics::AskBody& body, const topics::Caller& by);

std::string source_of(const db::FactNumber& number);
/// "kc-hall1:cn:2718281": a connection as the cause of an event.
std::string source_of(const topics::DeviceId& device, topics::Connection cn);

/// Fills a refusal into an answer for a device.
void refuse(topics::RequestAnswer& answer, const topics::Refusal& refusal);

}  // namespace klyuchnik::handlers
