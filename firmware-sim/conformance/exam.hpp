// The examiner: a server of one device, as small as the contract allows, that answers when it is
// told to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "firmware-sim/conformance/event.hpp"
#include "firmware-sim/conformance/line.hpp"
#include "firmware-sim/conformance/pace.hpp"
#include "firmware-sim/conformance/report.hpp"
#include "firmware-sim/conformance/watch.hpp"

namespace klyuchnik::sim::conformance {

struct ExamSettings {
    topics::DeviceId device;
    /// Of all waits of the contract; 0.1 for a device built with a tenth of them.
    double scale = 1.0;
    /// The device's waits before a repeat are not known: only their ratios count.
    bool learn_pace = false;
    Elapsed slack = std::chrono::milliseconds{300};
    /// For a device that is switched on, reboots or connects again.
    Elapsed patience = std::chrono::seconds{120};
    /// For a command, from sending it to its cmd.done.
    Elapsed command_wait = std::chrono::seconds{15};
    /// Somebody is at the device and presents cards when asked to.
    bool interactive = false;
    /// Names of checks (check_names()) to make; empty: all.
    std::vector<std::string> only = {};
};

/// The device can not be examined any further; the report says what is known. Some claim fails
/// then: if none did before, kConnectionKept.
class CannotGoOn : public std::runtime_error {
 public:
    using std::runtime_error::runtime_error;
};

/// A fact as it was first seen.
struct SeenFact {
    topics::Epoch epoch;
    topics::Sequence sequence;
    topics::Fact fact;
    Elapsed at{0};
};

/// What the facts say of a command so far.
struct CommandFate {
    int accepted = 0;
    int done = 0;
    std::int64_t rc = -1;        ///< Of the first cmd.done.
    std::size_t done_place = 0;  ///< Its place among all facts seen.
};

/// The batch that waits for its ack.
struct InFlight {
    topics::FactBatch batch;
    Heard heard;   ///< Its last sending.
    int sent = 1;  ///< How often it came.
};

/// More than this from one device in one run is a storm: the run ends.
inline constexpr int kMessagesMax = 200'000;

/// Plays the server on a line. hear() and what is built on it let time pass; all that comes goes
/// through the watch, changes the cursor, and is answered as `answers` says.
///
/// One thread. Throws CannotGoOn, and what the line throws.
class Exam {
 public:
    /// What is answered without being asked. A check switches off what it wants to answer itself.
    struct Answers {
        bool births = true;
        bool batches = true;
        bool heartbeats = true;
        bool requests = true;
    };

    Exam(Line& line, const ExamSettings& settings, Report& report);

    // -- hearing
    /// The next message, answered already, or nothing at `until`.
    std::optional<Event> hear(Elapsed until);
    /// The next `Said` that `wanted` accepts; others pass by.
    template <class Said, class Wanted>
    std::optional<std::pair<Said, Heard>> until(Elapsed deadline, Wanted wanted) {
        while (auto event = hear(deadline)) {
            auto* said = std::get_if<Said>(&event->said);
            if (said != nullptr && wanted(*said, event->heard)) {
                return std::pair{std::move(*said), std::move(event->heard)};
            }
        }
        return std::nullopt;
    }
    template <class Said>
    std::optional<std::pair<Said, Heard>> until(Elapsed deadline) {
        return until<Said>(deadline, [](const Said&, const Heard&) { return true; });
    }
    template <class Condition>
    bool until_true(Elapsed deadline, Condition condition) {
        while (!condition()) {
            if (!hear(deadline)) return condition();
        }
        return true;
    }
    /// Answers everything again, and waits until every fact that was sent is acknowledged and no
    /// more come. A device that does not end is judged (kDrains).
    void settle();
    /// Waits, as long as a device may take to connect, until it is admitted. One that does not come
    /// fails (kConnectionKept) and ends the run.
    void await_admitted();
    /// "nothing in 7.50 s", or the last messages since then.
    std::string came_since(Elapsed since) const;

    // -- saying
    topics::Ack plain_ack() const;
    void say(const topics::Ack& ack);
    /// Every fact up to `sequence` is committed.
    void acknowledge(topics::Sequence sequence, topics::AckError error = topics::AckError::none);
    /// Answers what is in flight with trouble; the cursor stays.
    void complain(topics::AckError error, std::optional<std::int64_t> wait_s = {});
    /// An epoch above every earlier one, said in answer to the present birth.
    void give_epoch();
    /// What `answers.births` would have said: the device is admitted, or given an epoch.
    void answer_birth();
    void say(const topics::RequestAnswer& answer);
    void say(const topics::Chunk& chunk);
    /// Cuts the device's connection, or has it cut by a person. The next birth is of another one.
    void cut();

    // -- commands
    /// Sends it under the next number, which it returns. The life is long by default: a device
    /// reckons with the latest time that it may be, and after many unanswered messages that is
    /// minutes ahead.
    std::int64_t command(topics::CommandBody body,
                         std::chrono::seconds life = std::chrono::hours{1});
    /// Under the next number, with a cn that is not the device's.
    std::int64_t foreign_command(topics::CommandBody body);
    /// The same bytes once more.
    void command_again(std::int64_t number);
    CommandFate fate(std::int64_t number) const;
    /// Repeats the command until it is accepted; true when its cmd.done was seen in time.
    bool await_done(std::int64_t number);
    /// A short buzz from beginning to end: whatever was to come before it has come.
    bool pass_a_moment();

    /// Lets the device make facts: so many commands, and time to journal what they bring.
    void provoke(std::size_t commands);
    /// While batches are not answered: brings about one of at least `facts` facts that was sent
    /// just now. Nothing: the device packs fewer into one batch, or reports nothing.
    const InFlight* fresh_batch(std::size_t facts);

    // -- what is known
    const Cursor& cursor() const { return cursor_; }
    topics::Connection cn() const {
        return cursor_.birth ? cursor_.birth->cn : topics::Connection{};
    }
    /// Of the present connection. Throws CannotGoOn when the device has gone away.
    const topics::Birth& birth() const;
    const std::optional<InFlight>& in_flight() const { return in_flight_; }
    /// The batch in flight. Throws CannotGoOn when there is none, as after a device that went away.
    const InFlight& waiting() const;
    /// The longest time until what is in flight is repeated.
    Elapsed repeat_deadline() const;
    const std::vector<SeenFact>& facts() const { return facts_; }
    /// How many facts of the kind were seen.
    std::size_t count(std::string_view kind) const;
    /// key.request messages heard so far.
    int key_requests() const { return key_requests_; }
    bool is_cabinet() const { return settings_.device.cls() == "kc"; }

    Elapsed now() const { return line_.now(); }
    std::int64_t utc_s() const { return line_.utc_s(); }
    Elapsed in(Elapsed time) const { return line_.now() + time; }
    void tell(const std::string& text) { line_.tell(text); }

    const ExamSettings& settings() const { return settings_; }
    Report& report() { return report_; }
    Watch& watch() { return watch_; }
    Pace& pace() { return pace_; }

    Answers answers;
    /// The version of rights that acks announce; none: the one that the device has.
    std::optional<std::int64_t> rights_version;
    /// Sees requests before they are answered; true: it was answered.
    std::function<bool(const topics::Request&)> on_request;

 private:
    void take(const Event& event);
    void take_birth(const topics::Birth& birth);
    void take_batch(const topics::FactBatch& batch, const Heard& heard);
    void take_heartbeat(const topics::Heartbeat& heartbeat);
    void take_request(const topics::Request& request);
    void learn(const topics::FactBatch& batch, Elapsed at);
    bool quiet(Elapsed patience);
    std::int64_t send_command(topics::Connection cn, topics::CommandBody body,
                              std::chrono::seconds life);

    Line& line_;
    ExamSettings settings_;
    Report& report_;
    Pace pace_;
    Watch watch_;
    Cursor cursor_;
    std::optional<InFlight> in_flight_;
    topics::Sequence highest_;  ///< Of the facts sent in this epoch.
    std::map<std::pair<std::int64_t, std::int64_t>, std::size_t> names_;
    std::vector<SeenFact> facts_;
    std::int64_t last_command_ = 0;
    std::map<std::int64_t, std::string> commands_;
    std::deque<Heard> recent_;
    int messages_ = 0;
    int key_requests_ = 0;
};

}  // namespace klyuchnik::sim::conformance
