#pragma once

#include <optional>
#include <stdexcept>
#include <string>

#include "tests/support/world.hpp"
#include "topics/chunk.hpp"
#include "topics/codec.hpp"
#include "topics/sha256.hpp"

namespace klyuchnik::test {

/// A birth with the packet size and rights that the test wants, and facts 1 to `hi` in its journal,
/// which are from before it; returns its ack.
inline topics::Ack born(RawDevice& device, std::int64_t cn, std::int64_t rx, std::int64_t cf = 0,
                        std::int64_t epoch = 0, std::int64_t hi = 0) {
    topics::Birth birth;
    birth.cn.value = cn;
    birth.epoch.value = epoch;
    birth.boot = 1;
    birth.lo.value = hi > 0 ? 1 : 0;
    birth.hi.value = hi;
    birth.rights_version = cf;
    birth.packet_bytes_max = rx;
    birth.firmware = "raw-1";
    device.publish("st", topics::encode(birth), true);
    return device.ack_to(cn, 0);
}

/// Pulls documents as a device does: asks for one chunk after the other.
class Puller {
 public:
    Puller(RawDevice& device, std::int64_t cn) : device_{&device}, cn_{cn} {}

    topics::RequestAnswer info(const std::string& document, std::int64_t version = 0) {
        return device_->request(
            cn_, ++number_, "doc.info",
            R"({"doc":")" + document + R"(","v":)" + std::to_string(version) + "}");
    }
    void ask(const std::string& document, std::int64_t version, std::int64_t index) {
        device_->publish("up/rq", R"({"v":1,"cn":)" + std::to_string(cn_) + R"(,"r":)" +
                                      std::to_string(++number_) + R"(,"k":"doc.get","d":{"doc":")" +
                                      document + R"(","v":)" + std::to_string(version) +
                                      R"(,"i":)" + std::to_string(index) + "}}");
    }
    /// Nothing: none came.
    std::optional<topics::Chunk> next(std::chrono::milliseconds deadline = kPatience) {
        const auto message = device_->client().wait_for_topic(device_->topic("dn/ch"), deadline);
        return message ? topics::decode_chunk(message->payload) : std::nullopt;
    }
    topics::Chunk get(const std::string& document, std::int64_t version, std::int64_t index) {
        ask(document, version, index);
        const auto chunk = next();
        if (!chunk) throw std::runtime_error{"no chunk " + std::to_string(index)};
        return *chunk;
    }
    /// The code of a refusal.
    std::string refused(const std::string& document, std::int64_t version, std::int64_t index) {
        ask(document, version, index);
        const auto message = device_->client().wait_for_topic(device_->topic("dn/re"));
        if (!message) throw std::runtime_error{"no answer"};
        const auto answer = topics::decode_request_answer(message->payload);
        return answer ? answer->code.value_or("") : "unreadable";
    }
    std::string pull(const std::string& document, std::int64_t version = 0) {
        const auto facts = info(document, version).document;
        if (!facts) throw std::runtime_error{"there is no " + document};
        std::string content;
        const std::int64_t total = topics::chunks_of(facts->bytes, facts->chunk_bytes);
        for (std::int64_t i = 0; i < total; ++i) content += get(document, facts->version, i).bytes;
        if (topics::to_hex(topics::sha256(content)) != facts->sha256) {
            throw std::runtime_error{document + " is not what its hash says"};
        }
        return content;
    }

 private:
    RawDevice* device_;
    std::int64_t cn_;
    std::int64_t number_ = 0;
};

}  // namespace klyuchnik::test
