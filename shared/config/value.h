// Value: one setting as text or a typed TOML scalar, turned into what the table says it is.
// Source: ours. Thread: values. Errors: the Parse functions answer nullopt; the caller words the
// mistake.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/time.h"

namespace aurora::config {

enum class Kind {
  kString,
  kSecret,  // text; printed "****"
  kBool,
  kInt,       // bounds apply
  kBytes,     // integer, or text "2GiB"; bounds apply
  kDuration,  // text "5s"; bounds apply, in microseconds
  kEnum,      // one of `allowed`, '|' separated
  kHostPort,
  kStrings,     // TOML array of strings, or text separated by commas
  kSecretList,  // the same, printed "****"
};

// Where a value came from and what it said.
struct Raw {
  enum class Shape { kText, kInteger, kBoolean, kList, kOther };
  Shape shape = Shape::kText;
  std::string text;  // kText; for the other shapes their spelling
  int64_t integer = 0;
  bool boolean = false;
  std::vector<std::string> list;
  bool list_of_text = true;       // kList: every element was a string
  std::string source;             // "file x.toml:3", "environment X", "default"
  bool from_text_source = false;  // environment or default: "5" may be a number, "true" a bool
};

// "100ms", "5s", "2m", "12h", "30d", also sums ("1m30s"); "0" and "0s". nullopt also on overflow.
std::optional<Duration> ParseDuration(std::string_view text);
std::string FormatDuration(Duration value);
// "1048576", "64KiB", "32MiB", "2GiB", "1TiB".
std::optional<int64_t> ParseBytes(std::string_view text);
std::optional<int64_t> ParseInt(std::string_view text);
std::optional<bool> ParseBool(std::string_view text);
// Trimmed, empty parts dropped.
std::vector<std::string> SplitList(std::string_view text);
std::string_view Trim(std::string_view text);

// Levenshtein distance, at most `limit` + 1.
size_t EditDistance(std::string_view a, std::string_view b, size_t limit);
// The candidate within a third of the name's length (at least 2 edits); "" when none is near.
std::string Nearest(std::string_view name, const std::vector<std::string>& candidates);

// The text in double quotes, control characters escaped, cut after 80 bytes: safe on one line.
std::string Quoted(std::string_view text);

}  // namespace aurora::config
