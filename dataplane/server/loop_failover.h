// LoopFailover: what one loop of an active_passive node knows of who serves: its gate, the leader, what waits.
// Source: failover.md sections 3 and 6. Thread: one loop; the page, the budget and the counters are shared.
// Units: ns on CLOCK_BOOTTIME. Invariant: Look() reads clock and page anew at every call.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "dataplane/exchange/gate.h"
#include "dataplane/failover/forward.h"
#include "dataplane/model/types.h"
#include "dataplane/server/failover_metrics.h"
#include "shared/rolepage/data_page.h"
#include "shared/tls/context.h"

namespace aurora::server {

// The slot of the one provider that is another node.
inline constexpr model::Slot kPeerSlot = model::kNoSlot - 1;

// The process's hold budget. Thread: any.
class SharedHoldBudget final : public failover::HoldBudget {
 public:
  bool Enter() override;
  bool TakeBytes(size_t bytes) override;
  void Leave(size_t bytes) override;
  size_t requests() const { return requests_.load(std::memory_order_relaxed); }

 private:
  std::atomic<size_t> requests_{0};
  std::atomic<size_t> bytes_{0};
};

struct FailoverOptions {
  const rolepage::DataPage* page = nullptr;  // outlives the loop
  std::string node_id;
  failover::Rules rules;
  bool peer_tls = false;
  std::shared_ptr<SharedHoldBudget> budget;
  std::shared_ptr<FailoverMetrics> metrics;  // this loop's
  uint64_t (*clock)() = nullptr;             // null: CLOCK_BOOTTIME; tests put their own
};

class LoopFailover final : public exchange::Gate {
 public:
  // A look that is older than this when the write begins is repeated: far below the 27 ms that check and write may be
  // apart at worst-case clocks.
  static constexpr uint64_t kStallNs = 10'000'000;

  explicit LoopFailover(FailoverOptions options);

  exchange::GateLook Look() const override;
  // Whether so much time passed since that look that it had to be repeated, and found the gate closed.
  bool ShutAfterStall(uint64_t looked_ns) const;

  // Reads the page again, between callbacks. True: what waits should try anew.
  bool Refresh();

  const failover::Serving& serving() const { return serving_; }
  const failover::Rules& rules() const { return options_.rules; }
  failover::HoldBudget& budget() const { return *options_.budget; }
  FailoverMetrics& metrics() const { return *options_.metrics; }

 private:
  uint64_t Now() const;
  bool TakeLeader(const rolepage::Leader& leader);

  const FailoverOptions options_;
  failover::Serving serving_;
  model::Provider peer_;
  rolepage::Leader leader_;
  uint64_t page_version_ = ~uint64_t{0};
};

}  // namespace aurora::server
