// Roll-outs of firmware and what devices say of them, on a real database with a clock of the test.
#include <vector>

#include "db/access/firmware_store.hpp"
#include "handlers/devices/rollouts.hpp"
#include "handlers/runtime/alarms.hpp"
#include "handlers/runtime/journal_stage.hpp"
#include "tests/store/store.hpp"

namespace klyuchnik::test {
namespace {

using namespace std::chrono_literals;
using topics::DeviceId;
using topics::Instant;

constexpr Instant kStart = topics::from_unix_seconds(1'800'000'000);

class Firmware : public Store {
 protected:
    const std::vector<DeviceId> devices_{device_id("kc-aaaa1"), device_id("kc-bbbb1"),
                                         device_id("kc-cccc1")};
    db::Connection connection_{as("kl_devices")};
    Instant now_ = kStart;

    void SetUp() override {
        for (const DeviceId& device : devices_) {
            owner_.rows(
                "insert into devices.devices (device_id, name, created_at) values ($1, 'n', now())",
                {device.text()});
            owner_.rows(
                "insert into devices.presence (device_id, cn, since, packet_bytes_max, state, "
                "firmware) values ($1, 5, now(), 1024, 'online', '1.4.2')",
                {device.text()});
            owner_.rows(
                "insert into runtime.cursors (device_id, cn, epoch, generation) values ($1, 5, 1, "
                "1)",
                {device.text()});
        }
        owner_.rows("insert into runtime.blobs select sha256('x'), 1, 'x', now()");
        owner_.rows(
            "insert into devices.firmware select '1.5.0', sha256('x'), 1, sha512('x'), 'test', '', "
            "now(), 'account:1'");
    }
    topics::RolloutId start(std::int64_t failures_max) {
        db::Tx tx{connection_};
        const auto rollout = db::add_rollout(tx, "1.5.0", 60, failures_max, "account:1", now_);
        db::add_rollout_devices(tx, rollout, devices_);
        tx.commit();
        return rollout;
    }
    /// One second of the roll-outs' regular work.
    void step() {
        now_ += 1s;
        handlers::Work work;
        work.now = now_;
        db::Tx tx{connection_};
        handlers::devices::advance_rollouts(work, tx);
        handlers::store_alarms_and_events(tx, work);
        tx.commit();
    }
    /// The device's journal says that it went back from `version`.
    void failed(const DeviceId& device, const std::string& version) {
        topics::Fact fact;
        fact.kind = topics::FirmwareFailed::kKind;
        fact.body = topics::FirmwareFailed{version, std::nullopt};
        fact.content = "{}";
        fact.digest = static_cast<std::uint64_t>(++said_);
        topics::FactBatch batch;
        batch.cn.value = 5;
        batch.epoch.value = 1;
        batch.lo.value = said_;
        batch.first.value = said_;
        batch.facts = {fact};
        const std::vector<handlers::Message> messages{
            {handlers::FactsMessage{batch}, device, false}};
        handlers::Work work;
        work.now = now_;
        std::vector<handlers::Outgoing> out;
        db::Tx tx{connection_};
        handlers::JournalStage stage{tx, messages, now_};
        for (const handlers::Message& message : messages) stage.place(message, nullptr, work, out);
        stage.store(tx, work, "devices");
        handlers::store_alarms_and_events(tx, work);
        tx.commit();
    }
    std::string offer(std::size_t which) {
        return owner_.text("select state from devices.rollout_devices where device_id = $1",
                           {devices_[which].text()});
    }
    std::string rollout() { return owner_.text("select state from devices.rollouts"); }
    std::int64_t events(const std::string& type) {
        return owner_.number("select count(*) from log.events where type = $1", {type});
    }
    std::int64_t said_ = 0;
};

TEST_F(Firmware, OnlyAFailureOfTheVersionThatIsWantedCountsAgainstTheOffer) {
    start(0);
    step();
    ASSERT_EQ(offer(0), "offered");
    failed(devices_[0], "1.4.9");
    EXPECT_EQ(events("firmware_failed_earlier"), 1);
    EXPECT_EQ(events("firmware_failed"), 0);
    step();
    EXPECT_EQ(offer(0), "offered");
    EXPECT_EQ(rollout(), "running");
    failed(devices_[0], "1.5.0");
    EXPECT_EQ(events("firmware_failed"), 1);
    step();
    EXPECT_EQ(offer(0), "rolled_back");
    EXPECT_EQ(offer(2), "skipped");
    EXPECT_EQ(rollout(), "stopped");
    failed(devices_[0], "1.5.0");
    EXPECT_EQ(events("firmware_failed_earlier"), 2) << "it is not wanted any more";
}

TEST_F(Firmware, OnlyOpenOffersAreReadAndTheOthersAreCounted) {
    const auto rollout_id = start(1);
    step();
    step();
    ASSERT_EQ(offer(0), "offered");
    ASSERT_EQ(offer(1), "offered");
    failed(devices_[0], "1.5.0");
    step();
    EXPECT_EQ(offer(0), "rolled_back");
    EXPECT_EQ(offer(2), "offered");
    db::Tx tx{connection_};
    EXPECT_EQ(db::open_rollout_devices(tx, rollout_id).size(), 2U);
    const auto so_far = db::rollout_so_far(tx, {rollout_id, "1.5.0", 60, 1, true});
    EXPECT_EQ(so_far.failures, 1);
    EXPECT_EQ(so_far.last_offer, kStart + 3s);
    tx.commit();
    failed(devices_[1], "1.5.0");
    step();
    EXPECT_EQ(rollout(), "stopped") << "the one before counts";
}

TEST_F(Firmware, NobodyWaitsForADeviceThatIsOut) {
    owner_.rows("update devices.presence set state = 'offline' where device_id <> $1",
                {devices_[0].text()});
    start(0);
    step();
    owner_.rows(
        "update devices.devices set active = false, revoked_at = now(), revoked_why = 'stolen' "
        "where device_id <> $1",
        {devices_[0].text()});
    owner_.rows("update devices.presence set firmware = '1.5.0' where device_id = $1",
                {devices_[0].text()});
    step();
    EXPECT_EQ(offer(0), "updated");
    EXPECT_EQ(offer(1), "skipped");
    EXPECT_EQ(offer(2), "skipped");
    EXPECT_EQ(rollout(), "done");
}

}  // namespace
}  // namespace klyuchnik::test
