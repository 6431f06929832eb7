#include "controlplane/kinds/resolve.h"

#include <algorithm>

#include "aurora/v1/policy.pb.h"
#include "shared/schema/kinds.h"
#include "tests/support/test.h"

namespace aurora::kinds {
namespace {

using replication::Dot;
using replication::Row;
using replication::Sibling;

Dot DotOf(const std::string& node, uint64_t counter) { return {{node, 1}, counter}; }

Sibling Make(const std::string& node, uint64_t ms, const google::protobuf::Message& spec,
             bool deleted = false) {
  return {DotOf(node, 1), deleted ? "" : spec.SerializeAsString(), {ms, 0}, deleted};
}

Row RowOf(std::vector<Sibling> siblings) {
  Row row;
  row.siblings = std::move(siblings);
  for (const Sibling& s : row.siblings) {
    row.version.Add(s.dot);
  }
  return row;
}

absl::StatusOr<std::optional<std::string>> Resolve(std::string_view kind, const Row& row) {
  for (const Kind& k : All()) {
    if (k.name == kind) {
      return k.resolve(row);
    }
  }
  FAIL("no such kind");
  return std::nullopt;
}

v1::AuthKeyResolved Key(const Row& row) {
  const auto bytes = Resolve(schema::kAuthKey, row);
  REQUIRE(bytes.ok());
  REQUIRE(bytes->has_value());
  v1::AuthKeyResolved key;
  REQUIRE(key.ParseFromString(**bytes));
  return key;
}

v1::AuthKeySpec Spec() {
  v1::AuthKeySpec spec;
  spec.set_name("ci");
  return spec;
}

v1::KeySecret* AddSecret(v1::AuthKeySpec& spec, char fill) {
  v1::KeySecret* s = spec.add_secrets();
  s->set_sha256(std::string(32, fill));
  return s;
}

std::vector<std::string> Values(const v1::StringList& list) {
  return {list.values().begin(), list.values().end()};
}

TEST_CASE("every kind of policy has a resolve function") {
  for (const std::string_view kind : schema::kKinds) {
    CHECK(std::any_of(All().begin(), All().end(), [&](const Kind& k) { return k.name == kind; }));
  }
  CHECK(All().size() == schema::kKinds.size());
}

TEST_CASE("a row without siblings has nothing in force") {
  for (const Kind& kind : All()) {
    const auto value = kind.resolve(Row{});
    REQUIRE(value.ok());
    CHECK_FALSE(value->has_value());
  }
}

TEST_CASE("of concurrent aliases the newest is in force, and the dot breaks a tie") {
  v1::AliasSpec a;
  a.set_name("fast");
  a.add_targets()->set_model("m1");
  v1::AliasSpec b = a;
  b.mutable_targets(0)->set_model("m2");
  CHECK(**Resolve(schema::kAlias, RowOf({Make("n1", 9, a), Make("n2", 5, b)})) == a.SerializeAsString());
  CHECK(**Resolve(schema::kAlias, RowOf({Make("n1", 5, a), Make("n2", 5, b)})) == b.SerializeAsString());
}

TEST_CASE("a delete beats an older edit and loses to a newer one") {
  v1::AliasSpec a;
  a.set_name("fast");
  a.add_targets()->set_model("m1");
  CHECK_FALSE(Resolve(schema::kAlias, RowOf({Make("n1", 5, a), Make("n2", 9, a, true)}))->has_value());
  CHECK(Resolve(schema::kAlias, RowOf({Make("n1", 9, a), Make("n2", 5, a, true)}))->has_value());
}

TEST_CASE("a deleted key stays deleted whatever was written at the same time") {
  const Row row = RowOf({Make("n1", 5, Spec(), true), Make("n2", 9, Spec())});
  CHECK_FALSE(Resolve(schema::kAuthKey, row)->has_value());
}

TEST_CASE("a key is disabled until an enable has seen every disable") {
  Row row = RowOf({Make("n1", 5, Spec())});
  CHECK(Key(row).enabled());
  row.facts.disables.Add(DotOf("n1", 2));
  CHECK_FALSE(Key(row).enabled());
  row.facts.undone.Add(DotOf("n1", 2));
  CHECK(Key(row).enabled());
  row.facts.disables.Add(DotOf("n2", 7));  // another node's, which the enable did not see
  CHECK_FALSE(Key(row).enabled());
}

TEST_CASE("an ended key says when") {
  Row row = RowOf({Make("n1", 5, Spec())});
  CHECK_FALSE(Key(row).has_deactivated_at());
  row.facts.ended_at = replication::Hlc{1'500, 3};
  CHECK(Key(row).deactivated_at().seconds() == 1);
  CHECK(Key(row).deactivated_at().nanos() == 500'000'000);
}

TEST_CASE("concurrent edits of a key meet in the stricter limits and expiry") {
  v1::AuthKeySpec a = Spec();
  a.mutable_rate_limits()->set_requests_per_minute(10);
  a.mutable_rate_limits()->set_tokens_per_day(500);
  a.mutable_expires_at()->set_seconds(100);
  v1::AuthKeySpec b = Spec();
  b.mutable_rate_limits()->set_requests_per_minute(20);
  b.mutable_rate_limits()->set_concurrent_requests(3);
  b.mutable_expires_at()->set_seconds(90);
  const v1::AuthKeyResolved key = Key(RowOf({Make("n1", 9, a), Make("n2", 5, b)}));
  CHECK(key.spec().rate_limits().requests_per_minute() == 10);
  CHECK(key.spec().rate_limits().tokens_per_day() == 500);       // 0 = no limit, so 500 is stricter
  CHECK(key.spec().rate_limits().concurrent_requests() == 3);
  CHECK(key.spec().rate_limits().requests_per_day() == 0);
  CHECK(key.spec().expires_at().seconds() == 90);
}

TEST_CASE("allowed lists intersect, absent is any and empty is none; denied lists unite") {
  v1::AuthKeySpec any = Spec();
  any.add_denied_models("x");
  v1::AuthKeySpec ab = Spec();
  ab.mutable_allowed_models()->add_values("a");
  ab.mutable_allowed_models()->add_values("b");
  ab.add_denied_models("y");
  v1::AuthKeySpec none = Spec();
  none.mutable_allowed_models();
  v1::AuthKeySpec bc = Spec();
  bc.mutable_allowed_models()->add_values("c");
  bc.mutable_allowed_models()->add_values("b");

  const v1::AuthKeyResolved one = Key(RowOf({Make("n1", 9, any), Make("n2", 5, ab)}));
  CHECK(Values(one.spec().allowed_models()) == std::vector<std::string>{"a", "b"});
  CHECK(one.spec().denied_models_size() == 2);
  CHECK_FALSE(one.spec().has_allowed_providers());
  const v1::AuthKeyResolved two = Key(RowOf({Make("n1", 9, ab), Make("n2", 5, bc)}));
  CHECK(Values(two.spec().allowed_models()) == std::vector<std::string>{"b"});
  const v1::AuthKeyResolved three = Key(RowOf({Make("n1", 9, any), Make("n2", 5, none)}));
  CHECK(three.spec().has_allowed_models());
  CHECK(three.spec().allowed_models().values().empty());
}

TEST_CASE("secrets unite and revoked ones are gone, whatever sibling still lists them") {
  v1::AuthKeySpec a = Spec();
  AddSecret(a, 'a');
  AddSecret(a, 'c');
  v1::AuthKeySpec b = Spec();
  AddSecret(b, 'b');
  AddSecret(b, 'c');
  Row row = RowOf({Make("n1", 9, a), Make("n2", 5, b)});
  CHECK(Key(row).spec().secrets_size() == 3);
  row.facts.revoked.insert(std::string(32, 'c'));
  const v1::AuthKeyResolved key = Key(row);
  REQUIRE(key.spec().secrets_size() == 2);
  CHECK(key.spec().secrets(0).sha256() == std::string(32, 'a'));
  CHECK(key.spec().secrets(1).sha256() == std::string(32, 'b'));
}

TEST_CASE("a rotation's end of overlap survives a newer edit that did not know of it") {
  v1::AuthKeySpec rotated = Spec();
  AddSecret(rotated, 'o')->mutable_not_after()->set_seconds(60);
  v1::AuthKeySpec edited = Spec();
  AddSecret(edited, 'o');
  const v1::AuthKeyResolved key = Key(RowOf({Make("n1", 5, rotated), Make("n2", 9, edited)}));
  REQUIRE(key.spec().secrets_size() == 1);
  CHECK(key.spec().secrets(0).not_after().seconds() == 60);
}

TEST_CASE("the order of siblings does not change the value") {
  std::vector<Sibling> siblings;
  for (int i = 0; i < 4; ++i) {
    v1::AuthKeySpec s = Spec();
    s.set_description(std::to_string(i));
    AddSecret(s, static_cast<char>('a' + i % 2))->mutable_not_after()->set_seconds(100 - i);
    if (i > 0) {
      s.mutable_allowed_models()->add_values(i % 2 == 0 ? "q" : "p");
      s.mutable_allowed_models()->add_values(i % 2 == 0 ? "p" : "q");
    }
    s.add_denied_models("d" + std::to_string(i));
    siblings.push_back(Make("n" + std::to_string(i), i == 0 ? 50 : 5, s));
  }
  const std::string expected = **Resolve(schema::kAuthKey, RowOf(siblings));
  std::vector<int> order = {0, 1, 2, 3};
  do {
    std::vector<Sibling> shuffled;
    for (const int i : order) {
      shuffled.push_back(siblings[static_cast<size_t>(i)]);
    }
    CHECK(**Resolve(schema::kAuthKey, RowOf(shuffled)) == expected);
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_CASE("a value that does not parse or validate is refused, not put in force") {
  Row torn = RowOf({{DotOf("n1", 1), "\xff\xff\xff", {5, 0}, false}});
  for (const Kind& kind : All()) {
    CHECK(absl::IsInvalidArgument(kind.resolve(torn).status()));
  }
  CHECK(absl::IsInvalidArgument(Resolve(schema::kAuthKey, RowOf({Make("n1", 5, v1::AuthKeySpec())})).status()));
}

TEST_CASE("fields this version does not know stay in the value") {
  v1::AliasSpec a;
  a.set_name("fast");
  a.add_targets()->set_model("m1");
  Sibling s = Make("n1", 5, a);
  s.spec += std::string("\xfa\x3f\x01z", 4);  // field 1023, length 1
  CHECK(**Resolve(schema::kAlias, RowOf({s})) == s.spec);
}

}  // namespace
}  // namespace aurora::kinds
