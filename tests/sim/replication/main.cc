// replication-sim: random histories of the real replication core and store under faults, hand-written ones, mutants.
//
//   replication-sim [--seeds N] [--seed S] [--mutants] [--mutant NAME]
// Prints a table. Exit 1: an invariant broke (the line says how to replay it) or a mutant was not caught.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <map>
#include <string>

#include "tests/sim/replication/world.h"

namespace {

using namespace aurora::repsim;  // NOLINT

double Cpu() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

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
  }
  const auto line = [](const char* what, uint64_t n) {
    std::printf("| %-36s | %12llu |\n", what, static_cast<unsigned long long>(n));
  };
  line("histories", seeds);
  line("steps", total.steps);
  line("acknowledged writes", total.writes);
  line("transactions with a peer's rows", total.commits);
  line("wait=all answers checked", total.promises);
  line("power cuts inside a transaction", total.power_cuts);
  line("disk writes lost or torn", total.lost_pages);
  line("seconds of CPU", static_cast<uint64_t>(Cpu() - start));
  line("violations", static_cast<uint64_t>(broken));
  return broken;
}

int RunScenarioTable() {
  int broken = 0;
  for (const auto& [name, what] : RunScenarios(Mutant::kNone)) {
    std::printf("| %-36s | %12s |\n", name.c_str(), what.empty() ? "holds" : what.c_str());
    broken += what.empty() ? 0 : 1;
  }
  return broken;
}

// Seeds until the mutant is caught.
bool Caught(const MutantInfo& info, uint64_t seeds) {
  for (const auto& [name, what] : RunScenarios(info.mutant)) {
    if (!what.empty()) {
      std::printf("| caught | %-46s | %-28s | %s\n", info.name, name.c_str(), what.c_str());
      return true;
    }
  }
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    World world(seed, info.mutant);
    if (!world.Run()) {
      std::printf("| caught | %-46s | seed %-23llu | %s\n", info.name, static_cast<unsigned long long>(seed),
                  world.failure().c_str());
      return true;
    }
  }
  std::printf("| MISSED | %-46s | %llu seeds\n", info.name, static_cast<unsigned long long>(seeds));
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t seeds = 300;
  uint64_t first = 1;
  bool mutants = false;
  std::string only;
  for (int i = 1; i < argc; ++i) {
    const char* value = i + 1 < argc ? argv[i + 1] : "";
    if (std::strcmp(argv[i], "--seeds") == 0) {
      seeds = std::strtoull(value, nullptr, 10), ++i;
    } else if (std::strcmp(argv[i], "--seed") == 0) {
      first = std::strtoull(value, nullptr, 10), ++i;
    } else if (std::strcmp(argv[i], "--mutants") == 0) {
      mutants = true;
    } else if (std::strcmp(argv[i], "--mutant") == 0) {
      only = value, mutants = true, ++i;
    } else {
      std::fprintf(stderr, "usage: replication-sim [--seeds N] [--seed S] [--mutants] [--mutant NAME]\n");
      return 2;
    }
  }
  int wrong = 0;
  if (mutants) {
    for (const MutantInfo& info : Mutants()) {
      if (only.empty() || only == info.name) {
        wrong += Caught(info, seeds) ? 0 : 1;
        std::fflush(stdout);
      }
    }
  } else {
    wrong = RunScenarioTable() + RunSeeds(first, seeds);
  }
  return wrong == 0 ? 0 : 1;
}
