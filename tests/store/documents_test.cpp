// Documents, uploads and the rights of cabinets on a real database, with a clock that the test
// sets.
#include <chrono>
#include <iostream>
#include <map>

#include <gmock/gmock.h>

#include "db/access/document_views.hpp"
#include "db/access/documents_store.hpp"
#include "db/access/keys_store.hpp"
#include "db/access/log_store.hpp"
#include "handlers/keys/domain.hpp"
#include "handlers/keys/make_rights_documents.hpp"
#include "handlers/runtime/alarms.hpp"
#include "handlers/runtime/document_stage.hpp"
#include "handlers/runtime/housekeeper.hpp"
#include "handlers/runtime/inbox_stage.hpp"
#include "handlers/runtime/reaction.hpp"
#include "tests/store/store.hpp"
#include "topics/codec.hpp"
#include "topics/limits.hpp"
#include "topics/names.hpp"
#include "topics/rights_document.hpp"

namespace klyuchnik::test {
namespace {

using namespace std::chrono_literals;
using handlers::Outgoing;
using handlers::Work;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using topics::DeviceId;
using topics::Instant;
using topics::Version;

constexpr Instant kStart = topics::from_unix_seconds(1'800'000'000);

std::string hash_of(const std::string& content) {
    return topics::to_hex(topics::sha256(content));
}

class WithCabinets : public Store {
 protected:
    const DeviceId hall_ = device_id("kc-hall1");
    const DeviceId gate_ = device_id("kc-gate1");
    process::ManualClock clock_{kStart};
    process::Metrics metrics_;
    db::Connection connection_{as("kl_keys")};

    void SetUp() override {
        for (const DeviceId& device : {hall_, gate_}) add_device(device);
    }
    void add_device(const DeviceId& device) {
        owner_.rows(
            "insert into devices.devices (device_id, name, created_at) values ($1, 'n', now())",
            {device.text()});
        owner_.rows(
            "insert into devices.presence (device_id, cn, since, packet_bytes_max, state) values "
            "($1, 5, now(), 1024, 'online')",
            {device.text()});
        owner_.rows(
            "insert into runtime.cursors (device_id, cn, epoch, packet_bytes_max) values ($1, 5, "
            "1, "
            "1024)",
            {device.text()});
    }
    template <class Do>
    auto in_tx(Do work) {
        db::Tx tx{connection_};
        if constexpr (std::is_void_v<decltype(work(tx))>) {
            work(tx);
            tx.commit();
        } else {
            auto result = work(tx);
            tx.commit();
            return result;
        }
    }
    std::int64_t count(const std::string& what) {
        return owner_.number("select count(*) from " + what);
    }
    void refused(const std::string& constraint, const std::string& sql) {
        const auto answer = owner_.ask(sql);
        EXPECT_EQ(answer.state.substr(0, 2), "23") << sql << ": " << answer.error;
        EXPECT_NE(answer.error.find("\"" + constraint + "\""), std::string::npos) << answer.error;
    }
};

// -- content and versions

class Blobs : public WithCabinets {
 protected:
    void keep(const std::string& content, Instant now = kStart) {
        in_tx([&](db::Tx& tx) { db::add_blob(tx, hash_of(content), content, now); });
    }
};

TEST_F(Blobs, AnyBytesAreKeptUnderTheirHashOnce) {
    std::string content;
    for (int i = 0; i < 256; ++i) content += static_cast<char>(i);
    keep(content);
    keep(content);
    EXPECT_EQ(count("runtime.blobs where bytes = 256"), 1);
    const std::vector<std::string> wanted{hash_of(content), hash_of("another")};
    EXPECT_THAT(in_tx([&](db::Tx& tx) { return db::use_blobs(tx, wanted, kStart); }),
                ElementsAre(hash_of(content)));
}

TEST_F(Blobs, AHashThatIsNotTheirsIsRefusedByTheTable) {
    refused("blobs_name_is_their_hash",
            "insert into runtime.blobs values (sha256('x'), 1, 'y', now())");
    refused("blobs_bytes_are_counted",
            "insert into runtime.blobs values (sha256('x'), 2, 'x', now())");
    EXPECT_EQ(fault_of([&] {
                  in_tx([&](db::Tx& tx) { db::add_blob(tx, hash_of("x"), "y", kStart); });
              }).retry(),
              db::Fault::Retry::one_by_one);
}

TEST_F(Blobs, WhatNothingRefersToIsForgottenAfterItsTime) {
    keep("unused");
    keep("referred to");
    keep("firmware");
    in_tx([&](db::Tx& tx) {
        db::add_document(tx, hall_, "firmware", hash_of("referred to"), kStart);
    });
    owner_.rows(
        "insert into devices.firmware select '1.5.0', sha256, bytes, decode(repeat('ab', 64), "
        "'hex'), "
        "'site', '', now(), 'account:1' from runtime.blobs where content = 'firmware'");
    db::Connection relay{as("kl_relay")};
    const auto forget = [&](Instant before) {
        db::Tx tx{relay};
        const auto gone = db::forget_blobs(tx, before, 100, 1000);
        tx.commit();
        EXPECT_FALSE(gone.more);
        return gone.rows;
    };
    EXPECT_EQ(forget(kStart), 0U) << "somebody may be about to refer to it";
    EXPECT_EQ(forget(kStart + 1s), 1U) << "whatever refers to the others, they stay";
    EXPECT_EQ(count("runtime.blobs"), 2);
}

TEST_F(Blobs, OneStatementForgetsSoManyBytesAndSaysThatThereIsMore) {
    for (const char letter : {'a', 'b', 'c'}) keep(std::string(400, letter));
    keep(std::string(5000, 'd'), kStart + 1s);
    db::Connection relay{as("kl_relay")};
    const auto forget = [&] {
        db::Tx tx{relay};
        const auto gone = db::forget_blobs(tx, kStart + 1h, 100, 1000);
        tx.commit();
        return std::pair{gone.rows, gone.more};
    };
    EXPECT_EQ(forget(), std::pair(std::size_t{2}, true));
    EXPECT_EQ(forget(), std::pair(std::size_t{1}, true)) << "what is larger waits for its own";
    EXPECT_EQ(forget(), std::pair(std::size_t{1}, false)) << "one at least";
    EXPECT_EQ(count("runtime.blobs"), 0);
}

TEST_F(Blobs, WhatADeviceSentGoesWithItsVersionUnlessItIsUsedElsewhere) {
    const auto receive = [&](const std::string& content, Instant now) {
        keep(content, now);
        in_tx([&](db::Tx& tx) {
            db::add_received_document(tx, hall_, "logs", hash_of(content), now);
        });
    };
    receive("one", kStart);
    receive("shared", kStart);
    receive("used since", kStart);
    keep("used since", kStart + 1s);
    EXPECT_EQ(count("runtime.blobs where content = 'one'"), 0);
    in_tx([&](db::Tx& tx) { db::add_document(tx, gate_, "x", hash_of("shared"), kStart); });
    receive("four", kStart + 2s);
    receive("five", kStart + 2s);
    EXPECT_EQ(count("runtime.blobs where content = 'shared'"), 1) << "of another document too";
    EXPECT_EQ(count("runtime.blobs where content = 'used since'"), 1)
        << "somebody may be about to refer to it";
    EXPECT_EQ(count("runtime.documents where direction = 'up'"), 2);
}

TEST_F(Blobs, TheOneBeforeThePresentVersionStaysUntilTheNext) {
    for (const char* content : {"one", "two", "three"}) keep(content);
    in_tx([&](db::Tx& tx) {
        EXPECT_EQ(db::add_document(tx, hall_, "firmware", hash_of("one"), kStart), Version{1});
        EXPECT_EQ(db::add_document(tx, gate_, "firmware", hash_of("one"), kStart), Version{1});
        EXPECT_EQ(db::add_document(tx, hall_, "firmware", hash_of("two"), kStart), Version{2});
    });
    EXPECT_EQ(count("runtime.documents where device_id = 'kc-hall1'"), 2);
    in_tx([&](db::Tx& tx) { db::add_document(tx, hall_, "firmware", hash_of("three"), kStart); });
    EXPECT_EQ(count("runtime.documents where device_id = 'kc-hall1' and version in (2, 3)"), 2);
    EXPECT_EQ(count("runtime.documents where device_id = 'kc-hall1'"), 2);
    EXPECT_EQ(count("runtime.documents where device_id = 'kc-gate1'"), 1);
    EXPECT_EQ(fault_of([&] {
                  in_tx([&](db::Tx& tx) {
                      db::add_document(tx, hall_, "firmware", hash_of("none"), kStart);
                  });
              }).retry(),
              db::Fault::Retry::one_by_one);
}

TEST_F(Blobs, WhatADeviceSendsNeverStandsWhereItFetches) {
    keep("sent");
    keep("made");
    in_tx([&](db::Tx& tx) {
        db::add_document(tx, hall_, "rights", hash_of("made"), kStart);
        db::add_received_document(tx, hall_, "rights", hash_of("sent"), kStart);
    });
    const std::vector<db::WantedDocument> wanted{{hall_, "rights", Version{0}, 0}};
    const auto found = in_tx([&](db::Tx& tx) { return db::find_documents(tx, wanted); });
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].chunk, "made");
}

TEST_F(Blobs, QuestionsOfManyDevicesAreAnsweredAtOnce) {
    const std::string content = std::string(1500, 'a') + std::string(500, 'b');
    keep(content);
    in_tx([&](db::Tx& tx) {
        db::add_document(tx, hall_, "firmware", hash_of(content), kStart);
        db::add_document(tx, gate_, "firmware", hash_of(content), kStart);
    });
    owner_.rows("update runtime.cursors set packet_bytes_max = 256 where device_id = 'kc-gate1'");
    const std::vector<db::WantedDocument> wanted{{hall_, "firmware", Version{0}, std::nullopt},
                                                 {hall_, "nothing", Version{0}, 0},
                                                 {hall_, "firmware", Version{1}, 2},
                                                 {gate_, "firmware", Version{1}, 0},
                                                 {hall_, "firmware", Version{2}, 0},
                                                 {hall_, "firmware", Version{1}, 99}};
    std::map<std::size_t, db::FoundDocument> found;
    for (auto& one : in_tx([&](db::Tx& tx) { return db::find_documents(tx, wanted); })) {
        found[one.number] = one;
    }
    EXPECT_EQ(found.size(), 4U);
    EXPECT_EQ(found.at(0).bytes, 2000);
    EXPECT_EQ(found.at(0).packet_bytes_max, 1024);
    EXPECT_EQ(found.at(0).chunk, "");
    EXPECT_EQ(found.at(2).chunk, content.substr(1848));
    EXPECT_EQ(found.at(3).chunk, content.substr(0, 156));
    EXPECT_EQ(found.at(5).chunk, "") << "behind its end";
    owner_.rows(
        "update devices.devices set active = false, revoked_at = now(), revoked_why = 'x' where "
        "device_id = 'kc-hall1'");
    EXPECT_EQ(in_tx([&](db::Tx& tx) { return db::find_documents(tx, wanted); }).size(), 1U)
        << "nothing for a device that is revoked";
}

TEST_F(Blobs, TheBridgeReadsDocumentsPieceByPiece) {
    const std::string content = std::string(700, 'a') + std::string(700, '\0');
    keep(content);
    in_tx([&](db::Tx& tx) {
        db::add_received_document(tx, hall_, "logs", hash_of(content), kStart);
    });
    db::Connection bridge{as("kl_bridge")};
    db::Tx tx{bridge, db::Tx::Mode::read_only};
    ASSERT_EQ(db::documents(tx, hall_).size(), 1U);
    const auto row = db::document(tx, hall_, db::Direction::up, "logs", Version{0});
    ASSERT_TRUE(row);
    EXPECT_EQ(row->bytes, 1400);
    EXPECT_EQ(row->sha256, hash_of(content));
    EXPECT_EQ(db::document_piece(tx, *row, 0, 1000) + db::document_piece(tx, *row, 1000, 1000),
              content);
    EXPECT_EQ(db::document_piece(tx, *row, 2000, 1000), "");
    EXPECT_FALSE(db::document(tx, hall_, db::Direction::down, "logs", Version{0}));
    EXPECT_FALSE(db::document(tx, hall_, db::Direction::up, "logs", Version{2}));
    EXPECT_THAT(db::uploads(tx, hall_), IsEmpty());
    EXPECT_FALSE(db::cabinet_rights(tx, hall_));
}

// -- uploads

class Uploads : public WithCabinets {
 protected:
    const std::string content_ = std::string(2000, 'x') + std::string(500, 'y');
    std::vector<Outgoing> out_;

    handlers::FactItem announcement(const std::string& name) {
        handlers::FactItem item;
        item.number = {hall_, topics::Epoch{1}, topics::Sequence{1}};
        item.fact.body = topics::DocumentReady{name, 2500, hash_of(content_)};
        item.source = "kc-hall1:1:1";
        return item;
    }
    topics::Chunk chunk(std::int64_t index) {
        return topics::chunk_at(content_, topics::tag_of(topics::sha256(content_)), index, 924);
    }
    template <class Fill>
    void stage(Fill fill) {
        handlers::DocumentStage documents;
        Work work;
        work.now = clock_.now();
        fill(documents);
        db::Tx tx{connection_};
        documents.store(tx, work);
        handlers::store_alarms_and_events(tx, work);
        tx.commit();
        out_ = work.out;
    }
    void arrive(std::initializer_list<std::int64_t> indexes) {
        stage([&](handlers::DocumentStage& documents) {
            for (const std::int64_t index : indexes) {
                documents.arrived(hall_, topics::Connection{5}, chunk(index));
            }
        });
    }
    void announce() {
        stage([&](handlers::DocumentStage& documents) {
            documents.announced(announcement("logs"), topics::Connection{5});
        });
    }
    /// What was asked for: first and count, or nothing.
    std::pair<std::int64_t, std::int64_t> asked() {
        if (out_.empty()) return {-1, 0};
        const auto wanted = topics::decode_chunks_wanted(out_.back().payload);
        EXPECT_TRUE(wanted);
        return {wanted->index, wanted->count};
    }
    void look() {
        const handlers::TimedTask task = handlers::ask_for_chunks();
        Work work;
        work.now = clock_.now();
        db::Tx tx{connection_};
        task.work(work, tx);
        handlers::store_alarms_and_events(tx, work);
        tx.commit();
        out_ = work.out;
    }
    using Pair = std::pair<std::int64_t, std::int64_t>;
};

TEST_F(Uploads, AreAskedForUntilAllIsHere) {
    announce();
    EXPECT_EQ(asked(), Pair(0, 1)) << "the first chunk tells how it is cut";
    arrive({0});
    EXPECT_EQ(asked(), Pair(1, 2));
    arrive({2});
    EXPECT_EQ(asked(), Pair(1, 1)) << "the last one came, one is missing";
    arrive({1});
    EXPECT_TRUE(out_.empty());
    EXPECT_EQ(count("runtime.documents where direction = 'up' and name = 'logs'"), 1);
    EXPECT_EQ(count("runtime.upload_chunks"), 0);
    EXPECT_EQ(count("log.events where type = 'document_received'"), 1);
    arrive({1});
    EXPECT_EQ(count("log.events where type = 'document_received'"), 1) << "too late, and harmless";
}

TEST_F(Uploads, InOneBatchAndTwiceTheyAreWholeToo) {
    announce();
    arrive({2, 0, 0, 1, 2});
    EXPECT_EQ(count("runtime.documents where direction = 'up'"), 1);
}

TEST_F(Uploads, WhatDoesNotComeIsAskedForAgainWithGrowingPauses) {
    announce();
    look();
    EXPECT_TRUE(out_.empty()) << "asked a moment ago";
    std::vector<std::int64_t> pauses;
    for (int i = 0; i < 8; ++i) {
        std::int64_t waited = 0;
        while (out_.empty()) {
            clock_.advance(1s);
            ++waited;
            look();
        }
        EXPECT_EQ(asked(), Pair(0, 1));
        out_.clear();
        pauses.push_back(waited);
    }
    EXPECT_THAT(pauses, ElementsAre(3, 3, 6, 12, 24, 48, 60, 60));
}

TEST_F(Uploads, OfADeviceThatIsAwayWaitAndGoOnWhenItIsBack) {
    announce();
    owner_.rows("update devices.presence set state = 'offline' where device_id = 'kc-hall1'");
    clock_.advance(1h);
    look();
    EXPECT_TRUE(out_.empty());
    owner_.rows("update runtime.uploads set ask_after = now() + interval '20 years', asks = 9");
    owner_.rows(
        "update devices.presence set state = 'online', cn = 6 where device_id = 'kc-hall1'");
    stage([&](handlers::DocumentStage& documents) { documents.born(hall_); });
    look();
    EXPECT_EQ(asked(), Pair(0, 1));
    EXPECT_EQ(topics::decode_chunks_wanted(out_.back().payload)->cn.value, 6);
}

TEST_F(Uploads, OfWhatAnotherDeviceHasAreFetchedNotTaken) {
    in_tx([&](db::Tx& tx) {
        db::add_blob(tx, hash_of(content_), content_, kStart);
        db::add_document(tx, hall_, "rights", hash_of(content_), kStart);
        db::add_received_document(tx, gate_, "logs", hash_of(content_), kStart);
    });
    announce();
    EXPECT_EQ(asked(), Pair(0, 1)) << "whoever has it may say so and send it";
    EXPECT_EQ(count("runtime.documents where direction = 'up' and device_id = 'kc-hall1'"), 0);
    arrive({0, 1, 2});
    EXPECT_EQ(count("runtime.documents where direction = 'up' and device_id = 'kc-hall1'"), 1);
    announce();
    EXPECT_TRUE(out_.empty()) << "its own is not fetched twice";
    EXPECT_EQ(count("runtime.documents where direction = 'up' and device_id = 'kc-hall1'"), 2);
}

TEST_F(Uploads, AboveADaysWorthHaveFailedBeforeTheyBeganUntilTheNextDay) {
    announce();
    EXPECT_EQ(owner_.number("select day_bytes from runtime.uploads"), 2500);
    owner_.rows("update runtime.uploads set state = 'failed', day_bytes = $1",
                {std::to_string(handlers::kUploadBytesPerDayMax - 2499)});
    announce();
    EXPECT_TRUE(out_.empty());
    EXPECT_EQ(count("runtime.uploads where state = 'failed'"), 1);
    EXPECT_EQ(count("log.events where type = 'document_failed' and ids->>'why' = 'daily_quota'"),
              1);
    EXPECT_EQ(count("runtime.alarms where kind = 'document_failed'"), 1);
    clock_.advance(24h);
    announce();
    EXPECT_EQ(asked(), Pair(0, 1));
    EXPECT_EQ(owner_.number("select day_bytes from runtime.uploads"), 2500);
}

TEST_F(Uploads, OfADeviceThatIsHereAndNeverAnswersAreGivenUp) {
    announce();
    owner_.rows("update runtime.uploads set asks = 200, ask_after = now() - interval '1 day'");
    look();
    EXPECT_TRUE(out_.empty());
    EXPECT_EQ(count("runtime.uploads where state = 'failed'"), 1);
    EXPECT_EQ(count("runtime.alarms where kind = 'document_failed'"), 1);
    announce();
    EXPECT_EQ(count("runtime.uploads where state = 'open'"), 1) << "announced again, begun again";
}

TEST_F(Uploads, ThatNobodyHearsOfAnyMoreAreForgottenWithTheirChunks) {
    announce();
    arrive({0});
    EXPECT_EQ(count("runtime.upload_chunks"), 1);
    db::Connection relay{as("kl_relay")};
    db::Tx tx{relay};
    EXPECT_EQ(db::forget_uploads(tx, kStart, 100), 0U);
    EXPECT_EQ(db::forget_uploads(tx, kStart + 1s, 100), 1U);
    tx.commit();
    EXPECT_EQ(count("runtime.upload_chunks"), 0);
}

// -- reactions and the rights of cabinets

class CabinetRights : public WithCabinets {
 protected:
    std::vector<Outgoing> sent_;
    db::Connection relay_{as("kl_relay")};

    std::unique_ptr<handlers::Reactions> reactions() {
        auto all = std::make_unique<handlers::Reactions>(as("kl_keys"), clock_, metrics_);
        all->add(handlers::keys::make_domain(), as("kl_keys"));
        return all;
    }
    std::unique_ptr<handlers::Reactions> reactions_ = reactions();

    void SetUp() override {
        WithCabinets::SetUp();
        owner_.rows(
            "insert into keys.keys (name, room, cabinet, slot, created_at) values ('101', 'r', "
            "'kc-hall1', 3, now()), ('102', 'r', 'kc-hall1', 4, now()), ('201', 'r', 'kc-gate1', "
            "1, "
            "now())");
        owner_.rows(
            "insert into accounts.people (full_name, created_at) values ('A', now()), ('B', "
            "now())");
        owner_.rows(
            "insert into accounts.identifiers values ('card', 'AAAA', 1, now()), ('card', 'BBBB', "
            "2, "
            "now())");
    }
    /// As the domains log it.
    void log(const std::string& domain, const std::string& type, const topics::EventIds& ids) {
        topics::Event event;
        event.domain = domain;
        event.type = type;
        event.subject = "test:1";
        event.actor = "account:1";
        event.source = "ask:1";
        event.occurred = clock_.now();
        event.ids = ids;
        in_tx([&](db::Tx& tx) { db::add_events(tx, {&event, 1}); });
    }
    void right(const std::string& verb, std::int64_t person, std::int64_t key) {
        const db::Right one{topics::PersonId{person}, topics::KeyId{key}};
        in_tx([&](db::Tx& tx) {
            if (verb == "granted") {
                db::add_rights(tx, {&one, 1}, clock_.now(), "x");
            } else {
                db::remove_rights(tx, {&one, 1}, clock_.now(), "x");
            }
        });
        topics::EventIds ids;
        ids.key = one.key;
        ids.person = one.person;
        log("keys", "right_" + verb, ids);
    }
    /// Gives every event its place, and lets the reactions do what is to be done by then.
    Instant react(bool connected = true) {
        EXPECT_TRUE(eventually([&] {
            db::Tx tx{relay_};
            const db::Placed placed = db::place_events(tx, 1000);
            tx.commit();
            return placed.events == 0 && !placed.waiting;
        }));
        clock_.advance(handlers::keys::kBetweenVersions);
        return reactions_->work([&](const Outgoing& one) { sent_.push_back(one); },
                                [&] { return connected; });
    }
    topics::RightsDocument document(const std::string& cabinet) {
        const std::string hex = owner_.text(
            "select encode(content, 'hex') from runtime.documents d join runtime.blobs b using "
            "(sha256) where device_id = $1 and direction = 'down' and name = 'rights' order by "
            "version desc limit 1",
            {cabinet});
        std::string bytes;
        for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
            bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
        }
        const auto decoded = topics::decode_rights(bytes);
        EXPECT_TRUE(decoded);
        return decoded ? *decoded : topics::RightsDocument{};
    }
    std::int64_t version(const std::string& cabinet) {
        return owner_.number(
            "select coalesce(max(rights_version), 0) from runtime.wanted where device_id = $1",
            {cabinet});
    }
    std::int64_t made() { return count("log.events where type = 'rights_document_made'"); }
};

TEST_F(CabinetRights, AChangeConcernsItsCabinetAndNoOther) {
    right("granted", 1, 1);
    react();
    EXPECT_EQ(version("kc-hall1"), 1);
    EXPECT_EQ(version("kc-gate1"), 0);
    EXPECT_EQ(document("kc-hall1").keys.size(), 2U);
    ASSERT_EQ(document("kc-hall1").rows.size(), 1U);
    ASSERT_EQ(sent_.size(), 1U);
    const auto ack = topics::decode_ack(sent_[0].payload);
    ASSERT_TRUE(ack);
    EXPECT_EQ(ack->rights_version, 1);
    EXPECT_EQ(ack->cn.value, 5);
    EXPECT_EQ(sent_[0].topic, topics::device_topic(hall_, topics::Level::ack));
    right("revoked", 1, 1);
    react();
    EXPECT_EQ(version("kc-hall1"), 2);
    EXPECT_TRUE(document("kc-hall1").rows.empty());
}

TEST_F(CabinetRights, WaitForTheBrokerAndAreNotForgotten) {
    right("granted", 1, 1);
    react(false);
    EXPECT_EQ(version("kc-hall1"), 0);
    EXPECT_TRUE(sent_.empty());
    react();
    EXPECT_EQ(version("kc-hall1"), 1);
    EXPECT_EQ(sent_.size(), 1U);
}

TEST_F(CabinetRights, AnEventIsReadOnceHoweverOftenItIsLookedAt) {
    right("granted", 1, 1);
    react();
    react();
    EXPECT_EQ(made(), 1);
    EXPECT_EQ(owner_.number("select position from runtime.reactions"),
              owner_.number("select max(position) from log.positions"));
    topics::EventIds ids;
    ids.key.emplace(1);
    log("keys", "right_granted", ids);
    react();
    EXPECT_EQ(made(), 1) << "looked at, and nothing had changed";
    EXPECT_EQ(count("keys.stale_cabinets"), 0);
}

TEST_F(CabinetRights, ADeactivatedPersonsRightsEndEverywhere) {
    right("granted", 1, 1);
    right("granted", 1, 3);
    react();
    owner_.rows("update accounts.people set active = false where person_id = 1");
    topics::EventIds ids;
    ids.person.emplace(1);
    log("accounts", "person_deactivated", ids);
    const Instant when = clock_.now();
    react();
    EXPECT_EQ(version("kc-hall1"), 2);
    EXPECT_EQ(version("kc-gate1"), 2);
    EXPECT_TRUE(document("kc-gate1").rows.empty());
    EXPECT_EQ(count("keys.rights_ended"), 2);
    EXPECT_EQ(count("keys.rights"), 2) << "for the day they come back";
    const std::vector<db::RightAt> wanted{{{topics::PersonId{1}, topics::KeyId{1}}, when}};
    const auto ended = in_tx([&](db::Tx& tx) { return db::find_ended_rights(tx, wanted); });
    ASSERT_TRUE(ended[0]);
    EXPECT_EQ(ended[0]->ended, when);
}

TEST_F(CabinetRights, OfTwoProcessesOneReadsAndOneMakesEachVersion) {
    auto other = reactions();
    right("granted", 1, 1);
    right("granted", 2, 3);
    EXPECT_TRUE(eventually([&] {
        db::Tx tx{relay_};
        const db::Placed placed = db::place_events(tx, 1000);
        tx.commit();
        return placed.events == 0 && !placed.waiting;
    }));
    {
        // Somebody else is at it: there is nothing to do here.
        OwnerConnection busy{cluster_, database_.name()};
        busy.rows("begin");
        busy.rows("select position from runtime.reactions for update");
        other->work([](const Outgoing&) {});
        EXPECT_EQ(count("keys.stale_cabinets"), 0);
        busy.rows("rollback");
    }
    other->work([](const Outgoing&) {});
    reactions_->work([](const Outgoing&) {});
    EXPECT_EQ(made(), 2);
}

TEST_F(CabinetRights, ManyChangesInARowAreOneVersion) {
    right("granted", 1, 1);
    react();
    for (int i = 0; i < 5; ++i) {
        right("revoked", 1, 1);
        right("granted", 1, 1);
    }
    right("granted", 2, 1);
    react();
    EXPECT_EQ(version("kc-hall1"), 2);
}

TEST_F(CabinetRights, WhatDoesNotFitIsRaisedAndTheLastThatDidStays) {
    right("granted", 1, 1);
    react();
    owner_.rows(
        "insert into accounts.people (full_name, created_at) select 'P', now() from "
        "generate_series(1, 66000)");
    owner_.rows(
        "insert into accounts.identifiers select 'card', 'C' || i, 2 + i, now() from "
        "generate_series(1, 66000) i");
    owner_.rows(
        "insert into keys.rights select 2 + i, 1, now(), 'x' from generate_series(1, 66000) i");
    right("granted", 2, 2);
    react();
    EXPECT_EQ(version("kc-hall1"), 1);
    EXPECT_EQ(count("runtime.alarms where kind = 'rights_too_large' and state = 'open'"), 1);
    EXPECT_EQ(count("keys.cabinet_rights where cabinet = 'kc-hall1' and too_large"), 1);
    owner_.rows("delete from keys.rights where person_id > 10000");
    right("revoked", 2, 2);
    react();
    EXPECT_EQ(version("kc-hall1"), 2);
    EXPECT_EQ(count("runtime.alarms where kind = 'rights_too_large' and state = 'resolved'"), 1);
}

TEST_F(CabinetRights, SixtyThousandPairsAreComputedAtOnce) {
    owner_.rows(
        "insert into accounts.people (full_name, created_at) select 'P', now() from "
        "generate_series(1, 30000)");
    owner_.rows(
        "insert into accounts.identifiers select 'card', upper(md5(i::text)), 2 + i, now() from "
        "generate_series(1, 30000) i");
    owner_.rows(
        "insert into keys.rights select 2 + i, k, now(), 'x' from generate_series(1, 30000) i, "
        "generate_series(1, 2) k");
    owner_.rows("analyze");
    topics::EventIds ids;
    ids.device = hall_;
    log("devices", "device_added", ids);
    const auto begun = std::chrono::steady_clock::now();
    react();
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begun;
    std::cout << "60,000 pairs: "
              << owner_.number("select bytes from runtime.documents where device_id = 'kc-hall1'")
              << " bytes in " << took.count() << " ms\n";
    EXPECT_EQ(version("kc-hall1"), 1);
    EXPECT_EQ(document("kc-hall1").rows.size(), 60'000U);
}

TEST_F(CabinetRights, TheWholeFleetIsLookedAtOnceADayWithoutHoldingUpChanges) {
    right("granted", 1, 1);
    react();
    const handlers::TimedTask task = handlers::keys::look_at_all_cabinets();
    EXPECT_EQ(task.every, 24h);
    topics::EventIds ids;
    ids.device = gate_;
    log("devices", "device_added", ids);
    react();
    in_tx([&](db::Tx& tx) {
        Work work;
        work.now = clock_.now();
        task.work(work, tx);
    });
    EXPECT_EQ(count("keys.stale_cabinets"), 2);
    owner_.rows("update runtime.site set time_zone = 'Europe/Berlin'");
    clock_.advance(handlers::keys::kLookSpread);
    react();
    EXPECT_EQ(count("keys.stale_cabinets"), 0);
    EXPECT_EQ(version("kc-hall1"), 2) << "the offset is another, and no event has said so";
    const auto document1 = document("kc-hall1");
    EXPECT_EQ(document1.utc_offset_min, 60) << "January 2027";
    EXPECT_EQ(document1.utc_offset_after_min, 120);
    EXPECT_EQ(document1.offset_change_s, 1'806'195'600U) << "28 March 2027, 01:00 UTC";
}

TEST_F(CabinetRights, ATimeZoneThatDoesNotExistIsRefused) {
    refused("site_time_zone_known", "update runtime.site set time_zone = 'Europe/Nowhere'");
    refused("site_is_one_row", "insert into runtime.site values (false, 'UTC')");
}

TEST_F(CabinetRights, AHomeThatIsNoDeviceYetIsLookedAtWhenItBecomesOne) {
    owner_.rows(
        "insert into keys.keys (name, room, cabinet, slot, created_at) values ('301', 'r', "
        "'kc-later', 1, now())");
    topics::EventIds ids;
    ids.key.emplace(4);
    ids.device = device_id("kc-later");
    log("keys", "key_added", ids);
    react();
    EXPECT_EQ(version("kc-later"), 0);
    EXPECT_EQ(count("keys.stale_cabinets"), 0);
    add_device(device_id("kc-later"));
    log("devices", "device_added", ids);
    react();
    EXPECT_EQ(version("kc-later"), 1);
    EXPECT_EQ(document("kc-later").keys.size(), 1U);
}

TEST_F(CabinetRights, OneThatTheDatabaseRefusesDoesNotHoldUpTheOthers) {
    // A version that is there already stands for whatever may be wrong with one cabinet's rows.
    owner_.rows("insert into runtime.blobs values (sha256('x'), 1, 'x', now())");
    owner_.rows(
        "insert into runtime.documents values ('kc-gate1', 'down', 'rights', 1, sha256('x'), 1, "
        "now())");
    right("granted", 1, 3);
    right("granted", 1, 1);
    react();
    react();
    react();
    EXPECT_EQ(version("kc-hall1"), 1);
    EXPECT_EQ(version("kc-gate1"), 0);
    EXPECT_EQ(count("keys.stale_cabinets where cabinet = 'kc-gate1'"), 1);
    EXPECT_EQ(count("runtime.alarms where kind = 'rights_refused' and state = 'open' and subject = "
                    "'device:kc-gate1' and severity = 3"),
              1);
    owner_.rows("delete from runtime.documents where device_id = 'kc-gate1'");
    clock_.advance(handlers::keys::kAfterRefusal);
    react();
    EXPECT_EQ(version("kc-gate1"), 1);
    EXPECT_EQ(count("runtime.alarms where kind = 'rights_refused' and state = 'resolved'"), 1);
}

TEST_F(CabinetRights, ADeviceThatNamesTheirHashAsItsOwnDoesNotFreezeThem) {
    right("granted", 1, 1);
    react();
    // However it came to be: something refers to the content of a version that goes.
    owner_.rows(
        "insert into runtime.documents select 'kc-hall1', 'up', 'logs', 1, sha256, bytes, now() "
        "from runtime.documents where direction = 'down' and device_id = 'kc-hall1'");
    for (const char* verb : {"granted", "revoked", "granted"}) {
        right(verb, 2, 1);
        react();
    }
    EXPECT_EQ(version("kc-hall1"), 4);
    EXPECT_EQ(count("runtime.documents where direction = 'down' and device_id = 'kc-hall1'"), 2);
    EXPECT_EQ(count("runtime.blobs"), 3);
}

TEST_F(CabinetRights, ABirthThatClaimsTheLastNumberUsesUpNoVersions) {
    right("granted", 1, 1);
    react();
    owner_.rows("update runtime.cursors set rights_held = $1 where device_id = 'kc-hall1'",
                {std::to_string(topics::limits::kIntegerMax)});
    right("granted", 2, 1);
    react();
    EXPECT_EQ(version("kc-hall1"), 2);
    const auto cursors = in_tx([&](db::Tx& tx) { return db::read_cursors(tx, {&hall_, 1}); });
    EXPECT_EQ(cursors.at(0).rights_wanted, 2);
}

// -- what is kept of asks

class Inbox : public WithCabinets {
 protected:
    std::vector<Outgoing> out_;

    /// One transaction with this ask; whatever gets through is answered with `outcome`.
    void ask(const std::string& account, const std::string& id,
             const std::variant<topics::AskResult, topics::Refusal>& outcome, int times = 1) {
        handlers::Message message;
        topics::Ask ask;
        ask.id = id;
        ask.expires_s = topics::unix_seconds(kStart) + 60;
        ask.by.account = account;
        topics::ClaimDevice claim;
        claim.device = hall_;
        ask.body = claim;
        ask.digest = 7;
        message.body = handlers::AskMessage{{"devices", "claim_device", "client"}, ask};
        const std::vector<handlers::Message> messages(static_cast<std::size_t>(times), message);
        db::Tx tx{connection_};
        handlers::InboxStage stage{tx, messages, kStart};
        Work work;
        work.now = kStart;
        out_.clear();
        for (const handlers::Message& one : messages) stage.place(one, nullptr, work, out_);
        for (handlers::Item& item : work.items) std::get<handlers::AskItem>(item).outcome = outcome;
        stage.store(tx, work, "devices", out_);
        tx.commit();
    }
};

TEST_F(Inbox, KeepsNoRefusedClaimHoweverOftenItIsMade) {
    const topics::Refusal no{topics::Code::claim_refused, ""};
    ask("claim", "c1", no, 2);
    EXPECT_EQ(out_.size(), 2U) << "both are answered";
    EXPECT_EQ(out_.front().payload, out_.back().payload);
    EXPECT_EQ(count("runtime.inbox"), 0);
    ask("claim", "c1", topics::AskResult{});
    EXPECT_EQ(count("runtime.inbox"), 1) << "judged anew, and what was done is kept";
    ask("claim", "c1", no);
    EXPECT_EQ(count("runtime.inbox"), 1);
}

TEST_F(Inbox, IsForgottenAsFastAsItFills) {
    owner_.rows(
        "insert into runtime.inbox (account, ask_id, digest, answer, answered_at, expired) select "
        "'claim', "
        "i::text, 1, '{}', $1::timestamptz, false from generate_series(1, 230000) i",
        {topics::rfc3339(kStart)});
    owner_.rows("update runtime.chores set due_at = $1::timestamptz",
                {topics::rfc3339(kStart - 1h)});
    clock_.advance(topics::limits::kInboxKept + 1s);
    handlers::Housekeeper housekeeper{as("kl_relay"), {}, clock_, metrics_};
    housekeeper.work();
    EXPECT_EQ(count("runtime.inbox"), 0);
    EXPECT_EQ(owner_.text("select (due_at - $1::timestamptz)::text from runtime.chores where name "
                          "= 'forget_inbox'",
                          {topics::rfc3339(clock_.now())}),
              "00:05:00");
}

}  // namespace
}  // namespace klyuchnik::test
