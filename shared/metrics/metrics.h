// metrics: the Prometheus registry of a process and the blocks its loops count in.
// Source: Prometheus text exposition 0.0.4 through prometheus-cpp (no server of its own: who owns a
// listener answers /metrics with Render()). Names: aurora_<area>_<what>_<unit>, counters end in
// _total. Thread: Counter, Gauge and Histogram here have one writer (a loop) and any number of
// readers; Registry is safe from any thread. Units: as the name says, seconds and bytes. Errors:
// none. Invariant: a loop never locks or allocates to count.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>
#include <prometheus/registry.h>

namespace aurora::metrics {

using Labels = std::vector<std::pair<std::string, std::string>>;

// Single writer: a load and a store, no locked instruction.
class Counter {
 public:
  void Add(uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class Gauge {
 public:
  void Set(int64_t v) { value_.store(v, std::memory_order_relaxed); }
  void Add(int64_t n) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

// Upper bounds in ascending order, without +Inf. `bounds` must outlive the histogram (a static
// array).
class Histogram {
 public:
  explicit Histogram(std::span<const double> bounds);
  void Observe(double value);
  std::span<const double> bounds() const { return bounds_; }
  // Per bucket (not cumulative), the last one is +Inf.
  std::vector<uint64_t> Counts() const;
  double Sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  std::span<const double> bounds_;
  std::unique_ptr<std::atomic<uint64_t>[]> counts_;
  std::atomic<double> sum_{0};
};

// The ladders operations name, in seconds.
extern const std::span<const double> kRequestSeconds;   // 0.005, 0.01 … 327.68
extern const std::span<const double> kOverheadSeconds;  // 50 us … 100 ms
extern const std::span<const double> kLagSeconds;       // 100 us … 10 s

// Builds metric families while collecting; series of one name join one family. Series with the same
// name and labels are added up, which is how one array per loop becomes one series.
class Families {
 public:
  void Counter(std::string_view name, std::string_view help, const Labels& labels, double value);
  void Gauge(std::string_view name, std::string_view help, const Labels& labels, double value);
  void Histogram(std::string_view name, std::string_view help, const Labels& labels,
                 const metrics::Histogram& h);
  void Histogram(std::string_view name, std::string_view help, const Labels& labels,
                 std::span<const double> bounds, std::span<const uint64_t> counts, double sum);

  std::vector<prometheus::MetricFamily> Take() { return std::move(families_); }

 private:
  prometheus::ClientMetric& Series(std::string_view name, std::string_view help,
                                   prometheus::MetricType type, const Labels& labels);
  std::vector<prometheus::MetricFamily> families_;
};

// Base for a module that owns counters: override Collect(Families&), called from the scraping
// thread.
class Source : public prometheus::Collectable {
 public:
  std::vector<prometheus::MetricFamily> Collect() const final;

 protected:
  virtual void CollectInto(Families& families) const = 0;
};

class Registry {
 public:
  // aurora_build_info{version,revision,component} 1 and process start time.
  Registry(std::string_view component, std::string_view version, std::string_view revision);

  // Kept alive by the caller; forgotten once it is gone.
  void Add(const std::shared_ptr<prometheus::Collectable>& source);
  // For counters that are not per loop (the control plane's).
  prometheus::Registry& prometheus() { return *registry_; }

  // Text exposition 0.0.4; answer with kContentType.
  std::string Render() const;
  static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

 private:
  std::shared_ptr<prometheus::Registry> registry_;
  mutable std::mutex mutex_;
  mutable std::vector<std::weak_ptr<prometheus::Collectable>> sources_;
};

}  // namespace aurora::metrics
