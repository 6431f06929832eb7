// The membership targets in small: fewer seeds, smaller clusters, the same laws. membership-sim runs them in full.
#include "tests/sim/table.h"
#include "tests/support/test.h"

using namespace aurora::sim;  // NOLINT

TEST_CASE("every membership target holds in the simulator", "[sim]") {
  Options options;
  options.quick = true;
  for (const std::string& scenario : ScenarioNames()) {
    for (const Pair& pair : RunBoth(scenario, options, false)) {
      INFO(Format(pair, false));
      CHECK(pair.held);
      if (pair.ours.measure == "probes failed, %") {
        CHECK(pair.ours.value > 0);  // else the loss of T4 reached nobody
      }
    }
  }
}

TEST_CASE("the same seed gives the same run", "[sim]") {
  Options options;
  options.quick = true;
  options.seeds = 5;
  const Lines first = RunChaos(options);
  const Lines again = RunChaos(options);
  REQUIRE(first.size() == again.size());
  for (size_t i = 0; i < first.size(); ++i) {
    CHECK(first[i].value == again[i].value);
  }
}

TEST_CASE("memberlist's own rules show their known defects here: the simulator can tell", "[sim]") {
  Options options;
  options.quick = true;
  options.rules = aurora::membership::Rules::kStock;
  options.seeds = 3;
  const auto value = [](const Lines& lines, const std::string& measure) {
    for (const Line& line : lines) {
      if (line.measure == measure) {
        return line.value;
      }
    }
    return -1.0;
  };
  CHECK(value(RunT6(options), "not within 5 min, %") == 100);
  CHECK(value(RunT7(options), "conflict events") > 0);
  options.seeds = 300;
  CHECK(value(RunT2(options), "events someone missed") > 0);
}
