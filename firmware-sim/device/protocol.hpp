// What a device says and does, as a state machine without sockets, clock and threads.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "firmware-sim/device/device_log.hpp"
#include "firmware-sim/device/document_pull.hpp"
#include "firmware-sim/device/documents.hpp"
#include "firmware-sim/device/journal.hpp"
#include "firmware-sim/device/mistakes.hpp"
#include "firmware-sim/device/rights.hpp"
#include "topics/chunk.hpp"
#include "topics/device.hpp"
#include "topics/limits.hpp"
#include "topics/names.hpp"

namespace klyuchnik::sim {

struct DeviceSettings {
    topics::DeviceId id;
    std::int64_t packet_bytes_max =
        1024;                       ///< Largest MQTT packet, sent or accepted, its header included.
    std::int64_t heartbeat_s = 30;  ///< Announced; `heartbeat` below is what is done.
    Uptime heartbeat = std::chrono::seconds{30};
    Uptime resend_first = topics::limits::kResendFirst;
    Uptime resend_max = topics::limits::kResendMax;
    Uptime request_deadline = topics::limits::kRequestDeadline;
    std::string firmware = "sim-1";  ///< As built; an update that has proven itself counts more.
    Uptime chunk_repeat = topics::limits::kChunkRepeat;  ///< Of an unanswered question for a chunk.
    /// Between two messages about documents: a large one must not use up the device's share.
    Uptime chunk_pause = std::chrono::milliseconds{15};
    /// After a version of a document that could not be had or was refused, doubling up to an hour.
    Uptime document_rest = std::chrono::seconds{60};
    /// New firmware that has not reached the server by then is given up.
    Uptime firmware_trial = std::chrono::minutes{5};
    /// After a boot and before the first ack nobody knows whether the lease still runs. It counts
    /// as ended, unless a site would rather have so long a grace.
    Uptime lease_grace{0};
    /// What a clock with a battery says at the boot. Most cabinets have none. Earlier than the last
    /// ack it is not believed.
    std::optional<std::int64_t> utc_at_boot_s;
    std::size_t log_bytes_max = 65'536;  ///< Of the ring of lines that logs.send offers.
    Mistakes mistakes;
    /// A device whose clock is wrong and that does not know: added to every time it reports.
    std::optional<std::int64_t> clock_error_s;
    std::uint64_t seed = 1;  ///< Of the jitter.
};

// -- actions: what the owner of the protocol is to do, in this order
// --------------------------------------------------------------------------------------------------------

enum class Said : std::uint8_t {
    birth,
    batch,
    batch_again,
    request,
    heartbeat,
    document,  ///< doc.info, doc.get
    chunk,     ///< A piece of a document that is offered.
};

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
    std::string code;  ///< Code name when refused; the device's own are "lease_ended", "locked",
                       ///< "no_right", "not_now", "needs_server" and "busy".
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

/// Another rights document counts from now on.
struct RightsChanged {
    std::int64_t version;
};
/// An image is on the disk and is to be started: boot. The next object over the same documents
/// runs it, says so in its birth, and proves it by reaching the server.
struct InstallFirmware {
    std::string version;
};
/// The new firmware has not reached the server in time: boot, and the old one runs again and
/// records firmware.failed.
struct RollBackFirmware {
    std::string version;
};

using Action = std::variant<Publish, Recorded, Decided, Run, Renumbered, Dropped, SetAside,
                            ReportSlots, RightsChanged, InstallFirmware, RollBackFirmware>;

struct ProtocolCounters {
    std::int64_t resent = 0;        ///< Batches sent again because no ack came.
    std::int64_t epochs = 0;        ///< New epochs taken.
    std::int64_t gaps = 0;          ///< Gaps named by the server and answered.
    std::int64_t foreign_acks = 0;  ///< Acks for another connection, ignored.
    std::int64_t late_answers = 0;  ///< Answers after the deadline, ignored.
    std::int64_t malformed = 0;     ///< What the server said and could not be read.
    std::int64_t bad_batches = 0;   ///< Batches the server could not read.
    std::int64_t expired_commands = 0;
    std::int64_t chunks_sent = 0;
    std::int64_t unknown_chunks = 0;     ///< Of no document that is wanted here.
    std::int64_t refused_documents = 0;  ///< Versions that could not be had or read.
    std::int64_t rolled_back = 0;        ///< Firmware that did not prove itself.
};

/// One device from one boot to the next; a reboot is a new object over the same journal.
///
/// Call an input, then take_actions() and do them in order. Every input flushes the journal before
/// its actions can be seen, so nothing is sent or shown that a crash could undo. Not thread-safe.
///
/// The rules, in short. Subscribed → birth, repeated like a batch until an ack with this
/// connection's number. One batch in flight: at most 32 facts, at most one packet; the same bytes
/// again after resend_first, doubling to resend_max, each ±50 %. Acks count only with this
/// connection's number and this epoch, and only upwards; one with an earlier time than another of
/// this connection counts for the journal and its trouble alone. A question that the server has not
/// answered within request_deadline, or can not answer (rc 429 and from 500), is decided by the
/// cached rights while the lease of the last ack runs; after it the device refuses. While it is
/// locked (command lock) it refuses everybody, without a question.
///
/// With documents: an ack that wants other rights or firmware than are held starts a pull; one
/// message about documents in chunk_pause. Without: nothing is pulled or offered, and a lock or
/// setting is forgotten with the object.
class DeviceProtocol {
 public:
    /// `journal`, `rights` and `documents` must outlive this.
    DeviceProtocol(DeviceSettings settings, Journal& journal, const CachedRights& rights,
                   Documents* documents = nullptr);

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

    /// A line for the device's log.
    void note(const std::string& line, Uptime now);

    std::vector<Action> take_actions() { return std::exchange(actions_, {}); }

    /// When tick() has something to do; nothing = not before another input.
    std::optional<Uptime> next_due() const;

    bool online() const { return born_; }  ///< Subscribed and the birth is answered.
    bool lease_runs(Uptime now) const;
    bool locked() const { return state_.locked; }
    std::int64_t rights_version() const { return documents_ ? documents_->rights_version() : 0; }
    /// Holds what the last ack wanted of rights and firmware.
    bool current() const;
    const std::string& firmware() const { return settings_.firmware; }
    /// New firmware that has not reached the server yet.
    bool on_trial() const { return !state_.firmware_tried.empty(); }
    const std::string& time_zone() const { return state_.time_zone; }
    std::string log_text() const { return log_.text(); }
    /// Hint of the last ack of this connection: after its loss, wait at random up to this before
    /// the next.
    std::chrono::seconds reconnect_spread() const { return reconnect_spread_; }
    /// The time as this device would report it, or nothing while it knows none.
    std::optional<std::int64_t> utc_s(Uptime now) const;
    ProtocolCounters counters() const;

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

    /// Chunks that the server asked for and that are not sent yet.
    struct Upload {
        std::string document;
        topics::DocumentTag tag{};
        std::int64_t next = 0;
        std::int64_t end = 0;
    };

    topics::Sequence add(topics::Fact fact);
    void start_firmware();
    void report_failed_firmware();
    void start_clock();
    void settle(Uptime now);
    void go_on_with_documents(Uptime now);
    std::optional<Uptime> documents_due() const;
    bool ask_for(DocumentPull& pull, Uptime now);
    bool send_chunk();
    void take_rights(Uptime now);
    void take_firmware(Uptime now);
    void offer_log(const topics::Command& command, Uptime now);
    void keep_state();
    void sent(Uptime now);
    void set_command_clock(std::int64_t now_s, bool newer, Uptime now);
    void begin_birth(Uptime now);
    void send_birth(Uptime now);
    void send_batch(Uptime now);
    void send_heartbeat(Uptime now);
    void again_later(Backoff& backoff, Uptime now);
    void take_ack(const topics::Ack& ack, Uptime now);
    void take_wishes(const topics::Ack& ack, Uptime now);
    void take_chunk(const topics::Chunk& chunk, Uptime now);
    void take_chunks_wanted(const topics::ChunksWanted& wanted);
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
    Documents* documents_;
    DeviceState state_;
    DeviceLog log_;
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
    std::deque<Uptime> unanswered_;  ///< When the messages were sent that wait for an ack.
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
    /// UTC at uptime 0 as the acks of this connection tell, never too early: by when what they
    /// answer was sent, not by when they came.
    std::optional<Uptime> command_clock_;
    std::int64_t newest_ack_s_ = 0;  ///< `now` of the newest ack of this connection.
    std::optional<Uptime> lease_until_;

    std::optional<DocumentPull> rights_pull_;
    bool rights_doubted_ = false;  ///< To be pulled again although the version is the wanted one.
    std::optional<DocumentPull> firmware_pull_;
    std::optional<Upload> upload_;
    Uptime documents_quiet_until_{0};
    std::optional<Uptime> trial_until_;
};

}  // namespace klyuchnik::sim
