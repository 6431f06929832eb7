#include "shared/metrics/metrics.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>

#include <prometheus/gauge.h>
#include <prometheus/text_serializer.h>

#include "shared/base/check.h"

namespace aurora::metrics {
namespace {

constexpr std::array<double, 17> kRequest = {0.005, 0.01,  0.02,  0.04,   0.08,  0.16,
                                             0.32,  0.64,  1.28,  2.56,   5.12,  10.24,
                                             20.48, 40.96, 81.92, 163.84, 327.68};
constexpr std::array<double, 11> kOverhead = {0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025,
                                              0.005,   0.01,   0.025,   0.05,   0.1};
constexpr std::array<double, 12> kLag = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
                                         0.01,   0.025,   0.05,   0.1,   1,      10};

}  // namespace

const std::span<const double> kRequestSeconds = kRequest;
const std::span<const double> kOverheadSeconds = kOverhead;
const std::span<const double> kLagSeconds = kLag;

Histogram::Histogram(std::span<const double> bounds)
    : bounds_(bounds), counts_(std::make_unique<std::atomic<uint64_t>[]>(bounds.size() + 1)) {
  AURORA_CHECK(std::is_sorted(bounds.begin(), bounds.end()));
}

void Histogram::Observe(double value) {
  // le is inclusive: the first bound not below the value.
  const auto at = static_cast<size_t>(std::lower_bound(bounds_.begin(), bounds_.end(), value) -
                                      bounds_.begin());
  std::atomic<uint64_t>& count = counts_[at];
  count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  sum_.store(sum_.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
}

std::vector<uint64_t> Histogram::Counts() const {
  std::vector<uint64_t> out(bounds_.size() + 1);
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = counts_[i].load(std::memory_order_relaxed);
  }
  return out;
}

prometheus::ClientMetric& Families::Series(std::string_view name, std::string_view help,
                                           prometheus::MetricType type, const Labels& labels) {
  auto family = std::find_if(families_.begin(), families_.end(),
                             [&](const auto& f) { return f.name == name; });
  if (family == families_.end()) {
    families_.push_back({std::string(name), std::string(help), type, {}});
    family = families_.end() - 1;
  }
  AURORA_CHECK(family->type == type);
  std::vector<prometheus::ClientMetric::Label> wanted;
  for (const auto& [key, value] : labels) {
    wanted.push_back({key, value});
  }
  for (prometheus::ClientMetric& metric : family->metric) {
    if (metric.label == wanted) {
      return metric;
    }
  }
  family->metric.emplace_back().label = std::move(wanted);
  return family->metric.back();
}

void Families::Counter(std::string_view name, std::string_view help, const Labels& labels,
                       double value) {
  Series(name, help, prometheus::MetricType::Counter, labels).counter.value += value;
}

void Families::Gauge(std::string_view name, std::string_view help, const Labels& labels,
                     double value) {
  Series(name, help, prometheus::MetricType::Gauge, labels).gauge.value += value;
}

void Families::Histogram(std::string_view name, std::string_view help, const Labels& labels,
                         const metrics::Histogram& h) {
  const std::vector<uint64_t> counts = h.Counts();
  Histogram(name, help, labels, h.bounds(), counts, h.Sum());
}

void Families::Histogram(std::string_view name, std::string_view help, const Labels& labels,
                         std::span<const double> bounds, std::span<const uint64_t> counts,
                         double sum) {
  AURORA_CHECK(counts.size() == bounds.size() + 1);
  auto& out = Series(name, help, prometheus::MetricType::Histogram, labels).histogram;
  if (out.bucket.empty()) {
    for (const double bound : bounds) {
      out.bucket.push_back({0, bound});
    }
    out.bucket.push_back({0, std::numeric_limits<double>::infinity()});
  }
  AURORA_CHECK(out.bucket.size() == counts.size());
  uint64_t cumulative = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    cumulative += counts[i];
    out.bucket[i].cumulative_count += cumulative;
  }
  out.sample_count += cumulative;
  out.sample_sum += sum;
}

std::vector<prometheus::MetricFamily> Source::Collect() const {
  Families families;
  CollectInto(families);
  return families.Take();
}

Registry::Registry(std::string_view component, std::string_view version, std::string_view revision)
    : registry_(std::make_shared<prometheus::Registry>()) {
  prometheus::BuildGauge()
      .Name("aurora_build_info")
      .Help("Which build this is; always 1.")
      .Register(*registry_)
      .Add({{"component", std::string(component)},
            {"version", std::string(version)},
            {"revision", std::string(revision)}})
      .Set(1);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  prometheus::BuildGauge()
      .Name("process_start_time_seconds")
      .Help("Start time of the process since the Unix epoch in seconds.")
      .Register(*registry_)
      .Add({})
      .Set(std::chrono::duration<double>(now).count());
}

void Registry::Add(const std::shared_ptr<prometheus::Collectable>& source) {
  const std::lock_guard<std::mutex> lock(mutex_);
  sources_.push_back(source);
}

std::string Registry::Render() const {
  std::vector<prometheus::MetricFamily> families = registry_->Collect();
  std::vector<std::shared_ptr<prometheus::Collectable>> sources;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& weak : sources_) {
      if (auto source = weak.lock(); source != nullptr) {
        sources.push_back(std::move(source));
      }
    }
    sources_.assign(sources.begin(), sources.end());
  }
  for (const auto& source : sources) {
    for (prometheus::MetricFamily& family : source->Collect()) {
      // The format wants each name once: families of several sources join.
      auto same = std::find_if(families.begin(), families.end(),
                               [&](const auto& f) { return f.name == family.name; });
      if (same == families.end()) {
        families.push_back(std::move(family));
      } else {
        same->metric.insert(same->metric.end(), family.metric.begin(), family.metric.end());
      }
    }
  }
  std::sort(families.begin(), families.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace aurora::metrics
