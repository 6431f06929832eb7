#include "controlplane/node/revocation_watch.h"

#include <numeric>

#include "tests/support/test.h"

namespace aurora::node {
namespace {

Instant At(int64_t ms) {
  return Instant::FromMicros(ms * 1000);
}

uint64_t Count(const RevocationWatch& watch) {
  const std::vector<uint64_t> counts = watch.seconds()->Counts();
  return std::accumulate(counts.begin(), counts.end(), uint64_t{0});
}

TEST_CASE("a revocation is counted once for each member, with the time until that member enforced it") {
  RevocationWatch watch;
  watch.Written(7, At(1000), {"a", "b"});
  watch.Enforced("a", -1, At(1010));
  watch.Enforced("a", 6, At(1010));
  CHECK(Count(watch) == 0);
  watch.Enforced("a", 9, At(1050));
  watch.Enforced("a", 10, At(9000));
  CHECK(Count(watch) == 1);
  CHECK(watch.waiting());
  watch.Enforced("b", 7, At(1150));
  CHECK(Count(watch) == 2);
  CHECK(watch.seconds()->Sum() == Approx(0.2));
  CHECK_FALSE(watch.waiting());
}

TEST_CASE("who is no member any more is not waited for, and what waits is bounded") {
  RevocationWatch watch;
  for (uint64_t seq = 1; seq <= RevocationWatch::kPendingMax + 5; ++seq) {
    watch.Written(seq, At(0), {"a", "b"});
  }
  watch.Enforced("a", 1 << 20, At(1));
  CHECK(Count(watch) == RevocationWatch::kPendingMax);
  watch.Keep({"a"});
  CHECK_FALSE(watch.waiting());
  watch.Enforced("b", 1 << 20, At(1));
  CHECK(Count(watch) == RevocationWatch::kPendingMax);
}

}  // namespace
}  // namespace aurora::node
