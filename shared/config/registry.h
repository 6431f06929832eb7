// The table of settings: every key once, with its variable, type, default, bounds and place in
// Config. Source: docs product contract, settings. Thread: const after start. Invariant: a default
// satisfies its rule.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "shared/config/config.h"
#include "shared/config/convert.h"

namespace aurora::config {

struct Setting {
  std::string_view key;
  Rule rule;
  std::string_view fallback;  // the default, as an environment variable would write it; "" = unset
  void (*store)(Config& config, Value& value);

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
};

std::span<const ProviderSetting> ProviderSettings();

}  // namespace aurora::config
