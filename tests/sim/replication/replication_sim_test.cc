#include "tests/sim/replication/world.h"
#include "tests/support/sanitized.h"
#include "tests/support/test.h"

namespace aurora::repsim {
namespace {

constexpr uint64_t kSeeds = testing::kSanitized ? 100 : 300;

TEST_CASE("no history of faults breaks an invariant of replication") {
  uint64_t promises = 0;
  uint64_t cuts = 0;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    World world(seed, Mutant::kNone);
    INFO("replay: replication-sim --seeds 1 --seed " << seed);
    const bool held = world.Run();
    INFO(world.failure());
    REQUIRE(held);
    promises += world.tally().promises;
    cuts += world.tally().power_cuts;
  }
  CHECK(promises > kSeeds);  // the histories do reach what they are about
  CHECK(cuts > kSeeds / 15);
}

TEST_CASE("the hand-written interleavings hold") {
  for (const auto& [name, what] : RunScenarios(Mutant::kNone)) {
    INFO(name);
    CHECK(what == "");
  }
}

}  // namespace
}  // namespace aurora::repsim
