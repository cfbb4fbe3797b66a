#include "process/metrics.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace klyuchnik::process {
namespace {

using testing::HasSubstr;

TEST(Metrics, TextShowsCountersGaugesAndHistograms) {
    Metrics metrics;
    metrics.counter("klyuchnik_asks_total", "Asks.", {{"domain", "keys"}}).inc();
    metrics.counter("klyuchnik_asks_total", "Asks.", {{"domain", "keys"}}).inc(2);
    metrics.gauge("klyuchnik_queue", "Queue.").set(4.5);
    metrics.histogram("klyuchnik_wait_seconds", "Wait.", {0.1, 1}).observe(0.5);
    const std::string text = metrics.text();
    EXPECT_THAT(text, HasSubstr("# HELP klyuchnik_asks_total Asks."));
    EXPECT_THAT(text, HasSubstr("# TYPE klyuchnik_asks_total counter"));
    EXPECT_THAT(text, HasSubstr("klyuchnik_asks_total{domain=\"keys\"} 3"));
    EXPECT_THAT(text, HasSubstr("klyuchnik_queue 4.5"));
    EXPECT_THAT(text, HasSubstr("klyuchnik_wait_seconds_bucket{le=\"0.1\"} 0"));
    EXPECT_THAT(text, HasSubstr("klyuchnik_wait_seconds_bucket{le=\"1\"} 1"));
    EXPECT_THAT(text, HasSubstr("klyuchnik_wait_seconds_count 1"));
    EXPECT_THAT(text, HasSubstr("process_resident_memory_bytes"));
    EXPECT_THAT(text, HasSubstr("# TYPE process_cpu_seconds_total counter"));
}

TEST(Metrics, TheSameNameAndLabelsAreTheSameMetric) {
    Metrics metrics;
    EXPECT_EQ(&metrics.gauge("g", "h", {{"a", "1"}}), &metrics.gauge("g", "h", {{"a", "1"}}));
    EXPECT_NE(&metrics.gauge("g", "h", {{"a", "1"}}), &metrics.gauge("g", "h", {{"a", "2"}}));
}

TEST(Metrics, ACounterNeverGoesDown) {
    Metrics metrics;
    Counter& counter = metrics.counter("c_total", "h");
    counter.inc(3);
    counter.inc(-2);
    EXPECT_EQ(counter.value(), 3);
}

TEST(Metrics, LabelSetsBeyondTheLimitShareOne) {
    Metrics metrics;
    for (int i = 0; i < 10'000; ++i)
        metrics.counter("per_device_total", "h", {{"device", std::to_string(i)}}).inc();
    const std::string text = metrics.text();
    std::size_t series = 0;
    for (std::size_t at = text.find("per_device_total{"); at != std::string::npos;
         at = text.find("per_device_total{", at + 1))
        ++series;
    EXPECT_EQ(series, kLabelSetsMax + 1);
    EXPECT_THAT(text, HasSubstr("per_device_total{device=\"other\"} " +
                                std::to_string(10'000 - kLabelSetsMax)));
}

TEST(Metrics, MistakesInNamesAreFaults) {
    Metrics metrics;
    metrics.counter("taken", "h");
    EXPECT_THROW(metrics.gauge("taken", "h"), std::logic_error);
    EXPECT_THROW(metrics.counter("not a name", "h"), std::logic_error);
    EXPECT_THROW(metrics.counter("label", "h", {{"not a label", "x"}}), std::logic_error);
}

std::string http_get(int port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    std::string answer;
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
        const std::string request = "GET /metrics HTTP/1.0\r\n\r\n";
        if (::write(fd, request.data(), request.size()) > 0) {
            char buffer[4096];
            for (ssize_t got = 0; (got = ::read(fd, buffer, sizeof buffer)) > 0;)
                answer.append(buffer, static_cast<std::size_t>(got));
        }
    }
    ::close(fd);
    return answer;
}

TEST(Metrics, AreServedOverHttpAndATakenPortIsAClearError) {
    Metrics metrics;
    metrics.counter("klyuchnik_served_total", "h").inc();
    const int port = metrics.listen("127.0.0.1", 0);
    ASSERT_GT(port, 0);
    const std::string answer = http_get(port);
    EXPECT_THAT(answer, HasSubstr("200 OK"));
    EXPECT_THAT(answer, HasSubstr("klyuchnik_served_total 1"));
    EXPECT_THAT(answer, HasSubstr("process_open_fds"));

    Metrics second;
    try {
        second.listen("127.0.0.1", port);
        FAIL() << "two listeners on one port";
    } catch (const std::runtime_error& error) {
        EXPECT_THAT(error.what(), HasSubstr("the port is taken"));
        EXPECT_THAT(error.what(), HasSubstr(std::to_string(port)));
    }
}

}  // namespace
}  // namespace klyuchnik::process
