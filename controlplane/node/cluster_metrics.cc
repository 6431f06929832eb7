#include "controlplane/node/cluster_metrics.h"

#include <map>
#include <utility>

namespace aurora::node {
namespace {

using metrics::Families;

void Members(const ClusterNumbers& n, Families& out) {
  std::map<roster::Status, int> by_state;
  for (const auto state :
       {roster::Status::kAlive, roster::Status::kSuspect, roster::Status::kFailed, roster::Status::kLeft}) {
    by_state[state] = 0;
  }
  std::map<std::string, int> by_region;
  int guests = 0;
  for (const roster::NodeView& node : n.view.nodes) {
    if (node.guest) {
      ++guests;
      continue;
    }
    ++by_state[node.status];
    if (node.status != roster::Status::kLeft) {
      ++by_region[node.region];
    }
    out.Gauge("aurora_cluster_node_info", "1 for each member that is known.",
              {{"node_id", node.node_id},
               {"node_name", node.node_name},
               {"region", node.region},
               {"zone", node.zone},
               {"advertise_url", node.advertise_url}},
              1);
    if (!node.self && node.last_heartbeat_ms > 0) {
      out.Gauge("aurora_cluster_last_heartbeat_timestamp_seconds", "When the peer's last heartbeat came.",
                {{"peer", node.node_id}}, static_cast<double>(node.last_heartbeat_ms) / 1000);
    }
  }
  for (const auto& [state, count] : by_state) {
    out.Gauge("aurora_cluster_members", "Members by state, as this node sees them.",
              {{"state", std::string(roster::Name(state))}}, count);
  }
  for (const auto& [region, count] : by_region) {
    out.Gauge("aurora_cluster_members_by_region", "Members by region, those that left excluded.", {{"region", region}},
              count);
  }
  out.Gauge("aurora_cluster_guests", "Gossip members that are no Aurora nodes.", {}, guests);
}

void Gossip(const ClusterNumbers& n, Families& out) {
  const peers::GossipStats& g = n.gossip;
  const auto count = [&](std::string_view name, std::string_view help, const metrics::Labels& labels, uint64_t value) {
    out.Counter(name, help, labels, static_cast<double>(value));
  };
  constexpr std::string_view kMessages = "aurora_cluster_gossip_messages_total";
  constexpr std::string_view kMessagesHelp = "Datagrams and streams of gossip.";
  count(kMessages, kMessagesHelp, {{"direction", "in"}, {"type", "datagram"}}, g.datagrams_in);
  count(kMessages, kMessagesHelp, {{"direction", "out"}, {"type", "datagram"}}, g.datagrams_out);
  count(kMessages, kMessagesHelp, {{"direction", "in"}, {"type", "stream"}}, g.streams_in);
  count(kMessages, kMessagesHelp, {{"direction", "out"}, {"type", "stream"}}, g.streams_out);
  count("aurora_cluster_gossip_bytes_total", "Bytes of gossip.", {{"direction", "in"}}, g.bytes_in);
  count("aurora_cluster_gossip_bytes_total", "Bytes of gossip.", {{"direction", "out"}}, g.bytes_out);
  for (size_t i = 0; i < peers::kReasons; ++i) {
    count("aurora_cluster_gossip_refused_total", "What gossip refused, by reason.",
          {{"reason", std::string(peers::ReasonName(static_cast<peers::Reason>(i)))}}, g.refused[i]);
  }
  count("aurora_cluster_gossip_decrypt_failures_total", "Packets and streams that no key of ours opens.", {},
        g.refused[static_cast<size_t>(peers::Reason::kKey)]);
  count("aurora_cluster_gossip_probes_total", "Probes sent.", {}, g.core.probes);
  count("aurora_cluster_gossip_probe_failures_total", "Probes that nobody answered.", {}, g.core.probes_failed);
  count("aurora_cluster_gossip_suspicions_total", "Members accused.", {{"outcome", "started"}}, g.suspicions);
  count("aurora_cluster_gossip_suspicions_total", "Members accused.", {{"outcome", "refuted"}}, g.suspicions_refuted);
  count("aurora_cluster_gossip_suspicions_total", "Members accused.", {{"outcome", "failed"}}, g.failures);
  count("aurora_cluster_gossip_stalls_total", "Times this process stood still and gave others more time.", {},
        g.core.stalls);
  count("aurora_cluster_gossip_one_way_udp_total", "Members that only TCP reached.", {}, g.one_way_udp);
  out.Gauge("aurora_cluster_gossip_health_score", "Lifeguard's local health: 0 is well.", {}, g.health);
  out.Gauge("aurora_cluster_gossip_queue_length", "Broadcasts waiting.", {}, static_cast<double>(g.queued));
  out.Gauge("aurora_cluster_gossip_keys", "Keys in the ring.", {}, static_cast<double>(n.gossip_keys));
  out.Gauge("aurora_cluster_gossip_lateness_seconds", "99th percentile of how late gossip's timers ran.", {},
            g.lateness_p99.seconds());
  static constexpr std::array<double, peers::RttHistogram::kBoundsMicros.size()> kBounds = [] {
    std::array<double, peers::RttHistogram::kBoundsMicros.size()> bounds{};
    for (size_t i = 0; i < bounds.size(); ++i) {
      bounds[i] = static_cast<double>(peers::RttHistogram::kBoundsMicros[i]) / 1e6;
    }
    return bounds;
  }();
  out.Histogram("aurora_cluster_gossip_probe_duration_seconds", "Round trips of answered probes.", {}, kBounds,
                g.rtt.buckets, g.rtt.sum.seconds());
}

void Sync(const ClusterNumbers& n, Families& out) {
  const auto count = [&](std::string_view name, std::string_view help, const metrics::Labels& labels, uint64_t value) {
    out.Counter(name, help, labels, static_cast<double>(value));
  };
  out.Gauge("aurora_sync_converged", "1 while no linked member lacks rows of another's that this node knows of.", {},
            n.converged ? 1 : 0);
  for (const SyncPeerNumbers& peer : n.sync_peers) {
    const metrics::Labels labels = {{"peer", peer.status.member.node_id}};
    out.Gauge("aurora_sync_streaming", "1 while policy is exchanged with the peer.", labels,
              peer.status.streaming ? 1 : 0);
    out.Gauge("aurora_sync_replication_lag_seconds", "Since when this node lacks rows of the peer.", labels,
              peer.status.lag.seconds());
    out.Gauge("aurora_sync_replication_lag_entries", "Changes of the peer that this node lacks.", labels,
              static_cast<double>(peer.status.lag_entries));
    out.Gauge("aurora_sync_behind_entries", "Changes of this node that the peer lacks.", labels,
              static_cast<double>(peer.status.behind_entries));
    if (peer.synced_at > 0) {
      out.Gauge("aurora_sync_last_success_timestamp_seconds", "When this node last had all rows of the peer.", labels,
                peer.synced_at);
    }
    constexpr std::string_view kBytes = "aurora_sync_bytes_total";
    constexpr std::string_view kBytesHelp = "Bytes of Replicate frames.";
    count(kBytes, kBytesHelp, {{"direction", "in"}, {"peer", peer.status.member.node_id}}, peer.bytes_in);
    count(kBytes, kBytesHelp, {{"direction", "out"}, {"peer", peer.status.member.node_id}}, peer.bytes_out);
  }
  out.Gauge("aurora_sync_feed_sequence", "The end of this node's change feed.", {}, static_cast<double>(n.feed_seq));
  out.Gauge("aurora_sync_applied_sequence", "What its data plane has loaded of it; 0 while none runs.", {},
            static_cast<double>(n.applied_seq));
  if (n.revocation_seconds != nullptr) {
    out.Histogram("aurora_sync_revocation_propagation_seconds",
                  "From the commit of a write of the REVOKE lane here until another member enforces it.", {},
                  *n.revocation_seconds);
    out.Histogram("aurora_sync_duration_seconds", "From the arrival of rows of a peer until they are on disk.", {},
                  *n.merge_seconds);
  }
  constexpr std::string_view kEntries = "aurora_sync_entries_total";
  constexpr std::string_view kEntriesHelp = "Rows exchanged.";
  count(kEntries, kEntriesHelp, {{"direction", "in"}}, n.sync.rows_in);
  count(kEntries, kEntriesHelp, {{"direction", "out"}}, n.sync.rows_out);
  count("aurora_sync_conflicts_total", "Rows that came to hold concurrent values.", {}, n.sync.conflicts);
  count("aurora_sync_full_resync_total", "Feeds of peers read from the start.", {}, n.sync.full_syncs);
  count("aurora_sync_digest_differences_total", "Rows that a comparison of digests found missing or old.", {},
        n.sync.digest_differences);
  count("aurora_sync_diverged_total", "Rows that differ under equal versions: a bug.", {}, n.sync.diverged);
  count("aurora_sync_commit_failures_total", "Batches of peers that could not be stored.", {}, n.sync.commit_failures);
}

void Failover(const ClusterNumbers& n, Families& out) {
  if (!n.failover.has_value()) {
    return;
  }
  const FailoverView& view = *n.failover;
  const auto flag = [](bool value) { return value ? 1.0 : 0.0; };
  out.Gauge("aurora_cluster_is_leader", "1 while this node leads.", {}, flag(view.role == election::Role::kLeader));
  out.Gauge("aurora_cluster_is_active", "1 while this node's lease admits requests.", {}, flag(view.active));
  out.Gauge("aurora_cluster_has_leader", "1 while this node hears of a leader.", {}, flag(!view.leader.empty()));
  out.Gauge("aurora_cluster_term", "The election term this node is in.", {}, static_cast<double>(view.term));
  out.Counter("aurora_cluster_leader_changes_total", "Leaders after the first one that this node has seen.", {},
              static_cast<double>(n.failover_counters.switches));
  constexpr std::string_view kElections = "aurora_cluster_leader_elections_total";
  constexpr std::string_view kElectionsHelp = "Candidacies of this node.";
  out.Counter(kElections, kElectionsHelp, {{"result", "won"}}, static_cast<double>(n.failover_counters.won));
  out.Counter(kElections, kElectionsHelp, {{"result", "lost"}}, static_cast<double>(n.failover_counters.lost));
  if (n.election_seconds != nullptr) {
    out.Histogram("aurora_cluster_election_duration_seconds", "From the first question to an open gate of this node.",
                  {}, *n.election_seconds);
  }
  out.Gauge("aurora_election_lease_remaining_seconds", "What is left of this node's lease.", {},
            view.lease_remaining.seconds());
  out.Gauge("aurora_election_voters", "Who votes.", {}, static_cast<double>(view.config.VoterCount()));
  out.Gauge("aurora_election_voters_reached", "Voters with a stream to this node, itself included.", {},
            static_cast<double>(n.voters_reached));
  out.Gauge("aurora_election_disk_ok", "1 while election.db takes votes in time.", {}, flag(view.disk_ok));
  out.Gauge("aurora_election_drained", "1 while this node is drained and does not lead.", {}, flag(view.drained));
  out.Counter("aurora_election_frames_total", "Election frames that came.", {{"result", "used"}},
              static_cast<double>(n.failover_counters.frames_in - n.failover_counters.frames_bad));
  out.Counter("aurora_election_frames_total", "Election frames that came.", {{"result", "refused"}},
              static_cast<double>(n.failover_counters.frames_bad));
}

}  // namespace

void ClusterMetrics::Publish(ClusterNumbers numbers) {
  auto next = std::make_shared<const ClusterNumbers>(std::move(numbers));
  const std::scoped_lock lock(mutex_);
  numbers_ = std::move(next);
}

void ClusterMetrics::CollectInto(Families& families) const {
  std::shared_ptr<const ClusterNumbers> numbers;
  {
    const std::scoped_lock lock(mutex_);
    numbers = numbers_;
  }
  if (numbers == nullptr) {
    return;
  }
  families.Gauge("aurora_cluster_enabled", "1 while this node is part of a cluster.", {}, 1);
  families.Gauge("aurora_cluster_founded", "1 once this node is in a cluster; 0 while it is fresh.", {},
                 numbers->view.cluster_id.empty() ? 0 : 1);
  families.Gauge("aurora_cluster_healthy", "1 while cluster/status says healthy.", {},
                 numbers->view.state == "healthy" ? 1 : 0);
  Members(*numbers, families);
  Gossip(*numbers, families);
  Sync(*numbers, families);
  Failover(*numbers, families);
  families.Gauge("aurora_cluster_control_streams", "Control streams that are up.", {},
                 static_cast<double>(numbers->streams_up));
  families.Counter("aurora_cluster_heartbeats_total", "Heartbeats that came.", {{"direction", "in"}},
                   static_cast<double>(numbers->heartbeats_in));
  families.Counter("aurora_sync_stream_reconnects_total", "Control streams that came up.", {},
                   static_cast<double>(numbers->stream_reconnects));
  families.Counter("aurora_cluster_refusals_total", "Control streams that one side refused.", {},
                   static_cast<double>(numbers->refusals));
}

}  // namespace aurora::node
