// The table of settings: every key once, with its variable, type, default, bounds, place in Config and meaning;
// docs/configuration.md is made from it (reference.h). Source: docs product contract, settings. Thread: const after
// start. Invariant: a default satisfies its rule.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "shared/config/config.h"
#include "shared/config/convert.h"

namespace aurora::config {

// One line for the reference, in Markdown without '|'. A row of the table without one, or with an empty one, does not
// compile.
struct Meaning {
  template <size_t N>
    requires(N > 1)
  constexpr Meaning(const char (&line)[N]) : text(line, N - 1) {}

  std::string_view text;
};

struct Setting {
  std::string_view key;
  Rule rule;
  std::string_view fallback;  // the default, as an environment variable would write it; "" = unset
  void (*store)(Config& config, Value& value);
  Meaning meaning;

  // CLUSTER_BIND_PORT, AURORA_SERVER_LISTEN, AURORA_MASTER_KEY.
  std::string Variable() const;
};

std::span<const Setting> Settings();

// Keys of one [providers.<name>] table.
struct ProviderSetting {
  std::string_view key;
  Rule rule;
  std::string_view fallback;
  void (*store)(ProviderConfig& provider, Value& value);
  Meaning meaning;
};

std::span<const ProviderSetting> ProviderSettings();

// What a provider's variable for `key` ends with: "_BASE_URL"; "" = there is none.
std::string_view VariableEnding(std::string_view key);

}  // namespace aurora::config
