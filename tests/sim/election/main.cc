// election-sim: random histories of the real election core under faults, mutants, and how long a takeover takes.
//
//   election-sim [--seeds N] [--seed S] [--mutants] [--mutant NAME] [--takeover N]
// Prints a table. Exit 1: an invariant broke (the line says how to replay it) or a mutant was not caught.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "tests/sim/election/world.h"
#include "tests/sim/sim_main.h"

namespace {

using namespace aurora::elecsim;  // NOLINT
using namespace aurora::sim;     // NOLINT

int RunSeeds(uint64_t first, uint64_t seeds) {
  Tally total;
  int broken = 0;
  const double start = Cpu();
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    World world(seed, Mutant::kNone);
    if (!world.Run()) {
      ++broken;
      std::printf("seed %llu: %s\n%s  replay: election-sim --seeds 1 --seed %llu\n",
                  static_cast<unsigned long long>(seed), world.failure().c_str(), world.Describe().c_str(),
                  static_cast<unsigned long long>(seed));
      std::fflush(stdout);
    }
    const Tally& t = world.tally();
    total.events += t.events;
    total.elections += t.elections;
    total.openings += t.openings;
    total.releases += t.releases;
    total.unreleased += t.unreleased;
    total.config_changes += t.config_changes;
    total.crashes += t.crashes;
    total.freezes += t.freezes;
    total.wiped += t.wiped;
    total.lost_writes += t.lost_writes;
    total.transfers += t.transfers;
    total.stuck += t.stuck;
    total.open_us += t.open_us;
    total.chaos_us += t.chaos_us;
  }
  Line("histories", seeds);
  Line("events", total.events);
  Line("virtual seconds of faults", static_cast<uint64_t>(total.chaos_us / 1'000'000));
  Line("  of them with a gate open, per cent",
       total.chaos_us == 0 ? 0 : static_cast<uint64_t>(total.open_us * 100 / total.chaos_us));
  Line("elections won", total.elections);
  Line("gates opened", total.openings);
  Line("switchovers asked for", total.transfers);
  Line("terms released", total.releases);
  Line("terms closed without an acknowledgement", total.unreleased);
  Line("changes of the voters", total.config_changes);
  Line("control planes killed", total.crashes);
  Line("processes stopped for a while", total.freezes);
  Line("writes lost with their process", total.lost_writes);
  Line("disks lost", total.wiped);
  Line("histories left without a majority", total.stuck);
  Line("seconds of CPU", static_cast<uint64_t>(Cpu() - start));
  Line("violations", static_cast<uint64_t>(broken));
  return broken;
}

struct Distribution {
  double p50 = 0;
  double p99 = 0;
  double p999 = 0;
  uint64_t never = 0;
};

template <class F>
Distribution Measure(uint64_t trials, F&& one) {
  std::vector<int64_t> took;
  Distribution d;
  for (uint64_t seed = 1; seed <= trials; ++seed) {
    const int64_t us = one(seed);
    us < 0 ? ++d.never : (took.push_back(us), d.never);
  }
  std::sort(took.begin(), took.end());
  const auto at = [&](double q) {
    const auto i = static_cast<size_t>(q * static_cast<double>(took.size()));
    return took.empty() ? 0 : static_cast<double>(took[std::min(i, took.size() - 1)]) / 1e3;
  };
  d.p50 = at(0.5), d.p99 = at(0.99), d.p999 = at(0.999);
  return d;
}

struct Row {
  const char* profile;
  const char* fsync;
  aurora::election::Timers timers;
  std::vector<int64_t> fsyncs_us;
  int nodes;
  const char* modelled;  // p50 / p99 / p99.9 of the model that chose the timers
};

// From the death of the active machine to the next gate that opens; loss 1 %, RTT 1 ms, clocks true.
void TakeoverTable(uint64_t trials) {
  const auto lan = aurora::election::LanTimers();
  const auto fast = aurora::election::AggressiveTimers();
  const std::vector<int64_t> slow = {10'000, 50'000, 200'000};
  const std::vector<int64_t> awful = {50'000, 200'000, 1'000'000};
  const std::vector<Row> rows = {
      {"lan", "1-10 ms", lan, {}, 3, "1377 / 1499 / 1502"},
      {"lan", "1-10 ms", lan, {}, 5, "1378 / 1500 / 1502"},
      {"lan", "10/50/200 ms", lan, slow, 3, "1377 / 1499 / 1502"},
      {"lan", "10/50/200 ms", lan, slow, 5, "1377 / 1500 / 1502"},
      {"lan", "50/200/1000 ms", lan, awful, 3, "1940 / 6158 / 8166"},
      {"lan", "50/200/1000 ms", lan, awful, 5, "1846 / 5455 / 7824"},
      {"aggressive", "1-10 ms", fast, {}, 3, "552 / 601 / 603"},
      {"aggressive", "1-10 ms", fast, {}, 5, "552 / 601 / 603"},
      {"aggressive", "10/50/200 ms", fast, slow, 3, "568 / 1212 / 1592"},
      {"aggressive", "10/50/200 ms", fast, slow, 5, "567 / 1178 / 1635"},
  };
  std::printf("| %-10s | %-14s | n | %-24s | %-20s | %-24s | never |\n", "profile", "fsync",
              "takeover p50/p99/p99.9 ms", "modelled", "switchover p50/p99/p99.9");
  for (const Row& row : rows) {
    Plain plain{.nodes = row.nodes, .timers = row.timers, .fsyncs_us = row.fsyncs_us};
    const Distribution t = Measure(trials, [&](uint64_t seed) { return World(seed, plain).Takeover(); });
    const Distribution s = Measure(trials, [&](uint64_t seed) { return World(seed, plain).Switchover(); });
    std::printf("| %-10s | %-14s | %d | %7.0f / %6.0f / %6.0f | %-20s | %6.1f / %6.1f / %6.1f | %5llu |\n", row.profile,
                row.fsync, row.nodes, t.p50, t.p99, t.p999, row.modelled, s.p50, s.p99, s.p999,
                static_cast<unsigned long long>(t.never + s.never));
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  options.seeds = 2000;
  constexpr const char* kUsage = "election-sim [--seeds N] [--seed S] [--mutants] [--mutant NAME] [--takeover N]";
  if (!Parse(argc, argv, kUsage, true, &options)) {
    return 2;
  }
  if (options.takeovers > 0) {
    TakeoverTable(options.takeovers);
    return 0;
  }
  if (options.mutants) {
    return HuntMutants<World>(Mutants(), RunScenarios, options) == 0 ? 0 : 1;
  }
  const int broken = PrintScenarios(RunScenarios(Mutant::kNone)) + RunSeeds(options.first, options.seeds);
  return broken == 0 ? 0 : 1;
}
