// What the commands of seeded simulators share: their options, a line of the table, the hunt for mutants.
// Source: ours. Thread: main's. A simulator's namespace has World(seed, mutant) with Run() and failure(), MutantInfo
// {name, mutant}, Mutants() and RunScenarios(mutant). Errors: an option nobody knows is said, with the usage.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>

namespace aurora::sim {

struct Options {
  uint64_t seeds = 0;
  uint64_t first = 1;
  bool mutants = false;
  std::string only;        // this mutant alone
  uint64_t takeovers = 0;  // of simulators that measure them
};

// False: `usage` was printed.
inline bool Parse(int argc, char** argv, const char* usage, bool measures, Options* out) {
  for (int i = 1; i < argc; ++i) {
    const char* value = i + 1 < argc ? argv[i + 1] : "";
    if (std::strcmp(argv[i], "--seeds") == 0) {
      out->seeds = std::strtoull(value, nullptr, 10), ++i;
    } else if (std::strcmp(argv[i], "--seed") == 0) {
      out->first = std::strtoull(value, nullptr, 10), ++i;
    } else if (std::strcmp(argv[i], "--mutants") == 0) {
      out->mutants = true;
    } else if (std::strcmp(argv[i], "--mutant") == 0) {
      out->only = value, out->mutants = true, ++i;
    } else if (measures && std::strcmp(argv[i], "--takeover") == 0) {
      out->takeovers = std::strtoull(value, nullptr, 10), ++i;
    } else {
      std::fprintf(stderr, "usage: %s\n", usage);
      return false;
    }
  }
  return true;
}

inline double Cpu() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

inline void Line(const char* what, uint64_t n) {
  std::printf("| %-44s | %12llu |\n", what, static_cast<unsigned long long>(n));
}

// The hand-written histories without a mutant; how many broke.
template <class Outcomes>
int PrintScenarios(const Outcomes& outcomes) {
  int broken = 0;
  for (const auto& [name, what] : outcomes) {
    std::printf("| %-44s | %12s |\n", name.c_str(), what.empty() ? "holds" : what.c_str());
    broken += what.empty() ? 0 : 1;
  }
  return broken;
}

// By hand, then seeds, until the mutant is caught.
template <class World, class MutantInfo, class Outcomes>
bool Caught(const MutantInfo& info, const Outcomes& by_hand, uint64_t seeds) {
  for (const auto& [name, what] : by_hand) {
    if (!what.empty()) {
      std::printf("| caught | %-52s | %-28s | %s\n", info.name, name.c_str(), what.c_str());
      return true;
    }
  }
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    World world(seed, info.mutant);
    if (!world.Run()) {
      std::printf("| caught | %-52s | seed %-23llu | %s\n", info.name, static_cast<unsigned long long>(seed),
                  world.failure().c_str());
      return true;
    }
  }
  std::printf("| MISSED | %-52s | %llu seeds\n", info.name, static_cast<unsigned long long>(seeds));
  return false;
}

// How many of the mutants were missed. `scenarios`: Mutant -> outcomes.
template <class World, class Mutants, class Scenarios>
int HuntMutants(const Mutants& mutants, const Scenarios& scenarios, const Options& options) {
  int missed = 0;
  for (const auto& info : mutants) {
    if (options.only.empty() || options.only == info.name) {
      missed += Caught<World>(info, scenarios(info.mutant), options.seeds) ? 0 : 1;
      std::fflush(stdout);
    }
  }
  return missed;
}

}  // namespace aurora::sim
