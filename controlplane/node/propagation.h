// PropagationWatch: which members enforce a write: on one node, whether its data plane has applied
// it on every loop. Source: failover.md section 3 (applied_seq of the role page); product contract,
// Writes. Thread: now() and wait() from any thread; Stop and destruction on the loop's. Units: the
// page is looked at every 5 ms while someone waits, and not at all otherwise. Invariant: `done` of
// every wait runs exactly once unless the loop has ended; after Stop it runs at once.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "aurora/v1/admin.pb.h"
#include "shared/base/time.h"
#include "shared/rolepage/control_page.h"
#include "shared/uv/mailbox.h"
#include "shared/uv/timer.h"

namespace aurora::node {

class PropagationWatch {
 public:
  // `epoch`: of this start of the store; a position of another start says nothing about ours.
  PropagationWatch(uv::Loop& loop, uv::Mailbox& mailbox, const rolepage::ControlPage& page,
                   uint64_t epoch, std::string node_id);

  v1::Propagation Now(uint64_t seq) const;
  void Wait(uint64_t seq, Duration timeout, std::function<void(v1::Propagation)> done);
  // Answers everyone who waits.
  void Stop();

 private:
  struct Waiter {
    uint64_t seq;
    Instant until;
    std::function<void(v1::Propagation)> done;
  };
  void Look();

  uv::Mailbox& mailbox_;
  const rolepage::ControlPage& page_;
  const uint64_t epoch_;
  const std::string node_id_;
  std::vector<Waiter> waiters_;  // the loop's
  std::atomic<bool> stopped_{false};
  uv::Timer timer_;
};

}  // namespace aurora::node
