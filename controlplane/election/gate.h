// The gate rule: when a deadline in the role page admits a request. Source: ours (docs/protocols/failover.md).
// Thread: a pure function. Units: both instants are CLOCK_BOOTTIME of one machine. Always: a deadline of 0 is closed.
#pragma once

#include "shared/base/time.h"

namespace aurora::election {

// Between the check of a request and its write upstream some time passes.
inline constexpr Duration kGateGuard = Duration::Millis(20);
// No lease is this long: such a deadline is none of ours.
inline constexpr Duration kGateFarthest = Duration::Seconds(10);

inline bool Admits(Instant now, Instant active_until) {
  return now < active_until - kGateGuard && active_until < now + kGateFarthest;
}

}  // namespace aurora::election
