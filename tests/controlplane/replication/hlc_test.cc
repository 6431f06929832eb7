#include "controlplane/replication/hlc.h"

#include "shared/base/rng.h"
#include "tests/support/test.h"

namespace aurora::replication {
namespace {

TEST_CASE("time rises whatever the wall clock and the peers do") {
  Rng rng(3);
  HlcClock clock(1'000, 1'000);
  Hlc last = clock.now();
  for (int i = 0; i < 200'000; ++i) {
    const uint64_t wall = 1'000'000 + rng.Below(86'400'000);
    if (rng.OneIn(3)) {
      clock.Observe(
          {wall - 500'000 + rng.Below(1'000'000), static_cast<uint32_t>(rng.Below(65'536))}, wall);
      REQUIRE(clock.now() >= last);
    }
    const Hlc now = clock.Tick(wall);
    REQUIRE(last < now);
    REQUIRE(now.counter <= 0xffff);
    last = now;
  }
}

TEST_CASE("a full counter borrows from the next millisecond") {
  HlcClock clock(0, 100);
  clock.Observe({100, 0xffff}, 100);
  CHECK(clock.Tick(100) == Hlc{101, 0});
}

TEST_CASE("a peer that is too far ahead is not followed") {
  HlcClock clock(0, 1'000);
  CHECK(clock.Observe({1'000 + kHlcAheadMs, 2}, 1'000));
  CHECK(clock.now() == Hlc{1'000 + kHlcAheadMs, 2});
  CHECK_FALSE(clock.Observe({1'001 + kHlcAheadMs, 0}, 1'000));
  CHECK(clock.now() == Hlc{1'000 + kHlcAheadMs, 2});
}

TEST_CASE("a mark is kept unless it is an old clock fault") {
  CHECK(HlcClock(61'000, 1'000).now().unix_ms == 61'000);
  CHECK(HlcClock(61'001, 1'000).now().unix_ms == 1'000);
}

}  // namespace
}  // namespace aurora::replication
