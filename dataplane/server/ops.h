// Ops: health of this data plane as probes and load balancers see it, on the client port and the
// metrics port. Source: product contract, "Health". Thread: any; atomics, and a lock only for the
// leader's JSON and the reasons. /livez never depends on policy, leadership or peers; /readyz names
// every reason why not.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/exchange/context.h"
#include "shared/base/time.h"

namespace aurora::server {

struct OpsAnswer {
  int status = 200;
  std::string body;  // JSON
};

class Ops {
 public:
  explicit Ops(size_t loop_count);

  // "/livez" and its sisters; anything else is not ours.
  static bool IsOpsPath(std::string_view path);
  OpsAnswer Answer(std::string_view path, Instant now) const;

  void LoopTicked(size_t loop, Instant now) {
    ticks_[loop].store(now.micros(), std::memory_order_relaxed);
  }
  void SetDraining() { draining_ = true; }
  bool draining() const { return draining_; }
  // Why there is no policy to serve by ("" = there is): the reader's words.
  void SetPolicyProblem(std::string_view problem);
  // What is wrong with the policy file while the policy read before goes on serving ("" = nothing):
  // told with the 200.
  void SetPolicyWarning(std::string_view warning);
  void SetDiscovering(bool discovering) { discovering_ = discovering; }
  // Whether requests are admitted; `stale`: policy may be old, told with the 200 when they are.
  void SetAdmission(exchange::Admission admission, bool stale) {
    admission_.store(admission, std::memory_order_relaxed);
    stale_ = stale;
  }
  exchange::Admission admission() const { return admission_.load(std::memory_order_relaxed); }
  // Clustered nodes only: whether the lease lets this node serve, and who leads.
  void SetRole(bool active, std::string_view leader_json);

 private:
  std::vector<std::string> Reasons() const;

  const size_t loop_count_;
  std::unique_ptr<std::atomic<int64_t>[]> ticks_;
  std::atomic<bool> draining_{false};
  std::atomic<bool> discovering_{false};
  std::atomic<bool> active_{true};
  std::atomic<bool> stale_{false};
  std::atomic<exchange::Admission> admission_{exchange::Admission::kOpen};
  mutable std::mutex mutex_;
  std::string policy_problem_ = "starting: policy is not loaded yet";  // guarded by mutex_
  std::string policy_warning_;  // guarded by mutex_
  std::string leader_json_ =
      R"({"enabled":false,"role":"single","leader_id":"","term":0})";  // guarded by mutex_
};

}  // namespace aurora::server
