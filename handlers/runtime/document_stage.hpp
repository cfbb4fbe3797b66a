#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "db/access/documents_store.hpp"
#include "handlers/runtime/document_rules.hpp"
#include "handlers/runtime/work.hpp"
#include "topics/chunk.hpp"

namespace klyuchnik::handlers {

/// The part of a transaction that concerns documents from devices of any class: what they announce
/// (doc.ready), and the chunks that come. Lives as long as one transaction; the journal's stage
/// feeds it.
///
/// Nothing is remembered outside the database: what is to be asked next follows from the rows, so
/// any handler may take any chunk, and a killed one costs a repeat. A lost chunk is asked for again
/// as soon as the last one of its asking has come, or by ask_for_chunks() after a pause.
class DocumentStage {
 public:
    /// A doc.ready that is new. `cn`: the device's present connection, if the caller knows it; else
    /// the asking is left to ask_for_chunks().
    void announced(const FactItem& item, std::optional<topics::Connection> cn);
    /// A chunk of a device that is known and active.
    void arrived(const topics::DeviceId& device, topics::Connection cn, topics::Chunk chunk);
    /// A device is here again: what is to be asked of it need not wait.
    void born(const topics::DeviceId& device) { born_.insert(device); }

    /// After the cursors are held and before alarms and events are written. What is asked next goes
    /// into `work.out`.
    void store(db::Tx& tx, Work& work);

    struct Counts {
        std::int64_t chunks = 0;   ///< That were of use.
        std::int64_t dropped = 0;  ///< Of nothing that is being fetched, or of impossible length.
        std::int64_t received = 0;
        std::int64_t failed = 0;
    };
    /// For counting once this has been committed.
    const Counts& counts() const { return counts_; }

 private:
    struct Ready {
        topics::DeviceId device;
        topics::DocumentReady fact;
        std::string source;
    };
    struct Arrived {
        topics::DeviceId device;
        topics::Chunk chunk;
    };
    struct Open {
        db::Upload upload;
        bool changed = false;
        bool fresh = false;  ///< Begun here.
        bool moved = false;  ///< A chunk came that was of use.
        bool ended = false;  ///< The last chunk that was asked for came.
        bool recut = false;  ///< What was here before is dropped.
        std::vector<db::UploadChunk> chunks;
    };
    void announce_all(db::Tx& tx, Work& work);
    UploadsSoFar so_far(const topics::DeviceId& device, std::int64_t today) const;
    void take_chunks();
    void keep_chunks(db::Tx& tx, topics::Instant now);
    void advance(db::Tx& tx, Work& work);
    void finish(db::Tx& tx, Open& open, Work& work);
    void ask(Open& open, const Asking& asking, Work& work);

    std::vector<Ready> ready_;
    std::vector<Arrived> arrived_;
    std::set<topics::DeviceId> born_;
    std::map<topics::DeviceId, topics::Connection> connections_;
    std::map<db::UploadName, Open> uploads_;
    Counts counts_;
};

/// Asks again for chunks that did not come, and gives up what never comes: the timed task of the
/// domain "devices".
TimedTask ask_for_chunks();

}  // namespace klyuchnik::handlers
