#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "topics/asks.hpp"
#include "topics/device.hpp"
#include "topics/events.hpp"
#include "topics/result.hpp"

/// Bytes to structs and back, once, here. JSON appears nowhere else on the wire's way.
///
/// Every decoder is strict about what it reads and blind to what it does not know: payload at most
/// limits::kPayloadBytesMax, valid UTF-8, depth at most limits::kJsonDepthMax, no duplicate keys,
/// no control characters in texts, integers that are integers and in range. Unknown keys are
/// ignored, so that newer firmware may say more. All functions are pure and thread-safe.
///
/// Decoders never throw on input: they answer Malformed with the path and what was expected there.
namespace klyuchnik::topics {

// -- device and server
// ---------------------------------------------------------------------------------
Decoded<State> decode_state(std::string_view payload);
Decoded<FactBatch> decode_facts(std::string_view payload);
Decoded<Ack> decode_ack(std::string_view payload);
Decoded<Heartbeat> decode_heartbeat(std::string_view payload);
Decoded<Request> decode_request(std::string_view payload);
Decoded<RequestAnswer> decode_request_answer(std::string_view payload);
Decoded<Command> decode_command(std::string_view payload);

std::string encode(const Birth& birth);
std::string encode(const Will& will);
/// Of a fact, kind and body count; `content` only for an UnknownFact.
std::string encode(const FactBatch& batch);
std::string encode(const Ack& ack);
std::string encode(const Heartbeat& heartbeat);
std::string encode(const Request& request);
std::string encode(const RequestAnswer& answer);
std::string encode(const Command& command);

/// The `d` object of a fact, as stored, and back. A kind that is not known decodes to UnknownFact.
std::string encode_fact_body(const FactBody& body);
Decoded<FactBody> decode_fact_body(std::string_view kind, std::string_view content);
std::string_view kind_of(const FactBody& body);
/// The same for a command.
std::string encode_command_body(const CommandBody& body);
Decoded<CommandBody> decode_command_body(std::string_view kind, std::string_view content);
std::string_view kind_of(const CommandBody& body);

Decoded<ChunksWanted> decode_chunks_wanted(std::string_view payload);
std::string encode(const ChunksWanted& wanted);

/// What identifies a message that could not be read as a whole, so that it can still be answered.
struct Envelope {
    std::optional<Connection> cn;
    std::optional<std::int64_t> number;  ///< `r` of a request.
    std::string ask_id;                  ///< `id` of an ask; empty when there is none.
};
Envelope salvage(std::string_view payload);

// -- bridge and handlers
// -------------------------------------------------------------------------------
/// `domain` and `name` come from the topic. A name this server does not know decodes to UnknownAsk.
Decoded<Ask> decode_ask(std::string_view domain, std::string_view name, std::string_view payload);
Decoded<AskAnswer> decode_ask_answer(std::string_view payload);
std::string encode(const Ask& ask);
std::string encode(const AskAnswer& answer);
std::string encode(const AskResult& result);
/// The `d` object alone: the body of a REST request is the same object. Refuses UnknownAsk.
Decoded<AskBody> decode_ask_body(std::string_view domain, std::string_view name,
                                 std::string_view json);
std::string_view domain_of(const AskBody& body);
std::string_view name_of(const AskBody& body);
std::string_view name_of(Via via);

// -- events
// --------------------------------------------------------------------------------------------
std::string encode(const EventIds& ids);
Decoded<EventIds> decode_event_ids(std::string_view json);
/// CloudEvents 1.0 in JSON. `id` is the position in the log.
std::string encode(const PlacedEvent& event);

// -- presence of our own programs
// ----------------------------------------------------------------------
/// {"v":1,"on":1,"since":…} / {"v":1,"on":0}
std::string encode_presence(bool online, std::int64_t since_s);

}  // namespace klyuchnik::topics
