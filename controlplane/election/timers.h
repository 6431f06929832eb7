// The election's periods and what must hold between them. Source: ours (docs/protocols/failover.md). Thread: values.
// Units: Duration. Errors: Validate names the field, its value and what is allowed; nothing is clamped. Always: a
// profile changes only with a start of the process, and no promise is longer than kLargestPromise.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "shared/base/time.h"

namespace aurora::election {

// What a voter may owe from before it started; so a start grants nothing for this long, whatever its profile is now.
inline constexpr Duration kLargestPromise = Duration::Millis(1500);
// Between two changes of the voters. A safety rule: at least kLargestPromise.
inline constexpr Duration kConfigStable = Duration::Seconds(10);
// A write that takes longer gives no vote.
inline constexpr Duration kDiskTimeout = Duration::Millis(500);
inline constexpr Duration kDiskRetry = Duration::Seconds(1);
// For the data plane's loops to acknowledge a close.
inline constexpr Duration kCloseTimeout = Duration::Millis(100);
// Who handed over may campaign again.
inline constexpr Duration kTransferTimeout = Duration::Seconds(10);

struct Timers {
  Duration renew;
  Duration promise;
  Duration suspect;
  Duration rank_slot;
  Duration jitter;
  Duration defer;         // whoever backed a pre-candidate keeps still for this long
  Duration vote_timeout;

  bool operator==(const Timers&) const = default;
};

// A lease is shorter than the promises under it by twice the clocks' rate error (5 %).
constexpr Duration LeaseOf(Duration promise) { return promise * 9 / 10; }

Timers LanTimers();
Timers AggressiveTimers();
// "lan" or "aggressive".
absl::StatusOr<Timers> TimersOf(std::string_view profile);
absl::Status Validate(const Timers& timers);

}  // namespace aurora::election
