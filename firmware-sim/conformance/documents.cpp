// Rights documents: announced, pulled chunk by chunk, taken only when they are whole and right.
#include <algorithm>
#include <map>
#include <string>

#include <fmt/format.h>

#include "firmware-sim/conformance/checks.hpp"
#include "topics/chunk.hpp"
#include "topics/limits.hpp"
#include "topics/rights_document.hpp"
#include "topics/sha256.hpp"

namespace klyuchnik::sim::conformance {
namespace {

using namespace std::chrono_literals;
using topics::Birth;

constexpr std::string_view kRights = "rights";
/// Small, so that a short document has several chunks.
constexpr std::int64_t kChunkBytes = 64;
constexpr std::uint8_t kRows = 20;
/// Which chunk is lost on its way the first time.
constexpr std::int64_t kLostIndex = 2;
/// The first repeat comes after 3 s ±50 %; what is asked for in between may take its time too.
constexpr Elapsed kRetryMax = std::chrono::seconds{10};
/// From the last chunk to a device that has checked and stored the whole.
constexpr Elapsed kStoreMax = std::chrono::seconds{10};
/// Whoever takes a wrong document does so at once.
constexpr Elapsed kTakeMax = std::chrono::seconds{4};

/// Rights to keys that no cabinet has, for cards that nobody has.
std::string rights_document(std::int64_t version, std::int64_t utc_s) {
    topics::RightsDocument document;
    document.version = version;
    document.made_s = static_cast<std::uint32_t>(utc_s);
    document.lease_s = 3600;
    document.salt.fill(static_cast<std::uint8_t>(version & 0xFF));
    document.keys.push_back({topics::Slot{topics::limits::kSlotMax}, 0, {"conformance"}});
    for (std::uint8_t row = 0; row < kRows; ++row) {
        topics::RightsRow one;
        one.card.fill(row);
        document.rows.push_back(one);
    }
    return topics::encode(std::move(document));
}

/// One document, served to whoever asks for it, with its faults.
class Served {
 public:
    Served(Exam& exam, std::int64_t version, bool loses_one, bool wrong_hash)
        : exam_{exam},
          version_{version},
          content_{rights_document(version, exam.utc_s())},
          loses_one_{loses_one} {
        std::string hashed = content_;
        if (wrong_hash) hashed.push_back('x');
        hash_ = topics::sha256(hashed);
        exam_.on_request = [this](const topics::Request& request) { return serve(request); };
    }
    ~Served() { exam_.on_request = nullptr; }
    Served(const Served&) = delete;
    Served& operator=(const Served&) = delete;

    std::int64_t chunks() const {
        return topics::chunks_of(static_cast<std::int64_t>(content_.size()), kChunkBytes);
    }
    bool asked() const { return asked_; }
    bool lost() const { return lost_at_.has_value(); }
    Elapsed lost_at() const { return *lost_at_; }
    /// How often a chunk was asked for.
    int times(std::int64_t index) const {
        const auto found = asked_for_.find(index);
        return found == asked_for_.end() ? 0 : found->second;
    }
    bool all_sent() const { return std::cmp_equal(sent_.size(), chunks()); }

 private:
    bool serve(const topics::Request& request) {
        topics::RequestAnswer answer;
        answer.cn = request.cn;
        answer.number = request.number;
        if (const auto* info = std::get_if<topics::DocumentInfo>(&request.body)) {
            if (info->document != kRights) return false;
            asked_ = true;
            answer.document =
                topics::DocumentFacts{version_, static_cast<std::int64_t>(content_.size()),
                                      topics::to_hex(hash_), kChunkBytes};
            exam_.say(answer);
            return true;
        }
        const auto* wanted = std::get_if<topics::DocumentGet>(&request.body);
        if (wanted == nullptr || wanted->document != kRights) return false;
        asked_ = true;
        if (wanted->version != version_ || wanted->index >= chunks()) {
            answer.rc = 404;
            answer.code = "unknown_document";
            exam_.say(answer);
            return true;
        }
        ++asked_for_[wanted->index];
        if (loses_one_ && wanted->index == kLostIndex && !lost_at_) {
            lost_at_ = exam_.now();
            return true;
        }
        sent_[wanted->index] = true;
        exam_.say(topics::chunk_at(content_, topics::tag_of(hash_), wanted->index, kChunkBytes));
        return true;
    }

    Exam& exam_;
    std::int64_t version_;
    std::string content_;
    topics::Sha256 hash_{};
    bool loses_one_;
    bool asked_ = false;
    std::optional<Elapsed> lost_at_;
    std::map<std::int64_t, int> asked_for_;
    std::map<std::int64_t, bool> sent_;
};

void announce(Exam& exam, std::int64_t version) {
    exam.rights_version = version;
    exam.say(exam.plain_ack());
}

/// Has the device say its birth once more, by a new connection if it is deaf to hello.
std::optional<Birth> birth_again(Exam& exam) {
    const bool deaf = exam.report().failed(kHello);
    if (deaf) {
        exam.cut();
    } else {
        exam.complain(topics::AckError::hello);
    }
    auto birth = exam.until<Birth>(exam.in(deaf ? exam.settings().patience : exam.pace().prompt()));
    if (!birth) return std::nullopt;
    return std::move(birth->first);
}

/// The version that the device says it has, asked for until it is `wanted` or `patience` is over.
std::int64_t version_held(Exam& exam, std::int64_t wanted, Elapsed patience) {
    const Elapsed deadline = exam.in(patience);
    std::int64_t held = -1;
    while (exam.now() < deadline) {
        if (const auto birth = birth_again(exam)) held = birth->rights_version;
        if (held == wanted) return held;
        const Elapsed later = exam.in(1s);
        while (exam.hear(later)) {
        }
    }
    return held;
}

}  // namespace

void check_documents(Exam& exam) {
    if (!exam.is_cabinet()) {
        for (const Claim* claim : {&kDocumentPulled, &kDocumentResumed, &kDocumentHash}) {
            exam.report().skip(*claim, "not a key cabinet");
        }
        return;
    }
    exam.tell("documents: announces rights, loses a chunk, then offers some with a wrong hash");
    const std::int64_t version = exam.birth().rights_version + 1;
    const Elapsed from = exam.now();
    {
        Served served{exam, version, true, false};
        announce(exam, version);
        const bool begun = exam.until_true(exam.in(exam.settings().patience),
                                           [&] { return served.lost() || served.all_sent(); });
        if (begun && served.lost()) {
            const bool again = exam.until_true(served.lost_at() + kRetryMax, [&] {
                return served.times(kLostIndex) > 1 || served.times(0) > 1;
            });
            if (again && served.times(0) == 1) {
                exam.report().pass(kDocumentResumed);
            } else {
                exam.report().fail(
                    kDocumentResumed,
                    fmt::format("doc.get of chunk {} again, which did not come", kLostIndex),
                    exam.came_since(served.lost_at()));
            }
            exam.until_true(exam.in(exam.settings().patience), [&] { return served.all_sent(); });
        }
        if (!served.all_sent()) {
            // Whoever never asks again for what was lost was told so already.
            if (!exam.report().failed(kDocumentResumed)) {
                exam.report().fail(
                    kDocumentPulled,
                    fmt::format("doc.info and doc.get of rights version {}, {} chunks", version,
                                served.chunks()),
                    exam.came_since(from));
            }
            exam.rights_version.reset();
            return;
        }
        const std::int64_t held = version_held(exam, version, kStoreMax);
        if (held != version) {
            exam.report().fail(kDocumentPulled, fmt::format("a birth with cf {}", version),
                               exam.came_since(from));
            exam.rights_version.reset();
            return;
        }
        exam.report().pass(kDocumentPulled);
    }
    {
        Served served{exam, version + 1, false, true};
        announce(exam, version + 1);
        exam.until_true(exam.in(exam.settings().patience), [&] { return served.all_sent(); });
        if (!served.all_sent()) {
            exam.report().skip(kDocumentHash, "the next version was not pulled");
        } else if (const auto held = version_held(exam, version + 1, kTakeMax); held == version) {
            exam.report().pass(kDocumentHash);
        } else {
            exam.report().fail(kDocumentHash, fmt::format("a birth with cf {}", version),
                               fmt::format("cf {}", held));
        }
    }
    announce(exam, version);
    exam.settle();
    exam.rights_version.reset();
}

}  // namespace klyuchnik::sim::conformance
