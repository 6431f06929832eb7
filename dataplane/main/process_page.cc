// What the process writes to the role page and reads from it.
#include <algorithm>

#include "dataplane/main/process.h"
#include "shared/log/log.h"
#include "shared/rolepage/boottime.h"

namespace aurora::server {

void Process::PublishRolePage() {
  uint64_t seq = ~uint64_t{0};
  int64_t in_flight = 0;
  bool one_epoch = true;
  const uint64_t epoch = workers_.front()->applied_epoch();
  for (const auto& worker : workers_) {
    seq = std::min(seq, worker->applied_seq());
    one_epoch = one_epoch && worker->applied_epoch() == epoch;
    in_flight += worker->in_flight();
  }
  page_->SetTick(rolepage::BoottimeNs());
  if (one_epoch) {  // else some loop is still to adopt: the older pair stays
    page_->SetApplied({.epoch = epoch, .seq = seq});
  }
  page_->SetInFlight(static_cast<uint64_t>(std::max<int64_t>(in_flight, 0)));
  page_->SetReady(ops_->Answer("/readyz", uv::Loop::Now()).status == 200);
}

// A page that does not match counts as absent; the control plane writes it anew when it starts.
void Process::WatchRolePage() {
  const std::string_view problem = page_->problem();
  if (problem == page_problem_) {
    return;
  }
  page_problem_ = problem;
  if (problem.empty()) {
    log::Info("the role page is valid again");
  } else {
    metrics_->CountRolePageProblem();
    log::Warn("the role page counts as absent; traffic goes on", {{"why", problem}});
  }
}

void Process::WatchSync() {
  const SyncSays says{page_->problem().empty(), page_->synced(), page_->sync_ok_until()};
  const exchange::Admission admission = sync_gate_.Look(says, rolepage::BoottimeNs());
  if (admission != ops_->admission()) {
    admission == exchange::Admission::kOpen ? log::Info("requests are admitted")
                                            : log::Warn("requests are not admitted", {{"why", WhyNot(admission)}});
  }
  ops_->SetAdmission(admission, sync_gate_.stale());
}

bool Process::gated() const {
  return config_.cluster.enabled && config_.cluster.failover_mode == config::FailoverMode::kActivePassive;
}

// From any thread.
Role Process::RoleNow() const {
  Role role;
  role.clustered = config_.cluster.enabled;
  role.gated = gated();
  role.open = page_->GateOpen(rolepage::BoottimeNs());
  if (const auto leader = page_->leader(); leader.has_value()) {
    role.term = leader->term;
    role.leader_id = leader->node_id;
    role.leader_address = leader->address;
  }
  return role;
}

}  // namespace aurora::server
