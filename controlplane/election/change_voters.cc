// Changes of who votes: one member at a time, each from a config of this term that a quorum holds.
#include <algorithm>
#include <utility>

#include "controlplane/election/election.h"
#include "shared/base/check.h"
#include "shared/base/status.h"

namespace aurora::election {

bool Election::ConfigOnQuorum() const {
  std::set<Uid> holders;
  if (durable_.config.id == state_.config.id) {
    holders.insert(settings_.uid);
  }
  for (const auto& [uid, peer] : peers_) {
    if (peer.config == state_.config.id && !peer.rolled_back) {
      holders.insert(uid);
    }
  }
  return Quorum(holders);
}

absl::Status Election::MayChange(Instant now) const {
  if (role_ != Role::kLeader) {
    return FailedPrecondition("this node does not lead");
  }
  if (now < barrier_ || state_.config.id.term != state_.term || durable_.config.id != state_.config.id ||
      !ConfigOnQuorum()) {
    return Unavailable("a majority does not hold the present voters yet; try again");
  }
  const Duration since = now - config_taken_at_;
  if (since < kConfigStable) {
    return Unavailable("the voters changed " + std::to_string(since.millis()) + " ms ago; the next change is " +
                       "possible after " + std::to_string(kConfigStable.millis()) + " ms");
  }
  return absl::OkStatus();
}

bool Election::Fresh(Instant now, const Uid& uid) const {
  const auto it = peers_.find(uid);
  return it != peers_.end() && !it->second.rolled_back && it->second.acked_at &&
         now - *it->second.acked_at <= settings_.timers.renew;
}

const Uid* Election::UidOf(std::string_view node_id) const {
  for (const auto& [uid, peer] : peers_) {
    if (peer.member && peer.node_id == node_id) {
      return &uid;
    }
  }
  return nullptr;
}

void Election::Propose(Instant now, Config next, Outbox& out) {
  AURORA_CHECK(MayChange(now).ok());
  next.id = {state_.term, state_.config.id.version + 1};
  std::sort(next.slots.begin(), next.slots.end(), [](const Slot& a, const Slot& b) { return a.node_id < b.node_id; });
  AURORA_CHECK(VoterDifference(state_.config, next) <= 1);
  AURORA_CHECK(next.VoterCount() >= 1 && next.slots.size() <= kSlotsMax);
  state_.config = std::move(next);
  config_taken_at_ = now;
  dirty_ = true;
  Emit(out, Event::Kind::kConfig);
}

// Only what is on our own disk.
void Election::PushConfig(Outbox& out) {
  for (const Uid& uid : Everyone()) {
    Send(uid, ConfigPush{durable_.config}, out);
  }
}

void Election::OnConfigAck(const Uid& from, Term term, const ConfigAck& ack) {
  if (role_ == Role::kLeader && term == state_.term) {
    Peer& peer = PeerOf(from);
    peer.config = std::max(peer.config, ack.config);
  }
}

void Election::TickVoters(Instant now, Outbox& out) {
  if (role_ != Role::kLeader || now < barrier_) {
    return;
  }
  const Slot* own = state_.config.Find(settings_.uid);
  if (own != nullptr && own->leaving && now >= handover_after_ && ConfigOnQuorum()) {
    if (Uid target = BestTarget(now); !target.empty()) {
      handover_after_ = now + kTransferTimeout * 2;
      BeginClose(now, std::move(target), out);
      return;
    }
  }
  if (now - config_taken_at_ < kConfigStable || !MayChange(now).ok()) {
    return;
  }
  if (!FinishBusiness(now, out) && !ReplaceSuperseded(now, out) && settings_.grow) {
    Grow(now, out);
  }
}

// What the config itself says is still to be done.
bool Election::FinishBusiness(Instant now, Outbox& out) {
  for (size_t i = 0; i < state_.config.slots.size(); ++i) {
    const Slot& slot = state_.config.slots[i];
    if (slot.leaving && slot.uid != settings_.uid) {
      Config next = state_.config;
      next.slots.erase(next.slots.begin() + static_cast<std::ptrdiff_t>(i));
      Propose(now, std::move(next), out);
      return true;
    }
    const Uid* uid = slot.uid.empty() ? UidOf(slot.node_id) : nullptr;
    if (uid != nullptr && !state_.config.Votes(*uid) && Fresh(now, *uid)) {
      Config next = state_.config;
      next.slots[i].uid = *uid;
      Propose(now, std::move(next), out);
      return true;
    }
  }
  return false;
}

// A node that came back with an empty disk has a new uid; the old one never returns. Out first, then in.
bool Election::ReplaceSuperseded(Instant now, Outbox& out) {
  for (size_t i = 0; i < state_.config.slots.size(); ++i) {
    const Slot& slot = state_.config.slots[i];
    if (slot.uid.empty() || slot.uid == settings_.uid) {
      continue;
    }
    const Uid* uid = UidOf(slot.node_id);
    const auto old = peers_.find(slot.uid);
    const bool silent = old == peers_.end() || old->second.rolled_back || !old->second.acked_at ||
                        now - *old->second.acked_at > kConfigStable;
    if (uid != nullptr && *uid != slot.uid && silent && Fresh(now, *uid)) {
      Config next = state_.config;
      next.slots[i].uid.clear();
      Propose(now, std::move(next), out);
      return true;
    }
  }
  return false;
}

// From one voter to three, the lowest node ids among those that stayed; then the slots are fixed.
void Election::Grow(Instant now, Outbox& out) {
  if (state_.config.slots.size() != 1) {
    return;
  }
  std::vector<const Peer*> steady;
  for (const auto& [uid, peer] : peers_) {
    if (peer.member && Fresh(now, uid) && peer.alive_since && now - *peer.alive_since >= kConfigStable &&
        state_.config.FindNode(peer.node_id) == nullptr) {
      steady.push_back(&peer);
    }
  }
  if (steady.size() < 2) {
    return;
  }
  std::sort(steady.begin(), steady.end(), [](const Peer* a, const Peer* b) { return a->node_id < b->node_id; });
  Config next = state_.config;
  next.slots.push_back({.node_id = steady[0]->node_id, .uid = steady[0]->rank.uid});
  next.slots.push_back({.node_id = steady[1]->node_id, .uid = {}});
  Propose(now, std::move(next), out);
}

absl::Status Election::AddVoters(Instant now, std::string_view a, std::string_view b, Outbox& out) {
  AURORA_RETURN_IF_ERROR(MayChange(now));
  if (a == b || a.empty() || b.empty()) {
    return InvalidArgument("two different nodes are needed: the number of voters stays odd");
  }
  if (state_.config.slots.size() + 2 > kSlotsMax) {
    return ResourceExhausted("at most " + std::to_string(kSlotsMax) + " voters are possible");
  }
  for (const std::string_view node : {a, b}) {
    const Uid* uid = UidOf(node);
    if (state_.config.FindNode(node) != nullptr) {
      return AlreadyExists("node " + std::string(node) + " has a vote already");
    }
    if (uid == nullptr || !Fresh(now, *uid)) {
      return FailedPrecondition("node " + std::string(node) + " does not answer");
    }
  }
  Config next = state_.config;
  next.slots.push_back({.node_id = std::string(a), .uid = *UidOf(a)});
  next.slots.push_back({.node_id = std::string(b), .uid = {}});
  Propose(now, std::move(next), out);
  Finish(now, out);
  return absl::OkStatus();
}

absl::Status Election::RemoveVoters(Instant now, std::string_view a, std::string_view b, Outbox& out) {
  AURORA_RETURN_IF_ERROR(MayChange(now));
  if (a == b) {
    return InvalidArgument("two different nodes are needed: the number of voters stays odd");
  }
  Config next = state_.config;
  for (const std::string_view node : {a, b}) {
    const auto slot =
        std::find_if(next.slots.begin(), next.slots.end(), [&](const Slot& s) { return s.node_id == node; });
    if (slot == next.slots.end()) {
      return NotFound("node " + std::string(node) + " has no vote");
    }
    slot->leaving = true;
  }
  const bool stays = std::any_of(next.slots.begin(), next.slots.end(),
                                 [](const Slot& s) { return !s.leaving && !s.uid.empty(); });
  if (!stays) {
    return FailedPrecondition("no voter would be left");
  }
  // The vacant go at once, and one of the others that is not us; the rest by the config's own word.
  std::erase_if(next.slots, [](const Slot& s) { return s.leaving && s.uid.empty(); });
  const auto first = std::find_if(next.slots.begin(), next.slots.end(),
                                  [&](const Slot& s) { return s.leaving && s.uid != settings_.uid; });
  if (first != next.slots.end()) {
    next.slots.erase(first);
  }
  Propose(now, std::move(next), out);
  Finish(now, out);
  return absl::OkStatus();
}

absl::Status Election::UnsafeRecover(Instant now, Outbox& out) {
  if (role_ == Role::kLeader || role_ == Role::kDraining) {
    return FailedPrecondition("this node leads: nothing is to be recovered");
  }
  if (role_ == Role::kHoldoff) {
    return Unavailable("this node has just started; try again in a moment");
  }
  if (settings_.kind != Kind::kNode) {
    return FailedPrecondition("a witness cannot serve: run this on a node");
  }
  AdoptTerm(now, std::max(state_.term, term_floor_) + 1, out);
  state_.config = {.id = {state_.term, state_.config.id.version + 1},
                   .slots = {{.node_id = settings_.node_id, .uid = settings_.uid}}};
  // Whoever still holds a lease does not any more after this.
  campaign_at_ = now;
  hold_until_ = std::max(hold_until_, now + kLargestPromise * 11 / 10);
  Emit(out, Event::Kind::kConfig, "unsafe-recover");
  Finish(now, out);
  return absl::OkStatus();
}

}  // namespace aurora::election
