#include "tests/sim/replication/world.h"
#include "tests/support/test.h"

namespace aurora::repsim {
namespace {

TEST_CASE("no history of faults breaks an invariant of replication") {
  uint64_t promises = 0;
  uint64_t cuts = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    World world(seed, Mutant::kNone);
    INFO("replay: replication-sim --seeds 1 --seed " << seed);
    const bool held = world.Run();
    INFO(world.failure());
    REQUIRE(held);
    promises += world.tally().promises;
    cuts += world.tally().power_cuts;
  }
  CHECK(promises > 300);  // the histories do reach what they are about
  CHECK(cuts > 20);
}

TEST_CASE("the hand-written interleavings hold") {
  for (const auto& [name, what] : RunScenarios(Mutant::kNone)) {
    INFO(name);
    CHECK(what == "");
  }
}

}  // namespace
}  // namespace aurora::repsim
