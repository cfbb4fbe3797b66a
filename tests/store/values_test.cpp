#include <chrono>
#include <optional>
#include <vector>

#include "db/access/accounts_store.hpp"
#include "db/access/internal.hpp"
#include "db/access/keys_store.hpp"
#include "db/access/log_store.hpp"
#include "db/access/runtime_store.hpp"
#include "tests/store/store.hpp"

namespace klyuchnik::test {
namespace {

using topics::Instant;

const db::Query kTexts{"test_texts",
                       "select t from unnest($1::text[]) with ordinality as u (t, n) order by n"};
const db::Query kTimes{
    "test_times", "select t from unnest($1::timestamptz[]) with ordinality as u (t, n) order by n"};
const db::Query kTime{"test_time", "select $1::timestamptz"};
const db::Query kInteger{"test_integer", "select $1::bigint[]"};
const db::Query kText{"test_text", "select $1::text"};
const db::Query kBooleans{
    "test_booleans", "select t from unnest($1::boolean[]) with ordinality as u (t, n) order by n"};

/// What goes into the database comes out of it.
class Values : public Store {
 protected:
    std::vector<std::optional<std::string>> texts(
        const std::vector<std::optional<std::string>>& sent) {
        db::Tx tx{connection_};
        std::vector<std::optional<std::string>> back;
        for (const auto& row : db::run(tx, kTexts, db::array_of(sent))) {
            back.push_back(db::optional_text(row[0]));
        }
        return back;
    }
    void add_devices() {
        owner_.rows(
            "insert into devices.devices (device_id, name, created_at) values "
            "('kc-hall1', 'n', now()), ('sg-roof1', 'n', now())");
        owner_.rows(
            "insert into runtime.cursors (device_id) select device_id from devices.devices");
    }
    db::Connection connection_{as("kl_keys")};
};

const std::vector<std::optional<std::string>> kTrickyTexts{
    "",
    std::nullopt,
    "NULL",
    "null",
    "\"",
    "\\",
    "\\\\",
    "\\\"",
    "a\"b\\c",
    ",",
    "{",
    "}",
    "{}",
    "{\"a\",NULL}",
    "'",
    "'; drop table keys.loans; --",
    "$1",
    " ",
    "  both  ",
    "\t\n\r\v\f",
    "\x01\x1F\x7F",
    "%_\\%",
    "\xD0\x9A\xD0\xBB\xD1\x8E\xD1\x87",
    "\xF0\x9F\x94\x91",
    "e\xCC\x81",
    "\xE2\x80\xAE",
    "\xEF\xBB\xBF",
    "\xEF\xBF\xBF",
    "\xC2\x85",
};

TEST_F(Values, TextsInAListComeBackAsTheyWere) {
    EXPECT_EQ(texts(kTrickyTexts), kTrickyTexts);
}

TEST_F(Values, EveryAsciiCharacterInAListComesBack) {
    std::vector<std::optional<std::string>> sent;
    for (char c = 1; c < 127; ++c) {
        sent.emplace_back(std::string(1, c));
        sent.emplace_back(std::string("a") + c + "b");
    }
    EXPECT_EQ(texts(sent), sent);
}

TEST_F(Values, AnEmptyListAndALongTextComeBack) {
    EXPECT_TRUE(texts({}).empty());
    const std::vector<std::optional<std::string>> sent{std::string(300'000, '"'), "x"};
    EXPECT_EQ(texts(sent), sent);
}

TEST_F(Values, ATextAloneComesBackAsItWas) {
    db::Tx tx{connection_};
    for (const auto& sent : kTrickyTexts) {
        EXPECT_EQ(db::optional_text(db::run(tx, kText, sent)[0][0]), sent);
    }
}

TEST_F(Values, TimesComeBackToTheMicrosecond) {
    using namespace std::chrono;
    std::vector<Instant> sent;
    for (const std::int64_t micros : {0LL, 1LL, -1LL, 999'999LL, 1'000'000LL, -1'000'000LL,
                                      100'000LL, 120'000LL, 10LL, -500'000LL}) {
        sent.push_back(topics::from_unix_micros(micros));
    }
    for (const auto day :
         {sys_days{1970y / 1 / 1}, sys_days{1969y / 12 / 31}, sys_days{1900y / 2 / 28},
          sys_days{2000y / 2 / 29}, sys_days{2024y / 2 / 29}, sys_days{2038y / 1 / 19},
          sys_days{2100y / 3 / 1}, sys_days{9999y / 12 / 31}, sys_days{1y / 1 / 1},
          // The hour that Moscow lived twice, and the one it never had.
          sys_days{2014y / 10 / 25}, sys_days{2011y / 3 / 26}}) {
        sent.push_back(Instant{day});
        sent.push_back(Instant{day} + 23h + 59min + 59s + 999'999us);
        sent.push_back(Instant{day} + 22h + 30min + 7us);
    }
    db::Tx tx{connection_};
    const auto back = db::run(tx, kTimes, db::array_of(sent));
    ASSERT_EQ(static_cast<std::size_t>(back.size()), sent.size());
    for (std::size_t i = 0; i < sent.size(); ++i) {
        const auto row = back[static_cast<pqxx::result::size_type>(i)];
        EXPECT_EQ(db::instant_of(row[0]), sent[i]) << row[0].c_str();
        EXPECT_EQ(db::instant_of(db::run(tx, kTime, sent[i])[0][0]), sent[i]);
    }
}

TEST_F(Values, NoTimeIsNoTime) {
    db::Tx tx{connection_};
    const auto row = db::run(tx, kTime, std::optional<Instant>{})[0];
    EXPECT_EQ(db::optional_instant_of(row[0]), std::nullopt);
}

TEST_F(Values, IntegersAndBooleansComeBack) {
    const std::vector<std::int64_t> sent{0, -1, 1, INT64_MIN, INT64_MAX};
    db::Tx tx{connection_};
    EXPECT_EQ(db::integers_of(db::run(tx, kInteger, db::array_of(sent))[0][0]), sent);
    EXPECT_TRUE(
        db::integers_of(db::run(tx, kInteger, db::array_of(std::vector<std::int64_t>{}))[0][0])
            .empty());
    const auto back = db::run(tx, kBooleans, db::array_of(std::vector<bool>{true, false}));
    EXPECT_TRUE(back[0][0].as<bool>());
    EXPECT_FALSE(back[1][0].as<bool>());
}

TEST_F(Values, ATextThatIsNotUtf8IsRefusedAndHarmsNothing) {
    const db::Fault fault = fault_of([&] { texts({"\xC3\x28"}); });
    EXPECT_EQ(fault.retry(), db::Fault::Retry::one_by_one);
    EXPECT_EQ(fault.state(), "22021");
    EXPECT_EQ(texts({"x"}).size(), 1U);
}

TEST_F(Values, CardsAreFoundByEveryLetterOfThem) {
    db::Connection accounts{as("kl_accounts")};
    std::vector<topics::CardSerial> cards;
    for (const auto& text : kTrickyTexts) {
        if (text && !text->empty()) cards.push_back({*text});
    }
    db::Tx tx{accounts};
    const auto now = topics::from_unix_seconds(1'800'000'000);
    const auto person = db::add_person(tx, "O'Neill \"\\ \xD0\x96", now);
    EXPECT_EQ(db::add_cards(tx, person, cards, now), cards.size());
    tx.commit();
    db::Tx keys{connection_};
    const auto found = db::people_by_card(keys, cards);
    EXPECT_EQ(found.size(), cards.size());
    for (const auto& one : found) EXPECT_EQ(one.person.id, person);
    EXPECT_EQ(owner_.text("select full_name from accounts.people"), "O'Neill \"\\ \xD0\x96");
}

TEST_F(Values, ACursorComesBackWithItsDigests) {
    db::Cursor cursor;
    cursor.device = device_id("kc-hall1");
    cursor.cn.value = 4'294'967'295;
    cursor.epoch.value = 3;
    cursor.acked.value = 1041;
    cursor.recent_first.value = 1038;
    cursor.recent_digests = {0, 1, UINT64_MAX, 0x8000'0000'0000'0000};
    cursor.boot = 7;
    cursor.booted_at = topics::from_unix_micros(-1);
    cursor.skipped = 5;
    cursor.generation = 2;
    cursor.born_hi.value = 1050;
    cursor.clock_error_s = -3600;
    db::Cursor bare;
    bare.device = device_id("sg-roof1");
    add_devices();
    const std::vector<topics::DeviceId> both{cursor.device, bare.device};
    {
        db::Tx tx{connection_};
        ASSERT_EQ(db::lock_cursors(tx, both).size(), 2U);
        db::save_cursors(tx, std::vector{cursor, bare});
        tx.commit();
    }
    db::Tx tx{connection_};
    const auto back = db::lock_cursors(tx, both);
    ASSERT_EQ(back.size(), 2U);
    EXPECT_EQ(back[0].device, cursor.device);
    EXPECT_EQ(back[0].cn, cursor.cn);
    EXPECT_EQ(back[0].epoch, cursor.epoch);
    EXPECT_EQ(back[0].acked, cursor.acked);
    EXPECT_EQ(back[0].recent_first, cursor.recent_first);
    EXPECT_EQ(back[0].recent_digests, cursor.recent_digests);
    EXPECT_EQ(back[0].boot, cursor.boot);
    EXPECT_EQ(back[0].booted_at, cursor.booted_at);
    EXPECT_EQ(back[0].skipped, cursor.skipped);
    EXPECT_EQ(back[0].generation, 2);
    EXPECT_EQ(back[0].born_hi, cursor.born_hi);
    EXPECT_EQ(back[0].clock_error_s, -3600);
    EXPECT_TRUE(back[0].active);
    EXPECT_EQ(back[1].identity, 1);
    EXPECT_TRUE(back[1].recent_digests.empty());
    EXPECT_EQ(back[1].booted_at, std::nullopt);
    EXPECT_EQ(back[1].clock_error_s, std::nullopt);
}

TEST_F(Values, OfARevokedDeviceTheCursorIsReadButNotMoved) {
    add_devices();
    owner_.rows(
        "update devices.devices set active = false, revoked_at = now(), revoked_why = 'w' "
        "where device_id = 'kc-hall1'");
    const std::vector<topics::DeviceId> both{device_id("kc-hall1"), device_id("sg-roof1")};
    db::Tx tx{connection_};
    const auto locked = db::lock_cursors(tx, both);
    ASSERT_EQ(locked.size(), 1U);
    EXPECT_EQ(locked[0].device, both[1]);
    const auto read = db::read_cursors(tx, {both.data(), 1});
    ASSERT_EQ(read.size(), 1U);
    EXPECT_FALSE(read[0].active);
}

TEST_F(Values, ACursorThatAnotherHoldsIsLeftOut) {
    add_devices();
    const std::vector<topics::DeviceId> both{device_id("kc-hall1"), device_id("sg-roof1")};
    db::Connection second{as("kl_devices")};
    db::Tx holder{connection_};
    ASSERT_EQ(db::lock_cursors(holder, {both.data(), 1}).size(), 1U);
    db::Tx other{second};
    const auto free = db::lock_cursors(other, both);
    ASSERT_EQ(free.size(), 1U);
    EXPECT_EQ(free[0].device, both[1]);
}

TEST_F(Values, AFactIsFoundByItsNumberAndByItsFirst) {
    db::FactRow fact;
    fact.device = device_id("kc-hall1");
    fact.epoch.value = 2;
    fact.sequence.value = 1;
    fact.kind = "key.taken";
    fact.occurred = topics::from_unix_micros(1'700'000'000'123'456);
    fact.time_source = db::TimeSource::boot;
    fact.digest = UINT64_MAX - 1;
    fact.outcome = db::Outcome::applied;
    fact.content = R"({"c":"\"quoted\" \\ {a,b} ключ","k":"101"})";
    fact.first_epoch.value = 1;
    fact.first_sequence.value = 9;
    {
        db::Tx tx{connection_};
        db::add_facts(tx, {&fact, 1}, topics::from_unix_seconds(1'700'000'001));
        tx.commit();
    }
    EXPECT_EQ(owner_.text("select content ->> 'c' from runtime.facts"), "\"quoted\" \\ {a,b} ключ");
    EXPECT_EQ(owner_.text("select (extract(epoch from occurred_at) * 1000000)::bigint from "
                          "runtime.facts"),
              "1700000000123456");
    db::Tx tx{connection_};
    for (const auto& [epoch, sequence] : {std::pair{2, 1}, std::pair{1, 9}}) {
        const db::FactNumber number{fact.device, {epoch}, {sequence}};
        const auto found = db::find_facts(tx, {&number, 1});
        ASSERT_EQ(found.size(), 1U);
        EXPECT_EQ(found[0].number, number);
        EXPECT_EQ(found[0].digest, fact.digest);
    }
    const db::FactNumber none{fact.device, {2}, {9}};
    EXPECT_TRUE(db::find_facts(tx, {&none, 1}).empty());
}

TEST_F(Values, AnAnswerComesBackToTheByte) {
    const db::KeptAnswer kept{{"account:1", "id \"1\""}, UINT64_MAX, "{\"a\":  \"\\u0041\"}\n"};
    db::Tx tx{connection_};
    db::keep_answers(tx, {&kept, 1}, topics::from_unix_seconds(1));
    const auto found = db::find_answers(tx, {&kept.key, 1});
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].key, kept.key);
    EXPECT_EQ(found[0].digest, kept.digest);
    EXPECT_EQ(found[0].answer, kept.answer);
}

TEST_F(Values, AnEventComesBackWithEveryIdItCarries) {
    topics::Event sent = event(12);
    sent.occurred = topics::from_unix_micros(-1'234'567);
    sent.ids.person = topics::PersonId{1};
    sent.ids.holder = topics::PersonId{2};
    sent.ids.loan = topics::LoanId{9'007'199'254'740'991};
    sent.ids.account = topics::AccountId{4};
    sent.ids.device = device_id("kc-hall1");
    sent.ids.slot = topics::Slot{512};
    sent.ids.epoch = topics::Epoch{5};
    sent.ids.first = topics::Sequence{6};
    sent.ids.last = topics::Sequence{7};
    sent.ids.why = "taken_again";
    {
        db::Tx tx{connection_};
        db::add_events(tx, {&sent, 1});
        tx.commit();
    }
    db::Connection relay{as("kl_relay")};
    ASSERT_TRUE(eventually([&] {
        db::Tx tx{relay};
        db::place_events(tx, 10);
        tx.commit();
        return owner_.number("select count(*) from log.positions") == 1;
    }));
    db::Tx tx{relay};
    const auto back = db::events_after(tx, topics::Position{0}, 10);
    ASSERT_EQ(back.size(), 1U);
    const topics::Event& got = back[0].event;
    EXPECT_EQ(got.domain, sent.domain);
    EXPECT_EQ(got.type, sent.type);
    EXPECT_EQ(got.subject, sent.subject);
    EXPECT_EQ(got.actor, sent.actor);
    EXPECT_EQ(got.source, sent.source);
    EXPECT_EQ(got.occurred, sent.occurred);
    EXPECT_EQ(got.ids.person, sent.ids.person);
    EXPECT_EQ(got.ids.holder, sent.ids.holder);
    EXPECT_EQ(got.ids.key, sent.ids.key);
    EXPECT_EQ(got.ids.loan, sent.ids.loan);
    EXPECT_EQ(got.ids.account, sent.ids.account);
    EXPECT_EQ(got.ids.device, sent.ids.device);
    EXPECT_EQ(got.ids.slot, sent.ids.slot);
    EXPECT_EQ(got.ids.epoch, sent.ids.epoch);
    EXPECT_EQ(got.ids.first, sent.ids.first);
    EXPECT_EQ(got.ids.last, sent.ids.last);
    EXPECT_EQ(got.ids.why, sent.ids.why);
    EXPECT_EQ(owner_.text("select (extract(epoch from recorded_at) * 1000000)::bigint from "
                          "log.events"),
              std::to_string(topics::unix_micros(back[0].recorded)));
}

}  // namespace
}  // namespace klyuchnik::test
