#include "tests/sim/table.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

namespace aurora::sim {
namespace {

using Runner = Lines (*)(const Options&);

const std::vector<std::pair<std::string, Runner>>& Runners() {
  static const std::vector<std::pair<std::string, Runner>> kRunners = {
      {"T1", RunT1}, {"T2", RunT2}, {"T3", RunT3}, {"T4", RunT4}, {"T5", RunT5},
      {"T6", RunT6}, {"T7", RunT7}, {"T8", RunT8}, {"T9", RunT9}, {"chaos", RunChaos}};
  return kRunners;
}

std::string Number(double v) {
  if (std::isnan(v)) {
    return "none";
  }
  char text[32];
  std::snprintf(text, sizeof text, v == static_cast<double>(static_cast<int64_t>(v)) ? "%.0f" : "%.2f", v);
  return text;
}

}  // namespace

std::string Replay(const char* scenario, const Options& o, uint64_t seed) {
  return std::string("membership-sim --scenario ") + scenario + (o.rules == Rules::kStock ? " --rules stock" : "") +
         (o.quick ? " --quick" : "") + " --seeds 1 --seed " + std::to_string(seed);
}

double Percentile(std::vector<double> values, double p) {
  if (values.empty()) {
    return std::nan("");  // within no target
  }
  std::sort(values.begin(), values.end());
  const auto rank = static_cast<size_t>(p / 100 * static_cast<double>(values.size()));
  return values[std::min(rank, values.size() - 1)];
}

const std::vector<std::string>& ScenarioNames() {
  static const std::vector<std::string> kNames = [] {
    std::vector<std::string> names;
    for (const auto& [name, runner] : Runners()) {
      names.push_back(name);
    }
    return names;
  }();
  return kNames;
}

std::vector<Pair> RunBoth(const std::string& scenario, Options options, bool with_stock) {
  std::vector<Pair> pairs;
  for (const auto& [name, runner] : Runners()) {
    if (name != scenario) {
      continue;
    }
    for (Line& line : runner(options)) {
      const bool held = !line.target || line.value <= *line.target;
      pairs.push_back({std::move(line), {}, held});
    }
    if (with_stock) {
      options.rules = Rules::kStock;
      const Lines stock = runner(options);
      for (size_t i = 0; i < stock.size() && i < pairs.size(); ++i) {
        pairs[i].stock = stock[i].value;
        if (const std::optional<double> gain = pairs[i].ours.gain) {
          pairs[i].held = pairs[i].held && stock[i].value > 0 && pairs[i].ours.value * *gain <= stock[i].value;
        }
      }
    }
  }
  return pairs;
}

std::string Format(const Pair& p, bool csv) {
  const std::string stock = p.stock ? Number(*p.stock) : "";
  const std::string target = p.ours.target ? "<= " + Number(*p.ours.target)
                             : p.ours.gain ? "<= stock/" + Number(*p.ours.gain)
                                           : "";
  const std::string quote = csv ? "\"" : "";
  char text[256];
  const char* layout = csv ? "%s,%s,%s,%s,%s,%s,%s" : "%-5s | %-32s | %-50s | %9s | %9s | %9s | %s";
  std::snprintf(text, sizeof text, layout, p.ours.scenario.c_str(), (quote + p.ours.setting + quote).c_str(),
                (quote + p.ours.measure + quote).c_str(), Number(p.ours.value).c_str(), stock.c_str(), target.c_str(),
                p.held ? "ok" : "MISSED");
  return text;
}

}  // namespace aurora::sim
