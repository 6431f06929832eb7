// The targets T1 to T9 of the membership design as scenarios, and chaos: each returns lines of a table. Source: ours.
// Deterministic in (rules, seed). Values are in the unit the measure names.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/world.h"

namespace aurora::sim {

struct Options {
  Rules rules = Rules::kAurora;
  int seeds = 0;       // 0: the scenario's own number
  uint64_t seed = 1;   // the first; a replay is --seeds 1 --seed S
  bool quick = false;  // small clusters and short times, for CTest
  int part = 0;        // only the scenario's first, second, ... setting; 0: all

  bool Skip(int nth) const { return part > 0 && part != nth; }
};

struct Line {
  std::string scenario;
  std::string setting;
  std::string measure;
  double value = 0;
  std::optional<double> target = {};  // at most; for ours
  std::optional<double> gain = {};    // ours is at most memberlist's value by this
};

using Lines = std::vector<Line>;

Lines RunT1(const Options& o);     // one event reaches everyone: rounds and misses
Lines RunT2(const Options& o);     // the same in clusters of 3, 5, 9
Lines RunT3(const Options& o);     // a crash is known to everyone
Lines RunT4(const Options& o);     // nobody healthy is declared dead under loss
Lines RunT5(const Options& o);     // frozen processes harm nobody else
Lines RunT6(const Options& o);     // a healed partition becomes one view
Lines RunT7(const Options& o);     // a rolling restart onto new addresses
Lines RunT8(const Options& o);     // everyone restarts within ten seconds
Lines RunT9(const Options& o);     // bandwidth and growth at rest
Lines RunChaos(const Options& o);  // everything at once, then one view

// --- shared by the scenarios -----------------------------------------------------------------------------------------

std::string Replay(const char* scenario, const Options& o, uint64_t seed);
double Percentile(std::vector<double> values, double p);
inline int SeedsOr(const Options& o, int usual, int quick) { return o.seeds > 0 ? o.seeds : o.quick ? quick : usual; }

}  // namespace aurora::sim
