// What of the election is in cluster/status, cluster/nodes and failover/status.
#include <algorithm>
#include <string>
#include <utility>

#include "controlplane/node/cluster_impl.h"

namespace aurora::node {

using election::Slot;

namespace {

std::string Ms(Duration d) { return std::to_string(d.millis()) + " ms"; }

std::string ConfigText(const election::ConfigId& id) {
  return std::to_string(id.term) + "." + std::to_string(id.version);
}

// The time a crash of the leader costs, from the timers: what a person compares with what was seen.
std::string Budget(const election::Timers& t, size_t voters) {
  const auto later = static_cast<int64_t>(voters > 1 ? voters - 1 : 0);
  return "a crash of the leader: suspected after " + Ms(t.suspect) + " + rank (0 to " + std::to_string(later) +
         ") x " + Ms(t.rank_slot) + " + up to " + Ms(t.jitter) +
         ", then a vote (one fsync a voter); the new leader serves once what was promised to the old one has run " +
         "out, " + Ms(t.promise) + " after its last renew";
}

}  // namespace

size_t ClusterImpl::VotersReached(const election::Config& config) const {
  return static_cast<size_t>(std::count_if(config.slots.begin(), config.slots.end(), [&](const Slot& slot) {
    const peers::PeerState* peer = slot.uid.empty() ? nullptr : links_->Find(slot.uid);
    return slot.uid == deps_.node_uid || (peer != nullptr && peer->up);
  }));
}

void ClusterImpl::AddVotersTo(const FailoverView& view, google::protobuf::RepeatedPtrField<v1::Voter>* out) const {
  const roster::ClusterView members = roster_->View(uv::Loop::Now());
  for (const Slot& slot : view.config.slots) {
    v1::Voter* voter = out->Add();
    voter->set_node_id(slot.node_id);
    voter->set_node_uid(slot.uid);
    voter->set_leaving(slot.leaving);
    voter->set_self(slot.uid == deps_.node_uid);
    voter->set_leader(!slot.uid.empty() && slot.uid == view.leader);
    voter->set_able(std::find(view.able.begin(), view.able.end(), slot.uid) != view.able.end());
    const peers::PeerState* peer = slot.uid.empty() ? nullptr : links_->Find(slot.uid);
    voter->set_connected(voter->self() || (peer != nullptr && peer->up));
    const auto same_id = std::find_if(members.nodes.begin(), members.nodes.end(),
                                      [&](const roster::NodeView& n) { return n.node_id == slot.node_id; });
    voter->set_member(same_id != members.nodes.end() && same_id->uid == slot.uid);
    if (slot.uid.empty()) {
      voter->set_note("waits for the node to come");
    } else if (same_id != members.nodes.end() && !voter->member() && !same_id->uid.empty()) {
      voter->set_note("the node came back with a new uid: the leader gives it this place");
    } else if (!voter->connected()) {
      voter->set_note("no stream to it");
    }
  }
}

// Whatever an operator should know, and what to do about it.
std::vector<std::string> ClusterImpl::FailoverReasons(const FailoverView& view) const {
  std::vector<std::string> reasons;
  if (!Leads() || !view.begun) {
    return reasons;
  }
  const size_t voters = view.config.VoterCount();
  const size_t reached = VotersReached(view.config);
  if (!view.warning.empty()) {
    reasons.push_back(view.warning);
  }
  if (voters > 0 && reached < view.config.Quorum()) {
    reasons.push_back("this node reaches " + std::to_string(reached) + " of " + std::to_string(voters) +
                      " voters (config " + ConfigText(view.config.id) + ") and " +
                      std::to_string(view.config.Quorum()) + " are needed for a leader");
  } else if (reached < voters && voters > 1) {
    for (const Slot& slot : view.config.slots) {
      const peers::PeerState* peer = slot.uid.empty() ? nullptr : links_->Find(slot.uid);
      if (!slot.uid.empty() && slot.uid != deps_.node_uid && (peer == nullptr || !peer->up)) {
        reasons.push_back("voter " + slot.node_id + " is not connected: " +
                          (reached == view.config.Quorum() ? "no further one may fail"
                                                           : std::to_string(reached - view.config.Quorum()) +
                                                                 " more may fail"));
      }
    }
  }
  if (!view.disk_ok) {
    reasons.push_back("election.db does not take writes in time: this node gives no vote and does not campaign");
  }
  if (view.drained) {
    reasons.push_back("this node is drained: it does not lead until `nodes undrain " + settings_.node_id + "`");
  }
  return reasons;
}

// no_leader and partitioned outrank what else is wrong.
std::string ClusterImpl::ClusterState(const FailoverView& view, const std::string& otherwise) const {
  if (!Exclusive() || !view.begun) {
    return otherwise;
  }
  const Duration patience = failover_->settings().timers.promise * 2;
  if (view.leader.empty() && view.leaderless > patience) {
    return VotersReached(view.config) < view.config.Quorum() ? "partitioned" : "no_leader";
  }
  return otherwise;
}

void ClusterImpl::AddFailoverTo(v1::GetClusterStatusResponse* out) const {
  const FailoverView view = failover_->View();
  if (Exclusive()) {
    for (std::string& reason : FailoverReasons(view)) {
      out->add_reasons(std::move(reason));
    }
  }
  out->set_role(RoleNow());
  if (Leads()) {
    out->set_leader_id(NodeIdOf(view.leader));
    out->set_term(static_cast<int64_t>(view.term));
  }
  out->set_state(ClusterState(view, out->reasons().empty() ? "healthy" : "degraded"));
}

// By whom this node hears to lead, not by what each said of itself at some time.
void ClusterImpl::AddFailoverTo(const roster::NodeView& node, const FailoverView& view, v1::ClusterNode* out) const {
  const bool leader = Leads() && !node.uid.empty() && node.uid == view.leader;
  out->set_is_leader(leader);
  if (out->role() == "peer" && Exclusive()) {
    out->set_role(leader && view.leader_active ? "active" : "standby");
  }
}

void ClusterImpl::FailoverStatus(ClusterReply<v1::GetFailoverStatusResponse> reply) {
  OnLoop(std::move(reply), [this]() -> absl::StatusOr<v1::GetFailoverStatusResponse> {
    const FailoverView view = failover_->View();
    const election::Timers& timers = failover_->settings().timers;
    v1::GetFailoverStatusResponse out;
    out.set_enabled(true);
    out.set_node_id(settings_.node_id);
    out.set_failover_mode(roster_->self().failover_mode);
    out.set_profile(settings_.election_profile == config::ElectionProfile::kLan ? "lan" : "aggressive");
    out.set_state(view.begun ? std::string(election::Name(view.role)) : "not-founded");
    out.set_active(view.active);
    out.set_leader_id(Leads() ? NodeIdOf(view.leader) : "");
    out.set_term(static_cast<int64_t>(view.term));
    out.set_lease_remaining_ms(view.lease_remaining.millis());
    out.set_barrier_remaining_ms(view.barrier_remaining.millis());
    out.set_promise_remaining_ms(view.promise_remaining.millis());
    out.set_config(ConfigText(view.config.id));
    out.set_quorum(view.config.slots.empty() ? 0 : static_cast<int32_t>(view.config.Quorum()));
    AddVotersTo(view, out.mutable_voters());
    out.set_disk_ok(view.disk_ok);
    out.set_drained(view.drained);
    v1::FailoverTimers* t = out.mutable_timers();
    t->set_renew_ms(timers.renew.millis());
    t->set_promise_ms(timers.promise.millis());
    t->set_lease_ms(election::LeaseOf(timers.promise).millis());
    t->set_suspect_ms(timers.suspect.millis());
    t->set_rank_slot_ms(timers.rank_slot.millis());
    t->set_jitter_ms(timers.jitter.millis());
    t->set_vote_timeout_ms(timers.vote_timeout.millis());
    if (!Leads()) {
      out.add_explain("cluster.failover_mode is single_node: every node serves, whoever leads");
    } else if (!view.begun) {
      out.add_explain("this node is of no cluster yet; `status` says what it waits for");
    }
    for (std::string& reason : FailoverReasons(view)) {
      out.add_explain(std::move(reason));
    }
    if (Leads() && view.begun) {
      out.add_explain(Budget(timers, view.config.VoterCount()));
    }
    out.set_switches(static_cast<int64_t>(failover_->counters().switches));
    return out;
  });
}

}  // namespace aurora::node
