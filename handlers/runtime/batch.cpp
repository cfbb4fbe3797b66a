#include "handlers/runtime/batch.hpp"

#include <iterator>

#include "handlers/runtime/alarms.hpp"
#include "handlers/runtime/document_answers.hpp"
#include "handlers/runtime/inbox_stage.hpp"
#include "handlers/runtime/journal_stage.hpp"
#include "process/crash_point.hpp"
#include "topics/codec.hpp"

namespace klyuchnik::handlers {

using namespace topics;

namespace {

process::Counter& counter(process::Metrics& metrics, const Domain& domain, const char* name,
                          const char* help) {
    return metrics.counter(std::string{"klyuchnik_"} + name + "_total", help,
                           {{"domain", std::string{domain.name()}}});
}

RequestItem item_of(const Message& message) {
    const Request& request = std::get<RequestMessage>(message.body).request;
    RequestItem item{message.device, request, {}};
    item.answer.cn = request.cn;
    item.answer.number = request.number;
    return item;
}

/// Requests that any class of device may send and that need no domain.
bool answered_here(RequestItem& item, Instant now) {
    if (std::holds_alternative<TimeRequest>(item.request.body)) {
        item.answer.now_s = unix_seconds(now);
        return true;
    }
    if (std::holds_alternative<UnknownRequest>(item.request.body)) {
        refuse(item.answer, {Code::not_served, ""});
        return true;
    }
    return false;
}

void answer_requests(std::vector<RequestItem>& requests, Domain& domain, Instant now, db::Tx& tx,
                     std::vector<Outgoing>& out) {
    std::vector<RequestItem> for_documents;
    std::vector<RequestItem> for_domain;
    for (RequestItem& item : requests) {
        if (answered_here(item, now)) {
            out.push_back({device_topic(item.device, Level::answer), encode(item.answer)});
        } else if (is_document_request(item.request.body)) {
            for_documents.push_back(std::move(item));
        } else {
            for_domain.push_back(std::move(item));
        }
    }
    for (Outgoing& one : answer_documents(for_documents, tx)) out.push_back(std::move(one));
    if (for_domain.empty()) return;
    domain.answer(for_domain, now, tx);
    for (const RequestItem& item : for_domain) {
        out.push_back({device_topic(item.device, Level::answer), encode(item.answer)});
    }
}

}  // namespace

Batch::Batch(Domain& domain, const process::Clock& clock, process::Metrics& metrics)
    : domain_{domain},
      clock_{clock},
      metrics_{metrics},
      applied_{counter(metrics, domain, "facts_applied", "Facts committed for the first time")},
      skipped_{counter(metrics, domain, "facts_skipped", "Facts that came again")},
      left_{counter(metrics, domain, "batches_left",
                    "Messages left to a repeat because another handler holds the device")},
      gaps_{counter(metrics, domain, "device_gaps", "Ranges of facts lost by devices")},
      conflicts_{counter(metrics, domain, "journal_conflicts",
                         "Facts with other content under a stored number")},
      unknown_kinds_{counter(metrics, domain, "facts_unknown", "Facts of kinds not known here")},
      set_aside_{counter(metrics, domain, "dead_letters", "Messages the database refused")},
      asks_done_{counter(metrics, domain, "asks_done", "Asks done")},
      asks_refused_{counter(metrics, domain, "asks_refused", "Asks refused")},
      asks_repeated_{counter(metrics, domain, "asks_repeated", "Asks that came again")},
      chunks_{counter(metrics, domain, "chunks", "Chunks from devices that were of use")},
      chunks_dropped_{counter(metrics, domain, "chunks_dropped",
                              "Chunks of nothing that is being fetched, or of impossible length")},
      documents_received_{
          counter(metrics, domain, "documents_received", "Documents fetched from devices")},
      documents_failed_{counter(metrics, domain, "documents_failed",
                                "Documents given up because their hash was wrong")},
      requests_{counter(metrics, domain, "requests", "Device requests answered")},
      sizes_{metrics.histogram("klyuchnik_batch_messages", "Messages per transaction",
                               process::kBatchBuckets, {{"domain", std::string{domain.name()}}})} {}

std::vector<Outgoing> Batch::answer_only(std::vector<RequestItem> requests,
                                         db::Connection& connection) {
    std::vector<Outgoing> out;
    db::Tx tx{connection, db::Tx::Mode::one_read};
    answer_requests(requests, domain_, clock_.now(), tx, out);
    return out;
}

std::vector<Outgoing> Batch::apply(std::span<const Message> messages, db::Connection& connection,
                                   const std::string* set_aside) {
    sizes_.observe(static_cast<double>(messages.size()));
    std::vector<RequestItem> requests;
    for (const Message& message : messages) {
        if (std::holds_alternative<RequestMessage>(message.body)) {
            requests.push_back(item_of(message));
        }
    }
    requests_.inc(static_cast<double>(requests.size()));
    if (requests.size() == messages.size()) return answer_only(std::move(requests), connection);

    std::vector<Outgoing> out;
    Work work;
    work.now = clock_.now();
    db::Tx tx{connection};
    if (work.now - fleet_read_ >= kFleetEvery) {
        pacing_.fleet = db::fleet_size(tx);
        fleet_read_ = work.now;
    }
    JournalStage journal{tx, messages, work.now, pacing_};
    InboxStage inbox{tx, messages, work.now};
    for (const Message& message : messages) {
        if (std::holds_alternative<AskMessage>(message.body)) {
            inbox.place(message, set_aside, work, out);
        } else if (!std::holds_alternative<RequestMessage>(message.body)) {
            journal.place(message, set_aside, work, out);
        }
    }
    domain_.apply(work, tx);
    process::crash_point("in_batch");
    journal.store(tx, work, domain_.name());
    inbox.store(tx, work, domain_.name(), out);
    store_alarms_and_events(tx, work);
    answer_requests(requests, domain_, work.now, tx, out);
    process::crash_point("before_commit");
    tx.commit();
    out.insert(out.end(), std::make_move_iterator(work.out.begin()),
               std::make_move_iterator(work.out.end()));
    process::crash_point("after_commit_before_answer");

    applied_.inc(static_cast<double>(journal.counts().applied));
    skipped_.inc(static_cast<double>(journal.counts().skipped));
    left_.inc(static_cast<double>(journal.counts().left));
    gaps_.inc(static_cast<double>(journal.counts().gaps));
    conflicts_.inc(static_cast<double>(journal.counts().conflicts));
    unknown_kinds_.inc(static_cast<double>(journal.counts().unknown_kinds));
    asks_done_.inc(static_cast<double>(inbox.counts().answered));
    asks_refused_.inc(static_cast<double>(inbox.counts().refused));
    asks_repeated_.inc(static_cast<double>(inbox.counts().repeated));
    count_ended(journal.commands().ended(), metrics_);
    const DocumentStage::Counts& documents = journal.documents().counts();
    chunks_.inc(static_cast<double>(documents.chunks));
    chunks_dropped_.inc(static_cast<double>(documents.dropped));
    documents_received_.inc(static_cast<double>(documents.received));
    documents_failed_.inc(static_cast<double>(documents.failed));
    if (set_aside) set_aside_.inc();
    return out;
}

}  // namespace klyuchnik::handlers
