#include "firmware-sim/conformance/event.hpp"

#include "firmware-sim/conformance/report.hpp"
#include "topics/codec.hpp"

namespace klyuchnik::sim::conformance {
namespace {

using topics::Level;

template <class Said>
void put(Event& event, topics::Decoded<Said> decoded) {
    if (decoded) {
        event.said = std::move(*decoded);
    } else {
        event.wrong = decoded.error();
    }
}

}  // namespace

Event read(Heard heard) {
    Event event{std::move(heard), Unreadable{}, {}};
    const std::string& payload = event.heard.payload;
    switch (event.heard.level) {
        case Level::state: {
            auto state = topics::decode_state(payload);
            if (!state) {
                event.wrong = state.error();
            } else if (auto* birth = std::get_if<topics::Birth>(&*state)) {
                event.said = std::move(*birth);
            } else {
                event.said = std::get<topics::Will>(*state);
            }
            break;
        }
        case Level::facts:
            put(event, topics::decode_facts(payload));
            break;
        case Level::telemetry:
            put(event, topics::decode_heartbeat(payload));
            break;
        case Level::request:
            put(event, topics::decode_request(payload));
            break;
        case Level::chunk_up:
            if (auto chunk = topics::decode_chunk(payload)) {
                event.said = std::move(*chunk);
            } else {
                event.wrong = {"", "lengths that do not fit together, or a wrong CRC"};
            }
            break;
        default:
            event.wrong = {"", "a level that is not for devices to speak on"};
            break;
    }
    return event;
}

std::string_view word_of(Level level) {
    switch (level) {
        case Level::facts:
            return "up/ev";
        case Level::request:
            return "up/rq";
        case Level::telemetry:
            return "up/tm";
        case Level::chunk_up:
            return "up/ch";
        case Level::state:
            return "st";
        case Level::ack:
            return "dn/ak";
        case Level::answer:
            return "dn/re";
        case Level::command:
            return "dn/cm";
        case Level::chunk_down:
            break;
    }
    return "dn/ch";
}

std::string shown(const Heard& heard) {
    return std::string{word_of(heard.level)} + " " + shown(std::string_view{heard.payload});
}

}  // namespace klyuchnik::sim::conformance
