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

Lines RunT5(const Options& o) {
  Lines lines;
  struct Case {
    const char* name;
    bool guard;
    bool process;  // the whole process stands still; else its input and output, as in the Lifeguard paper
  };
  const int n = o.quick ? 40 : 100;
  const int frozen = n / 10;
  const int minutes = o.quick ? 5 : 60;
  for (const Case& c : {Case{"freeze, guard on", true, true}, Case{"freeze, guard off", false, true},
                        Case{"I/O blocks", true, false}}) {
    int deaths = 0, suspicions = 0, halted_deaths = 0, violations = 0;
    const int seeds = SeedsOr(o, 3, 1);
    for (int k = 0; k < seeds; ++k) {
      Config config;
      config.rules = o.rules;
      config.stall_guard = c.guard;
      const uint64_t seed = o.seed + static_cast<uint64_t>(k);
      World w(n, config, seed, Replay("T5", o, seed));
      w.StartAll(true);
      w.net.delay_max = Duration::Millis(20);
      w.on_event = [&](int, const Event& e) {
        const bool healthy = w.IndexOf(e.node) >= frozen;
        deaths += healthy && e.kind == Event::Kind::kFailed ? 1 : 0;
        halted_deaths += !healthy && e.kind == Event::Kind::kFailed ? 1 : 0;
        suspicions += healthy && e.kind == Event::Kind::kSuspect ? 1 : 0;
      };
      const Instant end = w.now() + Duration::Seconds(60 * minutes);
      std::function<void(int)> cycle = [&](int i) {
        if (w.now() >= end) {
          return;
        }
        const auto span = [&] { return Duration::Micros(500'000 + static_cast<int64_t>(w.rng().Below(7'500'000))); };
        const Duration freeze = span();
        c.process ? w.Freeze(i, freeze) : w.Block(i, freeze);
        w.At(w.now() + freeze + span(), [&cycle, i] { cycle(i); });
      };
      for (int i = 0; i < frozen; ++i) {
        w.At(w.now() + Duration::Micros(static_cast<int64_t>(w.rng().Below(8'000'000))), [&cycle, i] { cycle(i); });
      }
      w.RunUntil(end);
      w.CheckInvariants();
      violations += w.violations();
    }
    const double hours = minutes * seeds / 60.0;
    const std::string setting = "N=" + std::to_string(n) + " " + std::to_string(frozen) + " " + c.name;
    const std::optional<double> zero = c.guard && c.process ? std::optional(0.0) : std::nullopt;
    lines.push_back({"T5", setting, "healthy declared dead per hour (views)", deaths / hours, zero});
    lines.push_back({"T5", setting, "healthy suspected per hour (views)", suspicions / hours, {}});
    lines.push_back({"T5", setting, "halted declared dead per hour (views)", halted_deaths / hours, {}});
    lines.push_back({"T5", setting, "invariants broken", static_cast<double>(violations), 0});
  }
  return lines;
}

}  // namespace aurora::sim
