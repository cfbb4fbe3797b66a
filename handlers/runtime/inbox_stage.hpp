#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "handlers/runtime/message.hpp"
#include "handlers/runtime/work.hpp"

namespace klyuchnik::handlers {

/// The role of whoever asks, looked up now: "admin", "device", "trusted-network"; empty for nobody
/// that is known. One statement.
std::string role_of(db::Tx& tx, const topics::Caller& by);

/// The part of a transaction that concerns asks: finds what was answered before, looks up who asks,
/// refuses what came too late, and at the end keeps and sends the answers. Lives as long as one
/// transaction.
///
/// A refused claim is not kept: anybody may claim, under ids that they invent, nothing has
/// happened, and a repeat is judged anew.
class InboxStage {
 public:
    /// Two reads at most: kept answers, and the roles of the callers.
    InboxStage(db::Tx& tx, std::span<const Message> messages, topics::Instant now);

    /// Answers at once (into `out`) or makes an item of `work`. With `set_aside`, the ask is
    /// answered with that and kept as a dead letter instead.
    void place(const Message& message, const std::string* set_aside, Work& work,
               std::vector<Outgoing>& out);

    /// After the domain has decided.
    void store(db::Tx& tx, const Work& work, std::string_view domain, std::vector<Outgoing>& out);

    struct Counts {
        std::int64_t answered = 0;
        std::int64_t refused = 0;
        std::int64_t repeated = 0;
    };
    const Counts& counts() const { return counts_; }

 private:
    std::string role_of(const topics::Caller& by) const;
    void keep(const topics::Ask& ask, const topics::AskTopic& topic,
              const std::variant<topics::AskResult, topics::Refusal>& outcome,
              std::vector<Outgoing>& out);

    topics::Instant now_;
    std::map<db::AskKey, db::KeptAnswer> kept_;
    std::map<std::string, std::string> roles_;
    /// The same ask twice in one batch: the second gets the first one's answer.
    struct Twin {
        db::AskKey key;
        std::uint64_t digest;
        topics::AskTopic topic;
    };
    std::map<db::AskKey, std::uint64_t> placed_;
    std::vector<Twin> twins_;
    std::vector<db::KeptAnswer> answers_;
    std::vector<db::KeptAnswer> unkept_;  ///< Given, and forgotten after this transaction.
    std::vector<db::DeadLetter> letters_;
    Counts counts_;
};

}  // namespace klyuchnik::handlers
