// Shorthand for the config tests: load a text with an environment, look at the lines.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/status.h"
#include "shared/config/config.h"

namespace aurora::config {

inline absl::StatusOr<Config> LoadWith(std::string_view toml, Environment environment = {},
                                       Process process = Process::kDataPlane) {
  LoadOptions options;
  options.environment = std::move(environment);
  options.process = process;
  return LoadText(toml, "t.toml", options);
}

inline std::vector<std::string> Lines(const absl::Status& status) {
  std::vector<std::string> out;
  std::string text(Std(status.message()));
  while (!text.empty()) {
    const size_t end = text.find('\n');
    out.push_back(text.substr(0, end));
    text = end == std::string::npos ? "" : text.substr(end + 1);
  }
  return out;
}

inline std::vector<std::string> MistakesOf(std::string_view toml, Environment environment = {},
                                           Process process = Process::kDataPlane) {
  return Lines(LoadWith(toml, std::move(environment), process).status());
}

inline const EffectiveValue* Effective(const Config& config, std::string_view key) {
  const auto at = std::find_if(config.values.begin(), config.values.end(),
                               [&](const EffectiveValue& v) { return v.key == key; });
  return at == config.values.end() ? nullptr : &*at;
}

}  // namespace aurora::config
