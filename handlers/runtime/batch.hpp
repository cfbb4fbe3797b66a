#pragma once

#include <chrono>
#include <span>
#include <string>
#include <vector>

#include "db/access/connection.hpp"
#include "handlers/runtime/journal_stage.hpp"
#include "handlers/runtime/message.hpp"
#include "handlers/runtime/work.hpp"
#include "process/clock.hpp"
#include "process/metrics.hpp"

namespace klyuchnik::handlers {

/// Applies messages in one transaction and says what is to be answered. No queue, no MQTT, no
/// retry: those are the loop's.
class Batch {
 public:
    Batch(Domain& domain, const process::Clock& clock, process::Metrics& metrics);

    /// Returns what to publish; it is true only now that the transaction has been committed.
    ///
    /// Requests are answered after everything else of the batch, so that they see it. A batch of
    /// requests alone is one read without a transaction: that is the way of a lone "may this card
    /// take this key".
    ///
    /// With `set_aside` (only for a single fact or ask that the database refused): keeps it as a
    /// dead letter instead of applying it. Throws db::Fault; nothing has happened then, or, when a
    /// commit's outcome is unknown, everything or nothing.
    std::vector<Outgoing> apply(std::span<const Message> messages, db::Connection& connection,
                                const std::string* set_aside = nullptr);

    /// How many messages wait behind the next one to be applied: births are put off when they are
    /// many.
    void set_backlog(std::size_t messages) { pacing_.backlog = messages; }

    /// The size of the fleet, which acks depend on, is read anew so often.
    static constexpr std::chrono::seconds kFleetEvery{60};

 private:
    std::vector<Outgoing> answer_only(std::vector<RequestItem> requests,
                                      db::Connection& connection);

    Domain& domain_;
    const process::Clock& clock_;
    Pacing pacing_;
    topics::Instant fleet_read_{};
    process::Metrics& metrics_;
    process::Counter& applied_;
    process::Counter& skipped_;
    process::Counter& left_;
    process::Counter& gaps_;
    process::Counter& conflicts_;
    process::Counter& unknown_kinds_;
    process::Counter& set_aside_;
    process::Counter& asks_done_;
    process::Counter& asks_refused_;
    process::Counter& asks_repeated_;
    process::Counter& chunks_;
    process::Counter& chunks_dropped_;
    process::Counter& documents_received_;
    process::Counter& documents_failed_;
    process::Counter& requests_;
    process::Histogram& sizes_;
};

}  // namespace klyuchnik::handlers
