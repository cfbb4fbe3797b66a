#include "firmware-sim/conformance/watch.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "topics/limits.hpp"

namespace klyuchnik::sim::conformance {
namespace {

using topics::AckError;
using topics::Level;
using topics::Sequence;

constexpr double kHeartbeatLeast = 0.5;
/// The server calls a device unknown after 2.5 × ka: a beat that is half a period late is still
/// seen, a later one costs presence.
constexpr double kHeartbeatMost = 1.5;
/// A device may say 100 messages a second; over some seconds, since messages gather on their way.
constexpr Elapsed kShareOver = std::chrono::seconds{4};
constexpr std::size_t kShareMax = 400;

Elapsed times(Elapsed time, double by) {
    return std::chrono::duration_cast<Elapsed>(time * by);
}

}  // namespace

Watch::Watch(Report& report, const Pace& pace, const topics::DeviceId& device)
    : report_{report}, pace_{pace}, device_{device} {}

void Watch::journal_broken(const Claim& claim, std::string expected, std::string came) {
    if (report_.failed(claim)) return;
    report_.fail(blamed_ != nullptr ? *blamed_ : claim, std::move(expected), std::move(came));
}

void Watch::count_message(const Event& event) {
    while (!lately_.empty() && lately_.front() + kShareOver <= event.heard.at) lately_.pop_front();
    lately_.push_back(event.heard.at);
    if (lately_.size() <= kShareMax) {
        report_.pass(kShareKept);
        return;
    }
    report_.fail(kShareKept,
                 fmt::format("at most {} messages in {}", kShareMax, seconds_text(kShareOver)),
                 fmt::format("{} in {}, the last one {}", lately_.size(),
                             seconds_text(event.heard.at - lately_.front()), shown(event.heard)));
    // Bounded whatever a device does; what was found stays found.
    lately_.clear();
}

void Watch::heard(const Event& event, const Cursor& cursor) {
    count_message(event);
    if (event.heard.level != Level::state) {
        if (event.heard.retained) {
            report_.fail(kOnlyStateRetained, "the RETAIN flag on st alone", shown(event.heard));
        } else {
            report_.pass(kOnlyStateRetained);
        }
    }
    if (std::holds_alternative<Unreadable>(event.said)) {
        unreadable(event, cursor);
        return;
    }
    report_.pass(kReadable);
    if (const auto* birth = std::get_if<topics::Birth>(&event.said)) {
        waiting_.reset();
        if (!cursor.birth || cursor.birth->cn != birth->cn) {
            heartbeat_from_ = event.heard.at;
            heartbeats_ = 0;
            period_ = std::chrono::seconds{birth->heartbeat_s};
        }
    } else if (std::holds_alternative<topics::Will>(event.said)) {
        waiting_.reset();
        heartbeat_from_.reset();
    } else if (const auto* its = std::get_if<topics::FactBatch>(&event.said)) {
        batch(event, *its, cursor);
    } else if (const auto* beat = std::get_if<topics::Heartbeat>(&event.said)) {
        heartbeat(event, *beat, cursor);
    } else if (const auto* request = std::get_if<topics::Request>(&event.said)) {
        if (!cursor.birth) return;
        if (request->cn == cursor.birth->cn) {
            report_.pass(kCarriesConnection);
        } else {
            report_.fail(kCarriesConnection, fmt::format("cn {}", cursor.birth->cn.value),
                         shown(event.heard));
        }
    }
}

void Watch::unreadable(const Event& event, const Cursor& cursor) {
    // A first birth that can not be read is a claim of its own.
    if (event.heard.level == Level::state) return;
    if (event.heard.level == Level::telemetry && heartbeat_from_) {
        heartbeat_from_ = event.heard.at;
    }
    if (event.heard.level == Level::facts && !cursor.admitted) {
        report_.fail(kFactsAfterBirth, "nothing on up/ev before an ack to the birth",
                     shown(event.heard));
        return;
    }
    if (event.heard.level == Level::facts && event.wrong.where == "e") {
        report_.fail(kBatchLimit, event.wrong.text(), shown(event.heard));
        return;
    }
    report_.fail(kReadable, event.wrong.text(), shown(event.heard));
}

void Watch::batch(const Event& event, const topics::FactBatch& batch, const Cursor& cursor) {
    if (!cursor.admitted) {
        if (!cursor.birth || batch.cn == cursor.birth->cn) {
            report_.fail(kFactsAfterBirth, "nothing on up/ev before an ack to the birth",
                         shown(event.heard));
        }
        return;
    }
    report_.pass(kFactsAfterBirth);
    if (batch.cn != cursor.birth->cn) {
        report_.fail(kCarriesConnection, fmt::format("cn {}", cursor.birth->cn.value),
                     shown(event.heard));
        return;
    }
    report_.pass(kCarriesConnection);
    report_.pass(kBatchLimit);
    const std::size_t packet = packet_bytes(event.heard);
    if (batch.facts.size() > 1) {
        if (std::cmp_greater(packet, cursor.birth->packet_bytes_max)) {
            report_.fail(kBatchPacket,
                         fmt::format("a packet of at most {} bytes, the rx of the birth",
                                     cursor.birth->packet_bytes_max),
                         fmt::format("{} bytes: {}", packet, shown(event.heard)));
        } else {
            report_.pass(kBatchPacket);
        }
    }
    // What crossed an answer on its way says nothing.
    if (batch.epoch != cursor.epoch || batch.first <= cursor.acked) return;
    if (batch.lo.value > cursor.acked.value + 1) {
        journal_broken(kNoLoss,
                       fmt::format("lo {} or less: {} is the last that was acknowledged",
                                   cursor.acked.value + 1, cursor.acked.value),
                       shown(event.heard));
    } else {
        report_.pass(kNoLoss);
    }
    if (waiting_ && waiting_->first != batch.first) {
        journal_broken(
            kOneInFlight,
            fmt::format("the batch from {} again, which waits for its ack", waiting_->first.value),
            shown(event.heard));
        return;
    }
    if (waiting_) {
        report_.pass(kOneInFlight);
        if (waiting_->payload == event.heard.payload) {
            report_.pass(kSameBytes);
        } else {
            journal_broken(kSameBytes, shown(std::string_view{waiting_->payload}),
                           shown(event.heard));
        }
        return;
    }
    if (batch.first.value > std::max(cursor.acked.value + 1, batch.lo.value)) {
        // Of a device with several in flight nothing is the next one.
        if (report_.failed(kOneInFlight)) return;
        journal_broken(kOldestFirst, fmt::format("the facts from {}", cursor.acked.value + 1),
                       shown(event.heard));
        return;
    }
    report_.pass(kOldestFirst);
    waiting_ = Waiting{batch.first, event.heard.payload};
}

void Watch::answered(const topics::Ack& ack, const Cursor& cursor) {
    if (!waiting_ || !cursor.birth || ack.cn != cursor.birth->cn) return;
    const bool freed = ack.error != AckError::none && ack.error != AckError::slow;
    if (freed || ack.acked >= waiting_->first) waiting_.reset();
}

void Watch::heartbeat(const Event& event, const topics::Heartbeat& heartbeat,
                      const Cursor& cursor) {
    if (!cursor.birth) return;
    if (heartbeat.cn == cursor.birth->cn) {
        report_.pass(kHeartbeatConnection);
    } else {
        report_.fail(kHeartbeatConnection, fmt::format("cn {}", cursor.birth->cn.value),
                     shown(event.heard));
    }
    if (!heartbeat_from_) return;
    const Elapsed waited = event.heard.at - *heartbeat_from_;
    // The first after a birth or a change may come early: who counts from where is not said.
    if (heartbeats_ > 0) {
        const Elapsed least = times(period_, kHeartbeatLeast) - pace_.slack();
        if (waited < least) {
            report_.fail(kHeartbeatPeriod,
                         fmt::format("{} between heartbeats", seconds_text(period_)),
                         fmt::format("{} after {}", shown(event.heard), seconds_text(waited)));
        } else if (heartbeats_ > 1) {
            report_.pass(kHeartbeatPeriod);
        }
    }
    ++heartbeats_;
    heartbeat_from_ = event.heard.at;
}

void Watch::time_passed(Elapsed now, const Cursor& cursor) {
    if (!heartbeat_from_ || !cursor.birth) return;
    const Elapsed most = times(period_, kHeartbeatMost) + pace_.slack();
    if (now <= *heartbeat_from_ + most) return;
    report_.fail(kHeartbeatPeriod,
                 fmt::format("a heartbeat every {} (ka of the birth, or of the last settings)",
                             seconds_text(period_)),
                 fmt::format("none for {}", seconds_text(now - *heartbeat_from_)));
    // Said once; what the rest of the run shows is worth hearing.
    heartbeat_from_.reset();
}

void Watch::heartbeat_every(std::int64_t seconds, Elapsed now) {
    period_ = std::chrono::seconds{seconds};
    heartbeats_ = 0;
    heartbeat_from_ = now;
}

std::size_t Watch::packet_bytes(const Heard& heard) const {
    constexpr std::size_t kTopicLength = 2;
    constexpr std::size_t kSmallBytes = 127;
    constexpr std::size_t kMediumBytes = 16'383;
    const std::size_t rest =
        kTopicLength + topics::device_topic(device_, heard.level).size() + heard.payload.size();
    const std::size_t length_bytes = rest <= kSmallBytes ? 1 : rest <= kMediumBytes ? 2 : 3;
    return 1 + length_bytes + rest;
}

}  // namespace klyuchnik::sim::conformance
