// Deliberate mistakes of a device, so that the schedules of tests/unit/firmware-sim can show that
// they would find them.
#pragma once

namespace klyuchnik::sim {

/// All false in every device that is not there to be found out.
struct Mistakes {
    bool forgets_before_ack = false;      ///< A fact that was sent is taken for stored.
    bool drops_at_new_epoch = false;      ///< What was not acknowledged goes with the old epoch.
    bool sends_before_flush = false;      ///< A crash gives a number that was sent to another fact.
    bool runs_expired_commands = false;   ///< Does not look at the expiry.
    bool runs_repeated_commands = false;  ///< Does not look whether it has run this one.
    bool starts_without_mark = false;     ///< The start of a command is not on the disk.
    bool believes_any_chunk = false;      ///< Does not look of which document a chunk is.
    bool checks_no_hash = false;          ///< Takes a document for whole when all of it is there.
    bool mixes_versions = false;          ///< Goes on with the next version where it was.
};

/// Such a device does not look twice at a document.
inline bool trusts(const Mistakes& mistakes) {
    return mistakes.believes_any_chunk || mistakes.checks_no_hash || mistakes.mixes_versions;
}

}  // namespace klyuchnik::sim
