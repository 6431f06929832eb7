// FailoverMetrics: what one loop of an active_passive node counts; FailoverSource adds the loops up at a scrape.
// Source: operations contract section 3.2 for the style of names. Thread: each FailoverMetrics has one writer, its
// loop. Invariant: counters never fall; the gate's gauge is read from the page at the scrape.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "dataplane/failover/forward.h"
#include "shared/metrics/metrics.h"

namespace aurora::server {

// Where a closed gate turned a request away from this node's providers.
enum class GatePoint : uint8_t { kHeaders, kBeforeWrite, kStall };

class FailoverMetrics final : public failover::ForwardObserver {
 public:
  static constexpr size_t kPoints = static_cast<size_t>(GatePoint::kStall) + 1;
  static constexpr size_t kHoldEnds = static_cast<size_t>(failover::HoldEnd::kOverLimit) + 1;
  static constexpr size_t kEndings = static_cast<size_t>(failover::Ending::kCancelled) + 1;
  static constexpr size_t kConnectFailures = static_cast<size_t>(exchange::UpstreamFailure::kShutdown) + 1;

  FailoverMetrics();

  void CountRefusal(GatePoint point) { refusals_[static_cast<size_t>(point)].Add(); }
  void HoldEnded(failover::HoldEnd how, Duration held) override;
  void ConnectFailed(exchange::UpstreamFailure failure) override;
  void Ended(failover::Ending how) override;

  uint64_t refusals(GatePoint point) const { return refusals_[static_cast<size_t>(point)].value(); }
  uint64_t hold_ends(failover::HoldEnd how) const { return hold_ends_[static_cast<size_t>(how)].value(); }
  uint64_t endings(failover::Ending how) const { return endings_[static_cast<size_t>(how)].value(); }

 private:
  friend class FailoverSource;
  std::array<metrics::Counter, kPoints> refusals_;
  std::array<metrics::Counter, kHoldEnds> hold_ends_;
  std::array<metrics::Counter, kEndings> endings_;
  std::array<metrics::Counter, kConnectFailures> connect_failures_;
  metrics::Histogram held_seconds_;
};

class FailoverSource final : public metrics::Source {
 public:
  struct Now {
    bool open = false;
    size_t held = 0;
  };
  FailoverSource(std::vector<std::shared_ptr<FailoverMetrics>> loops, std::function<Now()> now)
      : loops_(std::move(loops)), now_(std::move(now)) {}

 private:
  void CollectInto(metrics::Families& families) const override;

  const std::vector<std::shared_ptr<FailoverMetrics>> loops_;
  const std::function<Now()> now_;
};

}  // namespace aurora::server
