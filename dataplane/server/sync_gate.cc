#include "dataplane/server/sync_gate.h"

namespace aurora::server {

using exchange::Admission;

Admission SyncGate::Look(const SyncSays& says, uint64_t now_ns) {
  if (!settings_.clustered) {
    return Admission::kOpen;
  }
  if (says.present) {
    synced_ = synced_ || says.synced;
    ok_until_ns_ = says.ok_until_ns == 0 ? ok_until_ns_ : says.ok_until_ns;
  }
  if (!synced_) {
    return Admission::kUnsynced;
  }
  stale_ = now_ns >= ok_until_ns_;
  return stale_ && settings_.refuse_when_stale ? Admission::kStale : Admission::kOpen;
}

std::string_view WhyNot(Admission admission) {
  switch (admission) {
    case Admission::kOpen:
      return "";
    case Admission::kUnsynced:
      return "unsynced: the control plane has not caught up with the cluster since this node started";
    case Admission::kStale:
      return "stale: no member was heard for cluster.max_staleness, and cluster.stale_policy is refuse";
  }
  return "";
}

}  // namespace aurora::server
