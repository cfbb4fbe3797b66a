#include "tests/unit/topics/golden.hpp"

#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "topics/catalogue.hpp"
#include "topics/codec.hpp"
#include "topics/guard.hpp"
#include "topics/limits.hpp"
#include "topics/names.hpp"
#include "topics/sha256.hpp"

namespace klyuchnik::test {
namespace {

using namespace topics;

/// The only fact of topics/golden/fact.{kind}.json, whose envelope is the same in all of them.
template <class T>
T fact(const std::string& kind) {
    const auto batch = decode_facts(golden("fact." + kind));
    EXPECT_TRUE(batch) << kind << ": " << batch.error().text();
    if (!batch || batch->facts.size() != 1) return {};
    EXPECT_EQ(batch->cn, Connection{2718281});
    EXPECT_EQ(batch->epoch, Epoch{3});
    EXPECT_EQ(batch->lo, Sequence{1001});
    EXPECT_EQ(batch->first, Sequence{1041});
    const Fact& one = batch->facts.front();
    EXPECT_EQ(one.kind, kind);
    EXPECT_EQ(one.at.utc_s, 1763690000);
    EXPECT_EQ(one.at.boot, std::nullopt);
    EXPECT_EQ(one.at.since_boot_ms, std::nullopt);
    EXPECT_FALSE(one.old);
    EXPECT_TRUE(std::holds_alternative<T>(one.body)) << kind;
    const T* body = std::get_if<T>(&one.body);
    return body ? *body : T{};
}

template <class T>
T command(const std::string& kind) {
    const auto read = decode_command(golden("command." + kind));
    EXPECT_TRUE(read) << kind << ": " << read.error().text();
    if (!read) return {};
    EXPECT_EQ(read->cn, Connection{2718281});
    EXPECT_EQ(read->number, 881);
    EXPECT_EQ(read->expires_s, 1763690600);
    EXPECT_TRUE(std::holds_alternative<T>(read->body)) << kind;
    const T* body = std::get_if<T>(&read->body);
    return body ? *body : T{};
}

struct AskExpected {
    std::string id;
    std::string account;
    Via via;
};

template <class T>
T ask(const AskExpected& expected) {
    const std::string name = std::string{T::kDomain} + "." + T::kName;
    const auto read = decode_ask(T::kDomain, T::kName, golden("ask." + name));
    EXPECT_TRUE(read) << name << ": " << read.error().text();
    if (!read) return {};
    EXPECT_EQ(read->id, expected.id);
    EXPECT_EQ(read->expires_s, 1763690010);
    EXPECT_EQ(read->by.account, expected.account);
    EXPECT_EQ(read->by.via, expected.via);
    EXPECT_TRUE(std::holds_alternative<T>(read->body)) << name;
    EXPECT_EQ(domain_of(read->body), T::kDomain);
    EXPECT_EQ(name_of(read->body), T::kName);
    const T* body = std::get_if<T>(&read->body);
    return body ? *body : T{};
}

Ack ack(const std::string& name) {
    const auto read = decode_ack(golden("ack." + name));
    EXPECT_TRUE(read) << name << ": " << read.error().text();
    return read ? *read : Ack{};
}

}  // namespace

// -- all of them

TEST(Golden, EveryExampleIsReadAndWrittenBackToTheSameBytes) {
    for (const auto& [name, bytes] : golden()) {
        const std::string decoder = decoder_of(name);
        if (decoder.empty()) continue;
        const auto again = reencoded(decoder, bytes);
        ASSERT_TRUE(again) << name << ": " << again.error().text();
        EXPECT_EQ(*again, bytes) << name;
    }
}

TEST(Golden, EveryKindOfTheCatalogueHasAnExampleAndNoExampleIsOfAnotherKind) {
    std::set<std::string> expected;
    for (const Kind& kind : catalogue()) {
        constexpr const char* kDirections[] = {"fact.", "request.", "command.", "ask."};
        expected.insert(kDirections[static_cast<std::size_t>(kind.direction)] + kind.name);
    }
    std::set<std::string> found;
    for (const auto& [name, bytes] : golden()) {
        const std::string direction = name.substr(0, name.find('.') + 1);
        if (direction == "fact." || direction == "request." || direction == "command." ||
            direction == "ask.") {
            found.insert(name);
        }
    }
    EXPECT_EQ(found, expected);
}

TEST(Golden, EveryExampleIsCompactAndFitsTheSmallestPacketOfItsReader) {
    for (const auto& [name, bytes] : golden()) {
        EXPECT_EQ(nlohmann::ordered_json::parse(bytes).dump(), bytes) << name;
        const bool to_or_from_device = !name.starts_with("ask") && !name.starts_with("event");
        if (to_or_from_device) {
            EXPECT_LE(bytes.size() + 48, limits::kSmallPacketBytes) << name;
        }
    }
}

TEST(Golden, ATypicalEventFitsASmallPacketWithTheLongestDeviceIdAndHighestNumbers) {
    const auto device = DeviceId::parse("kc-a1b2c3d4e5f6a7b8c9");
    ASSERT_TRUE(device);
    FactBatch batch;
    batch.cn = Connection{limits::kConnectionMax};
    batch.epoch = Epoch{999};
    batch.lo = Sequence{99'999'000};
    batch.first = Sequence{99'999'999};
    Fact taken;
    taken.at = {1763690000, 9999, 4'294'967'295};
    taken.body =
        KeyTaken{Slot{512}, TagId{"04A2B3C4D5E680"}, KeyName{"101"}, CardSerial{"04A2B3C4"}};
    batch.facts.push_back(taken);
    const std::string topic = device_topic(*device, Level::facts);
    // Fixed header (1 + 2 length bytes), topic length (2), topic, packet id of QoS 1 (2), payload.
    const std::size_t packet = 3 + 2 + topic.size() + 2 + encode(batch).size();
    EXPECT_LE(packet, limits::kSmallPacketBytes) << encode(batch);
}

// -- birth and will

TEST(Golden, Birth) {
    const auto state = decode_state(golden("birth"));
    ASSERT_TRUE(state) << state.error().text();
    const auto* birth = std::get_if<Birth>(&*state);
    ASSERT_TRUE(birth);
    EXPECT_EQ(birth->cn, Connection{2718281});
    EXPECT_EQ(birth->epoch, Epoch{3});
    EXPECT_EQ(birth->boot, 12);
    EXPECT_EQ(birth->since_boot_ms, 3021);
    EXPECT_EQ(birth->lo, Sequence{1001});
    EXPECT_EQ(birth->hi, Sequence{1042});
    EXPECT_EQ(birth->rights_version, 41);
    EXPECT_EQ(birth->last_command, 880);
    EXPECT_EQ(birth->heartbeat_s, 30);
    EXPECT_EQ(birth->packet_bytes_max, 1024);
    EXPECT_EQ(birth->firmware, "1.4.2");
}

TEST(Golden, BirthOfADeviceThatHasNothingYet) {
    const auto state = decode_state(golden("birth.first"));
    ASSERT_TRUE(state) << state.error().text();
    const auto* birth = std::get_if<Birth>(&*state);
    ASSERT_TRUE(birth);
    EXPECT_EQ(birth->cn, Connection{4294967295});
    EXPECT_EQ(birth->epoch, Epoch{0});
    EXPECT_EQ(birth->lo, Sequence{0});
    EXPECT_EQ(birth->hi, Sequence{0});
    EXPECT_EQ(birth->packet_bytes_max, 256);
    EXPECT_EQ(birth->firmware, "");
}

TEST(Golden, Will) {
    const auto state = decode_state(golden("will"));
    ASSERT_TRUE(state) << state.error().text();
    const auto* will = std::get_if<Will>(&*state);
    ASSERT_TRUE(will);
    EXPECT_EQ(will->cn, Connection{2718281});
}

// -- acks

TEST(Golden, AckPlain) {
    const Ack plain = ack("plain");
    EXPECT_EQ(plain.cn, Connection{2718281});
    EXPECT_EQ(plain.epoch, Epoch{3});
    EXPECT_EQ(plain.acked, Sequence{1042});
    EXPECT_EQ(plain.now_s, 1763690011);
    EXPECT_EQ(plain.lease_s, 259200);
    EXPECT_EQ(plain.rights_version, 42);
    EXPECT_EQ(plain.error, AckError::none);
    EXPECT_EQ(plain.wait_s, std::nullopt);
    EXPECT_EQ(plain.reconnect_spread_s, std::nullopt);
    EXPECT_EQ(plain.detail, std::nullopt);
    EXPECT_EQ(plain.firmware_wanted, "1.4.2");
}

TEST(Golden, AckReconnect) {
    EXPECT_EQ(ack("reconnect").reconnect_spread_s, 120);
}

TEST(Golden, AckWithEachError) {
    EXPECT_EQ(ack("epoch").error, AckError::epoch);
    EXPECT_EQ(ack("epoch").epoch, Epoch{4});
    EXPECT_EQ(ack("epoch").acked, Sequence{0});
    EXPECT_EQ(ack("gap").error, AckError::gap);
    EXPECT_EQ(ack("gap").acked, Sequence{1040});
    EXPECT_EQ(ack("hello").error, AckError::hello);
    EXPECT_EQ(ack("slow").error, AckError::slow);
    EXPECT_EQ(ack("slow").wait_s, 30);
    EXPECT_EQ(ack("bad").error, AckError::bad);
    EXPECT_EQ(ack("bad").detail, "e[0].d.sl: expected an integer from 1 to 512, got 0");
}

TEST(Golden, Heartbeat) {
    const auto heartbeat = decode_heartbeat(golden("heartbeat"));
    ASSERT_TRUE(heartbeat) << heartbeat.error().text();
    EXPECT_EQ(heartbeat->cn, Connection{2718281});
    EXPECT_EQ(heartbeat->rssi_dbm, -61);
    EXPECT_EQ(heartbeat->uptime_s, 86400);
    EXPECT_EQ(heartbeat->content, R"({"heap":181240,"rssi":-61,"up":86400})");
}

// -- facts

TEST(Golden, FactsAboutAccess) {
    const auto granted = fact<AccessGranted>("access.granted");
    EXPECT_EQ(granted.request, 17);
    EXPECT_EQ(granted.card, CardSerial{"12345ABC"});
    EXPECT_EQ(granted.key, KeyName{"101"});
    const auto denied = fact<AccessDenied>("access.denied");
    EXPECT_EQ(denied.card, CardSerial{"12345ABC"});
    EXPECT_EQ(denied.key, KeyName{"101"});
    EXPECT_EQ(denied.why, "no_right");
    EXPECT_EQ(fact<CardTapped>("card.tapped").card, CardSerial{"0A1B2C3D"});
}

TEST(Golden, FactsAboutKeys) {
    const auto taken = fact<KeyTaken>("key.taken");
    EXPECT_EQ(taken.slot, Slot{12});
    EXPECT_EQ(taken.tag, TagId{"04A2B3C4D5E680"});
    EXPECT_EQ(taken.key, KeyName{"101"});
    EXPECT_EQ(taken.card, CardSerial{"12345ABC"});
    const auto returned = fact<KeyReturned>("key.returned");
    EXPECT_EQ(returned.slot, Slot{12});
    EXPECT_EQ(returned.tag, TagId{"04A2B3C4D5E680"});
    EXPECT_EQ(returned.key, KeyName{"101"});
    EXPECT_EQ(returned.card, CardSerial{"12345ABC"});
    const auto misplaced = fact<KeyMisplaced>("key.misplaced");
    EXPECT_EQ(misplaced.slot, Slot{13});
    EXPECT_EQ(misplaced.tag, TagId{"04A2B3C4D5E680"});
    const auto slots = fact<SlotsState>("slots.state").slots;
    ASSERT_EQ(slots.size(), 3U);
    EXPECT_EQ(slots[0].slot, Slot{1});
    EXPECT_EQ(slots[0].tag, TagId{"04A2B3C4D5E681"});
    EXPECT_EQ(slots[1].slot, Slot{2});
    EXPECT_EQ(slots[1].tag, std::nullopt);
    EXPECT_EQ(slots[2].slot, Slot{512});
}

TEST(Golden, FactsAboutTheCabinet) {
    fact<DoorOpened>("door.opened");
    fact<DoorClosed>("door.closed");
    fact<DoorForced>("door.forced");
    EXPECT_EQ(fact<DoorLeftOpen>("door.left_open").seconds, 95);
    EXPECT_EQ(fact<Tamper>("tamper").what, "back panel");
    EXPECT_FALSE(fact<Power>("power").on);
    const auto fault = fact<FaultReported>("fault.reported");
    EXPECT_EQ(fault.key, KeyName{"101"});
    EXPECT_EQ(fault.card, CardSerial{"12345ABC"});
    EXPECT_EQ(fault.severity, 2);
    EXPECT_EQ(fault.note, "ключ гнётся");
}

TEST(Golden, FactsOfEveryDevice) {
    EXPECT_EQ(fact<CommandAccepted>("cmd.accepted").command, 881);
    const auto done = fact<CommandDone>("cmd.done");
    EXPECT_EQ(done.command, 881);
    EXPECT_EQ(done.rc, 422);
    EXPECT_EQ(done.note, "slot jammed");
    EXPECT_EQ(fact<JournalOverrun>("journal.overrun").count, 57);
    const auto bad = fact<JournalBad>("journal.bad");
    EXPECT_EQ(bad.crc, 0xCAFEBABE);
    EXPECT_EQ(bad.bytes, 143);
    const auto ready = fact<DocumentReady>("doc.ready");
    EXPECT_EQ(ready.document, "log");
    EXPECT_EQ(ready.bytes, 18230);
    EXPECT_EQ(ready.sha256, "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08");
    const auto back = fact<FirmwareFailed>("firmware.failed");
    EXPECT_EQ(back.version, "1.5.0");
    EXPECT_EQ(back.note, "does not boot");
}

TEST(Golden, FactsAboutScales) {
    const auto state = fact<ScaleState>("scale.state");
    EXPECT_EQ(state.scale, 4);
    EXPECT_EQ(state.state, "ready");
    const auto failed = fact<ScaleFailed>("scale.failed");
    EXPECT_EQ(failed.scale, 4);
    EXPECT_EQ(failed.rc, 113);
    EXPECT_EQ(failed.note, "no answer");
}

TEST(Golden, AFactOfAnUnknownKindIsKeptWhole) {
    const auto batch = decode_facts(golden("facts.unknown_kind"));
    ASSERT_TRUE(batch) << batch.error().text();
    const Fact& fact = batch->facts.at(0);
    EXPECT_EQ(fact.kind, "window.opened");
    ASSERT_TRUE(std::holds_alternative<UnknownFact>(fact.body));
    EXPECT_EQ(kind_of(fact.body), "window.opened");
    EXPECT_EQ(fact.content, R"({"left":true,"mm":[12,30],"temp":-3.5})");
}

TEST(Golden, AFactWithAnUntrustedClockCarriesBootAndMilliseconds) {
    const auto batch = decode_facts(golden("facts.untrusted_clock"));
    ASSERT_TRUE(batch) << batch.error().text();
    ASSERT_EQ(batch->facts.size(), 2U);
    EXPECT_EQ(batch->facts[1].at.utc_s, std::nullopt);
    EXPECT_EQ(batch->facts[1].at.boot, 12);
    EXPECT_EQ(batch->facts[1].at.since_boot_ms, 81250);
}

TEST(Golden, ARenumberedFactKeepsItsOldNumber) {
    const auto batch = decode_facts(golden("facts.renumbered"));
    ASSERT_TRUE(batch) << batch.error().text();
    EXPECT_EQ(batch->epoch, Epoch{4});
    ASSERT_TRUE(batch->facts.at(0).old);
    EXPECT_EQ(batch->facts[0].old->epoch, Epoch{3});
    EXPECT_EQ(batch->facts[0].old->sequence, Sequence{1043});
    EXPECT_EQ(batch->facts.at(1).old->sequence, Sequence{1044});
}

// -- requests and answers

TEST(Golden, RequestForAKey) {
    const auto request = decode_request(golden("request.key.request"));
    ASSERT_TRUE(request) << request.error().text();
    EXPECT_EQ(request->cn, Connection{2718281});
    EXPECT_EQ(request->number, 17);
    const auto* body = std::get_if<KeyRequest>(&request->body);
    ASSERT_TRUE(body);
    EXPECT_EQ(body->card, CardSerial{"12345ABC"});
    EXPECT_EQ(body->key, KeyName{"101"});
    EXPECT_TRUE(body->with.empty());
}

TEST(Golden, RequestForAKeyWithWitnesses) {
    const auto request = decode_request(golden("requests.witnesses"));
    ASSERT_TRUE(request) << request.error().text();
    const auto* body = std::get_if<KeyRequest>(&request->body);
    ASSERT_TRUE(body);
    EXPECT_EQ(body->with, (std::vector{CardSerial{"0A1B2C3D"}, CardSerial{"0A1B2C3E"}}));
}

TEST(Golden, OtherRequests) {
    const auto get = decode_request(golden("request.doc.get"));
    ASSERT_TRUE(get) << get.error().text();
    const auto* document = std::get_if<DocumentGet>(&get->body);
    ASSERT_TRUE(document);
    EXPECT_EQ(document->document, "rights");
    EXPECT_EQ(document->version, 42);
    EXPECT_EQ(document->index, 0);
    const auto time = decode_request(golden("request.time"));
    ASSERT_TRUE(time) << time.error().text();
    EXPECT_TRUE(std::holds_alternative<TimeRequest>(time->body));
}

TEST(Golden, Answers) {
    const auto yes = decode_request_answer(golden("answer.ok"));
    ASSERT_TRUE(yes) << yes.error().text();
    EXPECT_EQ(yes->cn, Connection{2718281});
    EXPECT_EQ(yes->number, 17);
    EXPECT_EQ(yes->rc, 0);
    EXPECT_EQ(yes->slot, Slot{12});
    EXPECT_EQ(yes->code, std::nullopt);
    const auto no = decode_request_answer(golden("answer.refused"));
    ASSERT_TRUE(no) << no.error().text();
    EXPECT_EQ(no->rc, info(Code::no_right).rc);
    EXPECT_EQ(no->code, info(Code::no_right).name);
    EXPECT_EQ(no->text, info(Code::no_right).text);
    EXPECT_EQ(no->slot, std::nullopt);
    const auto time = decode_request_answer(golden("answer.time"));
    ASSERT_TRUE(time) << time.error().text();
    EXPECT_EQ(time->now_s, 1763690011);
}

// -- commands

TEST(Golden, Commands) {
    EXPECT_EQ(command<SlotUnlock>("slot.unlock").slot, Slot{12});
    EXPECT_EQ(command<Buzz>("buzz").milliseconds, 500);
    EXPECT_TRUE(command<Lock>("lock").locked);
    command<Reboot>("reboot");
    const auto settings = command<SettingsCommand>("settings");
    EXPECT_EQ(settings.time_zone, "MSK-3");
    EXPECT_EQ(settings.heartbeat_s, 60);
    command<SlotsReport>("slots.report");
    command<RightsRead>("rights.read");
    command<LogsSend>("logs.send");
    EXPECT_EQ(command<ScaleRead>("scale.read").scale, 4);
    const auto write = command<ScaleWrite>("scale.write");
    EXPECT_EQ(write.scale, 4);
    EXPECT_EQ(write.document, "plu-4");
}

// -- asks

TEST(Golden, AsksAboutAccounts) {
    const std::string token = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
    const auto person = ask<AddPerson>({"6f1c2b8e", "account:1", Via::session});
    EXPECT_EQ(person.full_name, "Person Example");
    EXPECT_EQ(person.cards, (std::vector{CardSerial{"12345ABC"}, CardSerial{"0A1B2C3D"}}));
    EXPECT_EQ(ask<DeactivatePerson>({"6f1c2b8f", "account:1", Via::session}).person, PersonId{7});
    const auto open = ask<OpenSession>({"6f1c2b90", "account:1", Via::key});
    EXPECT_EQ(open.account, AccountId{1});
    EXPECT_EQ(open.token_sha256, token);
    EXPECT_EQ(open.seconds, 28800);
    EXPECT_EQ(ask<CloseSession>({"6f1c2b91", "account:1", Via::session}).token_sha256, token);
}

const std::string kClaim = "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752";
const std::string kNonce = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const std::string kSecret = "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9";
const DeviceId kHall = *DeviceId::parse("kc-hall1");

TEST(Golden, AsksAboutTheIdentityOfDevices) {
    const auto device = ask<AddDevice>({"6f1c2b92", "account:1", Via::session});
    EXPECT_EQ(device.device, kHall);
    EXPECT_EQ(device.name, "Hall");
    EXPECT_EQ(device.place, "Left of the gate");
    EXPECT_EQ(device.claim_sha256, kClaim);
    EXPECT_EQ(device.claim_seconds, 604'800);
    const auto again = ask<IssueClaim>({"6f1c2ba0", "account:1", Via::session});
    EXPECT_EQ(again.claim_sha256, kClaim);
    const auto claim = ask<ClaimDevice>({"6f1c2ba1", "claim", Via::legacy});
    EXPECT_EQ(claim.device, kHall);
    EXPECT_EQ(claim.claim_sha256, kClaim);
    EXPECT_EQ(claim.nonce_sha256, kNonce);
    EXPECT_EQ(claim.secret_sha256, kSecret);
    EXPECT_EQ(claim.certificate_sha256, std::nullopt);
    const auto rotate = ask<RotateCredential>({"6f1c2ba2", "kc-hall1", Via::legacy});
    EXPECT_EQ(rotate.shown_sha256, kClaim);
    EXPECT_EQ(rotate.secret_sha256, std::nullopt);
    EXPECT_EQ(rotate.certificate_sha256, kSecret);
    EXPECT_EQ(rotate.ends_s, 1'797'990'011);
    EXPECT_EQ(rotate.overlap_seconds, 86'400);
    EXPECT_EQ(ask<RevokeDevice>({"6f1c2ba3", "account:1", Via::session}).reason, "stolen");
    const auto swap = ask<SwapDevice>({"6f1c2ba4", "account:1", Via::session});
    EXPECT_EQ(swap.claim_sha256, kClaim);
    EXPECT_EQ(swap.reason, "board burnt");
    const auto change = ask<ChangeDevice>({"6f1c2ba5", "account:1", Via::session});
    EXPECT_EQ(change.place, "Right of the gate");
    EXPECT_EQ(change.lease_seconds, 259'200);
    EXPECT_EQ(change.away_seconds, 900);
}

TEST(Golden, AsksAboutTheWorkOfDevices) {
    const auto command = ask<SendCommand>({"6f1c2ba6", "account:1", Via::session});
    EXPECT_EQ(command.device, kHall);
    EXPECT_EQ(command.kind, "slot.unlock");
    EXPECT_EQ(command.life_seconds, 60);
    EXPECT_EQ(command.slot, Slot{12});
    EXPECT_EQ(command.milliseconds, std::nullopt);
    EXPECT_EQ(ask<AcknowledgeAlarm>({"6f1c2ba7", "account:1", Via::session}).alarm, AlarmId{5});
    EXPECT_EQ(ask<SnoozeAlarm>({"6f1c2ba8", "account:1", Via::session}).seconds, 3600);
    EXPECT_EQ(ask<ResolveAlarm>({"6f1c2ba9", "account:1", Via::session}).reason, "lock replaced");
    EXPECT_EQ(ask<RetryLetter>({"6f1c2baa", "account:1", Via::session}).letter, LetterId{3});
    EXPECT_EQ(ask<DiscardLetter>({"6f1c2bab", "account:1", Via::session}).reason, "test device");
}

TEST(Golden, AsksAboutUploadsAndFirmware) {
    const auto part = ask<AddBlobPart>({"6f1c2bac", "account:1", Via::session});
    EXPECT_EQ(part.sha256, to_hex(sha256("hello")));
    EXPECT_EQ(part.bytes, 5);
    EXPECT_EQ(part.index, 0);
    EXPECT_EQ(part.total, 1);
    EXPECT_EQ(part.content, "aGVsbG8=");
    const auto firmware = ask<AddFirmware>({"6f1c2bad", "account:1", Via::session});
    EXPECT_EQ(firmware.version, "1.5.0");
    EXPECT_EQ(firmware.sha256, kSecret);
    EXPECT_EQ(firmware.signature.size(), 88U);
    EXPECT_EQ(firmware.notes, "quieter buzzer");
    const auto start = ask<StartRollout>({"6f1c2bae", "account:1", Via::session});
    EXPECT_EQ(start.version, "1.5.0");
    EXPECT_EQ(start.devices, std::vector{kHall});
    EXPECT_EQ(start.per_minute, 6);
    EXPECT_EQ(start.failures_max, 0);
    const auto stop = ask<StopRollout>({"6f1c2baf", "account:1", Via::session});
    EXPECT_EQ(stop.rollout, RolloutId{2});
    EXPECT_EQ(stop.reason, "two cabinets went back");
}

// -- documents and the guard

TEST(Golden, WhatADeviceMustKnowBeforeItPulls) {
    const auto request = decode_request(golden("request.doc.info"));
    ASSERT_TRUE(request) << request.error().text();
    const auto* wanted = std::get_if<DocumentInfo>(&request->body);
    ASSERT_TRUE(wanted);
    EXPECT_EQ(wanted->document, "rights");
    EXPECT_EQ(wanted->version, 42);
    const auto answer = decode_request_answer(golden("answer.document"));
    ASSERT_TRUE(answer) << answer.error().text();
    ASSERT_TRUE(answer->document);
    EXPECT_EQ(answer->document->version, 42);
    EXPECT_EQ(answer->document->bytes, 4160);
    EXPECT_EQ(answer->document->sha256, kSecret);
    EXPECT_EQ(answer->document->chunk_bytes, 924);
    const auto chunks = decode_chunks_wanted(golden("chunks_wanted"));
    ASSERT_TRUE(chunks) << chunks.error().text();
    EXPECT_EQ(chunks->cn, Connection{2718281});
    EXPECT_EQ(chunks->document, "logs");
    EXPECT_EQ(chunks->index, 0);
    EXPECT_EQ(chunks->count, 4);
}

TEST(Golden, WhatTheGuardSays) {
    const auto here = decode_guard_report(golden("guard.presence"));
    ASSERT_TRUE(here) << here.error().text();
    EXPECT_TRUE(here->presence);
    EXPECT_EQ(here->boot, "5f2b8c1d9e3a7046");
    EXPECT_EQ(here->devices, 20);
    const auto told = decode_guard_report(golden("guard.told"));
    ASSERT_TRUE(told) << told.error().text();
    EXPECT_FALSE(told->presence);
    EXPECT_EQ(told->told, "k-17");
    const auto flood = decode_guard_report(golden("guard.flood"));
    ASSERT_TRUE(flood) << flood.error().text();
    EXPECT_EQ(flood->flood, kHall);
    EXPECT_EQ(flood->dropped, 812);
    EXPECT_TRUE(flood->cut);
}

TEST(Golden, AsksAboutKeys) {
    const auto key = ask<AddKey>({"6f1c2b93", "account:1", Via::token});
    EXPECT_EQ(key.name, KeyName{"101"});
    EXPECT_EQ(key.room, "Room 101");
    EXPECT_EQ(key.tag, TagId{"04A2B3C4D5E680"});
    EXPECT_EQ(key.cabinet, DeviceId::parse("kc-hall1"));
    EXPECT_EQ(key.slot, Slot{12});
    const auto grant = ask<GrantRight>({"6f1c2b94", "account:1", Via::token});
    EXPECT_EQ(grant.person, PersonId{7});
    EXPECT_EQ(grant.key, KeyId{12});
    const auto revoke = ask<RevokeRight>({"6f1c2b95", "account:1", Via::token});
    EXPECT_EQ(revoke.person, PersonId{7});
    EXPECT_EQ(revoke.key, KeyId{12});
    const auto rights = ask<SetRights>({"6f1c2b96", "account:1", Via::token});
    EXPECT_EQ(rights.person, PersonId{7});
    EXPECT_EQ(rights.keys, (std::vector{KeyId{12}, KeyId{13}, KeyId{15}}));
    const auto issue = ask<IssueKey>({"6f1c2b97", "trusted-network", Via::legacy});
    EXPECT_EQ(issue.card, CardSerial{"12345ABC"});
    EXPECT_EQ(issue.key, KeyName{"101"});
    const auto back = ask<ReturnKey>({"6f1c2b98", "trusted-network", Via::legacy});
    EXPECT_EQ(back.card, CardSerial{"12345ABC"});
    EXPECT_EQ(back.key, KeyName{"101"});
}

TEST(Golden, AnswersToAsks) {
    const auto done = decode_ask_answer(golden("ask_answer.done"));
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_EQ(done->id, "6f1c2b97");
    EXPECT_EQ(done->rc, 0);
    EXPECT_EQ(done->code, std::nullopt);
    AskResult result;
    result.key = KeyId{12};
    result.loan = LoanId{301};
    EXPECT_EQ(done->content, encode(result));
    const auto accepted = decode_ask_answer(golden("ask_answer.accepted"));
    ASSERT_TRUE(accepted) << accepted.error().text();
    EXPECT_EQ(accepted->rc, 202);
    EXPECT_EQ(accepted->content, R"({"cmd":881})");
    const auto refused = decode_ask_answer(golden("ask_answer.refused"));
    ASSERT_TRUE(refused) << refused.error().text();
    EXPECT_EQ(refused->rc, info(Code::key_held_by_other).rc);
    EXPECT_EQ(refused->code, info(Code::key_held_by_other).name);
    EXPECT_EQ(refused->text, info(Code::key_held_by_other).text);
}

// -- what only we write

TEST(Golden, EventsAreCloudEvents) {
    PlacedEvent placed;
    placed.position = Position{4711};
    placed.recorded = from_unix_micros(1'763'690'000'114'233);
    placed.event = {.domain = "keys",
                    .type = "key_taken",
                    .subject = "key:12",
                    .actor = "device:kc-hall1",
                    .source = "kc-hall1:3:1041",
                    .occurred = from_unix_seconds(1'763'690'000),
                    .ids = {}};
    placed.event.ids.person = PersonId{7};
    placed.event.ids.key = KeyId{12};
    placed.event.ids.loan = LoanId{301};
    placed.event.ids.device = DeviceId::parse("kc-hall1");
    placed.event.ids.slot = Slot{12};
    EXPECT_EQ(encode(placed), golden("event.keys.key_taken"));
    const auto data = nlohmann::json::parse(golden("event.keys.key_taken")).at("data").dump();
    const auto ids = decode_event_ids(data);
    ASSERT_TRUE(ids) << ids.error().text();
    EXPECT_EQ(encode(*ids), encode(placed.event.ids));
}

TEST(Golden, Presence) {
    EXPECT_EQ(encode_presence(true, 1763690011), golden("presence.online"));
    EXPECT_EQ(encode_presence(false, 0), golden("presence.offline"));
}

}  // namespace klyuchnik::test
