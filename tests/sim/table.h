// Runs scenarios by name under both rule sets and lays their lines side by side. Source: ours. Thread: the caller's.
#pragma once

#include <string>
#include <vector>

#include "tests/sim/scenarios.h"

namespace aurora::sim {

struct Pair {
  Line ours;
  std::optional<double> stock;
  bool held = true;  // ours is within its target
};

const std::vector<std::string>& ScenarioNames();
// An unknown name returns nothing.
std::vector<Pair> RunBoth(const std::string& scenario, Options options, bool with_stock);
std::string Format(const Pair& pair, bool csv);

}  // namespace aurora::sim
