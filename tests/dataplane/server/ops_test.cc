// Health endpoints of a node whose lease decides.
#include "dataplane/server/ops.h"
#include "tests/support/test.h"

namespace aurora::server {

TEST_CASE("active and passive are answered by the gate at that very instant, and a passive node is ready") {
  Ops ops(1);
  ops.SetPolicyProblem("");
  Role role{.clustered = true, .gated = true, .open = false, .term = 3, .leader_id = "a\"b", .leader_address = "h:1"};
  ops.SetRoleSource([&] { return role; });
  const auto status = [&](std::string_view path) { return ops.Answer(path, Instant()).status; };
  CHECK(status("/active") == 503);
  CHECK(status("/passive") == 200);
  CHECK(status("/readyz") == 200);
  CHECK(ops.Answer("/leader", Instant()).body ==
        R"({"enabled":true,"leader_id":"a\"b","term":3,"address":"h:1","active":false})");
  role.open = true;
  CHECK(status("/active") == 200);
  CHECK(status("/passive") == 503);
  ops.SetDraining();
  CHECK(status("/active") == 503);
  CHECK(status("/readyz") == 503);
}

TEST_CASE("where no lease decides every ready node is active") {
  Ops ops(1);
  ops.SetPolicyProblem("");
  CHECK(ops.Answer("/active", Instant()).status == 200);
  CHECK(ops.Answer("/passive", Instant()).status == 503);
  CHECK(ops.Answer("/leader", Instant()).body.starts_with(R"({"enabled":false)"));
  ops.SetRoleSource([] { return Role{.clustered = true, .open = false, .leader_id = "x", .leader_address = {}}; });
  CHECK(ops.Answer("/active", Instant()).status == 200);
  CHECK(ops.Answer("/leader", Instant()).body == R"({"enabled":true,"leader_id":"x","term":0,"active":true})");
}

}  // namespace aurora::server
