#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "db/access/keys_store.hpp"
#include "handlers/runtime/work.hpp"

namespace klyuchnik::handlers::keys {

/// How a fact names a key. The tag was seen, so it counts most; then the name; then the slot.
struct KeySeen {
    std::optional<topics::TagId> tag;
    std::optional<topics::KeyName> name;
    std::optional<topics::Slot> slot;
};

/// The rows one batch works on, read once before the first decision, changed in memory, written
/// once after the last: later messages of the batch see what earlier ones did.
class KeysRows {
 public:
    /// Reads what the batch concerns and locks its keys, in four statements; in one more where
    /// somebody took a key to which they have no right now.
    KeysRows(db::Tx& tx, const Work& work, topics::Instant now);

    std::optional<db::Person> person(const std::optional<topics::CardSerial>& card) const;
    std::optional<db::Person> person(topics::PersonId id) const;
    const db::Key* key(const KeySeen& seen, const topics::DeviceId& cabinet) const;
    const db::Key* key(const topics::KeyName& name) const;
    const db::Key* key(topics::KeyId id) const;
    /// A key that was added in this batch.
    void learn(db::Key key);
    bool has_right(topics::PersonId person, topics::KeyId key) const;
    /// The right that the person was last given to the key before a fact's time, where it has ended
    /// by now.
    std::optional<db::EndedRight> ended_right(topics::PersonId person, topics::KeyId key,
                                              topics::Instant at) const;
    /// The open loan of a key; null when it is in. Valid until the next change.
    const db::Loan* open_loan(topics::KeyId key) const;

    /// Returns the new loan. The key must have no open one.
    const db::Loan& open(topics::KeyId key, std::optional<topics::PersonId> person,
                         topics::Instant at, std::string source, bool issued);
    void confirm(topics::KeyId key, topics::Instant at);
    void close(topics::KeyId key, topics::Instant at, std::string source, db::ClosedWhy why,
               std::optional<topics::PersonId> by);
    void add_conflict(db::Conflict conflict) { conflicts_.push_back(std::move(conflict)); }
    void give_right(db::Right right) { rights_.insert(right); }
    void take_right(const db::EndedRight& ended);

    /// Writes what changed; a loan that opened and closed here is written once.
    void store(db::Tx& tx);

 private:
    struct Touched {
        db::Loan loan;
        bool fresh = false;  ///< Opened in this batch.
        bool changed = false;
    };
    topics::LoanId next_loan_id();

    db::Tx& tx_;
    topics::Instant now_;
    std::map<topics::CardSerial, db::Person> by_card_;
    std::map<topics::PersonId, db::Person> people_;
    std::map<topics::KeyId, db::Key> keys_;
    std::map<topics::KeyName, topics::KeyId> by_name_;
    std::map<topics::TagId, topics::KeyId> by_tag_;
    std::map<std::pair<topics::DeviceId, topics::Slot>, topics::KeyId> by_home_;
    std::set<db::Right> rights_;
    std::map<std::pair<db::Right, topics::Instant>, db::EndedRight>
        ended_rights_;                                ///< By a fact's time.
    std::map<db::Right, db::EndedRight> ended_here_;  ///< In this very batch.
    std::map<topics::KeyId, Touched> open_;           ///< Keys that are out.
    std::vector<Touched> ended_;
    std::vector<db::Conflict> conflicts_;
    topics::LoanId next_loan_;
    topics::LoanId loan_block_end_;
};

}  // namespace klyuchnik::handlers::keys
