// Documents in a device: on its flash, on their way in, and by what rights a cabinet decides.
#include "firmware-sim/device/documents.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "firmware-sim/device/protocol.hpp"
#include "firmware-sim/device/rights.hpp"
#include "tests/unit/firmware-sim/memory_store.hpp"
#include "topics/chunk.hpp"
#include "topics/codec.hpp"

namespace klyuchnik::test {
namespace {

using namespace std::chrono_literals;
using sim::Uptime;
using topics::AckError;
using topics::CardSerial;
using topics::Connection;
using topics::Epoch;
using topics::KeyName;
using topics::Level;

constexpr Connection kCn{4711};
constexpr std::int64_t kMonday_s = 1'763'942'400;  // 2025-11-24, a Monday, 00:00 UTC
const CardSerial kAnna{"12345ABC"};
const CardSerial kBoris{"99999DEF"};
const KeyName kHall{"101"};
const KeyName kVault{"V1"};

topics::RightsDocument document(std::int64_t version) {
    topics::RightsDocument its;
    its.version = version;
    its.lease_s = 3600;
    its.salt[0] = static_cast<std::uint8_t>(version);
    its.keys = {{topics::Slot{12}, 0, kHall},
                {topics::Slot{13}, topics::RightsKey::kOnlineOnly, kVault}};
    for (std::uint16_t key = 0; key < 2; ++key) {
        its.rows.push_back({topics::card_hash(its.salt, kAnna), key, topics::RightsRow::kAlways});
    }
    // Others, so that it takes several packets of 256 bytes.
    for (int i = 0; i < 30; ++i) {
        its.rows.push_back({topics::card_hash(its.salt, CardSerial{"C" + std::to_string(i)}), 0,
                            topics::RightsRow::kAlways});
    }
    return its;
}

class NobodyElse final : public sim::CachedRights {
 public:
    bool allows(const CardSerial&, const KeyName&) const override { return false; }
};

sim::DocumentHead head_of(const std::string& content, std::int64_t version,
                          std::int64_t chunk_bytes) {
    sim::DocumentHead head;
    head.version = version;
    head.bytes = static_cast<std::int64_t>(content.size());
    head.chunk_bytes = chunk_bytes;
    head.sha256 = topics::sha256(content);
    return head;
}

// == on the flash
// ====================================================================================

/// Counts down the bytes until the power goes.
class FailingStore final : public sim::DocumentStore {
 public:
    struct PowerCut {};
    std::map<std::string, std::string, std::less<>> areas;
    std::size_t bytes_left = static_cast<std::size_t>(-1);

    std::string read(std::string_view area) override {
        const auto found = areas.find(area);
        return found == areas.end() ? std::string{} : found->second;
    }
    void append(std::string_view area, std::string_view bytes) override {
        std::string& its = areas[std::string{area}];
        its += bytes.substr(0, bytes_left);
        spend(bytes.size());
    }
    void replace(std::string_view area, std::string_view bytes) override {
        if (bytes_left >= bytes.size()) areas[std::string{area}] = bytes;
        spend(bytes.size());
    }

 private:
    void spend(std::size_t count) {
        if (bytes_left < count) throw PowerCut{};
        bytes_left -= count;
    }
};

TEST(Documents, ADownloadSurvivesAPowerCutAtAnyByteAndTheOldDocumentStaysUntilTheNewOneIsWhole) {
    const std::string first = topics::encode(document(1));
    const std::string second = topics::encode(document(2));
    const auto pull = [](sim::Documents& documents, const std::string& content,
                         std::int64_t version) {
        const sim::DocumentHead head = head_of(content, version, 100);
        const sim::Partial* partial = documents.partial(sim::kRightsDocument);
        if (partial == nullptr || partial->head != head) {
            documents.begin(sim::kRightsDocument, head);
            partial = documents.partial(sim::kRightsDocument);
        }
        const std::int64_t resumed_at = partial->chunks;
        while (static_cast<std::int64_t>(partial->content.size()) < head.bytes) {
            documents.add(sim::kRightsDocument,
                          topics::chunk_at(content, {}, partial->chunks, 100).bytes);
        }
        EXPECT_EQ(partial->content, content);
        documents.make_rights_current(*topics::decode_rights(content));
        return resumed_at;
    };
    FailingStore whole;
    {
        sim::Documents documents{whole};
        pull(documents, first, 1);
    }
    std::int64_t resumed = 0;
    for (std::size_t bytes = 0;; ++bytes) {
        FailingStore store;
        store.areas = whole.areas;
        store.bytes_left = bytes;
        bool cut = false;
        try {
            sim::Documents documents{store};
            pull(documents, second, 2);
        } catch (const FailingStore::PowerCut&) {
            cut = true;
        }
        store.bytes_left = static_cast<std::size_t>(-1);
        sim::Documents documents{store};
        ASSERT_NE(documents.rights(), nullptr) << "cut after " << bytes << " bytes";
        const std::int64_t version = documents.rights_version();
        ASSERT_TRUE(version == 1 || version == 2);
        EXPECT_EQ(topics::encode(*documents.rights()), version == 1 ? first : second);
        EXPECT_EQ(documents.damaged(), 0);
        if (version == 1) resumed = std::max(resumed, pull(documents, second, 2));
        EXPECT_EQ(documents.rights_version(), 2);
        EXPECT_EQ(documents.partial(sim::kRightsDocument), nullptr);
        if (!cut) break;
    }
    EXPECT_GT(resumed, 3) << "none went on where it was";
}

TEST(Documents, WhatIsDamagedCountsAsNotThere) {
    FailingStore store;
    {
        sim::Documents documents{store};
        const std::string content = topics::encode(document(3));
        documents.begin(sim::kRightsDocument, head_of(content, 3, 4096));
        documents.add(sim::kRightsDocument, content);
        documents.make_rights_current(*topics::decode_rights(content));
        sim::DeviceState state;
        state.locked = true;
        documents.keep(state);
    }
    for (const auto& [area, bytes] : std::map{store.areas.begin(), store.areas.end()}) {
        for (std::size_t at = 0; at < bytes.size(); ++at) {
            FailingStore broken;
            broken.areas = store.areas;
            broken.areas[area][at] = static_cast<char>(broken.areas[area][at] ^ 0x10);
            sim::Documents documents{broken};
            EXPECT_EQ(documents.damaged(), 1) << area << " byte " << at;
        }
    }
}

TEST(Documents, AnOfferStaysUntilAnotherTakesItsPlace) {
    FailingStore store;
    sim::Documents{store}.offer("logs", "");
    ASSERT_NE(sim::Documents{store}.offered("logs"), nullptr);
    EXPECT_EQ(*sim::Documents{store}.offered("logs"), "");
    sim::Documents{store}.offer("logs", "two");
    EXPECT_EQ(*sim::Documents{store}.offered("logs"), "two");
    EXPECT_EQ(sim::Documents{store}.offered("other"), nullptr);
}

// == rights
// ==========================================================================================

class Rights : public ::testing::Test {
 protected:
    void hold(const topics::RightsDocument& its) {
        const std::string content = topics::encode(its);
        documents.begin(sim::kRightsDocument, head_of(content, its.version, 4096));
        documents.add(sim::kRightsDocument, content);
        documents.make_rights_current(*topics::decode_rights(content));
    }
    sim::MemoryDocumentStore store;
    sim::Documents documents{store};
    sim::DocumentRights rights{documents};
};

TEST_F(Rights, BeforeTheFirstDocumentThoseFromBeforeCountElseNobody) {
    EXPECT_EQ(rights.why_not(kAnna, kHall, std::nullopt), "no_right");
    const NobodyElse nobody;
    class Everybody final : public sim::CachedRights {
        bool allows(const CardSerial&, const KeyName&) const override { return true; }
    } everybody;
    const sim::DocumentRights with{documents, &everybody};
    EXPECT_EQ(with.why_not(kBoris, kHall, std::nullopt), "");
    hold(document(1));
    EXPECT_EQ(with.why_not(kBoris, kHall, std::nullopt), "no_right");
    EXPECT_EQ(with.why_not(kAnna, kHall, std::nullopt), "");
}

TEST_F(Rights, KnowACardByItsHashAndAKeyByItsName) {
    hold(document(1));
    EXPECT_TRUE(rights.allows(kAnna, kHall));
    EXPECT_FALSE(rights.allows(kBoris, kHall));
    EXPECT_EQ(rights.why_not(kAnna, KeyName{"no such key"}, std::nullopt), "no_right");
    EXPECT_EQ(rights.why_not(CardSerial{"C7"}, kVault, std::nullopt), "no_right");
}

TEST_F(Rights, NeverGiveOutWithoutTheServerWhatNeedsIt) {
    hold(document(1));
    EXPECT_EQ(rights.why_not(kAnna, kVault, kMonday_s), "needs_server");
}

TEST_F(Rights, NeedAnOpenWindowAndTheTimeToKnowIt) {
    topics::RightsDocument its = document(1);
    topics::RightsWindow office;
    office.weekdays = 0b0001'1111;
    office.minute_from = 8 * 60;
    office.minute_until = 17 * 60;
    its.windows = {office};
    its.utc_offset_min = 60;
    its.rows = {{topics::card_hash(its.salt, kAnna), 0, 0}};
    hold(its);
    EXPECT_EQ(rights.why_not(kAnna, kHall, std::nullopt), "not_now");
    EXPECT_EQ(rights.why_not(kAnna, kHall, kMonday_s + 7 * 3600), "");
    EXPECT_EQ(rights.why_not(kAnna, kHall, kMonday_s + 7 * 3600 - 1), "not_now");
    EXPECT_EQ(rights.why_not(kAnna, kHall, kMonday_s + 16 * 3600 - 1), "");
    EXPECT_EQ(rights.why_not(kAnna, kHall, kMonday_s + 16 * 3600), "not_now");
    EXPECT_EQ(rights.why_not(kAnna, kHall, kMonday_s - 86'400 + 10 * 3600), "not_now") << "Sunday";
}

TEST(Windows, OverMidnightBelongToTheDayOnWhichTheyBegin) {
    topics::RightsDocument its;
    topics::RightsWindow night;
    night.weekdays = 0b0000'0001;
    night.minute_from = 22 * 60;
    night.minute_until = 6 * 60;
    EXPECT_TRUE(sim::is_open(night, its, kMonday_s + 23 * 3600));
    EXPECT_TRUE(sim::is_open(night, its, kMonday_s + 29 * 3600)) << "Tuesday, five in the morning";
    EXPECT_FALSE(sim::is_open(night, its, kMonday_s + 30 * 3600));
    EXPECT_FALSE(sim::is_open(night, its, kMonday_s + 5 * 3600)) << "Sunday's night";
    EXPECT_FALSE(sim::is_open(night, its, kMonday_s + 47 * 3600)) << "Tuesday's night";
}

TEST(Windows, FollowTheChangeOfTheClocksAndTheirOwnBeginningAndEnd) {
    topics::RightsDocument its;
    its.utc_offset_min = 60;
    its.utc_offset_after_min = 120;
    its.offset_change_s = kMonday_s + 86'400;
    topics::RightsWindow window;
    window.minute_from = 8 * 60;
    window.minute_until = 9 * 60;
    EXPECT_TRUE(sim::is_open(window, its, kMonday_s + 7 * 3600));
    EXPECT_FALSE(sim::is_open(window, its, kMonday_s + 86'400 + 7 * 3600));
    EXPECT_TRUE(sim::is_open(window, its, kMonday_s + 86'400 + 6 * 3600));
    window.from_s = kMonday_s + 7 * 3600 + 60;
    window.until_s = kMonday_s + 7 * 3600 + 120;
    EXPECT_FALSE(sim::is_open(window, its, kMonday_s + 7 * 3600));
    EXPECT_TRUE(sim::is_open(window, its, kMonday_s + 7 * 3600 + 60));
    EXPECT_FALSE(sim::is_open(window, its, kMonday_s + 7 * 3600 + 120));
}

// == on their way
// ====================================================================================

/// A device whose server is the test.
class Bench : public ::testing::Test {
 protected:
    Bench() {
        settings.id = *topics::DeviceId::parse("kc-hall1");
        settings.packet_bytes_max = 256;
        settings.firmware = "1.0";
        boot();
    }

    void boot() {
        device.reset();
        documents = std::make_unique<sim::Documents>(store);
        rights = std::make_unique<sim::DocumentRights>(*documents);
        journal = std::make_unique<sim::Journal>(std::make_unique<MemoryStore>(flash));
        device =
            std::make_unique<sim::DeviceProtocol>(settings, *journal, *rights, documents.get());
        now = Uptime{0};
    }
    void come_online() {
        device->connected(kCn, now);
        device->subscribed(now);
        if (journal->epoch() != Epoch{1}) ack(AckError::epoch);
        ack();
    }
    void ack(AckError error = AckError::none) {
        topics::Ack ack;
        ack.cn = kCn;
        ack.epoch = Epoch{1};
        ack.acked = error == AckError::epoch ? topics::Sequence{0} : journal->acked();
        ack.now_s = kMonday_s + std::chrono::floor<std::chrono::seconds>(now).count();
        ack.lease_s = lease_s;
        ack.rights_version = wanted;
        ack.firmware_wanted = firmware_wanted;
        ack.error = error;
        device->message(Level::ack, topics::encode(ack), now);
    }
    void command(topics::CommandBody body) {
        const topics::Command its{kCn, ++commands, kMonday_s + 100'000, std::move(body)};
        device->message(Level::command, topics::encode(its), now);
    }
    /// Time passes until something about documents is asked; nothing when it is not within `most`.
    std::optional<topics::Request> next_question(Uptime most = 90s) {
        const Uptime until = now + most;
        for (;;) {
            for (sim::Action& action : device->take_actions()) {
                if (const auto* publish = std::get_if<sim::Publish>(&action)) {
                    if (publish->what == sim::Said::document) {
                        questions.push_back(*topics::decode_request(publish->payload));
                    } else if (publish->what == sim::Said::chunk) {
                        sent.push_back(*topics::decode_chunk(publish->payload));
                    }
                } else {
                    done.push_back(std::move(action));
                }
            }
            if (!questions.empty()) {
                topics::Request first = questions.front();
                questions.erase(questions.begin());
                return first;
            }
            const auto due = device->next_due();
            if (!due || *due > until) {
                now = until;
                return std::nullopt;
            }
            now = std::max(now, *due);
            device->tick(now);
        }
    }
    void answer(const topics::Request& question, std::int64_t rc,
                std::optional<topics::DocumentFacts> facts = std::nullopt) {
        topics::RequestAnswer answer;
        answer.cn = kCn;
        answer.number = question.number;
        answer.rc = rc;
        answer.document = std::move(facts);
        device->message(Level::answer, topics::encode(answer), now);
    }
    static topics::DocumentFacts facts_of(const std::string& content, std::int64_t version) {
        return {version, static_cast<std::int64_t>(content.size()),
                topics::to_hex(topics::sha256(content)), topics::chunk_bytes_for(256)};
    }
    void send_chunk(const std::string& content, std::int64_t index) {
        device->message(
            Level::chunk_down,
            topics::encode(topics::chunk_at(content, topics::tag_of(topics::sha256(content)), index,
                                            topics::chunk_bytes_for(256))),
            now);
    }
    /// Answers questions from `content` until nothing is asked, at most `most` of them.
    int serve(const std::string& content, std::int64_t version, int most = 1000) {
        int served = 0;
        while (served < most) {
            const auto question = next_question(1s);
            if (!question) break;
            ++served;
            if (const auto* get = std::get_if<topics::DocumentGet>(&question->body)) {
                send_chunk(content, get->index);
            } else {
                answer(*question, 0, facts_of(content, version));
            }
        }
        return served;
    }
    /// The versions of which the journal says that they failed.
    std::vector<std::string> failures() const {
        std::vector<std::string> versions;
        for (const sim::HeldFact& held : journal->held()) {
            if (const auto* failed = std::get_if<topics::FirmwareFailed>(&held.fact.body)) {
                versions.push_back(failed->version);
            }
        }
        return versions;
    }
    template <class T>
    int count() {
        (void)next_question(0s);
        return static_cast<int>(std::ranges::count_if(
            done, [](const sim::Action& one) { return std::holds_alternative<T>(one); }));
    }

    std::shared_ptr<Flash> flash = std::make_shared<Flash>();
    sim::MemoryDocumentStore store;
    sim::DeviceSettings settings;
    std::unique_ptr<sim::Journal> journal;
    std::unique_ptr<sim::Documents> documents;
    std::unique_ptr<sim::DocumentRights> rights;
    std::unique_ptr<sim::DeviceProtocol> device;
    Uptime now{0};
    std::int64_t wanted = 0;
    std::int64_t lease_s = 3600;
    std::optional<std::string> firmware_wanted;
    std::int64_t commands = 0;
    std::vector<topics::Request> questions;
    std::vector<topics::Chunk> sent;
    std::vector<sim::Action> done;
};

using Pull = Bench;
using Firmware = Bench;
using Log = Bench;
using Lease = Bench;
using Locked = Bench;
using Kept = Bench;

TEST_F(Pull, AsksForWhatAnAckWantsOneChunkAfterTheOtherAndSaysSoInItsBirth) {
    const std::string content = topics::encode(document(7));
    wanted = 7;
    come_online();
    const auto first = next_question();
    ASSERT_TRUE(first);
    const auto& info = std::get<topics::DocumentInfo>(first->body);
    EXPECT_EQ(info.document, "rights");
    EXPECT_EQ(info.version, 7);
    EXPECT_FALSE(next_question(1s)) << "one question in flight";
    answer(*first, 0, facts_of(content, 7));
    const std::int64_t chunks =
        topics::chunks_of(static_cast<std::int64_t>(content.size()), topics::chunk_bytes_for(256));
    for (std::int64_t index = 0; index < chunks; ++index) {
        EXPECT_EQ(device->rights_version(), 0);
        const auto question = next_question();
        ASSERT_TRUE(question);
        EXPECT_EQ(std::get<topics::DocumentGet>(question->body).index, index);
        send_chunk(content, index);
    }
    EXPECT_EQ(device->rights_version(), 7);
    EXPECT_TRUE(device->current());
    EXPECT_EQ(count<sim::RightsChanged>(), 1);
    ack();
    EXPECT_FALSE(next_question());
    boot();
    device->connected(kCn, now);
    device->subscribed(now);
    const auto actions = device->take_actions();
    const auto birth = std::ranges::find_if(actions, [](const sim::Action& one) {
        const auto* publish = std::get_if<sim::Publish>(&one);
        return publish != nullptr && publish->what == sim::Said::birth;
    });
    ASSERT_NE(birth, actions.end());
    EXPECT_EQ(std::get<topics::Birth>(*topics::decode_state(std::get<sim::Publish>(*birth).payload))
                  .rights_version,
              7);
}

TEST_F(Pull, BeginsAgainWhenACommandDoubtsTheRightsThatAreHeld) {
    const std::string content = topics::encode(document(7));
    wanted = 7;
    come_online();
    serve(content, 7);
    ASSERT_EQ(device->rights_version(), 7);
    ack();
    ASSERT_FALSE(next_question());
    command(topics::RightsRead{});
    EXPECT_EQ(std::get<topics::CommandDone>(journal->held().back().fact.body).rc, 0);
    // The next ack still wants what is held, and does not end what was begun.
    ack();
    serve(content, 7);
    EXPECT_EQ(count<sim::RightsChanged>(), 2);
    ack();
    EXPECT_FALSE(next_question());
}

TEST_F(Pull, AsksAgainWithGrowingWaitsWhenNothingComes) {
    wanted = 7;
    come_online();
    ASSERT_TRUE(next_question());
    Uptime before = now;
    Uptime longest{0};
    for (int i = 0; i < 8; ++i) {
        ASSERT_TRUE(next_question(200s));
        EXPECT_GE(now - before, settings.chunk_repeat / 2);
        EXPECT_LE(now - before, settings.resend_max * 3 / 2);
        longest = std::max(longest, now - before);
        before = now;
    }
    EXPECT_GT(longest, settings.chunk_repeat * 4);
}

TEST_F(Pull, GoesOnWhereItWasAfterARebootAndAfterALostConnection) {
    const std::string content = topics::encode(document(7));
    wanted = 7;
    come_online();
    serve(content, 7, 3);
    boot();
    come_online();
    const auto question = next_question();
    ASSERT_TRUE(question);
    EXPECT_EQ(std::get<topics::DocumentGet>(question->body).index, 2);
    device->disconnected(now);
    come_online();
    EXPECT_EQ(std::get<topics::DocumentGet>(next_question()->body).index, 2)
        << "the answer would have come on the connection that is gone";
}

TEST_F(Pull, BeginsAnewWithAnotherVersionAndMixesNothingOfTheOldOneIn) {
    const std::string seven = topics::encode(document(7));
    const std::string eight = topics::encode(document(8));
    wanted = 7;
    come_online();
    serve(seven, 7, 3);
    wanted = 8;
    ack();
    const auto question = next_question();
    ASSERT_TRUE(question);
    EXPECT_EQ(std::get<topics::DocumentInfo>(question->body).version, 8);
    answer(*question, 0, facts_of(eight, 8));
    send_chunk(seven, 0);
    EXPECT_EQ(device->counters().unknown_chunks, 1);
    serve(eight, 8);
    EXPECT_EQ(device->rights_version(), 8);
    EXPECT_EQ(topics::encode(*documents->rights()), eight);
}

TEST_F(Pull, AsksForTheFactsAgainWhenTheVersionIsGone) {
    wanted = 7;
    come_online();
    serve(topics::encode(document(7)), 7, 3);
    const auto question = next_question();
    ASSERT_TRUE(question);
    answer(*question, 404);
    EXPECT_TRUE(std::holds_alternative<topics::DocumentInfo>(next_question()->body));
}

TEST_F(Pull, KeepsTheOldDocumentAndRestsAfterThreeWrongHashes) {
    const std::string good = topics::encode(document(7));
    wanted = 7;
    come_online();
    serve(good, 7);
    wanted = 8;
    ack();
    std::string other = topics::encode(document(8));
    const topics::DocumentFacts promised = facts_of(other, 8);
    const topics::DocumentTag tag = topics::tag_of(topics::sha256(other));
    other.back() = static_cast<char>(other.back() ^ 1);
    int infos = 0;
    for (auto question = next_question(10s); question; question = next_question(10s)) {
        if (const auto* get = std::get_if<topics::DocumentGet>(&question->body)) {
            device->message(
                Level::chunk_down,
                topics::encode(topics::chunk_at(other, tag, get->index, promised.chunk_bytes)),
                now);
        } else {
            ++infos;
            answer(*question, 0, promised);
        }
    }
    EXPECT_EQ(infos, 3);
    EXPECT_EQ(device->rights_version(), 7);
    EXPECT_EQ(device->counters().refused_documents, 1);
    EXPECT_TRUE(next_question(2 * settings.document_rest)) << "later it asks again";
}

TEST_F(Pull, RefusesWholeWhatItCannotReadAndRestsLongerEachTime) {
    const std::string content = "this is no rights document";
    wanted = 7;
    come_online();
    Uptime rest{0};
    for (int i = 1; i <= 4; ++i) {
        const Uptime before = now;
        auto question = next_question(2h);
        ASSERT_TRUE(question);
        rest = now - before;
        answer(*question, 0, facts_of(content, 7));
        serve(content, 7, 1);
        EXPECT_EQ(device->counters().refused_documents, i);
        EXPECT_EQ(device->rights_version(), 0);
        ack();
    }
    EXPECT_GT(rest, settings.document_rest);
}

TEST_F(Pull, RefusesADocumentThatNamesAnotherVersionInside) {
    const std::string content = topics::encode(document(6));
    wanted = 7;
    come_online();
    serve(content, 7);
    EXPECT_EQ(device->rights_version(), 0);
    EXPECT_GE(device->counters().refused_documents, 1);
}

TEST_F(Pull, RefusesADocumentThatIsLargerThanThereIsRoom) {
    wanted = 7;
    come_online();
    topics::DocumentFacts facts = facts_of("x", 7);
    facts.bytes = static_cast<std::int64_t>(topics::limits::kRightsDocumentBytesMax) + 1;
    answer(*next_question(), 0, facts);
    EXPECT_EQ(device->counters().refused_documents, 1);
    EXPECT_FALSE(next_question(10s));
}

TEST_F(Pull, IsNoStormWhateverTheServerSays) {
    const std::string content = topics::encode(document(7));
    for (const std::int64_t rc : {0, 400, 403, 404, 429, 500, 501, 503}) {
        boot();
        wanted = 7;
        come_online();
        int asked = 0;
        const Uptime until = now + 600s;
        while (now < until) {
            const auto question = next_question(until - now);
            if (!question) break;
            ++asked;
            answer(*question, rc);
            ack();
        }
        EXPECT_LT(asked, 60) << "rc " << rc;
    }
}

TEST_F(Pull, UsesOnlyAPartOfTheDevicesShareOfMessages) {
    const std::string content(50'000, 'x');
    firmware_wanted = "2.0";
    come_online();
    const Uptime before = now;
    const int asked = serve(content, 1);
    EXPECT_GT(asked, 300);
    EXPECT_GE(now - before, settings.chunk_pause * (asked - 1));
}

TEST_F(Firmware, InstallsWhatIsWantedAndIsGoodWhenTheServerAnswersItsBirth) {
    firmware_wanted = "2.0";
    come_online();
    serve(std::string(1000, 'i'), 9);
    ASSERT_EQ(count<sim::InstallFirmware>(), 1);
    boot();
    EXPECT_EQ(device->firmware(), "2.0");
    EXPECT_TRUE(device->on_trial());
    come_online();
    EXPECT_FALSE(device->on_trial());
    EXPECT_FALSE(next_question());
    boot();
    EXPECT_EQ(device->firmware(), "2.0");
    EXPECT_FALSE(device->on_trial());
}

TEST_F(Firmware, IsRolledBackWhenItDidNotComeUpAndNotTriedAgainUntilAnotherIsWanted) {
    firmware_wanted = "2.0";
    come_online();
    serve(std::string(1000, 'i'), 9);
    boot();
    boot();
    EXPECT_EQ(device->firmware(), "1.0");
    EXPECT_EQ(device->counters().rolled_back, 1);
    come_online();
    EXPECT_FALSE(next_question());
    boot();
    come_online();
    EXPECT_FALSE(next_question()) << "it remembers over a reboot";
    firmware_wanted = "2.1";
    ack();
    EXPECT_TRUE(next_question());
    firmware_wanted = "2.0";
    ack();
    EXPECT_TRUE(next_question()) << "another was wanted meanwhile";
}

TEST_F(Firmware, IsGivenUpWhenItDoesNotReachTheServerInTime) {
    firmware_wanted = "2.0";
    come_online();
    serve(std::string(1000, 'i'), 9);
    boot();
    (void)next_question(settings.firmware_trial - 1s);
    EXPECT_EQ(count<sim::RollBackFirmware>(), 0);
    (void)next_question(2s);
    EXPECT_EQ(count<sim::RollBackFirmware>(), 1);
    boot();
    EXPECT_EQ(device->firmware(), "1.0");
}

TEST_F(Firmware, ThatWasGivenUpIsToldOfOnceBeforeItIsForgotten) {
    firmware_wanted = "2.0";
    come_online();
    serve(std::string(1000, 'i'), 9);
    boot();
    EXPECT_TRUE(failures().empty());
    const sim::MemoryDocumentStore on_trial = store;
    boot();
    EXPECT_EQ(failures(), std::vector<std::string>{"2.0"});
    // The power went behind the fact and before the mark of the trial was gone.
    store = on_trial;
    boot();
    EXPECT_EQ(failures(), std::vector<std::string>{"2.0"});
    EXPECT_FALSE(device->on_trial());
    boot();
    EXPECT_EQ(failures(), std::vector<std::string>{"2.0"});
}

TEST_F(Firmware, ThatFailsAgainAfterAnotherWasWantedIsToldOfAgain) {
    firmware_wanted = "2.0";
    come_online();
    serve(std::string(1000, 'i'), 9);
    boot();
    boot();
    firmware_wanted = "2.1";
    come_online();
    firmware_wanted = "2.0";
    ack();
    serve(std::string(1000, 'i'), 9);
    ASSERT_EQ(count<sim::InstallFirmware>(), 2);
    boot();
    boot();
    EXPECT_EQ(failures(), (std::vector<std::string>{"2.0", "2.0"}));
}

TEST_F(Log, IsOfferedAndSentInPiecesAsTheServerAsks) {
    come_online();
    for (int i = 0; i < 20; ++i) device->note("line " + std::to_string(i), now);
    command(topics::LogsSend{});
    const auto& held = journal->held();
    const auto ready = std::ranges::find_if(held, [](const sim::HeldFact& one) {
        return std::holds_alternative<topics::DocumentReady>(one.fact.body);
    });
    ASSERT_NE(ready, held.end());
    const auto fact = std::get<topics::DocumentReady>(ready->fact.body);
    EXPECT_EQ(fact.document, "logs");
    EXPECT_EQ(std::get<topics::CommandDone>(held.back().fact.body).rc, 0);
    const std::string log = *documents->offered("logs");
    EXPECT_EQ(fact.sha256, topics::to_hex(topics::sha256(log)));
    EXPECT_NE(log.find("line 19"), std::string::npos);
    boot();
    come_online();
    std::string fetched;
    for (std::int64_t index = 0; fetched.size() < log.size(); index += 2) {
        device->message(Level::chunk_down,
                        topics::encode(topics::ChunksWanted{kCn, "logs", index, 2}), now);
        sent.clear();
        (void)next_question(1s);
        ASSERT_FALSE(sent.empty());
        for (const topics::Chunk& chunk : sent) {
            EXPECT_EQ(chunk.document, topics::tag_of(topics::sha256(log)));
            fetched += chunk.bytes;
        }
    }
    EXPECT_EQ(fetched, log);
}

TEST_F(Log, SaysNothingToAQuestionForWhatItDoesNotOffer) {
    come_online();
    device->message(Level::chunk_down, topics::encode(topics::ChunksWanted{kCn, "logs", 0, 1}),
                    now);
    device->message(Level::chunk_down, "rubbish", now);
    (void)next_question(1s);
    EXPECT_TRUE(sent.empty());
    EXPECT_EQ(device->counters().unknown_chunks, 1);
    EXPECT_EQ(device->counters().malformed, 1);
}

TEST_F(Log, ForgetsTheOldestLinesFirst) {
    sim::DeviceLog log{64};
    for (int i = 0; i < 100; ++i) log.add(1, 0s, "line " + std::to_string(i));
    EXPECT_LE(log.text().size(), 64U);
    EXPECT_NE(log.text().find("line 99"), std::string::npos);
    log.add(1, 0s, std::string(1000, 'x'));
    EXPECT_EQ(log.text().size(), 64U);
}

TEST_F(Lease, EndsWithABootUnlessTheSiteGrantsAGrace) {
    const std::string content = topics::encode(document(7));
    wanted = 7;
    come_online();
    serve(content, 7);
    EXPECT_TRUE(device->lease_runs(now));
    boot();
    EXPECT_FALSE(device->lease_runs(now));
    settings.lease_grace = 60s;
    boot();
    EXPECT_TRUE(device->lease_runs(59s));
    EXPECT_FALSE(device->lease_runs(60s));
}

TEST_F(Lease, GoesOnOverABootWhenAClockWithABatteryKnowsTheTime) {
    settings.utc_at_boot_s = kMonday_s;
    boot();
    EXPECT_FALSE(device->lease_runs(now));
    come_online();
    settings.utc_at_boot_s = kMonday_s + 1800;
    boot();
    EXPECT_TRUE(device->lease_runs(1799s));
    EXPECT_FALSE(device->lease_runs(1800s));
    settings.utc_at_boot_s = kMonday_s + 3600;
    boot();
    EXPECT_FALSE(device->lease_runs(now));
}

TEST_F(Lease, IsOverWhenTheClockWithABatteryIsBehindTheLastAck) {
    settings.utc_at_boot_s = kMonday_s;
    boot();
    come_online();
    for (const std::int64_t set_back : {std::int64_t{0}, kMonday_s - 1}) {
        settings.utc_at_boot_s = set_back;
        boot();
        EXPECT_FALSE(device->lease_runs(now)) << set_back;
        EXPECT_FALSE(device->utc_s(now)) << "facts are dated by the boot";
    }
    settings.utc_at_boot_s = kMonday_s;
    boot();
    EXPECT_TRUE(device->lease_runs(3599s));
    EXPECT_FALSE(device->lease_runs(3600s));
}

TEST_F(Lease, OfARevokedDeviceIsOverAfterABootToo) {
    settings.utc_at_boot_s = kMonday_s;
    boot();
    come_online();
    lease_s = 0;
    ack();
    boot();
    EXPECT_FALSE(device->lease_runs(now));
}

TEST_F(Lease, AnAckThatIsSentAgainExtendsNothingAndBringsNoOlderWishes) {
    now = 10s;
    wanted = 7;
    lease_s = 86'400;
    firmware_wanted = "2.0";
    come_online();
    const Uptime early = now;
    now = 100s;
    wanted = 0;
    lease_s = 60;
    firmware_wanted.reset();
    ack();
    questions.clear();
    (void)device->take_actions();
    const Uptime late = now + 30s;
    wanted = 7;
    lease_s = 86'400;
    firmware_wanted = "2.0";
    device->record(topics::CardTapped{kAnna}, late);
    topics::Ack old;
    old.cn = kCn;
    old.epoch = Epoch{1};
    old.acked = journal->last();
    old.now_s = kMonday_s + std::chrono::floor<std::chrono::seconds>(early).count();
    old.lease_s = lease_s;
    old.rights_version = wanted;
    old.firmware_wanted = firmware_wanted;
    device->message(Level::ack, topics::encode(old), late);
    EXPECT_TRUE(journal->empty()) << "what is committed is committed";
    EXPECT_TRUE(device->lease_runs(now + 59s));
    EXPECT_FALSE(device->lease_runs(now + 60s));
    EXPECT_EQ(device->utc_s(late), kMonday_s + 130);
    EXPECT_TRUE(device->current());
    now = late;
    EXPECT_FALSE(next_question());
}

TEST_F(Lease, IsNotRenewedByAnAckThatOnlyComplains) {
    come_online();
    lease_s = 86'400;
    for (const AckError error : {AckError::hello, AckError::slow, AckError::bad}) ack(error);
    EXPECT_FALSE(device->lease_runs(now + 3600s));
    lease_s = 0;
    ack();
    EXPECT_FALSE(device->lease_runs(now)) << "revoked";
}

TEST_F(Locked, RefusesEverybodyUntilItIsUnlockedAlsoAfterAReboot) {
    const std::string content = topics::encode(document(7));
    wanted = 7;
    come_online();
    serve(content, 7);
    command(topics::Lock{true});
    device->command_finished(1, 0, std::nullopt, now);
    const auto refused = [&] {
        device->ask(kAnna, kHall, {}, now);
        for (const sim::Action& action : device->take_actions()) {
            if (const auto* decided = std::get_if<sim::Decided>(&action)) return decided->code;
        }
        return std::string{"asked the server"};
    };
    EXPECT_EQ(refused(), "locked");
    boot();
    come_online();
    EXPECT_EQ(refused(), "locked");
    command(topics::SlotUnlock{topics::Slot{12}});
    EXPECT_EQ(count<sim::Run>(), 1) << "the slot opens for the server all the same";
    device->command_finished(2, 0, std::nullopt, now);
    command(topics::Lock{false});
    device->command_finished(3, 0, std::nullopt, now);
    EXPECT_EQ(refused(), "asked the server");
}

TEST_F(Locked, RefusesWhoseAnswerWasUnderWay) {
    come_online();
    const std::int64_t number = device->ask(kAnna, kHall, {}, now);
    command(topics::Lock{true});
    topics::RequestAnswer yes;
    yes.cn = kCn;
    yes.number = number;
    device->message(Level::answer, topics::encode(yes), now);
    bool granted = false;
    for (const sim::Action& action : device->take_actions()) {
        if (const auto* decided = std::get_if<sim::Decided>(&action)) granted = decided->granted;
    }
    EXPECT_FALSE(granted);
}

TEST_F(Kept, SettingsOutliveAReboot) {
    come_online();
    command(topics::SettingsCommand{"CET-1CEST,M3.5.0,M10.5.0/3", 7});
    EXPECT_EQ(device->time_zone(), "CET-1CEST,M3.5.0,M10.5.0/3");
    boot();
    EXPECT_EQ(device->time_zone(), "CET-1CEST,M3.5.0,M10.5.0/3");
    device->connected(kCn, now);
    device->subscribed(now);
    for (const sim::Action& action : device->take_actions()) {
        const auto* publish = std::get_if<sim::Publish>(&action);
        if (publish == nullptr || publish->what != sim::Said::birth) continue;
        EXPECT_EQ(std::get<topics::Birth>(*topics::decode_state(publish->payload)).heartbeat_s, 7);
    }
}

TEST_F(Kept, OneCommandRunsAtATime) {
    come_online();
    command(topics::SlotUnlock{topics::Slot{12}});
    command(topics::SlotUnlock{topics::Slot{13}});
    EXPECT_EQ(count<sim::Run>(), 1);
    device->command_finished(1, 0, std::nullopt, now);
    --commands;
    command(topics::SlotUnlock{topics::Slot{13}});
    EXPECT_EQ(count<sim::Run>(), 2);
}

}  // namespace
}  // namespace klyuchnik::test
