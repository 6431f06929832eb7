// HoldBudget: how much may wait for an active node at once; one for the process, shared by its loops.
// Source: failover.md section 6 (1000 requests, 64 MB of bodies). Thread: its implementation's.
#pragma once

#include <cstddef>

namespace aurora::failover {

inline constexpr size_t kHeldRequestsMax = 1000;
inline constexpr size_t kHeldBytesMax = size_t{64} << 20;

class HoldBudget {
 public:
  virtual ~HoldBudget() = default;
  // False: there is no room; nothing was taken.
  virtual bool Enter() = 0;
  virtual bool TakeBytes(size_t bytes) = 0;
  virtual void Leave(size_t bytes) = 0;  // one request, with all it took
};

}  // namespace aurora::failover
