// How a device pulls one document, as a state machine without sockets and clock.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>

#include "firmware-sim/device/documents.hpp"
#include "firmware-sim/device/mistakes.hpp"
#include "topics/chunk.hpp"
#include "topics/device.hpp"
#include "topics/limits.hpp"

namespace klyuchnik::sim {

/// Time since this boot, from a clock that never runs backwards. All inputs carry it.
using Uptime = std::chrono::microseconds;

struct PullSettings {
    std::string document;
    std::int64_t bytes_max = topics::limits::kDocumentBytesMax;
    Uptime repeat = topics::limits::kChunkRepeat;  ///< Unanswered: asked again after this,
    Uptime repeat_max = std::chrono::seconds{60};  ///< doubling up to this, each ±50 %.
    Uptime rest = std::chrono::seconds{60};        ///< After a refused version, doubling
    Uptime rest_max = std::chrono::hours{1};       ///< up to this, each ±50 %.
    Mistakes mistakes;
};

struct PullCounters {
    std::int64_t asked = 0;
    std::int64_t repeated = 0;
    std::int64_t stale_chunks = 0;  ///< Of another document, or not the one that was asked for.
    std::int64_t wrong_hash = 0;
    std::int64_t refused = 0;  ///< Versions given up for a while.
};

/// Asks for what is wanted until it is there: doc.info once, then one chunk after the other, one
/// question in flight. What has come is on the disk, so a reboot goes on where it was. How fast it
/// asks is the caller's business: next() has the next question as soon as the last is answered.
///
/// A version that is not served, has a wrong SHA-256 three times or is refuse()d rests and is asked
/// for again later. Another version wanted begins at once.
class DocumentPull {
 public:
    /// `documents` must outlive this.
    DocumentPull(PullSettings settings, Documents& documents);

    /// The server wants this held: `version`, or with 0 the present one, known here as `label`.
    void want(std::int64_t version, std::string label);
    /// Nothing is to be done (any more): what is held is what is wanted.
    void want_nothing();
    /// What was asked on the connection that broke is not answered any more.
    void interrupted();

    /// The next question, if one is due. It is taken for sent under `number`.
    std::optional<topics::RequestBody> next(std::int64_t number, std::mt19937_64& random,
                                            Uptime now);
    /// False: an answer to somebody else's question.
    bool answered(const topics::RequestAnswer& answer, std::mt19937_64& random, Uptime now);
    /// False: fits nowhere here.
    bool arrived(const topics::Chunk& chunk, std::mt19937_64& random, Uptime now);

    /// All of it is there and its hash is right: judge the content, then take it or refuse().
    const Partial* whole() const;
    void refuse(std::mt19937_64& random, Uptime now);

    bool wants() const { return wanted_.has_value(); }
    std::optional<Uptime> next_due() const;
    const PullCounters& counters() const { return counters_; }

 private:
    struct Wanted {
        std::int64_t version = 0;
        std::string label;
        bool operator==(const Wanted&) const = default;
    };

    const Partial* under_way() const;
    bool is_wanted(const DocumentHead& head) const;
    void begin(const topics::DocumentFacts& facts, std::mt19937_64& random, Uptime now);
    void check_hash(std::mt19937_64& random, Uptime now);

    PullSettings settings_;
    Documents& documents_;
    std::optional<Wanted> wanted_;
    std::optional<std::int64_t> in_flight_;
    std::optional<Uptime> repeat_at_;
    Uptime wait_{0};  ///< Before the last repeat.
    std::optional<Uptime> rest_until_;
    Uptime rest_{0};
    int strikes_ = 0;  ///< Wrong hashes in a row.
    bool whole_ = false;
    PullCounters counters_;
};

}  // namespace klyuchnik::sim
