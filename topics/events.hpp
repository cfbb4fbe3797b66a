#pragma once

#include <optional>
#include <string>

#include "topics/ids.hpp"
#include "topics/time.hpp"

/// Domain events: what the log holds, the feed carries and other domains react to.
namespace klyuchnik::topics {

/// What an event may carry. There is no room for a name or a card number here on purpose: the log
/// is kept long after a person has asked to be forgotten.
struct EventIds {
    std::optional<PersonId> person;
    std::optional<PersonId> holder;  ///< Who held the key before, where that differs from `person`.
    std::optional<KeyId> key;
    std::optional<LoanId> loan;
    std::optional<AccountId> account;
    std::optional<DeviceId> device;
    std::optional<Slot> slot;
    std::optional<Epoch> epoch;
    std::optional<Sequence> first;  ///< Of a range of facts.
    std::optional<Sequence> last;
    std::optional<CommandId> command;
    std::optional<AlarmId> alarm;
    std::optional<LetterId> letter;
    std::optional<RolloutId> rollout;
    std::optional<Version> version;  ///< Of a device's document.
    std::optional<std::string> why;  ///< A code name or a fixed word, never free text from outside.
};

/// Who did it, on what, because of which message.
struct Event {
    std::string domain;   ///< "keys"
    std::string type;     ///< "key_taken": the topic is kl/v1/ev/keys/key_taken
    std::string subject;  ///< "key:12": one thing's history is one index range.
    std::string actor;    ///< "device:kc-hall1", "account:3", "trusted-network"
    std::string source;   ///< "kc-hall1:3:1041" of a fact, "ask:account:3:<id>" of an ask.
    Instant occurred;     ///< By the device's corrected clock for facts, else the handler's.
    EventIds ids;
};

/// As it leaves: with its place in the log.
struct PlacedEvent {
    Position position;
    Instant recorded;
    Event event;
};

}  // namespace klyuchnik::topics
