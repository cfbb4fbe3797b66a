#include "process/bounded_queue.hpp"

#include <atomic>
#include <memory>
#include <thread>

#include <gtest/gtest.h>

namespace klyuchnik::process {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

steady_clock::time_point soon() {
    return steady_clock::now() + 10s;
}

TEST(BoundedQueue, GivesItemsInTheOrderTheyCame) {
    BoundedQueue<int> queue{10};
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(queue.push(i));
    std::vector<int> out{-1};
    EXPECT_EQ(queue.take_up_to(out, 3, soon()), 3U);
    EXPECT_EQ(queue.take_up_to(out, 3, soon()), 2U);
    EXPECT_EQ(out, (std::vector{-1, 0, 1, 2, 3, 4}));
}

TEST(BoundedQueue, RefusesWhenFullAndAcceptsAfterRoomIsMade) {
    BoundedQueue<int> queue{2};
    EXPECT_TRUE(queue.push(1));
    EXPECT_TRUE(queue.push(2));
    EXPECT_FALSE(queue.push(3));
    std::vector<int> out;
    queue.take_up_to(out, 1, soon());
    EXPECT_TRUE(queue.push(4));
    EXPECT_EQ(queue.size(), 2U);
}

TEST(BoundedQueue, RefusesByWeightWithoutOverflow) {
    BoundedQueue<std::string> queue{100, 10};
    EXPECT_TRUE(queue.push("a", 6));
    EXPECT_FALSE(queue.push("b", 5));
    EXPECT_FALSE(queue.push("c", BoundedQueue<std::string>::kNoLimit));
    EXPECT_TRUE(queue.push("d", 4));
    EXPECT_EQ(queue.weight(), 10U);
    std::vector<std::string> out;
    queue.take_up_to(out, 10, soon());
    EXPECT_EQ(queue.weight(), 0U);
}

TEST(BoundedQueue, TakesMoveOnlyItems) {
    BoundedQueue<std::unique_ptr<int>> queue{1};
    ASSERT_TRUE(queue.push(std::make_unique<int>(7)));
    std::vector<std::unique_ptr<int>> out;
    ASSERT_EQ(queue.take_up_to(out, 1, soon()), 1U);
    EXPECT_EQ(*out.front(), 7);
}

TEST(BoundedQueue, ReturnsNothingAtTheDeadline) {
    BoundedQueue<int> queue{1};
    std::vector<int> out;
    EXPECT_EQ(queue.take_up_to(out, 1, steady_clock::now() + 1ms), 0U);
    EXPECT_FALSE(queue.closed());
}

TEST(BoundedQueue, WakeEndsOneWait) {
    BoundedQueue<int> queue{1};
    queue.wake();
    std::vector<int> out;
    EXPECT_EQ(queue.take_up_to(out, 1, steady_clock::time_point::max()), 0U);
    EXPECT_EQ(queue.take_up_to(out, 1, steady_clock::now() + 1ms), 0U);
}

TEST(BoundedQueue, CloseRefusesNewItemsAndGivesOutTheRest) {
    BoundedQueue<int> queue{2};
    queue.push(1);
    queue.close();
    EXPECT_FALSE(queue.push(2));
    std::vector<int> out;
    EXPECT_EQ(queue.take_up_to(out, 5, steady_clock::time_point::max()), 1U);
    EXPECT_EQ(queue.take_up_to(out, 5, steady_clock::time_point::max()), 0U);
    EXPECT_TRUE(queue.closed());
}

TEST(BoundedQueue, NothingIsLostOrDoubledBetweenThreads) {
    constexpr int kPerThread = 5000;
    BoundedQueue<int> queue{64};
    std::atomic<long long> accepted{0};
    std::vector<std::thread> producers;
    for (int t = 0; t < 3; ++t)
        producers.emplace_back([&queue, &accepted, t] {
            for (int i = 0; i < kPerThread; ++i)
                if (queue.push(t * kPerThread + i)) accepted += t * kPerThread + i;
        });
    long long taken = 0;
    std::thread consumer{[&queue, &taken] {
        std::vector<int> batch;
        while (queue.take_up_to(batch, 16, steady_clock::time_point::max()) > 0) {
            for (const int item : batch) taken += item;
            batch.clear();
        }
    }};
    for (std::thread& producer : producers) producer.join();
    queue.close();
    consumer.join();
    EXPECT_EQ(taken, accepted.load());
}

}  // namespace
}  // namespace klyuchnik::process
