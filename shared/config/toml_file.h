// A TOML file as a flat list of dotted keys.
// Source: TOML 1.0 through toml++ (built without exceptions). Thread: stateless. Bounds:
// kMaxConfigBytes. Errors: one line with the file's name, and line and column for a syntax error.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "shared/config/value.h"

namespace aurora::config {

inline constexpr size_t kMaxConfigBytes = 1 << 20;
inline constexpr size_t kMaxSecretFileBytes = 64 << 10;

struct FileValue {
  std::vector<std::string> path;
  Raw raw;
  // Parts joined with dots; a part with a dot in it is quoted.
  std::string Key() const;
};

absl::StatusOr<std::vector<FileValue>> ParseToml(std::string_view text, std::string_view origin);

// The whole file; the message says why not ("No such file or directory", "is a directory", "larger
// than ...").
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_bytes);

}  // namespace aurora::config
