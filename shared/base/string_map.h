// StringMap<V>: absl hash map keyed by std::string, looked up by std::string_view without a copy.
// Iteration order is seeded per process: sort before any order reaches an output.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"

namespace aurora {

struct TransparentHash {
  using is_transparent = void;
  size_t operator()(std::string_view s) const { return absl::Hash<std::string_view>{}(s); }
};

template <class V>
using StringMap = absl::flat_hash_map<std::string, V, TransparentHash, std::equal_to<>>;
using StringSet = absl::flat_hash_set<std::string, TransparentHash, std::equal_to<>>;

}  // namespace aurora
