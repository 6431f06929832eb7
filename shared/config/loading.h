// Loading: what the steps of Load share: the configuration so far, where each value came from, the
// mistakes. Source: ours. Thread: one Load. Errors: collected in `mistakes`, one line each.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "shared/config/config.h"
#include "shared/config/convert.h"
#include "shared/config/toml_file.h"

namespace aurora::config {

struct Loading {
  const LoadOptions& options;
  Config config;
  std::vector<std::string> mistakes;
  std::map<std::string, Raw, std::less<>> raws;  // effective value per key

  // key: "value" what (source), for a key whose value parsed but does not fit.
  void Refuse(std::string_view key, std::string_view value, std::string_view what);
  // A value that must not be shown.
  void RefuseSecret(std::string_view key, std::string_view what);
  std::string SourceOf(std::string_view key) const;
};

// Reads VARIABLE, or the file VARIABLE_FILE names when `secret`. False when neither is set.
bool FromEnvironment(Loading& loading, std::string_view key, const std::string& variable,
                     bool secret, Raw* out);
// Contents of a secret's file without the line break at its end. False after noting the mistake.
bool ReadSecretFile(Loading& loading, std::string_view key, const std::string& path,
                    const std::string& source, Raw* out);

// Notes it when `path` holds no certificates to trust. Bounds: 4 MiB.
inline constexpr size_t kMaxTrustBytes = 4 * kMaxConfigBytes;
void CheckTrust(Loading& loading, std::string_view key, const std::string& path);

// provider_load.cc: [providers.*] of the file and the environment's into config.providers.
void LoadProviders(Loading& loading, const std::vector<FileValue>& from_file);

// validate.cc: what no single key can tell: clashes, pairs, files, addresses.
void Validate(Loading& loading);

}  // namespace aurora::config
