// Counters for operators, in Prometheus form.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

namespace klyuchnik::process {

using Labels = std::map<std::string, std::string>;

/// Label sets kept per metric name. Beyond it, every further set counts into one set whose values
/// are all "other": a label with a value per device or per card cannot eat the memory of this
/// process and of Prometheus.
inline constexpr std::size_t kLabelSetsMax = 64;

/// Buckets for durations in seconds, from 100 us (an idle system) to 10 s (a broken one).
inline const std::vector<double> kSecondsBuckets{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
                                                 0.01,   0.025,   0.05,   0.1,   0.25,   0.5,
                                                 1.0,    2.5,     5.0,    10.0};

/// Buckets for the number of messages in a batch.
inline const std::vector<double> kBatchBuckets{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};

/// Only goes up. Thread-safe, lock-free.
class Counter {
 public:
    explicit Counter(prometheus::Counter& counter) noexcept : counter_{&counter} {}
    /// `by` below 0 is ignored.
    void inc(double by = 1.0);
    double value() const;

 private:
    prometheus::Counter* counter_;
};

/// Goes up and down. Thread-safe, lock-free.
class Gauge {
 public:
    explicit Gauge(prometheus::Gauge& gauge) noexcept : gauge_{&gauge} {}
    void set(double value);
    void inc(double by = 1.0);
    void dec(double by = 1.0);
    double value() const;

 private:
    prometheus::Gauge* gauge_;
};

/// Distribution. Thread-safe; takes a short lock of its own.
class Histogram {
 public:
    explicit Histogram(prometheus::Histogram& histogram) noexcept : histogram_{&histogram} {}
    void observe(double value);

 private:
    prometheus::Histogram* histogram_;
};

/// All metrics of one process.
///
/// counter(), gauge() and histogram() look up under a lock: call them once, where the object that
/// counts is built, and keep the reference, which lives as long as the Metrics. The same name and
/// labels give the same metric. Names are `klyuchnik_<what>_<unit>`, with `_total` for counters.
/// Throws std::logic_error for a malformed name or label name, or a name used before for another
/// type: mistakes of the programmer.
class Metrics {
 public:
    Metrics();
    ~Metrics();
    Metrics(const Metrics&) = delete;
    Metrics& operator=(const Metrics&) = delete;

    Counter& counter(const std::string& name, const std::string& help, const Labels& labels = {});
    Gauge& gauge(const std::string& name, const std::string& help, const Labels& labels = {});
    /// `buckets` are upper bounds, ascending; the first call for a name decides them.
    Histogram& histogram(const std::string& name, const std::string& help,
                         const std::vector<double>& buckets = kSecondsBuckets,
                         const Labels& labels = {});

    /// The exposition text (Content-Type: text/plain; version=0.0.4) for a /metrics route. Includes
    /// memory, open files, CPU time and start of this process, and log lines lost. Thread-safe;
    /// some milliseconds.
    std::string text() const;

    /// Serves text at http://host:port/metrics from two threads of its own, for programs without an
    /// HTTP server. Port 0 chooses a free one. Returns the port. Throws std::runtime_error, with
    /// what to do, when the address cannot be listened on.
    int listen(const std::string& host, int port);

 private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace klyuchnik::process
