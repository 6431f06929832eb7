#include "dataplane/server/sync_gate.h"

#include "dataplane/server/ops.h"
#include "tests/support/test.h"

namespace aurora::server {

using exchange::Admission;

TEST_CASE("without a cluster the gate is open, whatever the page says") {
  SyncGate gate({.clustered = false, .refuse_when_stale = true});
  CHECK(gate.Look({}, 1) == Admission::kOpen);
  CHECK_FALSE(gate.stale());
}

TEST_CASE("nothing is admitted before the control plane has caught up, and a lost page takes nothing back") {
  SyncGate gate({.clustered = true, .refuse_when_stale = false});
  CHECK(gate.Look({}, 1) == Admission::kUnsynced);
  CHECK(gate.Look({.present = true, .synced = false, .ok_until_ns = 100}, 2) == Admission::kUnsynced);
  CHECK(gate.Look({.present = false, .synced = true, .ok_until_ns = 100}, 3) == Admission::kUnsynced);
  CHECK(gate.Look({.present = true, .synced = true, .ok_until_ns = 100}, 4) == Admission::kOpen);
  CHECK(gate.Look({.present = true, .synced = false, .ok_until_ns = 100}, 5) == Admission::kOpen);
  CHECK(gate.Look({}, 6) == Admission::kOpen);
  CHECK_FALSE(gate.stale());
}

TEST_CASE("past the last word of the control plane the policy is stale, and refused only where it was asked for") {
  SyncGate serves({.clustered = true, .refuse_when_stale = false});
  SyncGate refuses({.clustered = true, .refuse_when_stale = true});
  for (SyncGate* gate : {&serves, &refuses}) {
    CHECK(gate->Look({.present = true, .synced = true, .ok_until_ns = 100}, 99) == Admission::kOpen);
    CHECK_FALSE(gate->stale());
  }
  CHECK(serves.Look({.present = true, .synced = true, .ok_until_ns = 100}, 100) == Admission::kOpen);
  CHECK(serves.stale());
  CHECK(refuses.Look({}, 100) == Admission::kStale);
  CHECK(refuses.Look({.present = true, .synced = true, .ok_until_ns = 300}, 101) == Admission::kOpen);
  CHECK_FALSE(refuses.stale());
}

TEST_CASE("readiness says why nothing is admitted, and warns of old policy that is served") {
  Ops ops(1);
  ops.SetPolicyProblem("");
  const Instant now = Instant::FromMicros(1);
  ops.SetAdmission(Admission::kUnsynced, false);
  CHECK(ops.Answer("/readyz", now).status == 503);
  CHECK(ops.Answer("/readyz", now).body.find("unsynced: ") != std::string::npos);
  CHECK(ops.Answer("/livez", now).status == 200);
  ops.SetAdmission(Admission::kOpen, true);
  CHECK(ops.Answer("/readyz", now).status == 200);
  CHECK(ops.Answer("/readyz", now).body.find("stale: ") != std::string::npos);
}

}  // namespace aurora::server
