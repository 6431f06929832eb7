#include "tests/sim/election/world.h"
#include "tests/support/sanitized.h"
#include "tests/support/test.h"

namespace aurora::elecsim {
namespace {

constexpr uint64_t kSeeds = testing::kSanitized ? 300 : 2000;

TEST_CASE("no history of faults breaks an invariant of the election") {
  Tally total;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    World world(seed, Mutant::kNone);
    INFO("replay: election-sim --seeds 1 --seed " << seed);
    const bool held = world.Run();
    INFO(world.failure() << "\n" << world.Describe());
    REQUIRE(held);
    const Tally& t = world.tally();
    total.openings += t.openings;
    total.releases += t.releases;
    total.config_changes += t.config_changes;
    total.lost_writes += t.lost_writes;
    total.stuck += t.stuck;
  }
  CHECK(total.openings > 2 * kSeeds);  // the histories do reach what they are about
  CHECK(total.releases > kSeeds / 2);
  CHECK(total.config_changes > kSeeds / 10);
  CHECK(total.lost_writes > 0);
  CHECK(total.stuck < kSeeds / 10);
}

TEST_CASE("the hand-written interleavings of an election hold") {
  for (const auto& [name, what] : RunScenarios(Mutant::kNone)) {
    INFO(name);
    CHECK(what == "");
  }
}

TEST_CASE("a dead active node is replaced within a promise and 50 ms, a planned switchover takes less than 50 ms") {
  for (const election::Timers& timers : {election::LanTimers(), election::AggressiveTimers()}) {
    for (uint64_t seed = 1; seed <= 40; ++seed) {
      const Plain plain{.nodes = 3, .timers = timers, .fsyncs_us = {}, .loss_per_mille = 0};
      const int64_t took = World(seed, plain).Takeover();
      CHECK(took > 0);
      CHECK(took < (timers.promise + Duration::Millis(50)).micros());
      const int64_t planned = World(seed, plain).Switchover();
      CHECK(planned > 0);
      CHECK(planned < 50'000);
    }
  }
}

}  // namespace
}  // namespace aurora::elecsim
