#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "db/access/commands_store.hpp"
#include "handlers/runtime/command_rules.hpp"
#include "handlers/runtime/work.hpp"
#include "process/metrics.hpp"

namespace klyuchnik::handlers {

/// Logs and raises what `step` made of a command: devices.command_done with the state as its `why`
/// when it ended, the alarm "command_unknown" while it is in doubt. `source`: what caused it.
void report(const db::CommandRecord& command, const Step& step, const std::string& source,
            Work& work);

/// A device is out, or its hardware is another one: what is queued for it expires, what was sent or
/// accepted is unknown. Locks and stores the rows; after the cursor is held.
void end_open_commands(db::Tx& tx, const topics::DeviceId& device, const std::string& source,
                       Work& work);

/// The part of a transaction that concerns what devices say of their commands, of any class: their
/// facts cmd.accepted and cmd.done, and the last number that a birth has seen. Lives as long as one
/// transaction; the journal's stage feeds it.
class CommandStage {
 public:
    /// Takes a fact that is new. Its event is logged at once, so that the log keeps the device's
    /// order, and completed by store(). False: it is about something else.
    bool place(const FactItem& item, Work& work);
    /// A device is here, and has seen command numbers up to `last`. `fresh`: on a connection that
    /// was not known before; then what it had accepted above `last` is lost to it, and unknown to
    /// us. `forgot`: it is not the memory that we know (wiped, restored, foreign, swapped), and
    /// whatever was sent to it is unknown.
    void born(const topics::DeviceId& device, std::int64_t last, bool fresh, bool forgot = false);

    /// One read and one write for all of them. After the cursors are held, before alarms and events
    /// are written. A cmd.done of a number that nobody gave raises "unknown_command_done".
    void store(db::Tx& tx, Work& work);

    /// How many ended, by state: for counting once this has been committed.
    const std::map<db::CommandState, std::int64_t>& ended() const { return ended_; }

 private:
    struct Said {
        db::CommandNumber number;
        bool done = false;
        std::int64_t rc = 0;
        std::optional<std::string> note;
        std::size_t event = 0;  ///< Its place in Work::events.
        std::string source;
    };
    struct Born {
        std::int64_t last = 0;  ///< The highest of all births.
        std::int64_t fresh_last = 0;
        bool fresh = false;
        bool forgot = false;
    };
    void apply(db::Tx& tx, Work& work);
    void greet(db::Tx& tx, Work& work);

    std::vector<Said> said_;  ///< In the devices' order.
    std::map<topics::DeviceId, Born> born_;
    std::map<db::CommandState, std::int64_t> ended_;
};

/// Adds them to klyuchnik_commands_finished_total.
void count_ended(const std::map<db::CommandState, std::int64_t>& ended, process::Metrics& metrics);

}  // namespace klyuchnik::handlers
