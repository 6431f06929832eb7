#include "dataplane/server/failover_metrics.h"

#include <array>
#include <string>
#include <string_view>

#include "dataplane/server/loop_metrics.h"

namespace aurora::server {
namespace {

constexpr std::array<double, 10> kHeldSeconds = {.02, .05, .1, .25, .5, 1, 1.5, 2, 3, 5};
constexpr std::array<std::string_view, FailoverMetrics::kPoints> kPointNames = {"headers", "before_write", "stall"};
constexpr std::array<std::string_view, FailoverMetrics::kHoldEnds> kHoldEndNames = {
    "served", "forwarded", "refused", "key_refused", "cancelled", "over_limit"};
constexpr std::array<std::string_view, FailoverMetrics::kEndings> kEndingNames = {
    "relayed", "not_executed", "lost", "refused", "key_refused", "cancelled"};

template <size_t N>
void AddAll(metrics::Families& families, std::string_view name, std::string_view help, std::string_view label,
             const std::array<std::string_view, N>& names, const std::array<metrics::Counter, N>& counters) {
  for (size_t i = 0; i < N; ++i) {
    families.Counter(name, help, {{std::string(label), std::string(names[i])}},
                     static_cast<double>(counters[i].value()));
  }
}

}  // namespace

FailoverMetrics::FailoverMetrics() : held_seconds_(kHeldSeconds) {}

void FailoverMetrics::HoldEnded(failover::HoldEnd how, Duration held) {
  hold_ends_[static_cast<size_t>(how)].Add();
  held_seconds_.Observe(held.seconds());
}

void FailoverMetrics::ConnectFailed(exchange::UpstreamFailure failure) {
  connect_failures_[static_cast<size_t>(failure)].Add();
}

void FailoverMetrics::Ended(failover::Ending how) {
  endings_[static_cast<size_t>(how)].Add();
}

void FailoverSource::CollectInto(metrics::Families& families) const {
  const Now now = now_();
  families.Gauge("aurora_gate_open", "1 while the lease lets this node serve.", {}, now.open ? 1 : 0);
  families.Gauge("aurora_failover_held_requests", "Requests that wait for an active node.", {},
                 static_cast<double>(now.held));
  for (const auto& loop : loops_) {
    AddAll(families, "aurora_failover_gate_refusals_total", "Requests that a closed gate kept from the providers.",
            "point", kPointNames, loop->refusals_);
    AddAll(families, "aurora_failover_holds_total", "Waits for an active node, by how they ended.", "outcome",
            kHoldEndNames, loop->hold_ends_);
    AddAll(families, "aurora_failover_forwarded_requests_total",
            "Requests that this node did not serve itself, by what became of them.", "outcome", kEndingNames,
            loop->endings_);
    for (size_t i = 0; i < FailoverMetrics::kConnectFailures; ++i) {
      families.Counter("aurora_failover_connection_errors_total", "Connections to the active node that failed.",
                       {{"reason", std::string(FailureName(static_cast<exchange::UpstreamFailure>(i)))}},
                       static_cast<double>(loop->connect_failures_[i].value()));
    }
    families.Histogram("aurora_failover_hold_duration_seconds", "How long a request waited for an active node.", {},
                       loop->held_seconds_);
  }
}

}  // namespace aurora::server
