// The streams of the cluster: what the Control links tell the roster, and whom policy is exchanged with.
#include <algorithm>

#include "aurora/v1/sync.pb.h"
#include "controlplane/node/cluster_frames.h"
#include "controlplane/node/cluster_impl.h"
#include "shared/crypto/random.h"
#include "shared/log/log.h"

namespace aurora::node {

peers::LinksCallbacks ClusterImpl::LinkCallbacks() {
  peers::LinksCallbacks callbacks;
  callbacks.hello = [this](v1::Hello& hello) {
    ToProto(roster_->self(), roster_->cluster_id(), &hello);
    hello.set_peer_addr(PeerAddr());
    if (const std::optional<election::Term> term = failover_->durable_term()) {
      hello.set_election_term(*term);
    }
  };
  callbacks.admit = [this](const v1::Hello& hello, bool) {
    roster::Outbox out;
    const roster::Admission admission = roster_->OnHello(uv::Loop::Now(), WallMs(), FromProto(hello), out);
    Enqueue(std::move(out));
    return peers::Admission{static_cast<peers::ByeReason>(admission.reason), admission.message, admission.warning};
  };
  callbacks.up = [this](const peers::PeerState& peer) {
    ++links_up_;
    const std::string uid = peer.uid;
    const roster::PeerHello hello = FromProto(*peer.hello);
    Step([&](Instant now, int64_t wall, auto& out) { roster_->OnLinkUp(now, wall, hello, out); });
    SendRing(uid);
    MeetInGossip(hello.node);
    TellSync();
    if (peer.hello->has_election_term()) {
      failover_->OnPeerTerm(uid, peer.hello->epoch(), peer.hello->election_term());
    }
    sync_->ControlUp({uid, peer.node_id, peer.outbound ? peer.address : peer.hello->sync_addr(), peer.hello->epoch(),
                      peer.outbound});
  };
  callbacks.frame = [this](const peers::PeerState& peer, const v1::ControlFrame& frame) {
    if (frame.has_heartbeat()) {
      ++heartbeats_in_;
      const roster::PeerHeartbeat heartbeat = FromProto(frame.heartbeat());
      Step([&](Instant now, int64_t wall, auto& out) { roster_->OnHeartbeat(now, wall, peer.uid, heartbeat, out); });
    } else if (frame.has_gossip_key_change()) {
      OnKeyChange(peer, frame.gossip_key_change());
    } else if (frame.has_election()) {
      failover_->OnFrame(peer.uid, frame.election());
    } else if (frame.has_failover_command()) {
      OnCommand(peer, frame.failover_command());
    } else if (frame.has_failover_answer()) {
      relay_.OnAnswer(peer.uid, frame.failover_answer());
    }
  };
  callbacks.down = [this](const peers::PeerState& peer, peers::ByeReason reason, std::string_view message) {
    log::Info("control stream down", {{"peer", peer.node_id}, {"why", peers::Name(reason)}, {"message", message}});
    sync_->ControlDown(peer.uid);
    relay_.OnDown(peer.uid);
    const bool leaving = reason == peers::ByeReason::kLeaving && !leaving_;  // else it is we who go
    Step([&](Instant now, int64_t wall, auto& out) { roster_->OnLinkClosed(now, wall, peer.uid, leaving, out); });
  };
  callbacks.refused = [this](const peers::Refusal& refusal) {
    ++refusals_;
    if (!refusal.by_peer) {
      return;  // the roster's own judgement: it has said so
    }
    const roster::Refusal told{static_cast<roster::Refuse>(refusal.reason), refusal.node_id, refusal.uid,
                               refusal.address, refusal.message};
    Step([&](Instant now, int64_t, auto& out) { roster_->OnRefused(now, told, out); });
  };
  return callbacks;
}

std::unique_ptr<PolicySync> ClusterImpl::MakeSync(std::shared_ptr<const peers::ControlTls> tls) {
  PolicySyncDeps deps;
  deps.loop = deps_.loop;
  deps.mailbox = deps_.mailbox;
  deps.store = deps_.store;
  deps.page = deps_.page;
  deps.core.join_sync_timeout = settings_.join_sync_timeout;
  deps.core.admit_stale = settings_.stale_policy == config::StalePolicy::kServe;
  deps.max_staleness = settings_.max_staleness;
  deps.links.node_id = settings_.node_id;
  deps.links.node_uid = deps_.node_uid;
  deps.links.seed = crypto::RandomU64();
  deps.links.tls = std::move(tls);
  deps.seed = crypto::RandomU64();
  deps.rolled_back = deps_.rolled_back;
  deps.may_serve = [this] { return !Exclusive() || failover_->counts(); };
  deps.cluster_id = [this] { return roster_ == nullptr ? deps_.cluster_id : roster_->cluster_id(); };
  return std::make_unique<PolicySync>(std::move(deps));
}

// What travels in our heartbeats; a change of it is sent at once.
void ClusterImpl::TellLocal() {
  roster::LocalState local = deps_.local();
  local.gossip_keys = ring_.Fingerprints();
  local.lag_ms = sync_->Lag().millis();
  local.drained = failover_->drained();
  Step([&](Instant now, int64_t wall, auto& out) { roster_->SetLocal(now, wall, std::move(local), out); });
}

void ClusterImpl::TellSync() {
  if (roster_->cluster_id().empty()) {
    return;  // whose members
  }
  const roster::ClusterView view = roster_->View(uv::Loop::Now());
  TellFailover(view);
  std::vector<replication::Member> members;
  for (const roster::NodeView& node : view.nodes) {
    if (!node.guest && !node.uid.empty() && node.status != roster::Status::kLeft) {
      members.push_back({node.uid, node.node_id});
    }
  }
  std::vector<std::string> removed;
  for (const roster::RemovedNode& node : roster_->Heartbeat().removed) {
    removed.push_back(node.uid);
  }
  sync_->SetMembers(std::move(members), std::move(removed));
}

}  // namespace aurora::node
