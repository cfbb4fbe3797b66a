#include "handlers/runtime/housekeeper.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "db/access/alarms_store.hpp"
#include "db/access/commands_store.hpp"
#include "db/access/documents_store.hpp"
#include "db/access/fault.hpp"
#include "db/access/keys_store.hpp"
#include "db/access/runtime_store.hpp"
#include "process/log.hpp"
#include "topics/limits.hpp"

namespace klyuchnik::handlers {

using namespace std::chrono_literals;

namespace {
constexpr std::string_view kInbox = "forget_inbox";
constexpr std::chrono::hours kEpochsKept{180 * 24};
constexpr std::chrono::hours kDeadSessionsKept{24};
/// Parts of uploads that never became whole, and content that nothing refers to.
constexpr std::chrono::hours kBlobsKept{24};
constexpr std::chrono::hours kUploadsKept{30 * 24};
/// Longer than any device keeps its journal while it is away.
constexpr std::chrono::hours kRightsEndedKept{400 * 24};
/// Those below; the other rows of runtime.chores are the domains' own (TimedWork).
const std::vector<std::string> kChores{
    "make_partitions",         "forget_inbox",      "forget_facts",    "forget_dead_letters",
    "forget_device_conflicts", "forget_epochs",     "forget_sessions", "forget_commands",
    "forget_alarms",           "forget_blob_parts", "forget_blobs",    "forget_uploads",
    "forget_rights_ended"};
}  // namespace

Housekeeper::Housekeeper(db::ConnectionSettings database, Retention retention,
                         const process::Clock& clock, process::Metrics& metrics)
    : connection_{std::move(database)},
      retention_{retention},
      clock_{clock},
      forgotten_{metrics.counter("klyuchnik_rows_forgotten_total", "Rows past their retention")},
      stop_fd_{::eventfd(0, EFD_CLOEXEC)} {}

Housekeeper::~Housekeeper() {
    if (thread_.joinable()) stop();
    ::close(stop_fd_);
}

void Housekeeper::start() {
    thread_ = std::thread{[this] { run(); }};
}

void Housekeeper::stop() {
    ::eventfd_write(stop_fd_, 1);
    thread_.join();
}

void Housekeeper::run() {
    pollfd waiting{stop_fd_, POLLIN, 0};
    const auto look = std::chrono::duration_cast<std::chrono::milliseconds>(kLookEvery);
    do {
        try {
            work();
        } catch (const db::Fault& fault) {
            process::log::warn_every("housekeeper", 60s, "housekeeper: {}", fault.what());
            connection_.reset();
        }
    } while (::poll(&waiting, 1, static_cast<int>(look.count())) == 0);
}

void Housekeeper::work() {
    const topics::Instant now = clock_.now();
    std::vector<std::string> due;
    {
        db::Tx tx{connection_};
        due = db::claim_chores(tx, now, kChores);
        tx.commit();
    }
    for (const std::string& name : due) do_chore(name, now);
}

void Housekeeper::do_chore(const std::string& name, topics::Instant now) {
    // A transaction for each statement: one that takes long must hold up neither handlers nor the
    // other chores. What is left, or was cut short by a kill, goes on at the next due time.
    const int most = name == kInbox ? kInboxStatementsPerChore : kStatementsPerChore;
    for (int statement = 0; statement < most; ++statement) {
        db::Tx tx{connection_};
        const Done done = do_once(tx, name, now);
        tx.commit();
        forgotten_.inc(static_cast<double>(done.rows));
        if (!done.more || stopping()) return;
    }
}

bool Housekeeper::stopping() const {
    pollfd asked{stop_fd_, POLLIN, 0};
    return ::poll(&asked, 1, 0) > 0;
}

Housekeeper::Done Housekeeper::do_once(db::Tx& tx, const std::string& name, topics::Instant now) {
    if (name == "forget_blobs") {
        const db::ForgottenBlobs gone =
            db::forget_blobs(tx, now - kBlobsKept, kRowsPerStatement, kBlobBytesPerStatement);
        return {gone.rows, gone.more};
    }
    const std::size_t rows = forget(tx, name, now);
    return {rows, rows >= static_cast<std::size_t>(kRowsPerStatement)};
}

std::size_t Housekeeper::forget(db::Tx& tx, const std::string& name, topics::Instant now) {
    std::size_t rows = 0;
    if (name == "make_partitions") {
        db::make_partitions(tx, kPartitionsAhead);
    } else if (name == kInbox) {
        rows = db::forget_inbox(tx, now - topics::limits::kInboxKept, kRowsPerStatement);
    } else if (name == "forget_facts") {
        rows =
            db::forget_facts(tx, now - std::chrono::days{retention_.facts_days}, kRowsPerStatement);
    } else if (name == "forget_dead_letters") {
        rows = db::forget_dead_letters(tx, now - std::chrono::days{retention_.facts_days},
                                       kRowsPerStatement);
    } else if (name == "forget_device_conflicts") {
        rows = db::forget_device_conflicts(tx, now - std::chrono::days{retention_.facts_days},
                                           kRowsPerStatement);
    } else if (name == "forget_epochs") {
        rows = db::forget_epochs(tx, now - kEpochsKept, kRowsPerStatement);
    } else if (name == "forget_sessions") {
        rows = db::forget_sessions(tx, now - kDeadSessionsKept, kRowsPerStatement);
    } else if (name == "forget_commands") {
        rows = db::forget_commands(tx, now - std::chrono::days{retention_.facts_days},
                                   kRowsPerStatement);
    } else if (name == "forget_alarms") {
        rows = db::forget_alarms(tx, now - std::chrono::days{retention_.facts_days},
                                 kRowsPerStatement);
    } else if (name == "forget_blob_parts") {
        rows = db::forget_blob_parts(tx, now - kBlobsKept, kRowsPerStatement);
    } else if (name == "forget_uploads") {
        rows = db::forget_uploads(tx, now - kUploadsKept, kRowsPerStatement);
    } else if (name == "forget_rights_ended") {
        rows = db::forget_rights_ended(tx, now - kRightsEndedKept, kRowsPerStatement);
    }
    return rows;
}

}  // namespace klyuchnik::handlers
