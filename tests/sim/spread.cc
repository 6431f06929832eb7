// T1, T2: gossip alone, no probes and no push/pull. How many gossip intervals until everyone knows, and how often
// someone never does.
#include <algorithm>

#include "tests/sim/scenarios.h"

namespace aurora::sim {
namespace {

struct Spread {
  std::vector<double> rounds;
  int misses = 0;
  int violations = 0;
};

void OneEvent(World& w, Spread& spread) {
  const int subject = static_cast<int>(w.rng().Below(static_cast<uint64_t>(w.size())));
  std::vector<bool> knows(static_cast<size_t>(w.size()));
  int known = 0;
  uint32_t incarnation = 0;
  Instant complete = Instant::Never();
  w.on_step = [&](int i) {
    if (incarnation == 0 || knows[static_cast<size_t>(i)] ||
        w.core(i)->Find(w.name(subject))->incarnation < incarnation) {
      return;
    }
    knows[static_cast<size_t>(i)] = true;
    if (++known == w.size()) {
      complete = w.now();
    }
  };
  w.RunFor(Duration::Millis(static_cast<int64_t>(w.rng().Below(200))));
  const Instant start = w.now();
  incarnation = w.core(subject)->incarnation() + 1;
  w.Call(subject, [&](Membership& m, Instant now, Outbox& out) {
    m.UpdateMeta(now, std::string(5, static_cast<char>('a' + incarnation % 26)), out);
  });
  w.RunUntilTrue(Duration::Seconds(60), Duration::Millis(200), [&] { return w.QueuesEmpty(); });
  w.on_step = nullptr;
  if (complete == Instant::Never()) {
    ++spread.misses;
  } else {
    spread.rounds.push_back((complete - start).seconds() / w.config.gossip_interval.seconds());
  }
}

Spread Measure(const char* scenario, const Options& o, int n, double loss, int events) {
  constexpr int kEventsPerWorld = 50;
  Spread spread;
  for (uint64_t seed = o.seed; events > 0; ++seed, events -= kEventsPerWorld) {
    Config config;
    config.rules = o.rules;
    config.probe_period = config.push_pull_interval = config.rejoin_interval = Duration::Seconds(1'000'000);
    config.lonely_rejoin_interval = config.rejoin_interval;
    World w(n, config, seed, Replay(scenario, o, seed));
    w.meta = "short";
    w.StartAll(true);
    w.net.loss = loss;
    for (int i = 0; i < std::min(events, kEventsPerWorld); ++i) {
      OneEvent(w, spread);
    }
    w.CheckInvariants();
    spread.violations += w.violations();
  }
  return spread;
}

}  // namespace

Lines RunT1(const Options& o) {
  Lines lines;
  struct Case {
    int n;
    double loss;
    double rounds;
    int events;
  };
  int nth = 0;
  for (const Case& c : {Case{100, 0, 8, 1000}, Case{100, 0.1, 8, 1000}, Case{100, 0.25, 10, 1000},
                        Case{1000, 0.1, 11, 1000}, Case{1000, 0.25, 13, 1000}}) {
    if (o.Skip(++nth) || (o.quick && c.n > 100)) {
      continue;
    }
    const Spread s = Measure("T1", o, c.n, c.loss, SeedsOr(o, c.events, 50));
    const std::string setting =
        "N=" + std::to_string(c.n) + " loss=" + std::to_string(static_cast<int>(c.loss * 100)) + "%";
    lines.push_back({"T1", setting, "rounds p50", Percentile(s.rounds, 50), {}});
    lines.push_back({"T1", setting, "rounds p99", Percentile(s.rounds, 99), c.rounds});
    lines.push_back({"T1", setting, "events someone missed", static_cast<double>(s.misses), 0});
    lines.push_back({"T1", setting, "invariants broken", static_cast<double>(s.violations), 0});
  }
  return lines;
}

Lines RunT2(const Options& o) {
  Lines lines;
  for (int n : {3, 5, 9}) {
    const Spread s = Measure("T2", o, n, 0.25, SeedsOr(o, 3000, 300));
    const std::string setting = "N=" + std::to_string(n) + " loss=25%";
    lines.push_back({"T2", setting, "events someone missed", static_cast<double>(s.misses), 0});
    lines.push_back({"T2", setting, "rounds p99", Percentile(s.rounds, 99), {}});
  }
  return lines;
}

}  // namespace aurora::sim
