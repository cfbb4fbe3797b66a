// One simulated key cabinet: slots, lock and reader around the device protocol, its journal and its
// connection.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "firmware-sim/cabinet/ledger.hpp"
#include "firmware-sim/cabinet/world.hpp"
#include "firmware-sim/device/documents.hpp"
#include "firmware-sim/device/journal.hpp"
#include "firmware-sim/device/mqtt_link.hpp"
#include "firmware-sim/device/protocol.hpp"
#include "firmware-sim/device/rights.hpp"

namespace klyuchnik::sim {

using SteadyTime = std::chrono::steady_clock::time_point;

/// What an update does that should not have been let out.
enum class FirmwareTrouble : std::uint8_t {
    none,
    does_not_boot,   ///< The boot loader comes back with the old one.
    never_connects,  ///< Until the watchdog gives it up.
};

struct CabinetSettings {
    LinkSettings link;  ///< link.id is the cabinet.
    /// `id` and `seed` are filled in by the cabinet.
    DeviceSettings device;
    JournalSettings journal;
    /// ID.* live here (the flash: journal, documents, state), and generated.tsv, actuated.tsv.
    std::filesystem::path state_dir;
    bool flush = true;  ///< false: the journal survives a killed process, not lost power.
    std::vector<CabinetKey> keys;
    std::chrono::milliseconds unlocked_for{
        10'000};  ///< A slot not emptied by then is locked again.
    std::chrono::milliseconds reconnect_first{200};  ///< Doubling to reconnect_max, each ±50 %.
    std::chrono::milliseconds reconnect_max{5000};
    std::chrono::milliseconds connect_spread{
        0};  ///< The first connect comes at a random moment within.
    FirmwareTrouble firmware_trouble = FirmwareTrouble::none;  ///< Of every update.
    std::uint64_t seed = 1;
};

struct CabinetCounters {
    std::int64_t facts = 0;
    std::int64_t acked = 0;  ///< Facts acknowledged since the object was made.
    std::int64_t batches = 0;
    std::int64_t reboots = 0;
    std::int64_t connects = 0;
    std::int64_t taken = 0;
    std::int64_t returned = 0;
    std::int64_t repeated_on_purpose = 0;
};

/// Driven by an owner with a poll loop: service() when fd() is ready, tick() at next_due(), and
/// after each call (acts included) fd() and wants_write() may have changed.
///
/// A key exists once: it is in its slot or in somebody's hand. A locked slot gives nothing. What
/// was out when the simulator stopped is out when it starts again on the same state_dir.
///
/// Offline it decides by the rights document that it pulled; `rights` are for the time before the
/// first one, in worlds whose server makes none. Not thread-safe.
class Cabinet {
 public:
    /// Opens the journal (this is a boot). `rights` and `ledger` must outlive the cabinet.
    Cabinet(CabinetSettings settings, const CachedRights& rights, Ledger& ledger, SteadyTime now);
    ~Cabinet();
    Cabinet(const Cabinet&) = delete;
    Cabinet& operator=(const Cabinet&) = delete;

    const topics::DeviceId& id() const { return settings_.link.id; }

    // -- the loop
    int fd() const;  ///< -1: not connected.
    bool wants_write() const;
    void service(bool readable, bool writable, SteadyTime now);
    void tick(SteadyTime now);
    SteadyTime next_due(SteadyTime now) const;
    /// Decisions since the last call.
    std::vector<Decided> take_decisions() { return std::exchange(decisions_, {}); }

    // -- people
    /// Presents a card for a key; the Decided carries the number returned. A grant has unlocked the
    /// slot by then.
    std::int64_t ask(const topics::CardSerial& card, const topics::KeyName& key,
                     const std::vector<topics::CardSerial>& with, SteadyTime now);
    /// False when the key is not here or its slot is locked.
    bool take(const topics::CardSerial& card, const topics::KeyName& key, SteadyTime now);
    /// Takes without asking and without a card (a broken lock, a slot left open). False when the
    /// key is not here.
    bool take_by_force(const std::optional<topics::CardSerial>& card, const topics::KeyName& key,
                       SteadyTime now);
    /// False when the key is in its slot already, or has none here.
    bool give_back(const std::optional<topics::CardSerial>& card, const topics::KeyName& key,
                   SteadyTime now);
    /// A fact of any kind.
    FactNumber record(topics::FactBody body, SteadyTime now);
    bool has(const topics::KeyName& key) const;
    /// A line for the log that command logs.send offers.
    void note(const std::string& line, SteadyTime now) { protocol_->note(line, uptime(now)); }
    /// The log as it was offered last; empty when it never was.
    std::string last_log() const;
    struct OutKey {
        topics::KeyName key;
        topics::CardSerial card;  ///< Empty: taken without a card.
    };
    std::vector<OutKey> keys_out() const;

    // -- trouble
    /// Power lost and back: everything in memory is gone, the journal is read again, a new
    /// connection is made.
    void reboot(SteadyTime now);
    /// The cabinet's own clock jumps ahead, as if so much time had passed, until the next boot.
    void advance(std::chrono::milliseconds by, SteadyTime now);
    /// From the next boot on its clock is wrong by so much, and it does not know.
    void set_clock_error(std::optional<std::int64_t> seconds);
    /// Power lost, another flash chip soldered in, power back: everything is forgotten.
    void wipe_flash(SteadyTime now);
    /// The same with the chip that save_flash() copied: the cabinet is as it was then.
    void restore_flash(const std::filesystem::path& from, SteadyTime now);
    void save_flash(const std::filesystem::path& to) const;
    void set_firmware_trouble(FirmwareTrouble trouble) { settings_.firmware_trouble = trouble; }
    void go_offline(SteadyTime now);  ///< The cable is out until go_online(); people go on.
    void go_online(SteadyTime now);
    /// Sends the bytes of the newest batch once more, acknowledged or not. False when there is none
    /// or no connection.
    bool repeat_last_batch();

    bool online() const { return protocol_->online(); }
    bool drained() const { return journal_->empty(); }
    const Journal& journal() const { return *journal_; }
    const DeviceProtocol& protocol() const { return *protocol_; }
    CabinetCounters counters() const;
    /// Of this boot and the ones before.
    ProtocolCounters protocol_counters() const;

 private:
    struct SlotState {
        CabinetKey key;
        bool here = true;
        topics::CardSerial holder;
        std::optional<SteadyTime> unlocked_until;
    };

    Uptime uptime(SteadyTime now) const;
    void open_flash();
    void lose_power();
    void boot(SteadyTime now);
    void act(SteadyTime now);
    void run(const Run& command, SteadyTime now);
    void unlock(SlotState& slot, std::string_view why, std::int64_t number,
                const topics::CardSerial& card, SteadyTime now);
    void connect(SteadyTime now);
    void lost(SteadyTime now);
    void drain_link(SteadyTime now);
    SlotState* slot_of(const topics::KeyName& key);
    const SlotState* slot_of(const topics::KeyName& key) const;
    topics::SlotsState slots_state() const;

    CabinetSettings settings_;
    const CachedRights& rights_before_;
    Ledger& ledger_;
    std::mt19937_64 random_;
    std::vector<SlotState> slots_;
    std::unique_ptr<Journal> journal_;
    std::unique_ptr<FileDocumentStore> document_store_;
    std::unique_ptr<Documents> documents_;
    std::unique_ptr<DocumentRights> rights_;
    std::unique_ptr<DeviceProtocol> protocol_;
    std::unique_ptr<MqttLink> link_;
    SteadyTime booted_;
    std::chrono::milliseconds skew_{0};
    std::optional<SteadyTime> connect_at_;
    std::chrono::milliseconds reconnect_wait_{0};
    bool announced_ = false;
    bool offline_ = false;
    bool restart_ = false;
    SteadyTime misc_due_;
    std::string last_batch_;
    std::vector<Decided> decisions_;
    CabinetCounters counters_;
    std::int64_t held_at_start_ = 0;
    std::int64_t dropped_ = 0;
    ProtocolCounters earlier_;
};

/// Copies what is in the flash of `id` (ID.*) from one state directory to another, which is made:
/// a second cabinet on the copy is a clone. What was in the other directory's flash goes.
void copy_flash(const topics::DeviceId& id, const std::filesystem::path& from,
                const std::filesystem::path& to);

}  // namespace klyuchnik::sim
