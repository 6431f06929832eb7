// What the admin API asks of the cluster, answered on the control loop.
#include <algorithm>
#include <map>
#include <memory>
#include <vector>

#include "controlplane/node/cluster_impl.h"

namespace aurora::node {

void ClusterImpl::Status(ClusterReply<v1::GetClusterStatusResponse> reply) {
  OnLoop(std::move(reply), [this]() -> absl::StatusOr<v1::GetClusterStatusResponse> {
    const roster::ClusterView view = roster_->View(uv::Loop::Now());
    const roster::NodeInfo& self = roster_->self();
    v1::GetClusterStatusResponse out;
    out.set_enabled(true);
    out.set_cluster_id(view.cluster_id);
    out.set_node_id(self.node_id);
    out.set_node_name(self.node_name);
    out.set_region(self.region);
    out.set_zone(self.zone);
    out.set_failover_mode(self.failover_mode);
    out.set_node_count(view.node_count);
    out.set_healthy_count(view.healthy_count);
    for (const std::string& reason : view.reasons) {
      out.add_reasons(reason);
    }
    AddFailoverTo(&out);
    out.set_converged(sync_->Converged());
    out.set_max_lag_ms(std::max(view.max_lag_ms, sync_->Lag().millis()));
    return out;
  });
}

void ClusterImpl::Nodes(ClusterReply<v1::ListNodesResponse> reply) {
  OnLoop(std::move(reply), [this]() -> absl::StatusOr<v1::ListNodesResponse> {
    v1::ListNodesResponse out;
    const FailoverView leads = failover_->View();
    for (const roster::NodeView& node : roster_->View(uv::Loop::Now()).nodes) {
      v1::ClusterNode* to = out.add_nodes();
      to->set_node_id(node.node_id);
      to->set_node_name(node.node_name);
      to->set_region(node.region);
      to->set_zone(node.zone);
      to->set_status(std::string(roster::Name(node.status)));
      to->set_role(node.role);
      to->set_data_plane(node.data_plane);
      to->set_drained(node.drained);
      to->set_advertise_url(node.advertise_url);
      to->set_gossip_addr(node.gossip_addr);
      to->set_sync_addr(node.sync_addr);
      if (node.last_heartbeat_ms > 0) {
        to->mutable_last_heartbeat()->set_seconds(node.last_heartbeat_ms / 1000);
        to->mutable_last_heartbeat()->set_nanos(static_cast<int32_t>(node.last_heartbeat_ms % 1000) * 1'000'000);
      }
      to->set_lag_ms(node.lag_ms);
      to->set_version(node.version);
      AddFailoverTo(node, leads, to);
    }
    return out;
  });
}

void ClusterImpl::SyncStatus(ClusterReply<v1::GetSyncStatusResponse> reply) {
  OnLoop(std::move(reply), [this]() -> absl::StatusOr<v1::GetSyncStatusResponse> {
    v1::GetSyncStatusResponse out;
    out.set_enabled(true);
    const replication::Replicator* core = sync_->core();
    if (core == nullptr) {
      return Unavailable("the store is not open yet; `status` says why");
    }
    const auto number = [](auto n) { return static_cast<int64_t>(n); };
    out.set_caught_up(core->caught_up());
    out.set_admission(std::string(NameOf(core->admission())));
    out.set_converged(sync_->Converged());
    out.set_max_lag_ms(sync_->Lag().millis());
    out.set_head(number(core->head()));
    out.set_epoch(std::to_string(deps_.epoch));
    const replication::Counters& counters = core->counters();
    out.set_rows_in(number(counters.rows_in));
    out.set_rows_out(number(counters.rows_out));
    out.set_conflicts(number(counters.conflicts));
    out.set_full_syncs(number(counters.full_syncs));
    out.set_digest_rounds(number(counters.digest_rounds));
    out.set_digest_differences(number(counters.digest_differences));
    std::map<std::string, std::string> trouble;
    for (const peers::ReplicateState& link : sync_->links().Peers()) {
      trouble[link.uid] = link.up ? "" : link.trouble;
    }
    constexpr auto kBulk = replication::Lane::kBulk;
    std::vector<replication::PeerStatus> members = core->Peers(uv::Loop::Now());
    std::sort(members.begin(), members.end(),
              [](const auto& a, const auto& b) { return a.member.node_id < b.member.node_id; });
    for (const replication::PeerStatus& peer : members) {
      v1::SyncPeer* to = out.add_peers();
      to->set_node_id(peer.member.node_id);
      to->set_node_uid(peer.member.uid);
      to->set_streaming(peer.streaming);
      to->set_caught_up(peer.caught_up);
      to->set_serving(peer.serving);
      to->set_synced(peer.synced);
      to->set_lag_ms(peer.lag.millis());
      to->set_lag_entries(number(peer.lag_entries));
      to->set_behind_entries(number(peer.behind_entries));
      to->set_head(number(peer.head));
      to->set_cursor(number(peer.cursor[kBulk]));
      to->set_acked(number(peer.acked[kBulk]));
      to->set_enforced(peer.enforced[kBulk]);
      to->set_parked(number(peer.parked));
      const peers::Traffic traffic = sync_->links().TrafficOf(peer.member.uid);
      to->set_bytes_in(number(traffic.bytes_in));
      to->set_bytes_out(number(traffic.bytes_out));
      to->set_trouble(trouble[peer.member.uid]);
    }
    return out;
  });
}

void ClusterImpl::VerifySync(bool repair, Duration timeout, ClusterReply<v1::VerifySyncResponse> reply) {
  OnLoopLater(std::move(reply), [this, repair, timeout](auto shared) {
    sync_->Verify(repair, timeout, [shared](absl::StatusOr<v1::VerifySyncResponse> response) {
      (*shared)(std::move(response));
    });
  });
}

void ClusterImpl::Remove(const std::string& actor, const std::string& node_id,
                         ClusterReply<v1::RemoveNodeResponse> reply) {
  OnLoop(std::move(reply), [this, actor, node_id]() -> absl::StatusOr<v1::RemoveNodeResponse> {
    roster::RemoveResult result = roster::RemoveResult::kUnknown;
    Step([&](Instant now, int64_t wall, auto& out) { result = roster_->Remove(now, wall, node_id, out); });
    switch (result) {
      case roster::RemoveResult::kRemoved:
        Tell(false, "node_remove_asked", "node " + node_id + " is removed by " + actor);
        return v1::RemoveNodeResponse();
      case roster::RemoveResult::kUnknown:
        return NotFound("node \"" + node_id + "\" is not known here; `nodes list` shows who is");
      case roster::RemoveResult::kIsSelf:
        return FailedPrecondition("node \"" + node_id + "\" is this one: stop it and ask another node to remove it");
      case roster::RemoveResult::kStillHere:
        break;
    }
    return FailedPrecondition("node \"" + node_id + "\" is alive: stop it first; only who failed or left is removed");
  });
}

void ClusterImpl::Keys(ClusterReply<v1::ListGossipKeysResponse> reply) {
  OnLoop(std::move(reply), [this]() -> absl::StatusOr<v1::ListGossipKeysResponse> {
    v1::ListGossipKeysResponse out;
    for (const std::string& fingerprint : ring_.Fingerprints()) {
      *out.add_keys() = KeyInfo(fingerprint);
    }
    return out;
  });
}

void ClusterImpl::InstallKey(const std::string& actor, const std::string& key_base64,
                             ClusterReply<v1::InstallGossipKeyResponse> reply) {
  OnLoop(std::move(reply), [this, actor, key_base64]() -> absl::StatusOr<v1::InstallGossipKeyResponse> {
    AURORA_ASSIGN_OR_RETURN(const RingChange change, ring_.Install(key_base64, WallMs(), deps_.node_uid));
    ChangeRing(change, actor);
    v1::InstallGossipKeyResponse out;
    *out.mutable_key() = KeyInfo(change.fingerprint);
    return out;
  });
}

void ClusterImpl::UseKey(const std::string& actor, const std::string& fingerprint,
                         ClusterReply<v1::UseGossipKeyResponse> reply) {
  OnLoop(std::move(reply), [this, actor, fingerprint]() -> absl::StatusOr<v1::UseGossipKeyResponse> {
    AURORA_ASSIGN_OR_RETURN(const RingChange change, ring_.Use(fingerprint, WallMs(), deps_.node_uid));
    const v1::GossipKeyInfo before = KeyInfo(fingerprint);
    if (before.missing_on_size() > 0) {
      return FailedPrecondition("fingerprint: key " + fingerprint + " is not on every member yet (missing on " +
                                before.missing_on(0) + "); they could not read what this node seals with it");
    }
    ChangeRing(change, actor);
    v1::UseGossipKeyResponse out;
    *out.mutable_key() = KeyInfo(fingerprint);
    return out;
  });
}

void ClusterImpl::RemoveKey(const std::string& actor, const std::string& fingerprint,
                            ClusterReply<v1::RemoveGossipKeyResponse> reply) {
  OnLoop(std::move(reply), [this, actor, fingerprint]() -> absl::StatusOr<v1::RemoveGossipKeyResponse> {
    AURORA_ASSIGN_OR_RETURN(const RingChange change, ring_.Remove(fingerprint, WallMs(), deps_.node_uid));
    for (const roster::NodeView& node : roster_->View(uv::Loop::Now()).nodes) {
      if (!node.self && !node.gossip_keys.empty() && node.gossip_keys.front() == fingerprint &&
          node.status == roster::Status::kAlive) {
        return FailedPrecondition("fingerprint: node " + node.node_id + " still seals with key " + fingerprint +
                                  "; `keyring use` another one first");
      }
    }
    ChangeRing(change, actor);
    return v1::RemoveGossipKeyResponse();
  });
}

}  // namespace aurora::node
