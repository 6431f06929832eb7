#include "controlplane/store/row_codec.h"

#include "shared/base/rng.h"
#include "tests/support/test.h"

namespace aurora::store {
namespace {

replication::Row RandomRow(Rng& rng) {
  replication::Row row;
  for (uint64_t i = 0, n = rng.Below(4); i < n; ++i) {
    const replication::Dot dot{{std::string("\0u", 2) + std::to_string(i), rng.Next()},
                               1 + rng.Below(9)};
    row.siblings.push_back(
        {dot, std::string("\xff\0", 2), {rng.Below(1ULL << 48), 65'535}, rng.OneIn(2)});
    row.version.Add(dot);
    row.facts.disables.Add(dot);
  }
  if (rng.OneIn(2)) {
    row.facts.ended_at = replication::Hlc{rng.Below(1'000), 1};
    row.facts.revoked = {std::string(32, '\0'), std::string(32, 'x')};
    row.facts.undone = row.facts.disables;
  }
  return row;
}

TEST_CASE("a row comes back as it went, and equal rows have equal bytes") {
  Rng rng(1);
  for (int i = 0; i < 500; ++i) {
    const replication::Row row = RandomRow(rng);
    const std::string bytes = EncodeRow(row);
    const auto back = DecodeRow(bytes);
    REQUIRE(back.ok());
    REQUIRE(*back == row);
    REQUIRE(EncodeRow(*back) == bytes);
  }
}

TEST_CASE("bytes that are no row are refused") {
  CHECK_FALSE(DecodeRow("\xff\xff\xff").ok());
  replication::Row row;
  const replication::Dot dot{{"u", 1}, 1};
  row.siblings.push_back({dot, "s", {1, 0}, false});
  CHECK_FALSE(DecodeRow(EncodeRow(row)).ok());  // version does not cover the sibling
  row.version.Add(dot);
  CHECK(DecodeRow(EncodeRow(row)).ok());
  row.siblings.push_back(row.siblings.front());
  CHECK_FALSE(DecodeRow(EncodeRow(row)).ok());  // two with one dot
  row.siblings.pop_back();
  row.siblings.front().hlc.counter = 65'536;
  CHECK_FALSE(DecodeRow(EncodeRow(row)).ok());
}

}  // namespace
}  // namespace aurora::store
