#include "bridge/rest/event_ring.hpp"

#include <stdexcept>

#include <gtest/gtest.h>

namespace klyuchnik::bridge {
namespace {

FeedItem item(std::int64_t position) {
    return {position, std::make_shared<const std::string>(std::to_string(position))};
}

std::vector<std::int64_t> positions(const std::optional<std::vector<FeedItem>>& items) {
    std::vector<std::int64_t> out;
    for (const FeedItem& one : items.value()) out.push_back(one.position);
    return out;
}

TEST(EventRing, GivesWhatComesAfterAPositionUpToALimit) {
    EventRing ring{10, 100};
    for (int i = 101; i <= 105; ++i) ring.push(item(i));
    EXPECT_EQ(positions(ring.after(102, 10)), (std::vector<std::int64_t>{103, 104, 105}));
    EXPECT_EQ(positions(ring.after(102, 2)), (std::vector<std::int64_t>{103, 104}));
    EXPECT_EQ(positions(ring.after(100, 10)).size(), 5U);
    EXPECT_TRUE(ring.after(105, 10)->empty());
    EXPECT_EQ(ring.last(), 105);
}

TEST(EventRing, SaysWhenItDoesNotReachBackFarEnough) {
    EventRing ring{3, 0};
    EXPECT_TRUE(ring.after(0, 10)->empty());
    for (int i = 1; i <= 10; ++i) ring.push(item(i));
    EXPECT_FALSE(ring.after(6, 10));
    EXPECT_EQ(positions(ring.after(7, 10)), (std::vector<std::int64_t>{8, 9, 10}));
}

TEST(EventRing, AnEmptyOneThatBeganLaterSendsReadersToTheLog) {
    const EventRing ring{3, 50};
    EXPECT_FALSE(ring.after(10, 5));
    EXPECT_TRUE(ring.after(50, 5)->empty());
}

TEST(EventRing, WaitsQuietlyForAReaderFromTheFuture) {
    const EventRing ring{3, 50};
    EXPECT_TRUE(ring.after(1000, 5)->empty());
}

TEST(EventRing, RefusesAGap) {
    EventRing ring{3, 5};
    EXPECT_THROW(ring.push(item(7)), std::logic_error);
    EXPECT_THROW(ring.push(item(5)), std::logic_error);
    ring.push(item(6));
}

}  // namespace
}  // namespace klyuchnik::bridge
