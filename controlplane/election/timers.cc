#include "controlplane/election/timers.h"

#include <string>

#include "shared/base/status.h"

namespace aurora::election {
namespace {

std::string Ms(Duration d) { return std::to_string(d.millis()) + " ms"; }

absl::Status AtLeast(std::string_view field, Duration value, Duration least, std::string_view why) {
  if (value >= least) {
    return absl::OkStatus();
  }
  return InvalidArgument("cluster.failover." + std::string(field) + " is " + Ms(value) + "; at least " + Ms(least) +
                         " is allowed" + std::string(why));
}

absl::Status AtMost(std::string_view field, Duration value, Duration most, std::string_view why) {
  if (value <= most) {
    return absl::OkStatus();
  }
  return InvalidArgument("cluster.failover." + std::string(field) + " is " + Ms(value) + "; at most " + Ms(most) +
                         " is allowed" + std::string(why));
}

}  // namespace

Timers LanTimers() {
  return {.renew = Duration::Millis(250),
          .promise = Duration::Millis(1500),
          .suspect = Duration::Millis(1000),
          .rank_slot = Duration::Millis(100),
          .jitter = Duration::Millis(50),
          .defer = Duration::Millis(500),
          .vote_timeout = Duration::Millis(500)};
}

Timers AggressiveTimers() {
  return {.renew = Duration::Millis(100),
          .promise = Duration::Millis(600),
          .suspect = Duration::Millis(350),
          .rank_slot = Duration::Millis(60),
          .jitter = Duration::Millis(30),
          .defer = Duration::Millis(250),
          .vote_timeout = Duration::Millis(250)};
}

absl::StatusOr<Timers> TimersOf(std::string_view profile) {
  if (profile == "lan") {
    return LanTimers();
  }
  if (profile == "aggressive") {
    return AggressiveTimers();
  }
  return InvalidArgument("cluster.failover.profile is \"" + std::string(profile) +
                         "\"; \"lan\" and \"aggressive\" are allowed");
}

absl::Status Validate(const Timers& t) {
  const Duration ms = Duration::Millis(1);
  // Below 300 ms the guard of the gate and the scheduler's lateness eat the lease.
  AURORA_RETURN_IF_ERROR(AtLeast("promise_ms", t.promise, ms * 300, ""));
  AURORA_RETURN_IF_ERROR(AtMost("promise_ms", t.promise, kLargestPromise, " (a start waits that long)"));
  AURORA_RETURN_IF_ERROR(AtLeast("renew_ms", t.renew, ms * 20, ""));
  AURORA_RETURN_IF_ERROR(AtMost("renew_ms", t.renew, t.promise / 5, " (promise_ms / 5)"));
  AURORA_RETURN_IF_ERROR(AtLeast("suspect_ms", t.suspect, t.renew * 3, " (3 x renew_ms)"));
  AURORA_RETURN_IF_ERROR(AtMost("suspect_ms", t.suspect, ms * 10'000, ""));
  AURORA_RETURN_IF_ERROR(AtLeast("rank_slot_ms", t.rank_slot, ms, ""));
  AURORA_RETURN_IF_ERROR(AtMost("rank_slot_ms", t.rank_slot, t.suspect, " (suspect_ms)"));
  AURORA_RETURN_IF_ERROR(AtLeast("jitter_ms", t.jitter, Duration(), ""));
  AURORA_RETURN_IF_ERROR(AtMost("jitter_ms", t.jitter, t.rank_slot, " (rank_slot_ms)"));
  AURORA_RETURN_IF_ERROR(AtLeast("defer_ms", t.defer, t.rank_slot + t.jitter, " (rank_slot_ms + jitter_ms)"));
  AURORA_RETURN_IF_ERROR(AtMost("defer_ms", t.defer, ms * 10'000, ""));
  AURORA_RETURN_IF_ERROR(AtLeast("vote_timeout_ms", t.vote_timeout, t.rank_slot, " (rank_slot_ms)"));
  return AtMost("vote_timeout_ms", t.vote_timeout, ms * 10'000, "");
}

}  // namespace aurora::election
