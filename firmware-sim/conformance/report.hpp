// The verdicts on a device.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "firmware-sim/conformance/claims.hpp"

namespace klyuchnik::sim::conformance {

enum class Verdict : unsigned char { pass, fail, skip };

struct Finding {
    const Claim* claim = nullptr;
    Verdict verdict = Verdict::skip;
    std::string expected;  ///< With fail.
    std::string came;      ///< With fail: what the device did instead, with its bytes.
    std::string why;       ///< With skip.
};

/// One finding for every claim. A claim may be looked at often: the first failure stays, a pass
/// stays unless a failure comes, and what was never looked at is skipped.
class Report {
 public:
    void pass(const Claim& claim);
    void fail(const Claim& claim, std::string expected, std::string came);
    void skip(const Claim& claim, std::string why);
    /// What skipped claims say that gave no reason of their own.
    void skip_the_rest(std::string why) { rest_ = std::move(why); }

    bool failed(const Claim& claim) const;
    bool passed(const Claim& claim) const;
    bool any_failed() const;

    /// All claims, in their order.
    std::vector<Finding> findings() const;

 private:
    std::map<const Claim*, Finding> findings_;
    std::string rest_ = "nothing in this run showed it";
};

/// Bytes for a person: control characters and what is not ASCII as \xNN, cut behind `kShownMax`.
inline constexpr std::size_t kShownMax = 400;
std::string shown(std::string_view bytes);

/// `PASS id  claim` a line; below FAIL what was expected, what came and where to read; a sum.
std::string to_text(const Report& report);
/// One object: device, passed, failed, skipped, and `claims` with the same content.
std::string to_json(const Report& report, std::string_view device);

}  // namespace klyuchnik::sim::conformance
