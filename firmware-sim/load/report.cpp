#include "firmware-sim/load/report.hpp"

#include <algorithm>
#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace klyuchnik::sim {

void Latencies::add(std::int64_t micros) {
    ++count_;
    max_ = std::max(max_, micros);
    if (samples_.size() < kSamplesMax) {
        samples_.push_back(micros);
        return;
    }
    std::uniform_int_distribution<std::int64_t> any{0, count_ - 1};
    const auto place = static_cast<std::size_t>(any(random_));
    if (place < samples_.size()) samples_[place] = micros;
}

void Latencies::add(const Latencies& other) {
    for (const std::int64_t sample : other.samples_) add(sample);
    max_ = std::max(max_, other.max_);
}

std::int64_t Latencies::at(double share) const {
    if (samples_.empty()) return 0;
    auto sorted = samples_;
    const auto place = std::min(
        sorted.size() - 1, static_cast<std::size_t>(share * static_cast<double>(sorted.size())));
    std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(place),
                     sorted.end());
    return sorted[place];
}

Tally& Tally::operator+=(const Tally& other) {
    asked += other.asked;
    granted += other.granted;
    refused += other.refused;
    unanswered += other.unanswered;
    offline_decisions += other.offline_decisions;
    offline_granted += other.offline_granted;
    taken += other.taken;
    returned += other.returned;
    facts += other.facts;
    batches += other.batches;
    resent += other.resent;
    resent_on_purpose += other.resent_on_purpose;
    reboots += other.reboots;
    went_offline += other.went_offline;
    connects += other.connects;
    acked += other.acked;
    unacked += other.unacked;
    bad_acks += other.bad_acks;
    bad_batches += other.bad_batches;
    gaps += other.gaps;
    epochs += other.epochs;
    late_answers += other.late_answers;
    open_questions += other.open_questions;
    online += other.online;
    drained += other.drained;
    return *this;
}

std::string to_json(const Report& report) {
    const Tally& t = report.tally;
    const auto ms = [](std::int64_t micros) { return static_cast<double>(micros) / 1000.0; };
    return fmt::format(
        R"({{"devices":{},"seconds":{:.1f},"asked":{},"granted":{},"refused":{},"unanswered":{},)"
        R"("offline_decisions":{},"offline_granted":{},"taken":{},"returned":{},"facts":{},)"
        R"("batches":{},"resent":{},"resent_on_purpose":{},"reboots":{},"went_offline":{},)"
        R"("connects":{},"acked":{},"unacked":{},"bad_acks":{},"bad_batches":{},"gaps":{},)"
        R"("epochs":{},"late_answers":{},"p50_ms":{:.3f},"p99_ms":{:.3f},"max_ms":{:.3f},)"
        R"("requests_per_second":{:.1f},"drained":{}}})",
        report.devices, report.seconds, t.asked, t.granted, t.refused, t.unanswered,
        t.offline_decisions, t.offline_granted, t.taken, t.returned, t.facts, t.batches, t.resent,
        t.resent_on_purpose, t.reboots, t.went_offline, t.connects, t.acked, t.unacked, t.bad_acks,
        t.bad_batches, t.gaps, t.epochs, t.late_answers, ms(report.latencies.at(0.5)),
        ms(report.latencies.at(0.99)), ms(report.latencies.max()),
        report.seconds > 0 ? static_cast<double>(t.asked) / report.seconds : 0.0,
        report.drained ? "true" : "false");
}

void write_file(const std::filesystem::path& path, const std::string& text) {
    const auto raise = [](const std::string& what) {
        throw std::system_error{errno, std::generic_category(), what};
    };
    const std::string beside = path.string() + ".new";
    const int fd = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) raise("open " + beside);
    const bool written =
        ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
        ::fsync(fd) == 0;
    ::close(fd);
    if (!written) raise("write " + beside);
    if (::rename(beside.c_str(), path.c_str()) != 0) raise("rename " + beside);
}

}  // namespace klyuchnik::sim
