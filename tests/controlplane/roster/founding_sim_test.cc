// Founding under every disorder its assumptions allow. A failing seed is printed; run it alone with
// AURORA_FOUNDING_SEED=n; AURORA_FOUNDING_TIMES=n tries n times as many.
#include <cstdlib>
#include <string>

#include "tests/controlplane/roster/founding_sim.h"
#include "tests/support/test.h"

namespace aurora::roster {
namespace {

struct Tally {
  int founded_in_chaos = 0;
  int seeds = 0;
};

void RunSeed(FoundingSim::Setup setup, uint64_t seed, bool expect_safe, Tally& tally) {
  FoundingSim sim(setup, seed);
  const uint64_t steps = (setup.expect > 3 ? 1500U : 100U * setup.nodes) + seed % 500;
  for (uint64_t step = 0; step < steps; ++step) {
    sim.Chaos();
    if (expect_safe && sim.ClusterIds().size() > 1) {
      FAIL("two clusters: seed " << seed << " step " << step << sim.Describe());
    }
  }
  tally.founded_in_chaos += sim.initialised() > 0 ? 1 : 0;
  ++tally.seeds;
  sim.Heal();
  if (!sim.Done()) {
    FAIL("no single cluster after a minute without faults: seed " << seed << sim.Describe());
  }
}

Tally RunSeeds(FoundingSim::Setup setup, uint64_t count) {
  Tally tally;
  if (const char* only = std::getenv("AURORA_FOUNDING_SEED")) {
    RunSeed(setup, std::strtoull(only, nullptr, 10), true, tally);
    return tally;
  }
  if (const char* times = std::getenv("AURORA_FOUNDING_TIMES")) {
    count *= std::strtoull(times, nullptr, 10);
  }
  for (uint64_t seed = 1; seed <= count; ++seed) {
    RunSeed(setup, seed, true, tally);
  }
  // Otherwise the chaos would only ever test waiting.
  CHECK(tally.founded_in_chaos > tally.seeds / 30);
  return tally;
}

}  // namespace

TEST_CASE("three nodes that expect three never found two clusters and found one when left in peace") {
  RunSeeds({3, 3, true}, 2000);
}

TEST_CASE("two nodes that expect two never found two clusters and found one when left in peace") {
  RunSeeds({2, 2, true}, 800);
}

TEST_CASE("five nodes that expect five never found two clusters and found one when left in peace") {
  RunSeeds({5, 5, true}, 120);
}

TEST_CASE("five nodes that expect three never found two clusters while disks are kept and none gets stuck") {
  RunSeeds({5, 3, false}, 700);
}

}  // namespace aurora::roster
