#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "db/access/devices_store.hpp"
#include "topics/guard.hpp"

namespace klyuchnik::handlers::devices {

/// What the feeder knows of the brokers' guards, and what it waits for. Pure: no clock, database or
/// MQTT.
///
/// A guard that has left every question unanswered for kSilentMax, counted from the first such
/// question, is forgotten until it is heard again, and gets the whole then: it must not hold up the
/// others. That no guard is known holds up nothing: questions go to all there are, and any answer
/// will do.
class GuardWatch {
 public:
    using Steady = std::chrono::steady_clock::time_point;

    static constexpr std::chrono::seconds kSilentMax{60};
    /// When nobody has answered for so long, it is our connection or our broker: somebody else
    /// should feed.
    static constexpr std::chrono::seconds kUnansweredMax{4};

    /// Sent, with a question at its end.
    struct Told {
        std::string token;
        Steady until;  ///< To be answered.
        bool whole = false;
        std::vector<db::KnownDevice> rows;  ///< Of the outbox.
    };
    enum class Telling : std::uint8_t {
        nothing,   ///< Nothing is on its way.
        waiting,   ///< Not answered by all who were known.
        answered,  ///< In force everywhere.
        overdue,
    };

    void note(const std::string& instance, const topics::GuardReport& report);
    /// Nobody is sure to know the whole.
    void doubt_all();
    bool all_whole() const;
    /// Those that know another number of devices, doubted from now on.
    std::vector<std::string> doubt_others_than(std::int64_t devices);

    void expect(Told told, Steady now);
    Telling telling(Steady now) const;
    std::optional<Steady> until() const;
    /// After `answered`: what it was.
    Told finish();
    struct Silent {
        std::string instance;
        bool forgotten = false;
    };
    /// After `overdue`: all of it is to be said again. Returns who has not answered.
    std::vector<Silent> give_up(Steady now);
    /// Nobody has answered anything for kUnansweredMax, though asked. To be looked at when
    /// something is overdue: the whole of a large fleet takes its time.
    bool is_unanswered(Steady now) const;
    /// The lead is lost: nothing is waited for.
    void forget_told();

 private:
    struct Guard {
        std::string boot;
        std::int64_t devices = 0;     ///< That it knows, as it last said.
        bool whole = false;           ///< It has been sent the whole since it started.
        std::optional<Steady> asked;  ///< The first question that it has not answered.
    };
    std::map<std::string, Guard> guards_;
    std::optional<Told> told_;
    std::set<std::string> waiting_;  ///< For these.
    bool answered_ = false;          ///< By anybody.
    std::optional<Steady> asked_;    ///< The first question that nobody has answered.
};

}  // namespace klyuchnik::handlers::devices
