// replication-sim: random histories of the real replication core and store under faults, hand-written ones, mutants.
//
//   replication-sim [--seeds N] [--seed S] [--mutants] [--mutant NAME]
// Prints a table. Exit 1: an invariant broke (the line says how to replay it) or a mutant was not caught.
#include <cstdio>

#include "tests/sim/replication/world.h"
#include "tests/sim/sim_main.h"

namespace {

using namespace aurora::repsim;  // NOLINT
using namespace aurora::sim;  // NOLINT

int RunSeeds(uint64_t first, uint64_t seeds) {
  Tally total;
  int broken = 0;
  const double start = Cpu();
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    World world(seed, Mutant::kNone);
    if (!world.Run()) {
      ++broken;
      std::printf("seed %llu: %s\n  replay: replication-sim --seeds 1 --seed %llu\n",
                  static_cast<unsigned long long>(seed), world.failure().c_str(),
                  static_cast<unsigned long long>(seed));
      std::fflush(stdout);
    }
    const Tally t = world.tally();
    total.writes += t.writes;
    total.promises += t.promises;
    total.power_cuts += t.power_cuts;
    total.lost_pages += t.lost_pages;
    total.commits += t.commits;
    total.steps += t.steps;
    total.replaced += t.replaced;
    total.damaged += t.damaged;
    total.found += t.found;
    total.went_back += t.went_back;
  }
  Line("histories", seeds);
  Line("steps", total.steps);
  Line("acknowledged writes", total.writes);
  Line("transactions with a peer's rows", total.commits);
  Line("wait=all answers checked", total.promises);
  Line("power cuts inside a transaction", total.power_cuts);
  Line("disk writes lost or torn", total.lost_pages);
  Line("files replaced under a running process", total.replaced);
  Line("disks that changed bytes", total.damaged);
  Line("refusals for it, at a start or later", total.found);
  Line("disks that came back without all they held", total.went_back);
  Line("seconds of CPU", static_cast<uint64_t>(Cpu() - start));
  Line("violations", static_cast<uint64_t>(broken));
  return broken;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  options.seeds = 300;
  if (!Parse(argc, argv, "replication-sim [--seeds N] [--seed S] [--mutants] [--mutant NAME]", false, &options)) {
    return 2;
  }
  if (options.mutants) {
    return HuntMutants<World>(Mutants(), RunScenarios, options) == 0 ? 0 : 1;
  }
  const int broken = PrintScenarios(RunScenarios(Mutant::kNone)) + RunSeeds(options.first, options.seeds);
  return broken == 0 ? 0 : 1;
}
