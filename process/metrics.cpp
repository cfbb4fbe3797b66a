#include "process/metrics.hpp"

#include <chrono>
#include <exception>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <fmt/core.h>
#include <prometheus/collectable.h>
#include <prometheus/counter.h>
#include <prometheus/exposer.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include "process/log.hpp"

namespace klyuchnik::process {
namespace {

/// Figures about the process itself, read when asked for.
class ProcessCollector final : public prometheus::Collectable {
 public:
    std::vector<prometheus::MetricFamily> Collect() const override {
        using prometheus::MetricType;
        std::vector<prometheus::MetricFamily> families;
        families.push_back(one("process_resident_memory_bytes",
                               "Memory of this process that is in RAM.", MetricType::Gauge,
                               resident_bytes()));
        families.push_back(
            one("process_open_fds", "Open file descriptors.", MetricType::Gauge, open_fds()));
        families.push_back(one("process_cpu_seconds_total", "User and system CPU time, seconds.",
                               MetricType::Counter, cpu_seconds()));
        families.push_back(one("process_start_time_seconds", "Start, seconds since 1970-01-01 UTC.",
                               MetricType::Gauge, start_));
        families.push_back(one("klyuchnik_log_lines_lost_total",
                               "Log lines given up because stderr was slow.", MetricType::Counter,
                               static_cast<double>(log_lines_lost())));
        return families;
    }

 private:
    static prometheus::MetricFamily one(const char* name, const char* help,
                                        prometheus::MetricType type, double value) {
        prometheus::ClientMetric metric;
        metric.gauge.value = value;
        metric.counter.value = value;
        return {name, help, type, {metric}};
    }

    static double resident_bytes() {
        std::ifstream statm{"/proc/self/statm"};
        double total_pages = 0;
        double resident_pages = 0;
        statm >> total_pages >> resident_pages;
        return resident_pages * static_cast<double>(::sysconf(_SC_PAGESIZE));
    }

    static double open_fds() {
        std::error_code error;
        double count = 0;
        for (std::filesystem::directory_iterator it{"/proc/self/fd", error}, end;
             !error && it != end; it.increment(error))
            ++count;
        return count;
    }

    static double cpu_seconds() {
        rusage usage{};
        ::getrusage(RUSAGE_SELF, &usage);
        const auto seconds = [](const timeval& t) {
            return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
        };
        return seconds(usage.ru_utime) + seconds(usage.ru_stime);
    }

    double start_ =
        std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
};

}  // namespace

void Counter::inc(double by) {
    if (by > 0) counter_->Increment(by);
}
double Counter::value() const {
    return counter_->Value();
}

void Gauge::set(double value) {
    gauge_->Set(value);
}
void Gauge::inc(double by) {
    gauge_->Increment(by);
}
void Gauge::dec(double by) {
    gauge_->Decrement(by);
}
double Gauge::value() const {
    return gauge_->Value();
}

void Histogram::observe(double value) {
    histogram_->Observe(value);
}

struct Metrics::Impl {
    template <class Handle>
    using Family = std::map<Labels, std::unique_ptr<Handle>>;

    /// The handle for these labels, made by `make` when new, or the "other" one when the name has
    /// too many.
    template <class Handle, class Make>
    Handle& find_or_make(std::map<std::string, Family<Handle>>& families, const std::string& name,
                         Labels labels, const Make& make) {
        const std::lock_guard lock{mutex};
        try {
            Family<Handle>& family = families[name];
            auto found = family.find(labels);
            if (found == family.end() && family.size() >= kLabelSetsMax) {
                for (auto& [label, value] : labels) value = "other";
                found = family.find(labels);
            }
            if (found == family.end())
                found = family.emplace(labels, std::make_unique<Handle>(make(labels))).first;
            return *found->second;
        } catch (const std::invalid_argument& error) {
            throw std::logic_error{"metric " + name + ": " + error.what()};
        }
    }

    std::mutex mutex;
    std::shared_ptr<prometheus::Registry> registry = std::make_shared<prometheus::Registry>();
    std::shared_ptr<ProcessCollector> process = std::make_shared<ProcessCollector>();
    std::map<std::string, Family<Counter>> counters;
    std::map<std::string, Family<Gauge>> gauges;
    std::map<std::string, Family<Histogram>> histograms;
    std::unique_ptr<prometheus::Exposer> exposer;
};

Metrics::Metrics() : impl_{std::make_unique<Impl>()} {}
Metrics::~Metrics() = default;

Counter& Metrics::counter(const std::string& name, const std::string& help, const Labels& labels) {
    return impl_->find_or_make<Counter>(impl_->counters, name, labels, [&](const Labels& set) {
        return Counter{
            prometheus::BuildCounter().Name(name).Help(help).Register(*impl_->registry).Add(set)};
    });
}

Gauge& Metrics::gauge(const std::string& name, const std::string& help, const Labels& labels) {
    return impl_->find_or_make<Gauge>(impl_->gauges, name, labels, [&](const Labels& set) {
        return Gauge{
            prometheus::BuildGauge().Name(name).Help(help).Register(*impl_->registry).Add(set)};
    });
}

Histogram& Metrics::histogram(const std::string& name, const std::string& help,
                              const std::vector<double>& buckets, const Labels& labels) {
    return impl_->find_or_make<Histogram>(impl_->histograms, name, labels, [&](const Labels& set) {
        return Histogram{prometheus::BuildHistogram()
                             .Name(name)
                             .Help(help)
                             .Register(*impl_->registry)
                             .Add(set, buckets)};
    });
}

std::string Metrics::text() const {
    auto families = impl_->registry->Collect();
    for (auto& family : impl_->process->Collect()) families.push_back(std::move(family));
    return prometheus::TextSerializer{}.Serialize(families);
}

int Metrics::listen(const std::string& host, int port) {
    const bool is_ipv6 = host.find(':') != std::string::npos;
    const std::string address =
        is_ipv6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
    try {
        auto exposer = std::make_unique<prometheus::Exposer>(address, 2);
        exposer->RegisterCollectable(impl_->registry);
        exposer->RegisterCollectable(impl_->process);
        const std::vector<int> ports = exposer->GetListeningPorts();
        const std::lock_guard lock{impl_->mutex};
        impl_->exposer = std::move(exposer);
        return ports.empty() ? port : ports.front();
    } catch (const std::exception& error) {
        // The library says "null context when constructing CivetServer" for everything that can be
        // wrong here.
        throw std::runtime_error{
            fmt::format("metrics cannot be served on {}: the port is taken, or the address is not "
                        "one of this machine; "
                        "choose another port (0 = any free one) or host ({})",
                        address, error.what())};
    }
}

}  // namespace klyuchnik::process
