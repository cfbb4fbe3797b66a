// The dispatcher is killed where it hurts most: what it had promised is done, and never twice.
#include <fstream>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "tests/faults/load.hpp"

namespace klyuchnik::test {
namespace {

constexpr const char* kDevice = "kc-hall1";
constexpr const char* kSilent = "kc-silent1";

class DispatcherCrash : public ::testing::TestWithParam<const char*> {
 protected:
    World world;
    Key key = world.add_key("101", kDevice, 12, "04A2B3C4D5E680");
    std::unique_ptr<sim::CabinetClient> cabinet = world.cabinet(kDevice, {key});

    /// As if somebody's ask had been committed: the command is there, whoever sends it.
    void queue(std::int64_t number, const std::string& device = kDevice) {
        world.db().rows(
            "with n as (insert into runtime.command_numbers values ($1, $2) on conflict "
            "(device_id) do update set last = excluded.last) insert into runtime.commands "
            "(device_id, number, kind, content, made_at, made_by, expires_at, send_after, "
            "overdue_at) values ($1, $2, 'slot.unlock', '{\"sl\":12}', now(), 'test', now() + "
            "interval '1 min', now(), now() + interval '1 min')",
            {device, std::to_string(number)});
    }
    /// How often the lock moved for each command.
    std::map<std::string, int> movements() const {
        std::map<std::string, int> moved;
        std::ifstream lines{world.state_dir(kDevice) / "actuated.tsv"};
        for (std::string line; std::getline(lines, line);) {
            const std::string word = "\tcommand\t";
            const std::size_t at = line.find(word);
            if (at == std::string::npos) continue;
            const std::size_t begin = at + word.size();
            ++moved[line.substr(begin, line.find('\t', begin) - begin)];
        }
        return moved;
    }
};

TEST_P(DispatcherCrash, EveryCommandIsDoneOnceAndEndsForCertain) {
    const std::string point = GetParam();
    ASSERT_TRUE(cabinet->wait_online(kHealed));
    world.kill9_all_handlers();
    for (std::int64_t number = 1; number <= 2; ++number) {
        queue(number);
        const std::size_t armed = world.start_handlers({"KLYUCHNIK_CRASH_AT=" + point + ":1"});
        ASSERT_TRUE(world.died_at(armed, point));
        EXPECT_EQ(world.db().text("select state from runtime.commands where number = $1",
                                  {std::to_string(number)}),
                  "sent")
            << "what is published was committed before";
        const std::size_t next = world.start_handlers();
        EXPECT_TRUE(
            world.becomes("select count(*) from runtime.commands where state = 'done'", number));
        world.kill9_handlers(next);
    }
    EXPECT_EQ(movements(), (std::map<std::string, int>{{"1", 1}, {"2", 1}}));
    EXPECT_EQ(world.count("select count(*) from log.events where type = 'command_sent'"), 2);
    EXPECT_EQ(world.count("select count(*) from log.events where type = 'command_done'"), 2);
    EXPECT_EQ(world.count("select count(*) from runtime.alarms"), 0);
}

TEST_P(DispatcherCrash, ADeviceThatNeverAnswersIsUnknownAllTheSame) {
    const std::string point = GetParam();
    RawDevice device = world.raw_device(kSilent);
    device.birth(5);
    world.kill9_all_handlers();
    queue(1, kSilent);
    const std::size_t armed = world.start_handlers({"KLYUCHNIK_CRASH_AT=" + point + ":1"});
    ASSERT_TRUE(world.died_at(armed, point));
    // Its expiry and the minute after it need not be waited for.
    world.db().rows(
        "update runtime.commands set expires_at = now(), overdue_at = now(), "
        "send_after = now()");
    world.start_handlers();
    EXPECT_TRUE(world.becomes("select count(*) from runtime.commands where state = 'unknown'", 1));
    EXPECT_EQ(world.count("select count(*) from runtime.alarms where kind = 'command_unknown'"), 1);
    EXPECT_EQ(world.count("select sendings from runtime.commands"), 1);
}

INSTANTIATE_TEST_SUITE_P(Handler, DispatcherCrash,
                         ::testing::Values("dispatcher_marked", "dispatcher_published"),
                         [](const auto& one) { return std::string{one.param}; });

}  // namespace
}  // namespace klyuchnik::test
