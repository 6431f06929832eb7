// Node: the control plane of one node: store, role page, admin API, metrics, and the loop they meet
// on. Source: architecture (processes, threads), failover.md section 3, product contract (health,
// metrics). Thread: Open, Run and destruction on one thread, which becomes the control loop; the
// store and gRPC have their own. Units: nothing here. Bounds: whoever holds a lock or port is
// waited for kTakeOver. Errors: Open: what keeps the process from starting, one line (exit 2). A
// store that is corrupt, replaced or missing is not among them: the node stays up, refuses writes
// and /readyz says why. Invariant: one control plane per state directory (a lock for life).
#pragma once

#include <memory>
#include <string>

#include "shared/base/status.h"
#include "shared/config/config.h"

namespace aurora::node {

inline constexpr Duration kTakeOver = Duration::Seconds(2);

class Node {
 public:
  static absl::StatusOr<std::unique_ptr<Node>> Open(config::Config config, std::string version);
  ~Node();

  // Until SIGTERM or SIGINT, then drains and returns the exit code. A second signal ends the drain
  // at once.
  int Run();

 private:
  class Impl;
  explicit Node(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace aurora::node
