// One cabinet for a test or a tool: calls that wait with a deadline, the loop in a thread of its
// own.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "firmware-sim/cabinet/cabinet.hpp"

namespace klyuchnik::sim {

struct ClientCounters {
    CabinetCounters cabinet;
    ProtocolCounters protocol;
    std::int64_t unacked = 0;  ///< Facts in the journal.
    std::int64_t boot = 0;
    topics::Epoch epoch;
    topics::Sequence acked;
    topics::Sequence last;  ///< Newest fact.
};

/// Connects one cabinet to a broker and keeps it connected until it is destroyed.
///
///     CabinetSettings settings;
///     settings.link = {.host = "127.0.0.1", .port = port, .id = id, .secret = secret};
///     settings.state_dir = directory;
///     settings.keys = {{Slot{1}, KeyName{"101"}, TagId{"04A2"}}};
///     CabinetClient cabinet{settings, rights};
///     cabinet.wait_online(5s);
///     const auto decided = cabinet.ask(card, key, 5s);
///     if (decided && decided->granted) cabinet.take(card, key);
///     cabinet.wait_acked(5s);
///
/// All methods are thread-safe. Waits end at their deadline and say so (false, nullopt); they never
/// throw for that. A fault of the disk ends the loop thread and is thrown by the next call of any
/// method. The facts and the locks' movements are also in state_dir/generated.tsv and actuated.tsv
/// (ledger.hpp).
class CabinetClient {
 public:
    /// Starts the thread and the first connect; does not wait for it. `rights` are what the cabinet
    /// decides by when the server does not answer.
    explicit CabinetClient(CabinetSettings settings, CardRights rights = {});
    ~CabinetClient();
    CabinetClient(const CabinetClient&) = delete;
    CabinetClient& operator=(const CabinetClient&) = delete;

    /// Connected, subscribed, and the birth is answered.
    bool wait_online(std::chrono::milliseconds deadline);
    /// The opposite: the loss of the connection was noticed.
    bool wait_offline(std::chrono::milliseconds deadline);
    /// Every fact is acknowledged.
    bool wait_acked(std::chrono::milliseconds deadline);

    /// Presents a card for a key and waits for the decision, by the server or (Decided::offline) by
    /// the cabinet. The cabinet decides after settings.device.request_deadline at the latest, so a
    /// `deadline` above it always gets one.
    std::optional<Decided> ask(const topics::CardSerial& card, const topics::KeyName& key,
                               std::chrono::milliseconds deadline,
                               const std::vector<topics::CardSerial>& with = {});
    /// Needs a grant before (the slot is locked otherwise): false when locked or empty.
    bool take(const topics::CardSerial& card, const topics::KeyName& key);
    /// Out of a locked slot too, and without a card if none is given.
    bool take_by_force(const std::optional<topics::CardSerial>& card, const topics::KeyName& key);
    bool return_key(const std::optional<topics::CardSerial>& card, const topics::KeyName& key);
    /// Any fact; on the disk when this returns.
    FactNumber append(topics::FactBody body);

    /// Loses everything in memory, reads the journal again, connects anew.
    void reboot();
    void go_offline();
    void go_online();
    /// The cabinet's own clock jumps ahead, as if so much time had passed: leases end, waits are
    /// over. Until its next boot; the server's clock stays, so facts made then are dated ahead.
    void advance(std::chrono::milliseconds by);
    /// From the next boot on its clock is wrong by so many seconds, and it does not know.
    void set_clock_error(std::optional<std::int64_t> seconds);
    /// Power lost, the flash empty, power back: no journal, no documents, boot 1.
    void wipe_flash();
    /// A copy of the flash as it is now; restore_flash() boots from one. For a clone, copy the
    /// flash (or copy_flash()) to the state_dir of a second CabinetClient with the same id.
    void save_flash(const std::filesystem::path& to);
    void restore_flash(const std::filesystem::path& from);
    /// What the next update does.
    void set_firmware_trouble(FirmwareTrouble trouble);
    /// The newest batch once more, byte for byte. False when there is none or no connection.
    bool repeat_last_batch();

    // -- documents and what came of commands
    /// Version of the rights document that counts; 0 = none yet.
    std::int64_t rights_version() const;
    bool wait_rights_version(std::int64_t version, std::chrono::milliseconds deadline);
    /// What its birth says: the version that runs.
    std::string firmware() const;
    bool wait_firmware(const std::string& version, std::chrono::milliseconds deadline);
    /// A line for the cabinet's log, which command logs.send offers to the server.
    void note(const std::string& line);
    /// The log as it was offered last; empty when it never was.
    std::string last_log() const;
    bool locked() const;
    std::string time_zone() const;  ///< POSIX TZ as a command set it; empty before.

    ClientCounters counters() const;

 private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace klyuchnik::sim
