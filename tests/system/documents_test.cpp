// Documents both ways over real brokers and databases: chunks, resuming, what is refused.

#include "tests/system/documents.hpp"

#include <functional>
#include <random>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "topics/limits.hpp"

namespace klyuchnik::test {
namespace {

constexpr const char* kDevice = "kc-hall1";
constexpr std::int64_t kConnection = 2718281;

std::string noise(std::size_t bytes, unsigned seed) {
    std::mt19937 random{seed};
    std::string content(bytes, '\0');
    for (char& c : content) c = static_cast<char>(random());
    return content;
}

std::string hex(const std::string& bytes) {
    static constexpr const char* kDigits = "0123456789abcdef";
    std::string text;
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        text += kDigits[byte >> 4U];
        text += kDigits[byte & 0xFU];
    }
    return text;
}

class Documents : public ::testing::Test {
 protected:
    World world;
    RawDevice device = world.raw_device(kDevice);

    void SetUp() override { world.settle(); }

    /// A version for the device to fetch, as some domain would make it.
    void make(const std::string& name, std::int64_t version, const std::string& content,
              const std::string& of = kDevice) {
        world.db().rows(
            "insert into runtime.blobs select sha256(c), length(c), c, now() from "
            "(select decode($1, 'hex') as c) x on conflict do nothing",
            {hex(content)});
        world.db().rows(
            "insert into runtime.documents select $1, 'down', $2, $3::bigint, sha256(c), "
            "length(c), "
            "now() from (select decode($4, 'hex') as c) x",
            {of, name, std::to_string(version), hex(content)});
    }
    std::int64_t received(const std::string& condition = "true") {
        return world.count("select count(*) from runtime.documents where direction = 'up' and " +
                           condition);
    }
    std::int64_t events(const std::string& condition) {
        return world.count("select count(*) from log.events where " + condition);
    }
    std::string announcement(const std::string& name, const std::string& content) {
        return fact("doc.ready", R"({"doc":")" + name + R"(","n":)" +
                                     std::to_string(content.size()) + R"(,"sha":")" +
                                     topics::to_hex(topics::sha256(content)) + "\"}");
    }

    /// Answers what the server asks for until `done`; `lost` chunks do not go out.
    void serve(const std::string& name, const std::string& content, std::int64_t chunk_bytes,
               const std::function<bool()>& done,
               const std::function<bool(std::int64_t, bool last)>& lost = {}) {
        const auto tag = topics::tag_of(topics::sha256(content));
        const auto total =
            topics::chunks_of(static_cast<std::int64_t>(content.size()), chunk_bytes);
        while (!done()) {
            const auto message = device.client().wait_for_topic(device.topic("dn/ch"),
                                                                std::chrono::milliseconds{200});
            if (!message) continue;
            const auto wanted = topics::decode_chunks_wanted(message->payload);
            ASSERT_TRUE(wanted) << message->payload;
            EXPECT_EQ(wanted->document, name);
            EXPECT_EQ(wanted->cn.value, kConnection);
            EXPECT_LE(wanted->count, topics::limits::kChunksWantedMax);
            for (std::int64_t i = wanted->index; i < std::min(total, wanted->index + wanted->count);
                 ++i) {
                if (lost && lost(i, i + 1 == wanted->index + wanted->count)) continue;
                device.publish("up/ch",
                               topics::encode(topics::chunk_at(content, tag, i, chunk_bytes)));
            }
        }
    }
};

TEST_F(Documents, ADeviceFetchesWhatWasMadeForItChunkByChunk) {
    const std::string content = noise(10'000, 1);
    make("firmware", 3, content);
    born(device, kConnection, 1024);
    Puller puller{device, kConnection};
    const auto facts = puller.info("firmware").document;
    ASSERT_TRUE(facts);
    EXPECT_EQ(facts->version, 3);
    EXPECT_EQ(facts->bytes, 10'000);
    EXPECT_EQ(facts->chunk_bytes, topics::chunk_bytes_for(1024));
    EXPECT_EQ(facts->sha256, topics::to_hex(topics::sha256(content)));
    EXPECT_EQ(puller.pull("firmware"), content);
    EXPECT_EQ(puller.get("firmware", 0, 0).bytes, content.substr(0, 924)) << "0 = the present one";
}

TEST_F(Documents, ChunksFitThePacketThatTheDeviceAccepts) {
    const std::string content = noise(40'000, 2);
    make("firmware", 1, content);
    std::int64_t cn = kConnection;
    for (const std::int64_t rx : {256, 4096, 131'072}) {
        born(device, ++cn, rx, 0, rx == 256 ? 0 : 1);
        Puller puller{device, cn};
        EXPECT_EQ(puller.info("firmware").document->chunk_bytes, topics::chunk_bytes_for(rx));
        EXPECT_EQ(puller.pull("firmware"), content) << rx;
    }
}

TEST_F(Documents, WhatIsNotThereIsRefusedByItsName) {
    make("firmware", 1, noise(2000, 3));
    born(device, kConnection, 1024);
    Puller puller{device, kConnection};
    EXPECT_EQ(puller.refused("firmware", 2, 0), "unknown_document");
    EXPECT_EQ(puller.refused("firmware", 1, 3), "unknown_document") << "behind its end";
    EXPECT_EQ(puller.refused("firmware", 1, 9'007'199'254'740'991), "unknown_document");
    EXPECT_EQ(puller.refused("secrets", 0, 0), "unknown_document");
    EXPECT_EQ(puller.info("secrets").rc, 404);
    EXPECT_EQ(puller.info("firmware").rc, 0);
}

TEST_F(Documents, ADeviceSeesItsOwnOnly) {
    world.add_device("kc-hall2");
    make("firmware", 1, noise(500, 4), "kc-hall2");
    born(device, kConnection, 1024);
    Puller puller{device, kConnection};
    EXPECT_EQ(puller.info("firmware").rc, 404);
    EXPECT_EQ(puller.refused("firmware", 1, 0), "unknown_document");
}

TEST_F(Documents, AnEmptyDocumentIsOneEmptyChunk) {
    make("firmware", 1, "");
    born(device, kConnection, 1024);
    EXPECT_EQ(Puller(device, kConnection).pull("firmware"), "");
}

TEST_F(Documents, ManyQuestionsAtOnceAreAllAnswered) {
    const std::string content = noise(100'000, 5);
    make("firmware", 1, content);
    born(device, kConnection, 1024);
    Puller puller{device, kConnection};
    const std::int64_t total = topics::chunks_of(100'000, 924);
    for (std::int64_t i = 0; i < total; ++i) puller.ask("firmware", 1, i);
    std::vector<std::string> pieces(static_cast<std::size_t>(total));
    for (std::int64_t i = 0; i < total; ++i) {
        const auto chunk = puller.next();
        ASSERT_TRUE(chunk);
        pieces.at(chunk->index) = chunk->bytes;
    }
    std::string joined;
    for (const std::string& piece : pieces) joined += piece;
    EXPECT_EQ(joined, content);
}

TEST_F(Documents, ADownloadGoesOnAfterHandlersAndBrokerWereKilledInTheMiddle) {
    const std::string content = noise(60'000, 6);
    make("firmware", 1, content);
    born(device, kConnection, 1024);
    Puller puller{device, kConnection};
    const std::int64_t total = topics::chunks_of(60'000, 924);
    std::string joined;
    std::int64_t next = 0;
    const auto fetch = [&](std::int64_t until) {
        for (; next < until; ++next) joined += puller.get("firmware", 1, next).bytes;
    };
    fetch(20);
    world.kill9_handlers();
    puller.ask("firmware", 1, next);
    world.start_handlers();
    // What was asked meanwhile is lost, and asked again.
    fetch(40);
    world.kill9_broker();
    world.restart_broker();
    RawDevice again{world.broker(), kDevice};
    ASSERT_TRUE(world.metric_reaches("klyuchnik_mqtt_connected", 1));
    born(again, kConnection + 1, 1024, 0, 1);
    puller = Puller{again, kConnection + 1};
    fetch(total);
    EXPECT_EQ(topics::to_hex(topics::sha256(joined)), topics::to_hex(topics::sha256(content)));
}

TEST_F(Documents, ChunksOfAVersionThatWasReplacedFitNowhere) {
    const std::string first = noise(5000, 7);
    const std::string second = noise(5000, 8);
    make("firmware", 1, first);
    born(device, kConnection, 1024);
    Puller puller{device, kConnection};
    const auto one = puller.get("firmware", 1, 0);
    make("firmware", 2, second);
    // The download that is under way can end,
    const auto still = puller.get("firmware", 1, 1);
    EXPECT_EQ(still.document, one.document);
    EXPECT_EQ(still.bytes, first.substr(924, 924));
    // and a chunk of the new one can not be taken for one of the old.
    const auto other = puller.get("firmware", 0, 1);
    EXPECT_NE(other.document, one.document);
    EXPECT_EQ(puller.pull("firmware"), second);
}

TEST_F(Documents, WhatADeviceAnnouncesIsFetched) {
    const std::string logs = noise(5000, 9);
    born(device, kConnection, 1024);
    device.facts(kConnection, 1, 1, 1, {announcement("logs", logs)});
    serve("logs", logs, 924, [&] { return received() == 1; });
    EXPECT_EQ(received("device_id = 'kc-hall1' and name = 'logs' and version = 1 and bytes = 5000"),
              1);
    EXPECT_EQ(events("type = 'document_received' and ids->>'version' = '1'"), 1);
    EXPECT_EQ(world.count("select count(*) from runtime.blobs b join runtime.documents d using "
                          "(sha256) where d.direction = 'up' and octet_length(b.content) = 5000"),
              1);
    EXPECT_EQ(world.count("select count(*) from runtime.upload_chunks"), 0);
    EXPECT_EQ(world.count("select count(*) from runtime.uploads where state = 'done'"), 1);
}

TEST_F(Documents, TheSameDocumentAgainIsNotFetchedAgain) {
    const std::string logs = noise(3000, 10);
    born(device, kConnection, 1024);
    device.facts(kConnection, 1, 1, 1, {announcement("logs", logs)});
    serve("logs", logs, 924, [&] { return received() == 1; });
    device.client().take_all();
    device.facts(kConnection, 1, 2, 2, {announcement("logs", logs)});
    EXPECT_EQ(received(), 2) << "in the transaction of its fact";
    EXPECT_FALSE(Puller(device, kConnection).next(std::chrono::milliseconds{100}));
}

TEST_F(Documents, AWrongSizeUnderTheSameHashIsAnotherDocumentAndHoldsUpNoneOfTheRightOne) {
    const std::string logs = noise(3000, 12);
    const std::string sha = topics::to_hex(topics::sha256(logs));
    const auto of_size = [&](const std::string& name, int bytes) {
        return fact("doc.ready", R"({"doc":")" + name + R"(","n":)" + std::to_string(bytes) +
                                     R"(,"sha":")" + sha + "\"}");
    };
    born(device, kConnection, 1024);
    // Told wrong first, then right: its chunks must find the one that they fit.
    device.facts(kConnection, 1, 1, 1, {of_size("a", 10), announcement("logs", logs)});
    const auto tag = topics::tag_of(topics::sha256(logs));
    const std::int64_t total = topics::chunks_of(3000, 924);
    while (received("name = 'logs'") == 0) {
        // Whichever of the two is asked for: these are the only chunks that this device has.
        ASSERT_TRUE(
            device.client().wait_for_topic(device.topic("dn/ch"), std::chrono::seconds{10}));
        for (std::int64_t i = 0; i < total; ++i) {
            device.publish("up/ch", topics::encode(topics::chunk_at(logs, tag, i, 924)));
        }
    }
    EXPECT_EQ(world.count("select bytes from runtime.documents where name = 'logs'"), 3000);
    // The content is here by now; under a wrong size it still is not what was announced.
    device.facts(kConnection, 1, 3, 3, {of_size("b", 10)});
    EXPECT_EQ(world.count("select count(*) from runtime.documents where name = 'b'"), 0);
}

TEST_F(Documents, AnUploadOf300KilobytesGetsThroughWithLostChunks) {
    const std::string logs = noise(300'000, 11);
    born(device, kConnection, 1024);
    device.facts(kConnection, 1, 1, 1, {announcement("logs", logs)});
    std::set<std::int64_t> dropped;
    bool last_dropped = false;
    std::int64_t sent = 0;
    serve(
        "logs", logs, 924, [&] { return received() == 1; },
        [&](std::int64_t index, bool last) {
            ++sent;
            // Each once; the last one of an asking is only brought back by time, so that is lost
            // once only.
            const bool drop = last ? index > 160 && !last_dropped : index % 7 == 3;
            last_dropped = last_dropped || (drop && last);
            return drop && dropped.insert(index).second;
        });
    EXPECT_GE(dropped.size(), 30U);
    EXPECT_TRUE(last_dropped);
    EXPECT_EQ(received("bytes = 300000"), 1);
    const std::int64_t total = topics::chunks_of(300'000, 924);
    EXPECT_LT(sent, total + 3 * static_cast<std::int64_t>(dropped.size()) + 20)
        << "little is sent twice";
}

TEST_F(Documents, AnUploadGoesOnAfterTheHandlersWereKilledAndTheDeviceCameBack) {
    const std::string logs = noise(40'000, 12);
    born(device, kConnection, 1024);
    device.facts(kConnection, 1, 1, 1, {announcement("logs", logs)});
    serve("logs", logs, 924,
          [&] { return world.count("select coalesce(max(have), 0) from runtime.uploads") >= 10; });
    const auto before = world.count("select max(have) from runtime.uploads");
    world.kill9_handlers();
    device.client().take_all();
    world.start_handlers();
    std::set<std::int64_t> again;
    serve(
        "logs", logs, 924, [&] { return received() == 1; },
        [&](std::int64_t index, bool) {
            again.insert(index);
            return false;
        });
    EXPECT_EQ(received("bytes = 40000"), 1);
    EXPECT_FALSE(again.contains(0)) << "it goes on where it was, at " << before;
}

TEST_F(Documents, ADeviceThatCutsOtherwiseStartsOver) {
    const std::string logs = noise(20'000, 13);
    born(device, kConnection, 1024);
    device.facts(kConnection, 1, 1, 1, {announcement("logs", logs)});
    serve("logs", logs, 924,
          [&] { return world.count("select coalesce(max(have), 0) from runtime.uploads") >= 5; });
    serve("logs", logs, 400, [&] { return received() == 1; });
    EXPECT_EQ(received("bytes = 20000"), 1);
}

TEST_F(Documents, AWrongHashIsFetchedThreeTimesAndThenRaised) {
    const std::string promised = noise(2000, 14);
    std::string other = promised;
    other.back() = static_cast<char>(other.back() ^ 1);
    born(device, kConnection, 1024);
    device.facts(kConnection, 1, 1, 1, {announcement("logs", promised)});
    const auto tag = topics::tag_of(topics::sha256(promised));
    while (world.count("select count(*) from runtime.uploads where state = 'failed'") == 0) {
        const auto message =
            device.client().wait_for_topic(device.topic("dn/ch"), std::chrono::milliseconds{200});
        if (!message) continue;
        const auto wanted = topics::decode_chunks_wanted(message->payload);
        ASSERT_TRUE(wanted);
        for (std::int64_t i = wanted->index;
             i < std::min<std::int64_t>(3, wanted->index + wanted->count); ++i) {
            device.publish("up/ch", topics::encode(topics::chunk_at(other, tag, i, 924)));
        }
    }
    EXPECT_EQ(received(), 0);
    EXPECT_EQ(world.count("select failures from runtime.uploads"), 3);
    EXPECT_EQ(events("type = 'document_failed' and ids->>'why' = 'wrong_hash'"), 1);
    EXPECT_EQ(world.count("select count(*) from runtime.alarms where kind = 'document_failed' and "
                          "subject = 'device:kc-hall1'"),
              1);
    EXPECT_EQ(world.count("select count(*) from runtime.upload_chunks"), 0);
}

TEST_F(Documents, ChunksThatNobodyAskedForAreDroppedAndCounted) {
    born(device, kConnection, 1024);
    const std::string stray = noise(500, 15);
    device.publish("up/ch", topics::encode(topics::chunk_at(
                                stray, topics::tag_of(topics::sha256(stray)), 0, 924)));
    EXPECT_TRUE(world.metric_reaches("klyuchnik_chunks_dropped_total", 1));
    device.publish("up/ch", "no chunk at all");
    EXPECT_TRUE(world.metric_reaches("klyuchnik_unreadable_total", 1, "chunk"));
    EXPECT_EQ(world.count("select count(*) from runtime.upload_chunks"), 0);
}

TEST_F(Documents, ADeviceThatInventsNamesComesToAnEnd) {
    born(device, kConnection, 1024);
    std::vector<std::string> facts;
    for (int i = 0; i < 20; ++i) {
        facts.push_back(announcement("doc" + std::to_string(i), std::to_string(i)));
    }
    EXPECT_EQ(device.facts(kConnection, 1, 1, 1, facts).acked.value, 20) << "facts are not refused";
    EXPECT_EQ(world.count("select count(*) from runtime.uploads"), 16);
    EXPECT_EQ(events("type = 'document_refused' and ids->>'why' = 'limit_reached'"), 4);
    EXPECT_EQ(events("type = 'doc_ready'"), 20);
}

// -- uploads over HTTP, as the bridge sends them on

class Parts : public Documents {
 protected:
    RawAsker asker{world.broker()};
    int number_ = 0;

    topics::AskAnswer part(const std::string& content, std::int64_t index,
                           const std::string& sha = "") {
        const auto size = static_cast<std::int64_t>(content.size());
        const auto piece = topics::limits::kBlobPartBytesMax;
        topics::AddBlobPart body;
        body.sha256 = sha.empty() ? topics::to_hex(topics::sha256(content)) : sha;
        body.bytes = size;
        body.index = index;
        body.total = topics::chunks_of(size, piece);
        body.content = base64(content.substr(static_cast<std::size_t>(index * piece),
                                             static_cast<std::size_t>(piece)));
        return ask(body);
    }
    topics::AskAnswer ask(const topics::AddBlobPart& body) {
        topics::Ask ask;
        ask.id = "part-" + std::to_string(++number_);
        ask.expires_s = now_s() + 60;
        ask.by = {world.account(), topics::Via::session};
        ask.body = body;
        return asker.ask("devices", "add_blob_part", topics::encode(ask));
    }
    static std::int64_t missing(const topics::AskAnswer& answer) {
        const std::string key = "\"missing\":";
        const auto at = answer.content.find(key);
        return at == std::string::npos ? -1 : std::stoll(answer.content.substr(at + key.size()));
    }
    static std::string base64(const std::string& bytes) {
        static constexpr const char* kLetters =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        std::string text;
        for (std::size_t i = 0; i < bytes.size(); i += 3) {
            std::uint32_t bits = 0;
            for (std::size_t k = 0; k < 3; ++k) {
                bits = bits << 8U |
                       (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0U);
            }
            for (std::size_t k = 0; k < 4; ++k) {
                text += i + k > bytes.size() ? '=' : kLetters[bits >> (18 - 6 * k) & 63U];
            }
        }
        return text;
    }
};

TEST_F(Parts, InAnyOrderAndTwiceTheyMakeUpTheWhole) {
    const std::string content = noise(3 * 49'152 + 100, 20);
    EXPECT_EQ(missing(part(content, 3)), 3);
    EXPECT_EQ(missing(part(content, 1)), 2);
    EXPECT_EQ(missing(part(content, 1)), 2) << "again is harmless";
    EXPECT_EQ(missing(part(content, 0)), 1);
    EXPECT_EQ(missing(part(content, 2)), 0);
    EXPECT_EQ(missing(part(content, 2)), 0) << "it is there";
    EXPECT_EQ(world.count("select count(*) from runtime.blobs where bytes = " +
                          std::to_string(content.size())),
              1);
    EXPECT_EQ(world.count("select count(*) from runtime.blob_parts"), 0);
}

TEST_F(Parts, ThatDoNotFitAreRefused) {
    const std::string content = noise(49'152 + 10, 21);
    topics::AddBlobPart body;
    body.sha256 = topics::to_hex(topics::sha256(content));
    body.bytes = 49'162;
    body.total = 2;
    body.content = "!!!!";
    EXPECT_EQ(ask(body).code, "invalid");
    body.content = "AAAA";
    EXPECT_EQ(ask(body).code, "invalid") << "too short";
    EXPECT_EQ(missing(part(content, 1)), 1);
    body.bytes = 3;
    body.total = 1;
    EXPECT_EQ(ask(body).code, "invalid") << "another whole under the same hash";
    EXPECT_EQ(world.count("select count(*) from runtime.blob_parts"), 1);
}

TEST_F(Parts, AWrongHashIsSeenAtTheEndAndNothingStays) {
    const std::string content = noise(49'152 + 10, 22);
    const std::string wrong(64, 'a');
    EXPECT_EQ(missing(part(content, 0, wrong)), 1);
    EXPECT_EQ(part(content, 1, wrong).code, "invalid");
    EXPECT_EQ(world.count("select count(*) from runtime.blob_parts"), 0);
    EXPECT_EQ(world.count("select count(*) from runtime.blobs where bytes > 49152"), 0);
}

}  // namespace
}  // namespace klyuchnik::test
