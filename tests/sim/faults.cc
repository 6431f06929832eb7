// T3, T4, T5: who is declared dead, how soon, and who should not have been.
#include <algorithm>

#include "tests/sim/scenarios.h"

namespace aurora::sim {
namespace {

// Crashes one random host and returns the seconds until every other holds it dead; negative: not within two minutes.
double CrashOne(World& w, int& violations) {
  w.RunFor(Duration::Micros(static_cast<int64_t>(w.rng().Below(5'000'000))));
  int victim = 0;
  do {
    victim = static_cast<int>(w.rng().Below(static_cast<uint64_t>(w.size())));
  } while (w.core(victim) == nullptr);
  std::vector<bool> knows(static_cast<size_t>(w.size()));
  int unaware = -1;
  for (int i = 0; i < w.size(); ++i) {
    unaware += w.core(i) != nullptr ? 1 : 0;
  }
  const Instant start = w.now();
  Instant complete = Instant::Never();
  w.Crash(victim);
  w.on_event = [&](int i, const Event& e) {
    if (e.kind == Event::Kind::kFailed && e.node == w.name(victim) && !knows[static_cast<size_t>(i)]) {
      knows[static_cast<size_t>(i)] = true;
      complete = --unaware == 0 ? w.now() : complete;
    }
  };
  w.RunUntilTrue(Duration::Seconds(120), Duration::Seconds(1), [&] { return unaware == 0; });
  w.on_event = nullptr;
  violations += w.violations();
  return complete == Instant::Never() ? -1 : (complete - start).seconds();
}

std::string Days(const char* what) { return std::string("healthy declared dead, ") + what; }

}  // namespace

Lines RunT3(const Options& o) {
  Lines lines;
  struct Case {
    int n;
    double p99;
    int crashes;
    int per_world;
  };
  int nth = 0;
  for (const Case& c : {Case{2, 12, 300, 1}, Case{3, 8, 1000, 1}, Case{10, 8, 1000, 1}, Case{100, 12, 500, 5},
                        Case{1000, 17, 100, 50}}) {
    if (o.Skip(++nth) || (o.quick && c.n > 100)) {
      continue;
    }
    std::vector<double> times;
    int never = 0;
    int violations = 0;
    int crashes = SeedsOr(o, c.crashes, c.n > 10 ? 10 : 50);
    for (uint64_t seed = o.seed; crashes > 0; ++seed) {
      Config config;
      config.rules = o.rules;
      World w(c.n, config, seed, Replay("T3", o, seed));
      w.meta = "short";  // cheaper to copy; only sizes depend on it
      w.StartAll(true);
      w.RunFor(Duration::Seconds(3));
      for (int i = 0; i < c.per_world && crashes > 0; ++i, --crashes) {
        const double t = CrashOne(w, violations);
        (t < 0 ? never += 1 : (times.push_back(t), 0));
        w.RunFor(Duration::Seconds(5));
      }
    }
    const std::string setting = "N=" + std::to_string(c.n);
    lines.push_back({"T3", setting, "s until all know, p50", Percentile(times, 50), {}});
    lines.push_back({"T3", setting, "s until all know, p99", Percentile(times, 99), c.p99});
    const std::optional<double> max = c.n == 3 ? std::optional(10.0) : std::nullopt;
    lines.push_back({"T3", setting, "s until all know, max", Percentile(times, 100), max});
    lines.push_back({"T3", setting, "never", static_cast<double>(never), 0});
    lines.push_back({"T3", setting, "invariants broken", static_cast<double>(violations), 0});
  }
  return lines;
}

Lines RunT4(const Options& o) {
  Lines lines;
  struct Case {
    double loss;
    double target;
  };
  int nth = 0;
  for (const Case& c : {Case{0.1, 0}, Case{0.25, 1}}) {
    if (o.Skip(++nth)) {
      continue;
    }
    const int n = o.quick ? 30 : 100;
    const double hours = o.quick ? 0.1 : 24;
    int deaths = 0;
    int violations = 0;
    double suspicions = 0;
    double probes = 0, failed = 0;
    const int seeds = SeedsOr(o, 1, 1);
    for (int k = 0; k < seeds; ++k) {
      Config config;
      config.rules = o.rules;
      const uint64_t seed = o.seed + static_cast<uint64_t>(k);
      World w(n, config, seed, Replay("T4", o, seed));
      w.meta = "short";
      w.StartAll(true);
      w.net.loss = c.loss;
      w.net.tcp_blocked = true;
      w.on_event = [&](int, const Event& e) {
        deaths += e.kind == Event::Kind::kFailed ? 1 : 0;
        suspicions += e.kind == Event::Kind::kSuspect ? 1 : 0;
      };
      for (int minute = 0; minute < static_cast<int>(hours * 60); ++minute) {
        w.RunFor(Duration::Seconds(60));
        w.CheckInvariants();
      }
      for (int i = 0; i < n; ++i) {
        probes += static_cast<double>(w.core(i)->stats().probes);
        failed += static_cast<double>(w.core(i)->stats().probes_failed);
      }
      violations += w.violations();
    }
    const double node_days = n * hours / 24 * seeds;
    const std::string setting = "N=" + std::to_string(n) + " loss=" + std::to_string(static_cast<int>(c.loss * 100)) +
                                "% no TCP " + (o.quick ? "0.1 h" : "24 h");
    lines.push_back({"T4", setting, Days("per 100 node-days"), deaths * 100.0 / node_days, c.target});
    lines.push_back({"T4", setting, "probes failed, %", failed * 100 / probes, {}});
    lines.push_back({"T4", setting, "suspicions a node and hour", suspicions / n / n / hours / seeds, {}});
    lines.push_back({"T4", setting, "invariants broken", static_cast<double>(violations), 0});
  }
  return lines;
}

namespace {

struct Stalls {
  int n;
  int halted;     // the first so many hosts stand still again and again
  double at_most, gap_at_most;  // seconds it stands still and runs, both from half a second
  bool guard;
  bool process;   // the whole process stands still; else its input and output, as in the Lifeguard paper
  std::optional<double> deaths;  // the target of ours, an hour
  std::optional<double> gain;    // how many times fewer than by memberlist's rules
};

struct Harm {
  int deaths = 0;         // healthy declared dead, each view counted
  int suspicions = 0;     // healthy suspected
  int halted_deaths = 0;
  int violations = 0;
};

void RunStalls(const Stalls& c, const Options& o, uint64_t seed, Duration length, Harm& harm) {
  Config config;
  config.rules = o.rules;
  config.stall_guard = c.guard;
  World w(c.n, config, seed, Replay("T5", o, seed));
  w.StartAll(true);
  w.net.delay_max = Duration::Millis(20);
  w.on_event = [&](int, const Event& e) {
    const bool healthy = w.IndexOf(e.node) >= c.halted;
    harm.deaths += healthy && e.kind == Event::Kind::kFailed ? 1 : 0;
    harm.halted_deaths += !healthy && e.kind == Event::Kind::kFailed ? 1 : 0;
    harm.suspicions += healthy && e.kind == Event::Kind::kSuspect ? 1 : 0;
  };
  const Instant end = w.now() + length;
  const auto span = [&](double at_most) {
    const auto more = static_cast<uint64_t>(at_most * 1e6) - 500'000;
    return Duration::Micros(500'000 + static_cast<int64_t>(w.rng().Below(more)));
  };
  std::function<void(int)> cycle = [&](int i) {
    if (w.now() >= end) {
      return;
    }
    const Duration halt = span(c.at_most);
    c.process ? w.Freeze(i, halt) : w.Block(i, halt);
    w.At(w.now() + halt + span(c.gap_at_most), [&cycle, i] { cycle(i); });
  };
  for (int i = 0; i < c.halted; ++i) {
    w.At(w.now() + Duration::Micros(static_cast<int64_t>(w.rng().Below(8'000'000))), [&cycle, i] { cycle(i); });
  }
  w.RunUntil(end);
  w.CheckInvariants();
  harm.violations += w.violations();
}

}  // namespace

Lines RunT5(const Options& o) {
  Lines lines;
  const int minutes = o.quick ? 3 : 60;
  int nth = 0;
  const int n = o.quick ? 40 : 100, tenth = n / 10;
  for (const Stalls& c : {Stalls{n, tenth, 8, 8, true, true, 0, {}}, Stalls{n, tenth, 8, 8, false, true, {}, {}},
                          Stalls{n, tenth, 8, 8, true, false, {}, {}}, Stalls{n, tenth, 32, 8, true, false, {}, 50},
                          Stalls{n, 3 * tenth, 32, 32, true, false, {}, {}}}) {
    if (o.Skip(++nth) || (o.quick && nth == 5)) {
      continue;
    }
    Harm harm;
    const int seeds = SeedsOr(o, 3, 1);
    for (int k = 0; k < seeds; ++k) {
      RunStalls(c, o, o.seed + static_cast<uint64_t>(k), Duration::Seconds(60 * minutes), harm);
    }
    const double hours = minutes * seeds / 60.0;
    const std::string setting = "N=" + std::to_string(c.n) + " " + std::to_string(c.halted) +
                                (c.process ? " freeze " : " I/O blocks ") +
                                std::to_string(static_cast<int>(c.at_most)) + "/" +
                                std::to_string(static_cast<int>(c.gap_at_most)) + " s" + (c.guard ? "" : ", guard off");
    lines.push_back({"T5", setting, "healthy declared dead per hour (views)", harm.deaths / hours, c.deaths, c.gain});
    lines.push_back({"T5", setting, "healthy suspected per hour (views)", harm.suspicions / hours, {}});
    lines.push_back({"T5", setting, "halted declared dead per hour (views)", harm.halted_deaths / hours, {}});
    lines.push_back({"T5", setting, "invariants broken", static_cast<double>(harm.violations), 0});
  }
  return lines;
}

}  // namespace aurora::sim
