// The checks, in the order in which examine() makes them. Each tries something on the device and
// judges a few claims; each begins with an admitted device whose journal is empty, and ends so.
// A device that goes away in between ends the run (Exam::birth, Exam::waiting).
#pragma once

#include "firmware-sim/conformance/exam.hpp"

namespace klyuchnik::sim::conformance {

/// The device connects and is kept waiting: its births, their repeats, an ack that is not for it.
/// Ends with a birth that waits for its answer. Throws CannotGoOn when there is none.
void check_birth(Exam& exam);
/// The first answer is a new epoch. Ends with the device admitted; throws CannotGoOn when it can
/// not be.
void check_first_epoch(Exam& exam);
/// Commands of several kinds: repeated, late, foreign, two at once.
void check_commands(Exam& exam);
/// Batches without acks: the same bytes at growing distances.
void check_repeats(Exam& exam);
/// Acks that say less, or less than before.
void check_acks(Exam& exam);
/// What an ack may say besides: gap, hello, slow, bad, epoch.
void check_ack_errors(Exam& exam);
/// Heartbeats at the announced period, then at another one.
void check_heartbeats(Exam& exam);
/// The connection is cut: will, new number, a command before the first ack.
void check_reconnect(Exam& exam);
/// The reboot command with facts in the journal.
void check_reboot(Exam& exam);
/// Somebody at the device asks for a key and is answered too late.
void check_requests(Exam& exam);
/// A document of rights is announced, served with a loss, and once with a wrong hash.
void check_documents(Exam& exam);

}  // namespace klyuchnik::sim::conformance
