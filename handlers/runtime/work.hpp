#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "db/access/alarms_store.hpp"
#include "db/access/connection.hpp"
#include "db/access/runtime_store.hpp"
#include "handlers/runtime/message.hpp"
#include "topics/asks.hpp"
#include "topics/device.hpp"
#include "topics/events.hpp"
#include "topics/guard.hpp"
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
    /// Which version of its rights the device had at its last birth; 0: none, or not known.
    topics::Version rights_held{};
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
    bool retained =
        false;  ///< Kept by the broker: of a connection that is known, said some time ago.
};

/// A heartbeat on the present connection of its device.
struct HeartbeatItem {
    topics::DeviceId device;
    topics::Heartbeat heartbeat;
};

/// What the broker's guard said.
struct GuardItem {
    std::string instance;
    topics::GuardReport report;
};

/// A question that is only read for.
struct RequestItem {
    topics::DeviceId device;
    topics::Request request;
    topics::RequestAnswer answer;  ///< Set by the domain.
};

using Item = std::variant<FactItem, AskItem, StateItem, HeartbeatItem, GuardItem>;

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
    /// Appends an event that nobody outside has caused: time passed, or a rule of ours. Its actor
    /// is "handlers"; `source` names the work, like "timed:devices.mark_silent".
    topics::Event& log(std::string_view domain, std::string_view type, std::string subject,
                       std::string source);

    /// Raises an alarm, written in the same transaction. `kind` is a word ("journal_gap"),
    /// `subject` what it is about ("device:kc-hall1"), severity 1 to know, 2 to look at, 3 to act
    /// on. There is one unresolved alarm for a kind and subject: raising it again counts it up, and
    /// only the first time is an event (devices.alarm_raised). `ids` go into the event and the row;
    /// the device in them makes it that device's alarm.
    void alarm(std::string_view kind, std::string subject, int severity, topics::EventIds ids = {});
    /// The cause is gone: the alarm resolves itself with the reason "over". Nothing happens when
    /// there is none. Within one batch the later of alarm() and alarm_over() counts.
    void alarm_over(std::string_view kind, std::string subject);

    std::vector<db::NewAlarm> alarms;  ///< By alarm().
    std::vector<db::AlarmName> over;   ///< By alarm_over().
    std::vector<Outgoing> out;         ///< To be published once this has been committed.
};

/// Regular work of a domain, of the runtime's thread for it (TimedWork), not of the domain's loop.
///
/// A row of runtime.chores named `name` ("devices.mark_silent") decides which of all processes does
/// it next; it is due again `every` (1 s or more) after it was done. `work` runs in one transaction
/// with what it logs, raises and sends, under the domain's role; it gets no items. It should touch
/// a bounded number of rows and come back: more than a second holds up the other tasks. When it
/// throws db::Fault nothing has happened and it is tried again.
struct TimedTask {
    std::string name;
    std::chrono::seconds every;
    std::function<void(Work&, db::Tx&)> work;
    bool sends = false;  ///< What it does is of no use while nothing can be published.
};

/// What a domain does because of what others did, of the runtime's thread for it (Reactions).
struct Reaction {
    /// The row of runtime.reactions that a migration made: "keys.rights_documents".
    std::string name;
    /// Every event of the log, in order and exactly once: in one transaction with what it writes,
    /// logs and raises, under the domain's role. Should only note what is to be done when that is
    /// more than a few statements.
    std::function<void(std::span<const topics::PlacedEvent>, Work&, db::Tx&)> react;
    /// Does one piece of what was noted, in a transaction of its own, and says when to be called
    /// again; now or earlier = at once. Every process calls it: it claims its piece with skip
    /// locked. `refused`: the database refused what the last call wrote, and the same piece should
    /// be put off. Not called while nothing can be published. Absent: react() does it all.
    std::function<topics::Instant(Work&, db::Tx&, bool refused)> follow;
};

/// Subscriptions of a domain. `devices` are given up while the queue is full or the database away:
/// devices keep what they have. `always` are asks, which must be told at once that nothing can be
/// done, and states, which the broker would send all over again at every new subscription.
struct Filters {
    std::vector<std::string> devices;
    std::vector<std::string> always;
};

/// A domain, as the runtime sees it. One object per loop, called on the loop's thread only, and
/// another for TimedWork, called on its thread.
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
    /// Its regular work. Asked once, of the object that TimedWork has to itself: another one than
    /// the loop's, so that neither needs a lock and neither knows what the other remembers.
    virtual std::vector<TimedTask> timed() { return {}; }
    /// Its reactions. Asked once, of the object that Reactions has to itself.
    virtual std::vector<Reaction> reactions() { return {}; }
};

/// Which asks a role may use; checked again here although the bridge has checked. Pure.
bool may_ask(std::string_view role, const topics::AskBody& body, const topics::Caller& by);

std::string source_of(const db::FactNumber& number);
/// "kc-hall1:cn:2718281": a connection as the cause of an event.
std::string source_of(const topics::DeviceId& device, topics::Connection cn);

/// Fills a refusal into an answer for a device.
void refuse(topics::RequestAnswer& answer, const topics::Refusal& refusal);

}  // namespace klyuchnik::handlers
