// Ops: health of this data plane as probes and load balancers see it, on the client port and the
// metrics port. Source: product contract, "Health". Thread: any; atomics, and a lock only for the
// reasons. /livez never depends on policy, leadership or peers; /readyz names every reason why not.
// Invariant: /active answers 200 only if the word that admits requests admits at that instant: it
// is read for each answer, never kept.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
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

// Who serves, as the role page says now.
struct Role {
  bool clustered = false;
  bool gated = false;  // active_passive: only a lease lets this node serve
  bool open = true;    // it does, now
  uint64_t term = 0;
  std::string leader_id;  // "" = nobody leads
  std::string leader_address;
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
  // Asked for every answer that depends on it, from any thread. Set before the loops start; without
  // it this is a node on its own.
  void SetRoleSource(std::function<Role()> source) { role_ = std::move(source); }

 private:
  std::vector<std::string> Reasons() const;
  Role RoleNow() const { return role_ ? role_() : Role{}; }

  const size_t loop_count_;
  std::unique_ptr<std::atomic<int64_t>[]> ticks_;
  std::atomic<bool> draining_{false};
  std::atomic<bool> discovering_{false};
  std::atomic<bool> stale_{false};
  std::atomic<exchange::Admission> admission_{exchange::Admission::kOpen};
  mutable std::mutex mutex_;
  std::string policy_problem_ = "starting: policy is not loaded yet";  // guarded by mutex_
  std::string policy_warning_;  // guarded by mutex_
  std::function<Role()> role_;
};

}  // namespace aurora::server
