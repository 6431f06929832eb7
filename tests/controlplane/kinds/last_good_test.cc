#include "controlplane/kinds/last_good.h"

#include "aurora/v1/policy.pb.h"
#include "tests/support/test.h"

namespace aurora::kinds {
namespace {

std::string KeyWith(bool enabled) {
  v1::AuthKeyResolved key;
  key.mutable_spec()->add_secrets()->set_sha256("one");
  key.mutable_spec()->add_secrets()->set_sha256("two");
  key.set_enabled(enabled);
  return key.SerializeAsString();
}

v1::AuthKeyResolved After(bool enabled, const replication::Facts& facts) {
  v1::AuthKeyResolved key;
  const auto value = AuthKeyLastGood(KeyWith(enabled), facts);
  REQUIRE(value.has_value());
  REQUIRE(key.ParseFromString(*value));
  return key;
}

TEST_CASE("facts hold for a key whose newest value cannot be read, and never make it laxer") {
  replication::Facts facts;
  CHECK(After(true, facts).SerializeAsString() == KeyWith(true));
  facts.revoked.insert("one");
  REQUIRE(After(true, facts).spec().secrets_size() == 1);
  CHECK(After(true, facts).spec().secrets(0).sha256() == "two");
  facts.disables.Add({{"n", 1}, 1});
  CHECK_FALSE(After(true, facts).enabled());
  facts.undone.Add({{"n", 1}, 1});
  CHECK(After(true, facts).enabled());
  CHECK_FALSE(After(false, facts).enabled());
  CHECK_FALSE(After(true, facts).has_deactivated_at());
  facts.ended_at = replication::Hlc{1'500, 0};
  CHECK(After(true, facts).deactivated_at().seconds() == 1);
  CHECK_FALSE(AuthKeyLastGood("\xff", facts).has_value());
}

}  // namespace
}  // namespace aurora::kinds
