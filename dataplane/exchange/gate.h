// Gate: whether this node may hand work to a provider at this very instant, by its lease.
// Source: failover.md section 3. Thread: one loop. Pure: the driver's Gate reads the clock and the role page anew at
// every Look(), so an answer is worth nothing after the step it was asked in. Units: ns on CLOCK_BOOTTIME.
#pragma once

#include <cstdint>

namespace aurora::exchange {

struct GateLook {
  bool open = false;
  uint64_t term = 0;    // the leader's, as the page said together with the gate
  uint64_t now_ns = 0;  // when it was asked
};

class Gate {
 public:
  virtual ~Gate() = default;
  virtual GateLook Look() const = 0;
};

}  // namespace aurora::exchange
