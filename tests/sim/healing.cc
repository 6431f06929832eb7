// T6, T7, T8: coming together again after a partition, a rolling restart, a restart of everyone.
#include <algorithm>
#include <memory>

#include "tests/sim/scenarios.h"

namespace aurora::sim {

Lines RunT6(const Options& o) {
  Lines lines;
  for (int n : {2, 5, 10, 100}) {
    if (o.quick && n > 10) {
      continue;
    }
    std::vector<double> times;
    int never = 0, violations = 0;
    const int seeds = SeedsOr(o, n == 100 ? 40 : 200, 10);
    for (int k = 0; k < seeds; ++k) {
      Config config;
      config.rules = o.rules;
      const uint64_t seed = o.seed + static_cast<uint64_t>(k);
      World w(n, config, seed, Replay("T6", o, seed));
      w.StartAll(true);
      w.RunFor(Duration::Seconds(5));
      w.net.cut = [n](int a, int b) { return (a < n / 2) != (b < n / 2); };
      w.RunFor(Duration::Micros(600'000'000 + static_cast<int64_t>(w.rng().Below(10'000'000))));
      w.net.cut = nullptr;
      const Instant healed = w.now();
      const bool one = w.RunUntilTrue(Duration::Seconds(300), Duration::Millis(100), [&] { return w.ViewsAgree(); });
      (one ? (times.push_back((w.now() - healed).seconds()), 0) : never += 1);
      w.CheckInvariants();
      violations += w.violations();
    }
    const std::string setting = "N=" + std::to_string(n) + " half/half 10 min";
    lines.push_back({"T6", setting, "s until one view, p50", Percentile(times, 50), {}});
    lines.push_back({"T6", setting, "s until one view, p99", Percentile(times, 99), 45});
    lines.push_back({"T6", setting, "not within 5 min, %", never * 100.0 / seeds, 0});
    lines.push_back({"T6", setting, "invariants broken", static_cast<double>(violations), 0});
  }
  return lines;
}

Lines RunT7(const Options& o) {
  Lines lines;
  for (bool keep_disk : {true, false}) {
    const int n = o.quick ? 20 : 100;
    std::vector<double> times;
    int never = 0, conflicts = 0, violations = 0;
    const int seeds = SeedsOr(o, 3, 5);
    for (int k = 0; k < seeds; ++k) {
      Config config;
      config.rules = o.rules;
      const uint64_t seed = o.seed + static_cast<uint64_t>(k);
      World w(n, config, seed, Replay("T7", o, seed));
      w.StartAll(true);
      w.RunFor(Duration::Seconds(3));
      w.on_event = [&](int, const Event& e) { conflicts += e.kind == Event::Kind::kConflict ? 1 : 0; };
      for (int i = 0; i < n; ++i) {
        w.Crash(i);
        w.RunFor(Duration::Millis(1000 + static_cast<int64_t>(w.rng().Below(2000))));
        w.host(i).wall_behind = keep_disk ? 0 : 3600;
        w.Start(i, keep_disk, true);
        const Instant started = w.now();
        const bool seen = w.RunUntilTrue(Duration::Seconds(90), Duration::Millis(20), [&] {
          for (int j = 0; j < n; ++j) {
            const membership::Record* r = w.core(j)->Find(w.name(i));
            if (r == nullptr || r->state != NodeState::kAlive || r->address != w.AddressOf(i)) {
              return false;
            }
          }
          return true;
        });
        (seen ? (times.push_back((w.now() - started).seconds()), 0) : never += 1);
      }
      w.CheckInvariants();
      violations += w.violations();
    }
    const std::string setting = "N=" + std::to_string(n) + (keep_disk ? " disk kept" : " disk lost, clock 1 h back");
    lines.push_back({"T7", setting, "s until in every view, p50", Percentile(times, 50), {}});
    lines.push_back({"T7", setting, "s until in every view, p99", Percentile(times, 99), 3});
    lines.push_back({"T7", setting, "not within 90 s", static_cast<double>(never), 0});
    lines.push_back({"T7", setting, "conflict events", static_cast<double>(conflicts), 0});
    lines.push_back({"T7", setting, "invariants broken", static_cast<double>(violations), 0});
  }
  return lines;
}

Lines RunT8(const Options& o) {
  Lines lines;
  for (bool keep_disk : {true, false}) {
    const int n = o.quick ? 60 : 1000;
    std::vector<double> times;
    int never = 0, violations = 0;
    const int seeds = SeedsOr(o, 1, 1);
    for (int k = 0; k < seeds; ++k) {
      Config config;
      config.rules = o.rules;
      const uint64_t seed = o.seed + static_cast<uint64_t>(k);
      World w(n, config, seed, Replay("T8", o, seed));
      w.aged = 51;  // everyone has been accused often, so its incarnation is high
      w.StartAll(true);
      w.RunFor(Duration::Seconds(3));
      const Instant start = w.now();
      for (int i = 0; i < n; ++i) {
        const Instant when = start + Duration::Micros(static_cast<int64_t>(w.rng().Below(9'000'000)));
        w.At(when, [&w, i] { w.Crash(i); });
        w.At(when + Duration::Seconds(1), [&w, i, keep_disk] {
          w.host(i).wall_behind = keep_disk ? 0 : 3600;
          w.Start(i, keep_disk, false);
        });
      }
      w.RunUntil(start + Duration::Seconds(10));
      const bool one = w.RunUntilTrue(Duration::Seconds(300), Duration::Millis(500), [&] { return w.ViewsAgree(); });
      (one ? (times.push_back((w.now() - start).seconds()), 0) : never += 1);
      w.CheckInvariants();
      violations += w.violations();
    }
    const std::string setting = "N=" + std::to_string(n) + (keep_disk ? " disk kept" : " disk lost, clock 1 h back");
    lines.push_back({"T8", setting, "s from first restart to one view, max", Percentile(times, 100), 60});
    lines.push_back({"T8", setting, "not within 5 min", static_cast<double>(never), 0});
    lines.push_back({"T8", setting, "invariants broken", static_cast<double>(violations), 0});
  }
  return lines;
}

}  // namespace aurora::sim
