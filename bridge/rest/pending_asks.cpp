#include "bridge/rest/pending_asks.hpp"

#include <utility>

#include "bridge/rest/secrets.hpp"
#include "topics/limits.hpp"

namespace klyuchnik::bridge {
namespace {
constexpr std::size_t kAccountHashChars = 8;
constexpr std::size_t kKeyHashChars = 40;
}  // namespace

std::string wire_id(std::string_view account, std::string_view key) {
    std::string id = sha256_hex(account).substr(0, kAccountHashChars) + "-";
    if (id.size() + key.size() <= static_cast<std::size_t>(topics::limits::kAskIdCharsMax)) {
        return id.append(key);
    }
    return id + sha256_hex(key).substr(0, kKeyHashChars);
}

struct PendingAsks::Entry {
    std::string body;
    std::size_t waiters = 0;
    std::optional<topics::AskAnswer> answer;
    std::condition_variable changed;
    int copies = 0;    ///< Sent.
    int not_done = 0;  ///< Of those, answered with \"not this one\".
};

PendingAsks::Ticket::Ticket(PendingAsks* asks, std::string id, std::shared_ptr<Entry> entry)
    : asks_{asks}, id_{std::move(id)}, entry_{std::move(entry)} {}

PendingAsks::Ticket::Ticket(Ticket&& other) noexcept
    : asks_{std::exchange(other.asks_, nullptr)},
      id_{std::move(other.id_)},
      entry_{std::move(other.entry_)} {}

PendingAsks::Ticket::~Ticket() {
    if (asks_ != nullptr) asks_->leave(id_, entry_);
}

std::optional<topics::AskAnswer> PendingAsks::Ticket::wait(
    std::chrono::steady_clock::time_point until) {
    std::unique_lock lock{asks_->mutex_};
    entry_->changed.wait_until(lock, until, [this] { return entry_->answer.has_value(); });
    return entry_->answer;
}

void PendingAsks::Ticket::sending() {
    const std::lock_guard lock{asks_->mutex_};
    ++entry_->copies;
}

void PendingAsks::Ticket::not_sent() {
    const std::lock_guard lock{asks_->mutex_};
    --entry_->copies;
}

PendingAsks::Joined PendingAsks::join(const std::string& id, const std::string& body) {
    const std::lock_guard lock{mutex_};
    if (waiting_ >= waiting_max_) return {Outcome::full, {}};
    auto& entry = entries_[id];
    if (entry && entry->body != body) return {Outcome::other_body, {}};
    if (!entry) {
        entry = std::make_shared<Entry>();
        entry->body = body;
    }
    ++entry->waiters;
    ++waiting_;
    return {Outcome::waiting, Ticket{this, id, entry}};
}

namespace {
bool says_not_done(const topics::AskAnswer& answer) {
    return answer.code == topics::info(topics::Code::unavailable).name ||
           answer.code == topics::info(topics::Code::busy).name;
}
}  // namespace

bool PendingAsks::answered(topics::AskAnswer answer) {
    const std::lock_guard lock{mutex_};
    const auto found = entries_.find(answer.id);
    if (found == entries_.end()) return false;
    Entry& entry = *found->second;
    if (says_not_done(answer) && ++entry.not_done < entry.copies) return true;
    // Every repeat is answered, with the same answer: the first one counts.
    if (!entry.answer) entry.answer = std::move(answer);
    entry.changed.notify_all();
    return true;
}

void PendingAsks::leave(const std::string& id, const std::shared_ptr<Entry>& entry) {
    const std::lock_guard lock{mutex_};
    --waiting_;
    if (--entry->waiters == 0) entries_.erase(id);
}

std::size_t PendingAsks::waiting() const {
    const std::lock_guard lock{mutex_};
    return waiting_;
}

}  // namespace klyuchnik::bridge
