#include <memory>
#include <string>

#include "dataplane/model/snapshot.h"
#include "dataplane/model/usage_record.h"
#include "tests/support/test.h"

namespace aurora::model {
namespace {

TEST_CASE("a key is found by its whole hash, in the shard of the first byte only") {
  SecretHash hash{};
  hash[0] = 7;
  hash[31] = 9;
  auto key = std::make_shared<AuthKey>();
  key->id = "k";
  auto shard = std::make_shared<KeyShard>();
  shard->emplace(hash, KeySecret{hash, 0, key});
  Snapshot snapshot;
  CHECK(snapshot.FindKey(hash) == nullptr);  // no shard at all
  snapshot.key_shards[7] = shard;
  REQUIRE(snapshot.FindKey(hash) != nullptr);
  CHECK(snapshot.FindKey(hash)->key->id == "k");
  SecretHash last_byte = hash;
  last_byte[31] = 8;
  CHECK(snapshot.FindKey(last_byte) == nullptr);
  SecretHash first_byte = hash;
  first_byte[0] = 8;
  CHECK(snapshot.FindKey(first_byte) == nullptr);
}

TEST_CASE("a fixed string keeps what fits and cuts the rest") {
  FixedString<4> s;
  CHECK(s.view().empty());
  s = "abcd";
  CHECK(s.view() == "abcd");
  s = "abcdef";
  CHECK(s.view() == "abcd");
  s = "x";
  CHECK(s.view() == "x");
  s = std::string_view();
  CHECK(s.view().empty());
}

TEST_CASE("a copied usage record keeps its own strings") {
  UsageRecord a;
  a.request_id = "one";
  a.model = std::string(500, 'm');
  UsageRecord b = a;
  a.request_id = "two";
  CHECK(b.request_id.view() == "one");
  CHECK(b.model.view() == std::string(128, 'm'));
}

}  // namespace
}  // namespace aurora::model
