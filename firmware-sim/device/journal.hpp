// What a device must not forget: its facts until they are acknowledged, and its place in the
// numbering.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "topics/facts.hpp"
#include "topics/ids.hpp"

namespace klyuchnik::sim {

/// Names a fact of one device: `ep:seq`.
struct FactNumber {
    topics::Epoch epoch;
    topics::Sequence sequence;
    auto operator<=>(const FactNumber&) const = default;
};
std::string to_string(FactNumber number);

/// Where the bytes of a journal live. A device has a flash partition, the simulator a file, a test
/// a string that loses what was not flushed.
class JournalStore {
 public:
    virtual ~JournalStore() = default;
    /// Everything written so far, in order.
    virtual std::string read() = 0;
    /// Appends. With `durable` the bytes (and all before) survive a loss of power once this has
    /// returned; without, any suffix may be missing afterwards.
    virtual void append(std::string_view bytes, bool durable) = 0;
    /// All bytes at once: after a crash there is either all of the old or all of the new.
    virtual void replace(std::string_view bytes) = 0;

 protected:
    JournalStore() = default;
    JournalStore(const JournalStore&) = default;
    JournalStore& operator=(const JournalStore&) = default;
};

/// One file; replace() writes a new one beside it, flushes it and renames. Faults (disk full, no
/// rights) are thrown as std::system_error: a device that can not write must not go on as if it
/// had.
class FileStore final : public JournalStore {
 public:
    /// `flush` false leaves the flushing to the operating system: enough for a killed process, not
    /// for lost power.
    explicit FileStore(std::filesystem::path path, bool flush = true);
    ~FileStore() override;
    FileStore(const FileStore&) = delete;
    FileStore& operator=(const FileStore&) = delete;

    std::string read() override;
    void append(std::string_view bytes, bool durable) override;
    void replace(std::string_view bytes) override;

 private:
    std::filesystem::path path_;
    bool flush_;
    int fd_ = -1;
};

struct JournalSettings {
    std::size_t facts_max = 4096;         ///< A full ring gives up its oldest fact, and counts it.
    std::size_t compact_bytes = 262'144;  ///< Acknowledged facts are swept out beyond this size.
};

/// A fact that waits for its acknowledgement. `fact.old` is the number it carries on the wire as
/// `o`.
struct HeldFact {
    topics::Sequence sequence;
    topics::Fact fact;
    /// The number it had when it was made, in this journal's own account.
    FactNumber made;
    /// Its name: the first number it had under an epoch that the server gave, 0:0 while it has
    /// none. It never changes again, through any number of new epochs, and is what `o` says: one
    /// fact has one name, so the server can tell a repeat from a new fact by looking in one place.
    /// (A number of epoch 0 is no name: it was never sent, and 0:1 would be another fact after each
    /// wipe.)
    FactNumber name;
};

/// An append-only log of records (length, its complement, CRC-32, content) that survives a crash at
/// any byte.
///
/// append(), acknowledge() and the command marks are gathered; flush() writes them, with one flush
/// to the disk for all of them. Nothing may be sent or shown before flush(): a sequence that was
/// sent and then lost would be given to another fact. An acknowledgement alone is written without a
/// flush to the disk: losing it costs a repeat, no more.
///
/// Opening: a record cut short at the end is what a crash leaves, and is dropped. A record whose
/// bytes do not match their CRC is damage: what is behind it is found again, and the numbers that
/// were in it are filled with `journal.bad`, so that the server hears of the loss instead of
/// meeting a hole or another fact under the number.
///
/// Not thread-safe: a device has one thread. Faults of the store pass through.
class Journal {
 public:
    /// Reads, counts this boot, and flushes.
    explicit Journal(std::unique_ptr<JournalStore> store, JournalSettings settings = {});

    topics::Epoch epoch() const { return epoch_; }  ///< 0 = none was given yet.
    std::int64_t boot() const { return boot_; }     ///< From 1.
    /// Everything up to here was acknowledged and is gone.
    topics::Sequence acked() const { return acked_; }
    topics::Sequence last() const {
        return last_;
    }  ///< Last number given out; 0 = none in this epoch.
    bool empty() const { return held_.empty(); }
    std::size_t size() const { return held_.size(); }
    /// Oldest fact held; 0 when there is none.
    topics::Sequence oldest() const {
        return empty() ? topics::Sequence{0} : held_.front().sequence;
    }
    const std::deque<HeldFact>& held() const { return held_; }

    /// Gives the fact the next number. Only `at`, `body`, and for an unknown kind `content`, count.
    topics::Sequence append(topics::Fact fact);
    /// Forgets everything up to `up_to`; a number already forgotten or never given out changes
    /// nothing.
    void acknowledge(topics::Sequence up_to);
    /// Numbers everything held from 1 under `epoch`, in one atomic step that needs no flush().
    /// Returns old and new.
    std::vector<std::pair<FactNumber, FactNumber>> renumber(topics::Epoch epoch);
    /// Puts `journal.bad` in the place of a held fact.
    void set_aside(topics::Sequence sequence, std::int64_t crc, std::int64_t bytes);

    bool dirty() const { return !pending_.empty(); }
    void flush();

    /// Facts given up by a full ring and not yet reported: append JournalOverrun with this count
    /// when there is room.
    std::int64_t overrun() const { return overrun_; }
    /// The numbers given up since the last call, for whoever keeps account.
    std::vector<FactNumber> take_dropped() { return std::exchange(dropped_, {}); }
    /// Records whose bytes were damaged when the journal was opened.
    std::size_t damaged() const { return damaged_; }

    // Commands move metal at most once: the start is on disk before the actuator moves, and a start
    // without an end after a reboot means that nobody knows.
    std::int64_t command_started() const { return command_started_; }
    std::int64_t command_finished() const { return command_finished_; }
    void start_command(std::int64_t command);
    void finish_command(std::int64_t command);

 private:
    void load(std::string_view bytes);
    bool apply(std::string_view payload);
    void fill_hole(topics::Sequence upto, std::int64_t crc, std::int64_t bytes);
    void write_record(std::string_view payload, bool durable);
    std::string snapshot() const;
    void rewrite();

    std::unique_ptr<JournalStore> store_;
    JournalSettings settings_;
    std::deque<HeldFact> held_;
    topics::Epoch epoch_;
    std::int64_t boot_ = 0;
    topics::Sequence acked_;
    topics::Sequence last_;
    std::int64_t overrun_ = 0;
    std::int64_t command_started_ = 0;
    std::int64_t command_finished_ = 0;
    std::vector<FactNumber> dropped_;
    std::size_t damaged_ = 0;
    std::string pending_;
    bool pending_durable_ = false;
    std::size_t written_bytes_ = 0;
    std::size_t compact_at_ = 0;
    topics::Sequence promised_last_;  ///< While reading: what the head said of the last number.
};

}  // namespace klyuchnik::sim
