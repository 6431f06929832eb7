// Convert: a Raw value and the rule for its key make a typed Value or one line saying what is
// allowed. Source: ours. Thread: stateless. Errors: Mistake lines as Load prints them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/time.h"
#include "shared/config/hostport.h"
#include "shared/config/value.h"

namespace aurora::config {

// What a key may hold. `min` and `max` are in the kind's unit (durations: microseconds).
struct Rule {
  Kind kind = Kind::kString;
  int64_t min = 0;
  int64_t max = 0;
  std::string_view allowed;  // kEnum: "a|b|c"
};

struct Value {
  std::string text;     // kString, kSecret, kEnum
  int64_t integer = 0;  // kInt, kBytes; kEnum: index into `allowed`
  bool boolean = false;
  Duration duration;
  HostPort host_port;
  std::vector<std::string> list;
};

bool IsSecret(Kind kind);

// `allowed` is filled when the answer is nullopt: "want ...".
std::optional<Value> Convert(const Rule& rule, const Raw& raw, std::string* allowed);

// How a value reads in --print-config.
std::string Display(const Rule& rule, const Value& value);

// key: "value" <what is wrong> (source); a secret's value is never shown.
std::string Mistake(std::string_view key, const Rule& rule, const Raw& raw, std::string_view what);

}  // namespace aurora::config
