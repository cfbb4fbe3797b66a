// One device and a small model of the server under a random schedule: messages are lost, repeated
// and overtaken, the power goes at any byte that is written, the server forgets connections, gives
// new epochs, sends commands, makes new versions of documents.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "firmware-sim/device/mistakes.hpp"

namespace klyuchnik::test {

/// What is wrong on purpose, so that the schedules can show that they find it.
struct Plant {
    sim::Mistakes device{};
    bool chip_lies = false;            ///< The flash says that it has written, and has not.
    bool acks_before_commit = false;   ///< The server acknowledges and then loses what it did.
    bool forgets_old_numbers = false;  ///< The server does not look at `o`.
};

struct Outcome {
    std::vector<std::string> wrong;  ///< What the schedule found; empty when all is right.
    std::int64_t reboots = 0;
    std::int64_t power_cuts = 0;  ///< Of those, in the middle of a write.
    std::int64_t resent = 0;
    std::int64_t epochs = 0;
    std::int64_t facts = 0;
    std::int64_t commands_run = 0;
    std::int64_t commands_expired = 0;
    std::int64_t rights_changed = 0;
    std::int64_t downloads_resumed = 0;  ///< A reboot found a part of a document and went on.
    std::int64_t logs_fetched = 0;
    std::int64_t firmware_proven = 0;
    std::int64_t firmware_rolled_back = 0;

    Outcome& operator+=(const Outcome& other);
};

/// Pure: the same seed and plant give the same outcome. With `trace` every event is a line on
/// stderr.
///
/// Right is: every fact that was shown to a person is stored once and in order; no command ran
/// twice, and each that ran has one end; in a network that keeps order none ran after its expiry;
/// the rights held were at every moment a version that the server made, byte for byte, never older
/// than before a crash, and are the newest in the end; the log that was offered last arrived whole;
/// firmware is what was wanted, or was rolled back and not tried again.
Outcome play(std::uint64_t seed, const Plant& plant, bool trace = false);

}  // namespace klyuchnik::test
