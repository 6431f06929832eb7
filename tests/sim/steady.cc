// T9: what a quiet cluster costs, and that it does not grow. Chaos: every fault at once, then one view.
#include <algorithm>
#include <cstdio>

#include "tests/sim/scenarios.h"

namespace aurora::sim {

Lines RunT9(const Options& o) {
  Lines lines;
  struct Case {
    int n;
    double hours;
    double target;
  };
  const std::vector<Case> cases =
      o.quick ? std::vector<Case>{{30, 1, 1000}} : std::vector<Case>{{100, 24, 1000}, {1000, 1, 3000}};
  int nth = 0;
  for (const Case& c : cases) {
    if (o.Skip(++nth)) {
      continue;
    }
    Config config;
    config.rules = o.rules;
    World w(c.n, config, o.seed, Replay("T9", o, o.seed));
    int disturbances = 0;
    w.StartAll(true);
    w.on_event = [&](int, const Event&) { ++disturbances; };
    for (int i = 0; i < c.n; ++i) {
      w.host(i).bytes = w.host(i).packets = 0;
    }
    size_t grown = 0;
    const Instant end = w.now() + Duration::Millis(static_cast<int64_t>(c.hours * 3'600'000));
    while (w.now() < end) {
      w.RunFor(Duration::Seconds(600));
      w.CheckInvariants();
      for (int i = 0; i < c.n; ++i) {
        grown = std::max(grown, w.core(i)->queued() + w.core(i)->pending());
      }
    }
    double bytes = 0, packets = 0;
    for (int i = 0; i < c.n; ++i) {
      bytes += static_cast<double>(w.host(i).bytes);
      packets += static_cast<double>(w.host(i).packets);
    }
    const double node_seconds = c.n * c.hours * 3600;
    const std::string setting = "N=" + std::to_string(c.n) + " " + std::to_string(static_cast<int>(c.hours)) + " h";
    lines.push_back({"T9", setting, "B/s sent a node, headers, push/pull included", bytes / node_seconds, c.target});
    lines.push_back({"T9", setting, "datagrams/s sent a node", packets / node_seconds, {}});
    lines.push_back({"T9", setting, "entries left in any queue or list", static_cast<double>(grown), 2});
    lines.push_back({"T9", setting, "events", static_cast<double>(disturbances), 0});
    lines.push_back({"T9", setting, "invariants broken", static_cast<double>(w.violations()), 0});
  }
  return lines;
}

namespace {

// One fault, chosen at random, on a random host.
void Disturb(World& w) {
  const int i = static_cast<int>(w.rng().Below(static_cast<uint64_t>(w.size())));
  const int j = static_cast<int>(w.rng().Below(static_cast<uint64_t>(w.size())));
  const bool up = w.core(i) != nullptr;
  switch (w.rng().Below(10)) {
    case 0:
    case 1:
      up ? w.Crash(i) : w.Start(i, true, false);
      break;
    case 2:
      up ? w.Crash(i) : w.Start(i, false, true);
      break;
    case 3:
      if (!up && w.core(j) == nullptr) {
        w.SwapIps(i, j);
      }
      break;
    case 4:
      w.Freeze(i, Duration::Millis(static_cast<int64_t>(w.rng().Below(15'000))));
      break;
    case 5:
      w.JumpClock(i, Duration::Millis(static_cast<int64_t>(w.rng().Below(60'000))));
      break;
    case 6:
      w.net.cut = [i](int a, int b) { return (a <= i) != (b <= i); };
      break;
    case 7:
      w.net.cut = [i](int a, int) { return a == i; };  // heard by nobody, hears everybody
      break;
    case 8:
      w.net.loss = w.rng().OneIn(2) ? 0.4 : 0.05;
      w.net.tcp_blocked = w.rng().OneIn(3);
      break;
    default:
      w.net.cut = nullptr;
      break;
  }
}

}  // namespace

Lines RunChaos(const Options& o) {
  std::vector<double> times;
  int never = 0, violations = 0;
  const int seeds = SeedsOr(o, 500, 40);
  for (int k = 0; k < seeds; ++k) {
    const uint64_t seed = o.seed + static_cast<uint64_t>(k);
    Config config;
    config.rules = o.rules;
    World w(2 + static_cast<int>(seed % 11), config, seed, Replay("chaos", o, seed));
    w.StartAll(false);
    w.net.duplicate = 0.05;
    w.net.reorder = 0.2;
    for (int minute = 0; minute < 60; ++minute) {
      Disturb(w);
      for (int s = 0; s < 5; ++s) {
        w.RunFor(Duration::Seconds(1));
        w.CheckInvariants();
      }
    }
    w.net = Network{};
    for (int i = 0; i < w.size(); ++i) {
      if (w.core(i) == nullptr) {
        w.Start(i, true, false);
      }
    }
    const Instant calm = w.now();
    const bool one = w.RunUntilTrue(Duration::Seconds(300), Duration::Millis(200), [&] { return w.ViewsAgree(); });
    (one ? (times.push_back((w.now() - calm).seconds()), 0) : never += 1);
    if (!one && o.rules == Rules::kAurora) {
      std::fprintf(stderr, "sim: no single view 5 min after the chaos\n  replay: %s\n",
                   Replay("chaos", o, seed).c_str());
    }
    w.CheckInvariants();
    violations += w.violations();
  }
  return {{"chaos", "N=2..12, 5 min", "s until one view, p50", Percentile(times, 50), {}},
          {"chaos", "N=2..12, 5 min", "s until one view, p99", Percentile(times, 99), 60},
          {"chaos", "N=2..12, 5 min", "not within 5 min, %", never * 100.0 / seeds, 0},
          {"chaos", "N=2..12, 5 min", "invariants broken", static_cast<double>(violations), 0}};
}

}  // namespace aurora::sim
