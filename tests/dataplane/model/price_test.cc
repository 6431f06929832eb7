#include "dataplane/model/price.h"

#include "tests/support/test.h"

namespace aurora::model {
namespace {

Price From(int64_t at, double input) {
  Price p;
  p.effective_from_s = at;
  p.input = input;
  return p;
}

double InputAt(const Prices& prices, std::string_view provider, std::string_view name, int64_t at) {
  const Price* p = FindPrice(prices, provider, name, at);
  return p == nullptr ? -1 : p->input;
}

TEST_CASE("the most exact selector with a version in force at the request's time is the price") {
  Prices prices;
  CHECK(InputAt(prices, "openai", "gpt", 100) == -1);
  prices["/"] = {From(0, 1)};
  prices["openai/"] = {From(0, 2)};
  prices["gpt"] = {From(10, 3)};
  prices["openai/gpt"] = {From(20, 4), From(30, 5)};
  CHECK(InputAt(prices, "other", "m", 5) == 1);
  CHECK(InputAt(prices, "openai", "m", 5) == 2);
  CHECK(InputAt(prices, "openai", "gpt", 5) == 2);
  CHECK(InputAt(prices, "openai", "gpt", 10) == 3);
  CHECK(InputAt(prices, "other", "gpt", 100) == 3);
  CHECK(InputAt(prices, "openai", "gpt", 29) == 4);
  CHECK(InputAt(prices, "openai", "gpt", 30) == 5);
  CHECK(InputAt(prices, std::string(200, 'x'), std::string(200, 'y'), 30) == -1);
}

TEST_CASE("cached, cache-writing and reasoning tokens are not paid twice") {
  Price p;
  p.input = 2500;  // 2.5 USD per million
  p.output = 10'000;
  p.cached_input = 1250;
  p.cache_write = 3000;
  p.reasoning = 20'000;
  p.per_request = 7;
  TokenCounts t;
  t.input = 1000;
  t.cached_input = 400;
  t.cache_creation_input = 100;
  t.output = 300;
  t.reasoning = 50;
  CHECK(CostOf(p, t) == 7 + 500 * 2500 + 400 * 1250 + 100 * 3000 + 250 * 10'000 + 50 * 20'000);
  t.cached_input = 5000;  // a report that does not add up never makes a cost negative
  t.input = t.output = t.reasoning = t.cache_creation_input = 0;
  CHECK(CostOf(p, t) == 7 + 5000 * 1250);
  p.per_request = 1e300;
  CHECK(CostOf(p, t) == static_cast<int64_t>(kCostMax));
}

}  // namespace
}  // namespace aurora::model
