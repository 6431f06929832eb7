// ClusterMetrics: aurora_cluster_* on the control plane's /metrics; absent while clustering is off. Source: operations,
// metrics. Thread: Publish on the control loop, Collect on whichever scrapes. Units: as named. Series of peers are
// bounded by the roster (16 members, guests are not series).
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/node/failover_view.h"
#include "controlplane/peers/gossip_stats.h"
#include "controlplane/replication/replicator.h"
#include "controlplane/roster/health.h"
#include "shared/metrics/metrics.h"

namespace aurora::node {

struct SyncPeerNumbers {
  replication::PeerStatus status;
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
  double synced_at = 0;  // Unix seconds at which this node last had all that the peer had; 0: not in this life
};

struct ClusterNumbers {
  roster::ClusterView view;
  std::string node_id;
  peers::GossipStats gossip;
  size_t gossip_keys = 0;
  size_t streams_up = 0;
  uint64_t heartbeats_in = 0;
  uint64_t stream_reconnects = 0;
  uint64_t refusals = 0;
  bool converged = false;
  replication::Counters sync;
  uint64_t feed_seq = 0;     // the end of this node's feed
  uint64_t applied_seq = 0;  // what its data plane has loaded of it; 0: it does not run
  std::shared_ptr<const metrics::Histogram> revocation_seconds;
  std::shared_ptr<const metrics::Histogram> merge_seconds;
  std::vector<SyncPeerNumbers> sync_peers;
  // Nothing where leadership means nothing.
  std::optional<FailoverView> failover;
  FailoverCounters failover_counters;
  size_t voters_reached = 0;
  std::shared_ptr<const metrics::Histogram> election_seconds;
};

class ClusterMetrics : public metrics::Source {
 public:
  void Publish(ClusterNumbers numbers);

 private:
  void CollectInto(metrics::Families& families) const override;

  mutable std::mutex mutex_;
  std::shared_ptr<const ClusterNumbers> numbers_;  // guarded by mutex_
};

}  // namespace aurora::node
