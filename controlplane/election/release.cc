// The end of a term by will: close the gate, hear from the data plane that it is closed, say so, name who follows.
#include <algorithm>
#include <utility>

#include "controlplane/election/election.h"
#include "shared/base/status.h"

namespace aurora::election {

void Election::BeginClose(Instant now, Uid target, Outbox& out) {
  ZeroGate(now, out);
  role_ = Role::kDraining;
  target_ = std::move(target);
  close_end_ = now + kCloseTimeout;
  out.close = ++close_;
}

void Election::OnGateClosed(Instant now, uint64_t close, Outbox& out) {
  if (role_ == Role::kDraining && close == close_) {
    EndClose(now, true, out);
  }
  Finish(now, out);
}

void Election::EndClose(Instant now, bool released, Outbox& out) {
  if (released) {
    ClearPromise(state_.term);
    for (const Uid& uid : Everyone()) {
      Send(uid, LeaseRelease{target_}, out);
    }
  }
  if (!target_.empty()) {
    Send(target_, TransferNow{released}, out);
  }
  Emit(out, released ? Event::Kind::kReleased : Event::Kind::kNotReleased, target_);
  over_ = std::max(over_, state_.term);
  heard_.reset();
  ToFollower(now + settings_.timers.suspect + CampaignDelay());
  hold_until_ = now + (target_.empty() ? settings_.timers.defer : kTransferTimeout);
}

void Election::SetDataPlane(Instant now, DataPlane state, Outbox& out) {
  if (std::exchange(data_plane_, state) == state) {
    return;
  }
  if (state == DataPlane::kReady) {
    if (role_ == Role::kFollower && !heard_) {
      const bool alone = Voter() && state_.config.VoterCount() == 1;
      campaign_at_ = std::min(campaign_at_, alone ? now : now + CampaignDelay());
    }
  } else if (role_ == Role::kLeader) {
    // A frozen one cannot acknowledge and may wake: no release.
    if (state != DataPlane::kFrozen && MayRelease(now)) {
      BeginClose(now, BestTarget(now), out);
    } else {
      StandDown(now, "the data plane cannot serve", out);
    }
  } else if (role_ == Role::kPreCandidate || role_ == Role::kCandidate) {
    GiveUp(now);
  }
  Finish(now, out);
}

bool Election::GoodTarget(Instant now, const Uid& uid) const {
  const auto it = peers_.find(uid);
  const Slot* slot = state_.config.Find(uid);
  return slot != nullptr && !slot->leaving && it != peers_.end() && it->second.can_lead && it->second.acked_at &&
         now - *it->second.acked_at <= settings_.timers.renew * 2 && it->second.config == state_.config.id;
}

Uid Election::BestTarget(Instant now) const {
  for (const Uid& uid : Successors(now)) {
    if (GoodTarget(now, uid)) {
      return uid;
    }
  }
  return {};
}

absl::Status Election::Transfer(Instant now, std::string_view node_id, Outbox& out) {
  if (role_ != Role::kLeader) {
    return FailedPrecondition("this node does not lead");
  }
  if (!MayRelease(now)) {
    return Unavailable("this node is not active yet");
  }
  if (state_.config.VoterCount() == 1 && state_.config.FindNode(node_id) == nullptr) {
    return HandOver(now, node_id, out);
  }
  Uid target;
  if (node_id.empty()) {
    target = BestTarget(now);
    if (target.empty()) {
      return FailedPrecondition("no other voter is able to serve");
    }
  } else {
    const Slot* slot = state_.config.FindNode(node_id);
    if (slot == nullptr || slot->uid.empty()) {
      return FailedPrecondition("node " + std::string(node_id) + " has no vote");
    }
    if (slot->uid == settings_.uid) {
      return FailedPrecondition("node " + std::string(node_id) + " leads already");
    }
    if (!GoodTarget(now, slot->uid)) {
      return FailedPrecondition("node " + std::string(node_id) + " does not answer or is not able to serve");
    }
    target = slot->uid;
  }
  BeginClose(now, std::move(target), out);
  Finish(now, out);
  return absl::OkStatus();
}

// The one voter gives its vote to another: {A} becomes {A, B}, B leads, B makes it {B}. TickVoters does the rest.
absl::Status Election::HandOver(Instant now, std::string_view node_id, Outbox& out) {
  AURORA_RETURN_IF_ERROR(MayChange(now));
  const Peer* best = nullptr;
  for (const auto& [uid, peer] : peers_) {
    if (peer.member && peer.can_lead && Fresh(now, uid) && (node_id.empty() || peer.node_id == node_id) &&
        (best == nullptr || Better(peer.rank, best->rank))) {
      best = &peer;
    }
  }
  if (best == nullptr) {
    return FailedPrecondition(node_id.empty() ? std::string("no other node is able to serve")
                                              : "node " + std::string(node_id) +
                                                    " does not answer or is not able to serve");
  }
  Config next = state_.config;
  for (Slot& slot : next.slots) {
    slot.leaving = slot.uid == settings_.uid;
  }
  next.slots.push_back({.node_id = best->node_id, .uid = best->rank.uid});
  Propose(now, std::move(next), out);
  Finish(now, out);
  return absl::OkStatus();
}

}  // namespace aurora::election
