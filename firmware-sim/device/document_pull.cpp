#include "firmware-sim/device/document_pull.hpp"

#include <algorithm>
#include <utility>

namespace klyuchnik::sim {
namespace {

constexpr int kStrikesMax = 3;
constexpr std::int64_t kNotFound = 404;
constexpr std::int64_t kBusy = 429;
constexpr std::int64_t kServerTrouble = 500;
constexpr std::int64_t kNotServed = 501;

Uptime spread(Uptime wait, std::mt19937_64& random) {
    std::uniform_real_distribution<double> jitter{0.5, 1.5};
    return std::chrono::duration_cast<Uptime>(wait * jitter(random));
}

std::optional<topics::Sha256> from_hex(const std::string& digits) {
    topics::Sha256 hash{};
    if (digits.size() != hash.size() * 2) return std::nullopt;
    const auto value = [](char c) { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; };
    for (std::size_t i = 0; i < hash.size(); ++i) {
        hash[i] = static_cast<std::uint8_t>(value(digits[2 * i]) * 16 + value(digits[2 * i + 1]));
    }
    return hash;
}

std::int64_t chunks_in(const DocumentHead& head) {
    return topics::chunks_of(head.bytes, head.chunk_bytes);
}

}  // namespace

DocumentPull::DocumentPull(PullSettings settings, Documents& documents)
    : settings_{std::move(settings)}, documents_{documents} {}

void DocumentPull::want(std::int64_t version, std::string label) {
    Wanted wanted{version, std::move(label)};
    if (wanted_ == wanted) return;
    wanted_ = std::move(wanted);
    interrupted();
    rest_until_.reset();
    rest_ = Uptime{0};
    strikes_ = 0;
    whole_ = false;
}

void DocumentPull::want_nothing() {
    wanted_.reset();
    whole_ = false;
    interrupted();
}

void DocumentPull::interrupted() {
    in_flight_.reset();
    repeat_at_.reset();
    wait_ = Uptime{0};
}

bool DocumentPull::is_wanted(const DocumentHead& head) const {
    return wanted_ && head.label == wanted_->label &&
           (wanted_->version == 0 || head.version == wanted_->version);
}

const Partial* DocumentPull::under_way() const {
    const Partial* partial = documents_.partial(settings_.document);
    return partial != nullptr && is_wanted(partial->head) ? partial : nullptr;
}

const Partial* DocumentPull::whole() const {
    return whole_ ? under_way() : nullptr;
}

std::optional<topics::RequestBody> DocumentPull::next(std::int64_t number, std::mt19937_64& random,
                                                      Uptime now) {
    const auto due = next_due();
    if (!due || now < *due) return std::nullopt;
    const Partial* partial = under_way();
    // After a reboot all of it may be there already.
    if (partial != nullptr && partial->chunks == chunks_in(partial->head)) {
        check_hash(random, now);
        return std::nullopt;
    }
    ++counters_.asked;
    if (in_flight_) ++counters_.repeated;
    in_flight_ = number;
    wait_ =
        wait_ == Uptime{0} ? settings_.repeat : std::min<Uptime>(wait_ * 2, settings_.repeat_max);
    repeat_at_ = now + spread(wait_, random);
    if (partial == nullptr) return topics::DocumentInfo{settings_.document, wanted_->version};
    return topics::DocumentGet{settings_.document, partial->head.version, partial->chunks};
}

bool DocumentPull::answered(const topics::RequestAnswer& answer, std::mt19937_64& random,
                            Uptime now) {
    if (!in_flight_ || answer.number != *in_flight_) return false;
    if (answer.rc == 0) {
        // The answer to doc.get is a chunk; rc 0 says nothing then.
        if (answer.document && under_way() == nullptr) begin(*answer.document, random, now);
        return true;
    }
    // Server trouble is no answer: the repeat asks again.
    const bool trouble =
        answer.rc == kBusy || (answer.rc >= kServerTrouble && answer.rc != kNotServed);
    if (trouble) return true;
    if (answer.rc == kNotFound && under_way() != nullptr) {
        // The version is gone; what is there now, doc.info tells. The wait goes on growing, so that
        // two who misunderstand each other do not become a storm.
        documents_.drop(settings_.document);
        in_flight_.reset();
        return true;
    }
    refuse(random, now);
    return true;
}

void DocumentPull::begin(const topics::DocumentFacts& facts, std::mt19937_64& random, Uptime now) {
    DocumentHead head;
    head.version = facts.version;
    head.bytes = facts.bytes;
    head.chunk_bytes = facts.chunk_bytes;
    head.label = wanted_->label;
    const auto hash = from_hex(facts.sha256);
    if (!hash || !is_wanted(head) || head.bytes > settings_.bytes_max) {
        refuse(random, now);
        return;
    }
    head.sha256 = *hash;
    std::string kept;
    const Partial* left = documents_.partial(settings_.document);
    if (settings_.mistakes.mixes_versions && left != nullptr &&
        left->head.chunk_bytes == head.chunk_bytes && left->head.bytes == head.bytes) {
        kept = left->content;
    }
    documents_.begin(settings_.document, head);
    for (std::size_t at = 0; at < kept.size(); at += static_cast<std::size_t>(head.chunk_bytes)) {
        documents_.add(settings_.document, std::string_view{kept}.substr(
                                               at, static_cast<std::size_t>(head.chunk_bytes)));
    }
    interrupted();
}

bool DocumentPull::arrived(const topics::Chunk& chunk, std::mt19937_64& random, Uptime now) {
    const Partial* partial = under_way();
    if (partial == nullptr || whole_) return false;
    const DocumentHead& head = partial->head;
    const std::int64_t left = head.bytes - static_cast<std::int64_t>(partial->content.size());
    const bool fits =
        chunk.index == partial->chunks && chunk.total == chunks_in(head) &&
        static_cast<std::int64_t>(chunk.bytes.size()) == std::min(left, head.chunk_bytes);
    const bool ours =
        settings_.mistakes.believes_any_chunk || chunk.document == topics::tag_of(head.sha256);
    if (!fits || !ours) {
        if (ours) {
            // Ours and of another size: the server cuts it otherwise now. Whether it does, doc.info
            // tells.
            const bool other_cut = chunk.total != chunks_in(head);
            ++counters_.stale_chunks;
            if (other_cut) {
                documents_.drop(settings_.document);
                in_flight_.reset();
            }
        }
        return ours;
    }
    documents_.add(settings_.document, chunk.bytes);
    interrupted();
    if (partial->chunks == chunks_in(partial->head)) check_hash(random, now);
    return true;
}

void DocumentPull::check_hash(std::mt19937_64& random, Uptime now) {
    const Partial& partial = *under_way();
    const bool trusting = trusts(settings_.mistakes);
    if (trusting || topics::sha256(partial.content) == partial.head.sha256) {
        whole_ = true;
        return;
    }
    ++counters_.wrong_hash;
    documents_.drop(settings_.document);
    if (++strikes_ >= kStrikesMax) refuse(random, now);
}

void DocumentPull::refuse(std::mt19937_64& random, Uptime now) {
    ++counters_.refused;
    documents_.drop(settings_.document);
    interrupted();
    whole_ = false;
    strikes_ = 0;
    rest_ = rest_ == Uptime{0} ? settings_.rest : std::min<Uptime>(rest_ * 2, settings_.rest_max);
    rest_until_ = now + spread(rest_, random);
}

std::optional<Uptime> DocumentPull::next_due() const {
    if (!wanted_ || whole_) return std::nullopt;
    return std::max(repeat_at_.value_or(Uptime{0}), rest_until_.value_or(Uptime{0}));
}

}  // namespace klyuchnik::sim
