// membership-sim: prints the membership targets, ours beside memberlist's own rules in the same simulator.
//
//   membership-sim [--scenario T3]... [--seeds N] [--seed S] [--rules aurora|stock|both] [--part K] [--quick] [--csv]
// Exit 1 when a target of ours is missed. A failing seed prints the command that replays it.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "tests/sim/table.h"

int main(int argc, char** argv) {
  using namespace aurora::sim;  // NOLINT
  Options options;
  bool both = true, csv = false;
  std::vector<std::string> scenarios;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : "";
    if (flag == "--quick") {
      options.quick = true;
    } else if (flag == "--csv") {
      csv = true;
    } else if (flag == "--scenario") {
      scenarios.emplace_back(argv[++i < argc ? i : 0]);
    } else if (flag == "--seeds") {
      options.seeds = std::atoi(value), ++i;
    } else if (flag == "--seed") {
      options.seed = std::strtoull(value, nullptr, 10), ++i;
    } else if (flag == "--part") {
      options.part = std::atoi(value), ++i;
    } else if (flag == "--rules") {
      both = std::strcmp(value, "aurora") != 0, ++i;
      options.rules = std::strcmp(value, "stock") == 0 ? Rules::kStock : Rules::kAurora;
    } else {
      std::fprintf(stderr, "usage: membership-sim [--scenario T1..T9|chaos]... [--seeds N] [--seed S] "
                           "[--rules aurora|stock|both] [--part K] [--quick] [--csv]\n");
      return 2;
    }
  }
  if (options.rules == Rules::kStock) {
    both = false;
  }
  bool held = true;
  std::puts(csv ? "scenario,setting,measure,ours,memberlist rules,target,verdict"
                : "      | setting                          | measure                                            "
                  "|      ours |     stock |    target |");
  for (const std::string& scenario : scenarios.empty() ? ScenarioNames() : scenarios) {
    const auto started = std::clock();
    for (const Pair& pair : RunBoth(scenario, options, both)) {
      std::puts(Format(pair, csv).c_str());
      held = held && pair.held;
    }
    std::fprintf(stderr, "%s: %.1f s of CPU\n", scenario.c_str(),
                 static_cast<double>(std::clock() - started) / CLOCKS_PER_SEC);
    std::fflush(stdout);
  }
  return held ? 0 : 1;
}
