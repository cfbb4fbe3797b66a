// What the bridge reads of a fleet at work, as its role.
#include "db/access/fleet_views.hpp"

#include "db/access/api_views.hpp"
#include "db/access/commands_store.hpp"
#include "handlers/runtime/alarms.hpp"
#include "tests/store/store.hpp"

namespace klyuchnik::test {
namespace {

using namespace std::chrono_literals;
using topics::Instant;

constexpr Instant kNow = topics::from_unix_seconds(1'800'000'000);

class FleetViews : public Store {
 protected:
    db::Connection bridge_{as("kl_bridge")};
    db::Connection handler_{as("kl_devices")};

    template <class Read>
    auto read(Read how) {
        db::Tx tx{bridge_, db::Tx::Mode::read_only};
        return how(tx);
    }
};

TEST_F(FleetViews, CommandsAreReadWholeNewestFirstAndByPages) {
    const std::vector<db::NewCommand> wanted{
        {device_id("kc-hall1"), topics::SlotUnlock{topics::Slot{12}}, "account:1", kNow + 60s},
        {device_id("kc-hall1"), topics::Reboot{}, "account:1", kNow + 60s},
        {device_id("kc-hall2"), topics::Reboot{}, "account:1", kNow + 60s}};
    db::Tx tx{handler_};
    const auto ids = db::queue_commands(tx, wanted, kNow);
    tx.commit();
    const auto list = [&](const db::CommandsFilter& filter, topics::CommandId before) {
        std::vector<std::int64_t> found;
        for (const auto& row :
             read([&](db::Tx& t) { return db::commands(t, filter, before, 2); })) {
            found.push_back(row.command.value);
        }
        return found;
    };
    using List = std::vector<std::int64_t>;
    const topics::CommandId newest{db::kFromTheNewest};
    EXPECT_EQ(list({}, newest), (List{ids[2]->value, ids[1]->value}));
    EXPECT_EQ(list({}, *ids[1]), List{ids[0]->value});
    EXPECT_EQ(list({"kc-hall2", {}}, newest), List{ids[2]->value});
    EXPECT_EQ(list({{}, "done"}, newest), List{});
    const auto one = read([&](db::Tx& t) { return db::command(t, *ids[0]); });
    ASSERT_TRUE(one);
    EXPECT_EQ(one->kind, "slot.unlock");
    EXPECT_EQ(one->content, R"({"sl": 12})");
    EXPECT_EQ(one->state, "queued");
    EXPECT_EQ(one->expires, kNow + 60s);
    EXPECT_FALSE(one->rc);
    EXPECT_FALSE(read([&](db::Tx& t) { return db::command(t, topics::CommandId{99}); }));
}

TEST_F(FleetViews, AlarmsAreFoundByStateKindAndDevice) {
    handlers::Work work;
    work.now = kNow;
    topics::EventIds ids;
    ids.device = device_id("kc-hall1");
    work.alarm("journal_gap", "device:kc-hall1", 2, ids);
    work.alarm("dead_letter", "domain:keys", 2);
    db::Tx tx{handler_};
    handlers::store_alarms_and_events(tx, work);
    tx.commit();
    const auto count = [&](const db::AlarmsFilter& filter) {
        return read([&](db::Tx& t) {
                   return db::alarms(t, filter, topics::AlarmId{db::kFromTheNewest}, 10);
               })
            .size();
    };
    EXPECT_EQ(count({}), 2U);
    EXPECT_EQ(count({"unresolved", {}, {}}), 2U);
    EXPECT_EQ(count({"resolved", {}, {}}), 0U);
    EXPECT_EQ(count({{}, "journal_gap", {}}), 1U);
    EXPECT_EQ(count({"open", {}, "kc-hall1"}), 1U);
    EXPECT_EQ(count({{}, {}, "kc-hall2"}), 0U);
    const auto row = read([&](db::Tx& t) { return db::alarm(t, topics::AlarmId{1}); });
    ASSERT_TRUE(row);
    EXPECT_EQ(row->raised, kNow);
    EXPECT_EQ(row->count, 1);
}

TEST_F(FleetViews, ALetterShowsItsPayloadOnlyAlone) {
    owner_.rows(
        "insert into runtime.dead_letters (domain, source, kind, payload, why, "
        "set_aside_at) values ('keys', 'kc-hall1:1:1', 'key.taken', '{\"tg\":\"1\"}', "
        "'check', now())");
    const auto letters = [&](const std::optional<std::string>& state) {
        return read([&](db::Tx& t) {
            return db::dead_letters(t, state, topics::LetterId{db::kFromTheNewest}, 10);
        });
    };
    ASSERT_EQ(letters("open").size(), 1U);
    EXPECT_EQ(letters("applied").size(), 0U);
    EXPECT_EQ(letters({})[0].tries, 0);
    const topics::LetterId id = letters({})[0].letter;
    const auto whole = read([&](db::Tx& t) { return db::dead_letter(t, id); });
    ASSERT_TRUE(whole);
    EXPECT_EQ(whole->payload, R"({"tg":"1"})");
    EXPECT_EQ(whole->letter.source, "kc-hall1:1:1");
}

TEST_F(FleetViews, GapsOfADeviceAreReadByPages) {
    owner_.rows(
        "insert into runtime.device_gaps select 'kc-hall1', e, f, f + 1, 'unreadable', "
        "now() from generate_series(1, 2) e, generate_series(1, 3) f");
    const auto page = [&](const db::GapPlace& before) {
        return read(
            [&](db::Tx& t) { return db::device_gaps(t, device_id("kc-hall1"), before, 4); });
    };
    const auto first = page({});
    ASSERT_EQ(first.size(), 4U);
    EXPECT_EQ(first[0].epoch.value, 2);
    EXPECT_EQ(first[0].first.value, 3);
    EXPECT_EQ(first[3].epoch.value, 1);
    EXPECT_EQ(page({first[3].epoch, first[3].first}).size(), 2U);
}

}  // namespace
}  // namespace klyuchnik::test
