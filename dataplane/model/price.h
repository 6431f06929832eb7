// Price: what a request costs. Selectors are looked up from the most exact to the least: "provider/model",
// "model", "provider/", "/"; at each, the version in force when the request began, if any.
// Source: product contract, Pricing; aurora.v1.PricingSpec. Thread: immutable. Units: nano-USD; a price of
// one USD per million tokens is 1000 nano-USD a token. Bounds: no allocation; a cost is cut to kCostMax.
// Invariant: the versions of a selector ascend by their time.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "dataplane/model/usage_record.h"
#include "shared/base/string_map.h"

namespace aurora::model {

struct Price {
  int64_t effective_from_s = 0;
  // nano-USD per token.
  double input = 0;
  double output = 0;
  double cached_input = 0;
  double cache_write = 0;
  double reasoning = 0;
  double per_request = 0;  // nano-USD
};

using Prices = StringMap<std::vector<Price>>;  // by selector

inline constexpr double kCostMax = 9e18;

// Null when none of the versions is in force yet.
inline const Price* InForce(const std::vector<Price>& versions, int64_t unix_s) {
  const auto after = std::upper_bound(versions.begin(), versions.end(), unix_s,
                                      [](int64_t at, const Price& p) { return at < p.effective_from_s; });
  return after == versions.begin() ? nullptr : &*(after - 1);
}

inline const Price* FindPrice(const Prices& prices, std::string_view provider, std::string_view name,
                              int64_t unix_s) {
  if (prices.empty()) {
    return nullptr;
  }
  std::array<char, 256> text;
  if (provider.size() + 1 + name.size() > text.size()) {
    return nullptr;
  }
  std::copy(provider.begin(), provider.end(), text.begin());
  text[provider.size()] = '/';
  std::copy(name.begin(), name.end(), text.begin() + static_cast<std::ptrdiff_t>(provider.size()) + 1);
  const std::string_view qualified(text.data(), provider.size() + 1 + name.size());
  for (const std::string_view selector :
       {qualified, name, qualified.substr(0, provider.size() + 1), std::string_view("/")}) {
    const auto found = prices.find(selector);
    const Price* price = found == prices.end() ? nullptr : InForce(found->second, unix_s);
    if (price != nullptr) {
      return price;
    }
  }
  return nullptr;
}

// `tokens.input` counts cached and cache-writing tokens too, `tokens.output` reasoning ones (llm/usage.h).
inline int64_t CostOf(const Price& p, const TokenCounts& tokens) {
  const auto count = [](int64_t n) { return static_cast<double>(std::max<int64_t>(n, 0)); };
  const double cached = count(tokens.cached_input);
  const double written = count(tokens.cache_creation_input);
  const double reasoning = count(tokens.reasoning);
  const double plain_input = std::max(count(tokens.input) - cached - written, 0.0);
  const double plain_output = std::max(count(tokens.output) - reasoning, 0.0);
  const double cost = p.per_request + plain_input * p.input + cached * p.cached_input + written * p.cache_write +
                      plain_output * p.output + reasoning * p.reasoning;
  return static_cast<int64_t>(std::llround(std::min(cost, kCostMax)));
}

}  // namespace aurora::model
