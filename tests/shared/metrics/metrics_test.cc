#include "shared/metrics/metrics.h"

#include <array>

#include "tests/support/test.h"

namespace aurora::metrics {
namespace {

constexpr std::array<double, 2> kBounds = {0.1, 1};

bool Has(const std::string& text, std::string_view line) {
  return ("\n" + text).find("\n" + std::string(line) + "\n") != std::string::npos;
}

struct Loop {
  Counter requests;
  Gauge open;
  Histogram seconds{kBounds};
};

// Two loops that count for themselves and appear as one.
class Loops : public Source {
 public:
  std::array<Loop, 2> loops;

 protected:
  void CollectInto(Families& families) const override {
    for (const Loop& loop : loops) {
      families.Counter("aurora_test_requests_total", "Requests.", {{"route", "/v1"}},
                       static_cast<double>(loop.requests.value()));
      families.Gauge("aurora_test_open", "Open.", {}, static_cast<double>(loop.open.value()));
      families.Histogram("aurora_test_seconds", "Time.", {}, loop.seconds);
    }
  }
};

TEST_CASE("per-loop blocks are added up into one series") {
  const auto loops = std::make_shared<Loops>();
  loops->loops[0].requests.Add();
  loops->loops[1].requests.Add(4);
  loops->loops[0].open.Set(3);
  loops->loops[1].open.Add(-1);
  loops->loops[0].seconds.Observe(0.1);
  loops->loops[0].seconds.Observe(0.5);
  loops->loops[1].seconds.Observe(7);
  Registry registry("dataplane", "0.1.0", "abc");
  registry.Add(loops);
  const std::string text = registry.Render();
  INFO(text);
  CHECK(Has(text, "# TYPE aurora_test_requests_total counter"));
  CHECK(Has(text, "aurora_test_requests_total{route=\"/v1\"} 5"));
  CHECK(Has(text, "aurora_test_open 2"));
  CHECK(Has(text, "aurora_test_seconds_bucket{le=\"0.1\"} 1"));
  CHECK(Has(text, "aurora_test_seconds_bucket{le=\"1\"} 2"));
  CHECK(Has(text, "aurora_test_seconds_bucket{le=\"+Inf\"} 3"));
  CHECK(Has(text, "aurora_test_seconds_count 3"));
  CHECK(text.find("aurora_build_info{") != std::string::npos);
  CHECK(text.find("component=\"dataplane\"") != std::string::npos);
  CHECK(text.find("process_start_time_seconds ") != std::string::npos);
}

TEST_CASE("a source that is gone is no longer rendered") {
  Registry registry("x", "", "");
  auto loops = std::make_shared<Loops>();
  registry.Add(loops);
  CHECK(registry.Render().find("aurora_test_open") != std::string::npos);
  loops.reset();
  CHECK(registry.Render().find("aurora_test_open") == std::string::npos);
}

TEST_CASE("two sources of one name share one family") {
  Registry registry("x", "", "");
  const auto a = std::make_shared<Loops>();
  const auto b = std::make_shared<Loops>();
  registry.Add(a);
  registry.Add(b);
  const std::string text = registry.Render();
  const size_t first = text.find("# TYPE aurora_test_open gauge");
  REQUIRE(first != std::string::npos);
  CHECK(text.find("# TYPE aurora_test_open gauge", first + 1) == std::string::npos);
}

TEST_CASE("the documented ladders end where documented") {
  CHECK(kRequestSeconds.front() == 0.005);
  CHECK(kRequestSeconds.back() == 327.68);
  CHECK(kOverheadSeconds.back() == 0.1);
  for (const auto ladder : {kRequestSeconds, kOverheadSeconds, kLagSeconds}) {
    Histogram h(ladder);
    h.Observe(1e9);
    CHECK(h.Counts().back() == 1);
  }
}

TEST_CASE("a label's text cannot break the format") {
  class Odd : public Source {
    void CollectInto(Families& families) const override {
      families.Gauge("aurora_test_odd", "Odd.", {{"v", "a\"b\\c\nd"}}, 1);
    }
  };
  Registry registry("x", "", "");
  const auto odd = std::make_shared<Odd>();
  registry.Add(odd);
  CHECK(Has(registry.Render(), R"(aurora_test_odd{v="a\"b\\c\nd"} 1)"));
}

}  // namespace
}  // namespace aurora::metrics
