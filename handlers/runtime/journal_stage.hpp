#pragma once

#include <map>
#include <set>
#include <span>
#include <vector>

#include "handlers/runtime/command_stage.hpp"
#include "handlers/runtime/document_stage.hpp"
#include "handlers/runtime/journal_rules.hpp"
#include "handlers/runtime/message.hpp"
#include "handlers/runtime/work.hpp"

namespace klyuchnik::handlers {

/// What acks say of the time to come.
struct Pacing {
    std::int64_t fleet = 0;   ///< Devices that there are.
    std::size_t backlog = 0;  ///< Messages that wait behind this transaction.
};

/// The part of a transaction that concerns devices' journals: locks cursors, sorts repeats from
/// news, and at the end stores facts, gaps, epochs and cursors. Lives as long as one transaction.
class JournalStage {
 public:
    /// Locks, in id order, the cursor of every device that sent facts or a birth here; reads those
    /// of devices that only sent a heartbeat or a chunk, or flood the broker. Births that are put
    /// off (paced()) lock nothing.
    JournalStage(db::Tx& tx, std::span<const Message> messages, topics::Instant now,
                 Pacing pacing = {});

    /// Turns a message into items of `work` and acks in `out`. A device whose cursor is not ours to
    /// move (held by another handler, or unknown) is passed over in silence: it repeats. With
    /// `set_aside`, facts are stored as set aside and are no items.
    void place(const Message& message, const std::string* set_aside, Work& work,
               std::vector<Outgoing>& out);

    /// A fact outside its batch, that was set aside before. False: it is of no kind that the
    /// runtime applies itself, and a domain's to decide. store() writes what followed. (A
    /// firmware.failed counts as an earlier one then.)
    bool apply_alone(const FactItem& item, Work& work) { return apply_own(item, work); }

    /// After the domain has decided, before alarms and events are written. `domain` names it in
    /// dead letters.
    void store(db::Tx& tx, Work& work, std::string_view domain);

    struct Counts {
        std::int64_t applied = 0;
        std::int64_t skipped = 0;
        std::int64_t gaps = 0;
        std::int64_t conflicts = 0;
        std::int64_t epochs = 0;
        std::int64_t left = 0;  ///< Messages of devices whose cursor another handler holds.
        std::int64_t unknown_kinds = 0;
    };
    const Counts& counts() const { return counts_; }
    const CommandStage& commands() const { return commands_; }
    const DocumentStage& documents() const { return documents_; }

 private:
    struct Held {
        db::Cursor cursor;
        bool locked = false;
        bool changed = false;
        std::map<topics::Sequence, std::uint64_t> stored;  ///< Digests of what comes again.
    };
    void place_facts(const topics::FactBatch& batch, Held& held, const std::string* set_aside,
                     Work& work, std::vector<Outgoing>& out);
    void place_birth(const topics::Birth& birth, bool retained, Held& held, Work& work,
                     std::vector<Outgoing>& out);
    void apply_fact(const topics::FactBatch& batch, std::size_t index, Held& held,
                    const std::string* set_aside, Work& work);
    bool apply_own(const FactItem& item, Work& work);
    void lose(const Held& held, topics::Epoch epoch, const LostRange& lost, Work& work);
    void note_epoch(db::IssuedEpoch issued);
    void issue_epoch(Held& held, std::string why, Work& work);
    void acknowledge(const Held& held, topics::Connection cn, topics::AckError error,
                     std::vector<Outgoing>& out) const;
    bool put_off(const Message& message, std::vector<Outgoing>& out) const;
    void slow_down(const topics::DeviceId& device, topics::Connection cn, std::int64_t wait_s,
                   std::vector<Outgoing>& out) const;
    void note_clock(const FactItem& fact, std::optional<std::int64_t> error, Held& held,
                    Work& work);

    topics::Instant now_;
    Pacing pacing_;
    std::map<topics::DeviceId, Held> held_;
    std::map<std::pair<topics::DeviceId, topics::Connection>, topics::Epoch> issued_;
    std::set<std::pair<db::FactNumber, std::uint64_t>>
        known_;                          ///< Of facts that come again under a new number.
    std::vector<db::FactRow> own_rows_;  ///< Facts that no domain sees.
    std::vector<db::Gap> gaps_;
    std::vector<db::DeviceConflict> conflicts_;
    std::vector<db::IssuedEpoch> epochs_;
    std::vector<db::DeadLetter> letters_;
    CommandStage commands_;
    DocumentStage documents_;
    Counts counts_;
};

}  // namespace klyuchnik::handlers
