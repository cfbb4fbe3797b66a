#include "firmware-sim/conformance/report.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace klyuchnik::sim::conformance {
namespace {

constexpr std::size_t kIdWidth = 20;

std::string_view word_of(Verdict verdict) {
    switch (verdict) {
        case Verdict::pass:
            return "PASS";
        case Verdict::fail:
            return "FAIL";
        case Verdict::skip:
            break;
    }
    return "SKIP";
}

struct Sums {
    std::size_t passed = 0;
    std::size_t failed = 0;
    std::size_t skipped = 0;
};

Sums sums_of(const std::vector<Finding>& findings) {
    Sums sums;
    for (const Finding& finding : findings) {
        if (finding.verdict == Verdict::pass) ++sums.passed;
        if (finding.verdict == Verdict::fail) ++sums.failed;
        if (finding.verdict == Verdict::skip) ++sums.skipped;
    }
    return sums;
}

/// What findings hold is ASCII without control characters, thanks to shown(); quotes and
/// backslashes remain.
std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out.push_back('\\');
        if (c == '\n') {
            out += "\\n";
            continue;
        }
        out.push_back(c);
    }
    return out + "\"";
}

}  // namespace

void Report::pass(const Claim& claim) {
    Finding& finding = findings_[&claim];
    if (finding.claim != nullptr && finding.verdict == Verdict::fail) return;
    finding = Finding{&claim, Verdict::pass, {}, {}, {}};
}

void Report::fail(const Claim& claim, std::string expected, std::string came) {
    Finding& finding = findings_[&claim];
    if (finding.claim != nullptr && finding.verdict == Verdict::fail) return;
    finding = Finding{&claim, Verdict::fail, std::move(expected), std::move(came), {}};
}

void Report::skip(const Claim& claim, std::string why) {
    findings_.try_emplace(&claim, Finding{&claim, Verdict::skip, {}, {}, std::move(why)});
}

bool Report::failed(const Claim& claim) const {
    const auto found = findings_.find(&claim);
    return found != findings_.end() && found->second.verdict == Verdict::fail;
}

bool Report::passed(const Claim& claim) const {
    const auto found = findings_.find(&claim);
    return found != findings_.end() && found->second.verdict == Verdict::pass;
}

bool Report::any_failed() const {
    return std::ranges::any_of(findings_,
                               [](const auto& one) { return one.second.verdict == Verdict::fail; });
}

std::vector<Finding> Report::findings() const {
    std::vector<Finding> out;
    for (const Claim* claim : all_claims()) {
        const auto found = findings_.find(claim);
        out.push_back(found != findings_.end() ? found->second
                                               : Finding{claim, Verdict::skip, {}, {}, rest_});
    }
    return out;
}

std::string shown(std::string_view bytes) {
    std::string out;
    for (const char c : bytes) {
        if (out.size() >= kShownMax) return out + fmt::format("... ({} bytes)", bytes.size());
        const auto code = static_cast<unsigned char>(c);
        if (code < 0x20 || code > 0x7E) {
            out += fmt::format("\\x{:02X}", code);
        } else {
            out.push_back(c);
        }
    }
    return out;
}

std::string to_text(const Report& report) {
    const std::vector<Finding> findings = report.findings();
    std::string out;
    for (const Finding& one : findings) {
        out += fmt::format("{}  {:<{}}  {}", word_of(one.verdict), one.claim->id, kIdWidth,
                           one.claim->says);
        if (one.verdict == Verdict::skip) out += fmt::format(" ({})", one.why);
        out += '\n';
        if (one.verdict == Verdict::fail) {
            out += fmt::format("      expected  {}\n      came      {}\n      see       {}\n",
                               one.expected, one.came, one.claim->see);
        }
    }
    const Sums sums = sums_of(findings);
    out +=
        fmt::format("{} passed, {} failed, {} skipped\n", sums.passed, sums.failed, sums.skipped);
    return out;
}

std::string to_json(const Report& report, std::string_view device) {
    const std::vector<Finding> findings = report.findings();
    const Sums sums = sums_of(findings);
    std::string out = fmt::format("{{\"device\":{},\"passed\":{},\"failed\":{},\"skipped\":{},",
                                  quoted(device), sums.passed, sums.failed, sums.skipped);
    out += "\"claims\":[";
    for (std::size_t i = 0; i < findings.size(); ++i) {
        const Finding& one = findings[i];
        out += fmt::format("{}{{\"claim\":{},\"verdict\":{},\"says\":{},\"see\":{}",
                           i == 0 ? "" : ",", quoted(one.claim->id), quoted(word_of(one.verdict)),
                           quoted(one.claim->says), quoted(one.claim->see));
        if (one.verdict == Verdict::fail) {
            out +=
                fmt::format(",\"expected\":{},\"came\":{}", quoted(one.expected), quoted(one.came));
        }
        if (one.verdict == Verdict::skip) out += fmt::format(",\"why\":{}", quoted(one.why));
        out += '}';
    }
    return out + "]}";
}

}  // namespace klyuchnik::sim::conformance
