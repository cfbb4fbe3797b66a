// What the device said, read by the contract.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "firmware-sim/conformance/line.hpp"
#include "topics/chunk.hpp"
#include "topics/device.hpp"
#include "topics/result.hpp"

namespace klyuchnik::sim::conformance {

/// Nothing of the contract: `Event::wrong` says why.
struct Unreadable {};

struct Event {
    Heard heard;
    std::variant<Unreadable, topics::Birth, topics::Will, topics::FactBatch, topics::Heartbeat,
                 topics::Request, topics::Chunk>
        said;
    topics::Malformed wrong;
};

Event read(Heard heard);

/// "st", "up/ev", ...
std::string_view word_of(topics::Level level);
/// `up/ev {"v":1,...}`
std::string shown(const Heard& heard);

}  // namespace klyuchnik::sim::conformance
