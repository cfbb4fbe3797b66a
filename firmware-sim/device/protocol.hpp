// What a device says and does, as a state machine without sockets, clock and threads.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "firmware-sim/device/journal.hpp"
#include "topics/device.hpp"
#include "topics/limits.hpp"
#include "topics/names.hpp"

namespace klyuchnik::sim {

/// Time since this boot, from a clock that never jumps. All inputs carry it; it never runs
/// backwards.
using Uptime = std::chrono::microseconds;

struct DeviceSettings {
    topics::DeviceId id;
    std::int64_t packet_bytes_max =
        1024;                       ///< Largest MQTT packet, sent or accepted, its header included.
    std::int64_t heartbeat_s = 30;  ///< Announced; `heartbeat` below is what is done.
    Uptime heartbeat = std::chrono::seconds{30};
    Uptime resend_first = topics::limits::kResendFirst;
    Uptime resend_max = topics::limits::kResendMax;
    Uptime request_deadline = topics::limits::kRequestDeadline;
    std::string firmware = "sim-1";
    /// A device whose clock is wrong and that does not know: added to every time it reports.
    std::optional<std::int64_t> clock_error_s;
    std::uint64_t seed = 1;  ///< Of the jitter.
};

/// Rights kept in the device for the time without a server.
class CachedRights {
 public:
    virtual ~CachedRights() = default;
    virtual bool allows(const topics::CardSerial& card, const topics::KeyName& key) const = 0;

 protected:
    CachedRights() = default;
    CachedRights(const CachedRights&) = default;
    CachedRights& operator=(const CachedRights&) = default;
};

// -- actions: what the owner of the protocol is to do, in this order
// --------------------------------------------------------------------------------------------------------

enum class Said : std::uint8_t { birth, batch, batch_again, request, heartbeat };

struct Publish {
    topics::Level level;
    std::string payload;
    bool retained;
    Said what;
};

/// A fact is in the journal, flushed.
struct Recorded {
    FactNumber number;
    topics::Fact fact;
};

/// A question about a key is decided, and what it became is in the journal. With `granted`, open
/// the slot.
struct Decided {
    std::int64_t request = 0;
    topics::CardSerial card;
    topics::KeyName key;
    bool granted = false;
    bool offline = false;  ///< By the cached rights, not by the server.
    bool unanswered =
        false;  ///< Offline because the server was asked and gave no usable answer in time.
    std::int64_t rc = 0;
    std::string
        code;  ///< Code name when refused; "lease_ended" and "no_right" are the device's own.
    std::string text;  ///< For the display.
    std::optional<topics::Slot> slot;
    Uptime waited{0};
};

/// Run this command now and answer with command_finished(). Its start is on disk: it will not be
/// given twice.
struct Run {
    std::int64_t command;
    topics::CommandBody body;
};

struct Renumbered {
    std::vector<std::pair<FactNumber, FactNumber>> moved;  ///< Old and new.
};
struct Dropped {
    std::vector<FactNumber> numbers;  ///< Given up by a full journal.
};
struct SetAside {
    FactNumber number;  ///< Refused three times: journal.bad stands in its place.
};
/// Report what is in every slot (record SlotsState): after a boot, a gap, an overrun.
struct ReportSlots {};

using Action =
    std::variant<Publish, Recorded, Decided, Run, Renumbered, Dropped, SetAside, ReportSlots>;

struct ProtocolCounters {
    std::int64_t resent = 0;        ///< Batches sent again because no ack came.
    std::int64_t epochs = 0;        ///< New epochs taken.
    std::int64_t gaps = 0;          ///< Gaps named by the server and answered.
    std::int64_t foreign_acks = 0;  ///< Acks for another connection, ignored.
    std::int64_t late_answers = 0;  ///< Answers after the deadline, ignored.
    std::int64_t malformed = 0;     ///< What the server said and could not be read.
    std::int64_t bad_batches = 0;   ///< Batches the server could not read.
    std::int64_t expired_commands = 0;
};

/// One device from one boot to the next; a reboot is a new object over the same journal.
///
/// Call an input, then take_actions() and do them in order. Every input flushes the journal before
/// its actions can be seen, so nothing is sent or shown that a crash could undo. Not thread-safe.
///
/// The rules, in short. Subscribed → birth, repeated like a batch until an ack with this
/// connection's number. One batch in flight: at most 32 facts, at most one packet; the same bytes
/// again after resend_first, doubling to resend_max, each ±50 %. Acks count only with this
/// connection's number and this epoch, and only upwards. A question that the server has not
/// answered within request_deadline, or can not answer (rc 429 and from 500), is decided by the
/// cached rights while the lease of the last ack runs; after it the device refuses.
class DeviceProtocol {
 public:
    /// `journal` and `rights` must outlive this.
    DeviceProtocol(DeviceSettings settings, Journal& journal, const CachedRights& rights);

    // -- inputs
    /// A new connection was made; `cn` is also in its will.
    void connected(topics::Connection cn, Uptime now);
    /// The subscription was granted: from here on nothing is missed.
    void subscribed(Uptime now);
    void disconnected(Uptime now);
    void message(topics::Level level, std::string_view payload, Uptime now);
    /// Time passed. Call at next_due() or later.
    void tick(Uptime now);

    // -- local acts
    topics::Sequence record(topics::FactBody body, Uptime now);
    /// A card is presented for a key. Returns the number that the Decided will carry.
    std::int64_t ask(topics::CardSerial card, topics::KeyName key,
                     std::vector<topics::CardSerial> with, Uptime now);
    void command_finished(std::int64_t command, std::int64_t rc, std::optional<std::string> note,
                          Uptime now);

    std::vector<Action> take_actions() { return std::exchange(actions_, {}); }

    /// When tick() has something to do; nothing = not before another input.
    std::optional<Uptime> next_due() const;

    bool online() const { return born_; }  ///< Subscribed and the birth is answered.
    bool lease_runs(Uptime now) const { return lease_until_ && now < *lease_until_; }
    /// Hint of the last ack: spread the next reconnect over this.
    std::chrono::seconds reconnect_spread() const { return reconnect_spread_; }
    /// The time as this device would report it, or nothing while it knows none.
    std::optional<std::int64_t> utc_s(Uptime now) const;
    const ProtocolCounters& counters() const { return counters_; }

 private:
    struct InFlight {
        topics::Sequence first;
        topics::Sequence last;
        std::string payload;
        bool answered = false;  ///< A `bad` for this sending was counted.
    };
    struct Question {
        topics::CardSerial card;
        topics::KeyName key;
        Uptime asked;
    };
    /// The wait before the next repeat: doubles, is spread by ±50 %.
    struct Backoff {
        Uptime base{0};
        std::optional<Uptime> due;
    };

    void settle(Uptime now);
    void send_birth(Uptime now);
    void send_batch(Uptime now);
    void send_heartbeat(Uptime now);
    void again_later(Backoff& backoff, Uptime now);
    void take_ack(const topics::Ack& ack, Uptime now);
    void batch_unreadable(const topics::Ack& ack);
    void take_answer(const topics::RequestAnswer& answer, Uptime now);
    void take_command(const topics::Command& command, Uptime now);
    void decide_offline(std::int64_t number, const Question& question, bool unanswered, Uptime now);
    void decide(Decided decision, Uptime now);
    topics::DeviceTime time_of_fact(Uptime now) const;
    std::size_t payload_max(topics::Level level) const;

    DeviceSettings settings_;
    Journal& journal_;
    const CachedRights& rights_;
    std::mt19937_64 random_;
    std::vector<Action> actions_;
    ProtocolCounters counters_;

    topics::Connection cn_;
    bool connected_ = false;
    bool subscribed_ = false;
    bool born_ = false;
    Backoff birth_;
    Backoff batch_;
    std::optional<Uptime> heartbeat_due_;
    std::optional<Uptime>
        oldest_unanswered_;  ///< When the oldest message not yet answered was sent.
    std::chrono::seconds reconnect_spread_{0};

    std::optional<InFlight> in_flight_;
    std::size_t facts_max_ =
        topics::limits::kFactsPerBatchMax;  ///< Halved by `bad`, doubled by progress.
    int refusals_ = 0;                      ///< Of a batch of one fact, in a row.
    std::optional<Uptime> slow_until_;

    std::map<std::int64_t, Question> questions_;
    std::int64_t next_request_ = 1;

    std::optional<std::pair<std::int64_t, Uptime>>
        clock_;  ///< UTC seconds of the last ack, and when it came.
    std::optional<std::pair<std::int64_t, Uptime>>
        command_clock_;  ///< The same, counted from when the answered was sent.
    std::optional<Uptime> lease_until_;
};

}  // namespace klyuchnik::sim
