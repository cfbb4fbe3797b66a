#include "handlers/runtime/message.hpp"

#include "topics/codec.hpp"
#include "topics/limits.hpp"

namespace klyuchnik::handlers {

using namespace topics;

namespace {

/// Characters, not bytes, so that a cut never makes invalid UTF-8.
std::string cut(const std::string& text, std::int64_t chars_max) {
    std::int64_t chars = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if ((static_cast<unsigned char>(text[i]) & 0xC0U) != 0x80U && ++chars > chars_max) {
            return text.substr(0, i);
        }
    }
    return text;
}

Unreadable bad_facts(const DeviceId& device, const Malformed& error, const std::string& payload,
                     std::int64_t now_s) {
    Unreadable bad{"facts", error.text(), std::nullopt};
    if (const auto cn = salvage(payload).cn) {
        Ack ack;
        ack.cn = *cn;
        ack.now_s = now_s;
        ack.lease_s = limits::kLeaseDefault.count();
        ack.error = AckError::bad;
        ack.detail = cut(error.text(), limits::kNoteCharsMax);
        bad.answer = Outgoing{device_topic(device, Level::ack), encode(ack)};
    }
    return bad;
}

Unreadable bad_request(const DeviceId& device, const Malformed& error, const std::string& payload) {
    Unreadable bad{"request", error.text(), std::nullopt};
    const Envelope envelope = salvage(payload);
    if (envelope.cn && envelope.number) {
        RequestAnswer answer;
        answer.cn = *envelope.cn;
        answer.number = *envelope.number;
        answer.rc = info(Code::malformed).rc;
        answer.code = std::string{info(Code::malformed).name};
        answer.text = cut(error.text(), limits::kNoteCharsMax);
        bad.answer = Outgoing{device_topic(device, Level::answer), encode(answer)};
    }
    return bad;
}

Unreadable bad_ask(const AskTopic& topic, const Malformed& error, const std::string& payload) {
    Unreadable bad{"ask", error.text(), std::nullopt};
    if (const std::string id = salvage(payload).ask_id; !id.empty()) {
        bad.answer = Outgoing{
            ask_answer_topic(topic.client),
            ask_answer(
                id, Refusal{Code::malformed, cut(error.text(), limits::kRefusalDetailCharsMax)})};
    }
    return bad;
}

std::variant<Message, Unreadable> read_device(const DeviceTopic& topic, const Incoming& incoming,
                                              std::int64_t now_s) {
    const DeviceId& device = topic.device;
    if (incoming.retained && topic.level != Level::state) {
        return Unreadable{"retained", "only st may be retained", std::nullopt};
    }
    switch (topic.level) {
        case Level::facts: {
            auto batch = decode_facts(incoming.payload);
            if (!batch) return bad_facts(device, batch.error(), incoming.payload, now_s);
            return Message{FactsMessage{std::move(*batch)}, device};
        }
        case Level::request: {
            auto request = decode_request(incoming.payload);
            if (!request) return bad_request(device, request.error(), incoming.payload);
            return Message{RequestMessage{std::move(*request)}, device};
        }
        case Level::state: {
            auto state = decode_state(incoming.payload);
            if (!state) return Unreadable{"state", state.error().text(), std::nullopt};
            return Message{StateMessage{std::move(*state)}, device, incoming.retained};
        }
        case Level::telemetry: {
            auto heartbeat = decode_heartbeat(incoming.payload);
            if (!heartbeat) return Unreadable{"telemetry", heartbeat.error().text(), std::nullopt};
            return Message{HeartbeatMessage{std::move(*heartbeat)}, device};
        }
        case Level::chunk_up: {
            // Nobody is told: what did not come is asked for again.
            auto chunk = decode_chunk(incoming.payload);
            if (!chunk) return Unreadable{"chunk", "not a chunk, or damaged", std::nullopt};
            return Message{ChunkMessage{std::move(*chunk)}, device};
        }
        default:
            return Unreadable{"foreign", "not a level that devices speak on", std::nullopt};
    }
}

}  // namespace

std::variant<Message, Unreadable> read_message(const Incoming& incoming, std::int64_t now_s) {
    const ParsedTopic parsed = parse_topic(incoming.topic);
    if (const auto* device = std::get_if<DeviceTopic>(&parsed)) {
        return read_device(*device, incoming, now_s);
    }
    if (const auto* topic = std::get_if<AskTopic>(&parsed)) {
        auto ask = decode_ask(topic->domain, topic->name, incoming.payload);
        if (!ask) return bad_ask(*topic, ask.error(), incoming.payload);
        return Message{AskMessage{*topic, std::move(*ask)}, {}};
    }
    if (const auto* topic = std::get_if<GuardTopic>(&parsed)) {
        auto report = decode_guard_report(incoming.payload);
        if (!report) return Unreadable{"guard", report.error().text(), std::nullopt};
        const DeviceId device = report->flood.value_or(DeviceId{});
        return Message{GuardMessage{topic->instance, std::move(*report)}, device};
    }
    return Unreadable{"foreign", "not a topic of ours", std::nullopt};
}

std::string ask_answer(const std::string& id, const std::variant<AskResult, Refusal>& outcome) {
    AskAnswer answer;
    answer.id = id;
    if (const auto* refusal = std::get_if<Refusal>(&outcome)) {
        const CodeInfo& row = info(refusal->code);
        answer.rc = row.rc;
        answer.code = std::string{row.name};
        answer.text = refusal->detail.empty()
                          ? std::string{row.text}
                          : std::string{row.text} + ": " +
                                cut(refusal->detail, limits::kRefusalDetailCharsMax);
    } else {
        const AskResult& result = std::get<AskResult>(outcome);
        // Accepted is not done: a device is going to work on it.
        if (result.command) answer.rc = 202;
        answer.content = encode(result);
    }
    return encode(answer);
}

std::optional<Outgoing> busy_answer(const Incoming& incoming) {
    const ParsedTopic parsed = parse_topic(incoming.topic);
    const auto* topic = std::get_if<AskTopic>(&parsed);
    if (!topic) return std::nullopt;
    const std::string id = salvage(incoming.payload).ask_id;
    if (id.empty()) return std::nullopt;
    return Outgoing{ask_answer_topic(topic->client), ask_answer(id, Refusal{Code::busy, ""})};
}

std::vector<Message> one_by_one(const Message& message) {
    const auto* facts = std::get_if<FactsMessage>(&message.body);
    if (!facts) return {message};
    std::vector<Message> singles;
    for (std::size_t i = 0; i < facts->batch.facts.size(); ++i) {
        FactBatch one = facts->batch;
        one.first.value += static_cast<std::int64_t>(i);
        one.facts = {facts->batch.facts[i]};
        singles.push_back({FactsMessage{std::move(one)}, message.device});
    }
    return singles;
}

}  // namespace klyuchnik::handlers
