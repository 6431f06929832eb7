#include "shared/base/rng.h"
#include "shared/base/status.h"
#include "shared/base/string_map.h"
#include "shared/base/time.h"
#include "tests/support/test.h"

namespace aurora {
namespace {

absl::StatusOr<int> Positive(int v) {
  if (v <= 0) {
    return InvalidArgument("not positive");
  }
  return v;
}

absl::StatusOr<int> Sum(int a, int b) {
  AURORA_ASSIGN_OR_RETURN(int x, Positive(a));
  AURORA_ASSIGN_OR_RETURN(int y, Positive(b));
  return x + y;
}

TEST_CASE("a failing step returns its own status and stops the function", "[base]") {
  CHECK(*Sum(1, 2) == 3);
  CHECK(Sum(1, -2).status().code() == absl::StatusCode::kInvalidArgument);
}

TEST_CASE("context is put before the message and keeps the code", "[base]") {
  const absl::Status s = WithContext("loading x", NotFound("no such row"));
  CHECK(s.code() == absl::StatusCode::kNotFound);
  CHECK(Std(s.message()) == "loading x: no such row");
  CHECK(WithContext("loading x", absl::OkStatus()).ok());
}

TEST_CASE("never plus a duration is still never", "[base]") {
  CHECK(Instant::Never() + Duration::Seconds(5) == Instant::Never());
  CHECK(Instant::FromMicros(1) + Duration::Millis(1) == Instant::FromMicros(1001));
}

TEST_CASE("a seed gives the same numbers everywhere and Below stays below", "[base]") {
  Rng a(42);
  Rng b(42);
  for (int i = 0; i < 1000; ++i) {
    CHECK(a.Next() == b.Next());
    CHECK(a.Below(7) < 7);
    (void)b.Below(7);
  }
  CHECK(Rng(0).Next() == 11091344671253066420ULL);
}

TEST_CASE("a string map is looked up by string_view", "[base]") {
  StringMap<int> m;
  m["abc"] = 1;
  CHECK(m.find(std::string_view("abc")) != m.end());
  CHECK(m.find(std::string_view("abd")) == m.end());
}

}  // namespace
}  // namespace aurora
