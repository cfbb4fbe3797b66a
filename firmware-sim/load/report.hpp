// What a run of the fleet comes to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

namespace klyuchnik::sim {

/// Waiting times, in microseconds. Beyond kSamplesMax a random sample of all is kept; the largest
/// is always known.
class Latencies {
 public:
    static constexpr std::size_t kSamplesMax = 1'000'000;

    void add(std::int64_t micros);
    void add(const Latencies& other);
    /// `share` from 0 to 1; 0 when there are none.
    std::int64_t at(double share) const;
    std::int64_t max() const { return max_; }

 private:
    std::vector<std::int64_t> samples_;
    std::int64_t count_ = 0;
    std::int64_t max_ = 0;
    std::minstd_rand random_;
};

struct Tally {
    std::int64_t asked = 0;
    std::int64_t granted = 0;     ///< By the server.
    std::int64_t refused = 0;     ///< By the server.
    std::int64_t unanswered = 0;  ///< Asked, and no usable answer came in time.
    std::int64_t offline_decisions = 0;
    std::int64_t offline_granted = 0;
    std::int64_t taken = 0;
    std::int64_t returned = 0;
    std::int64_t facts = 0;
    std::int64_t batches = 0;
    std::int64_t resent = 0;             ///< Batches repeated because no ack came.
    std::int64_t resent_on_purpose = 0;  ///< Batches repeated to see what the server does.
    std::int64_t reboots = 0;
    std::int64_t went_offline = 0;
    std::int64_t connects = 0;
    std::int64_t acked = 0;     ///< Facts acknowledged in this run.
    std::int64_t unacked = 0;   ///< Facts still in journals.
    std::int64_t bad_acks = 0;  ///< Malformed, or for another connection.
    std::int64_t bad_batches = 0;
    std::int64_t gaps = 0;
    std::int64_t epochs = 0;
    std::int64_t late_answers = 0;
    std::int64_t open_questions = 0;
    std::int64_t online = 0;   ///< Cabinets.
    std::int64_t drained = 0;  ///< Cabinets with an empty journal.

    Tally& operator+=(const Tally& other);
};

struct Report {
    std::int64_t devices = 0;
    double seconds = 0;  ///< Of asking.
    Tally tally;
    Latencies latencies;  ///< From a question to the server's answer.
    bool drained = false;
};

/// One JSON object, one line.
std::string to_json(const Report& report);
/// Written beside, flushed, renamed: a reader never sees half of it. Throws std::system_error.
void write_file(const std::filesystem::path& path, const std::string& text);

}  // namespace klyuchnik::sim
