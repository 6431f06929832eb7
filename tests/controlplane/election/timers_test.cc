#include "controlplane/election/timers.h"
#include "shared/base/status.h"
#include "tests/support/test.h"

namespace aurora::election {
namespace {

std::string Refusal(Timers timers) { return std::string(Std(Validate(timers).message())); }

TEST_CASE("both profiles keep the rules between their timers") {
  CHECK(Validate(LanTimers()).ok());
  CHECK(Validate(AggressiveTimers()).ok());
  CHECK(TimersOf("lan").value() == LanTimers());
  CHECK(TimersOf("aggressive").value() == AggressiveTimers());
}

TEST_CASE("an unknown profile is refused with the names that exist") {
  CHECK(Std(TimersOf("wan").status().message()) ==
        "cluster.failover.profile is \"wan\"; \"lan\" and \"aggressive\" are allowed");
}

TEST_CASE("a lease is nine tenths of the promise") {
  CHECK(LeaseOf(LanTimers().promise) == Duration::Millis(1350));
  CHECK(LeaseOf(AggressiveTimers().promise) == Duration::Millis(540));
}

TEST_CASE("a broken rule names the field, its value and what is allowed") {
  Timers t = LanTimers();
  t.renew = Duration::Millis(301);
  CHECK(Refusal(t) == "cluster.failover.renew_ms is 301 ms; at most 300 ms is allowed (promise_ms / 5)");
  t = LanTimers();
  t.suspect = Duration::Millis(749);
  CHECK(Refusal(t) == "cluster.failover.suspect_ms is 749 ms; at least 750 ms is allowed (3 x renew_ms)");
  t = LanTimers();
  t.defer = Duration::Millis(149);
  CHECK(Refusal(t) == "cluster.failover.defer_ms is 149 ms; at least 150 ms is allowed (rank_slot_ms + jitter_ms)");
}

TEST_CASE("no promise is longer than what a start waits out") {
  Timers t = LanTimers();
  t.promise = kLargestPromise + Duration::Millis(1);
  CHECK(Refusal(t) == "cluster.failover.promise_ms is 1501 ms; at most 1500 ms is allowed (a start waits that long)");
}

}  // namespace
}  // namespace aurora::election
