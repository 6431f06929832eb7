// The leader's side: renews, the lease that their acknowledgements make, and the word in the role page.
#include <algorithm>
#include <functional>
#include <utility>

#include "controlplane/election/election.h"

namespace aurora::election {

void Election::BecomeLeader(Instant now, Outbox& out) {
  role_ = Role::kLeader;
  leader_ = settings_.uid;
  elected_at_ = now;
  deadline_ = Instant();
  was_active_ = false;
  barrier_passed_ = false;
  handover_after_ = now;
  for (auto& [uid, peer] : peers_) {
    peer.granted_until = Instant();
    peer.acked_at.reset();
    peer.alive_since.reset();
    peer.config = {};
  }
  // Ours from now on: what is changed later is changed from a config of this term.
  state_.config.id = {state_.term, state_.config.id.version + 1};
  config_taken_at_ = now;
  dirty_ = true;
  Emit(out, Event::Kind::kElected);
  SendRenews(now, out);
  UpdateGate(now, out);
}

void Election::SendRenews(Instant now, Outbox& out) {
  renewed_at_ = now;
  led_at_ = now;
  const Renew renew{.sent_at = now, .active = Active(now), .order = Successors(now)};
  for (const Uid& uid : Everyone()) {
    Send(uid, renew, out);
  }
}

// Voters that could follow, best first.
std::vector<Uid> Election::Successors(Instant now) const {
  std::vector<const Peer*> able;
  for (const Uid& uid : state_.config.Voters()) {
    const auto it = peers_.find(uid);
    if (uid != settings_.uid && it != peers_.end() && it->second.can_lead && it->second.acked_at &&
        now - *it->second.acked_at < settings_.timers.suspect) {
      able.push_back(&it->second);
    }
  }
  std::sort(able.begin(), able.end(), [](const Peer* a, const Peer* b) { return Better(a->rank, b->rank); });
  std::vector<Uid> uids;
  for (const Peer* peer : able) {
    uids.push_back(peer->rank.uid);
  }
  return uids;
}

void Election::OnRenewAck(Instant now, const Uid& from, Term term, const RenewAck& ack, Outbox& out) {
  // Late ones, of a term we closed, are dropped by the role.
  if (role_ != Role::kLeader || term != state_.term || ack.sent_at > renewed_at_ || ack.sent_at < elected_at_) {
    return;
  }
  Peer& peer = PeerOf(from);
  const Duration promised = std::min(settings_.timers.promise, ack.promise);
  peer.granted_until = std::max(peer.granted_until, ack.sent_at + LeaseOf(promised));
  if (!peer.alive_since || !peer.acked_at || now - *peer.acked_at > settings_.timers.suspect) {
    peer.alive_since = now;
  }
  peer.acked_at = now;
  peer.config = std::max(peer.config, ack.config);
  peer.can_lead = ack.can_lead;
  peer.rank = ack.rank;
  peer.rank.uid = from;
  if (ack.config < durable_.config.id && durable_.config.id == state_.config.id) {
    Send(from, ConfigPush{durable_.config}, out);
  }
  UpdateGate(now, out);
  TickVoters(now, out);
}

// When the promises of a quorum end: the Qth largest. We are a voter to ourselves.
Instant Election::LeaseUntil() const {
  std::vector<Instant> until;
  for (const Uid& uid : state_.config.Voters()) {
    if (uid == settings_.uid) {
      until.push_back(renewed_at_ + LeaseOf(settings_.timers.promise));
    } else if (const auto it = peers_.find(uid); it != peers_.end() && !it->second.rolled_back) {
      until.push_back(it->second.granted_until);
    }
  }
  const size_t quorum = state_.config.Quorum();
  if (until.size() < quorum) {
    return Instant();
  }
  std::sort(until.begin(), until.end(), std::greater<>());
  return until[quorum - 1];
}

void Election::UpdateGate(Instant now, Outbox& out) {
  if (role_ != Role::kLeader || now < barrier_ || data_plane_ != DataPlane::kReady) {
    return;
  }
  const Instant lease = LeaseUntil();
  if (lease > now && lease > deadline_) {
    deadline_ = lease;
    out.gate = Gate{lease, state_.term};
  }
  const bool active = Active(now);
  if (active != was_active_) {
    was_active_ = active;
    Emit(out, active ? Event::Kind::kActive : Event::Kind::kLapsed);
  }
}

void Election::ZeroGate(Instant now, Outbox& out) {
  // As long as any other voter's promise would be: a request checked under the deadline is written a little after it.
  const Instant owed = deadline_ + (settings_.timers.promise - LeaseOf(settings_.timers.promise));
  if (deadline_ != Instant() && owed > now) {
    MergePromise(owed, state_.term);
  }
  deadline_ = Instant();
  was_active_ = false;
  out.gate = Gate{};
}

void Election::TickLeader(Instant now, Outbox& out) {
  barrier_passed_ = now >= barrier_;
  const Duration lease = LeaseOf(settings_.timers.promise);
  // Judged before the next renew, which is our own ack: two leases without a quorum.
  if (now > std::max(LeaseUntil(), elected_at_ + lease) + lease) {
    StandDown(now, "no majority of the voters answers", out);
    return;
  }
  TickVoters(now, out);
  if (role_ != Role::kLeader) {
    return;  // handed over: not one Renew more
  }
  if (now - renewed_at_ >= settings_.timers.renew) {
    SendRenews(now, out);
  }
  UpdateGate(now, out);
}

// Without a release: what was promised runs out.
void Election::StandDown(Instant now, std::string why, Outbox& out) {
  ZeroGate(now, out);
  Emit(out, Event::Kind::kStoodDown, std::move(why));
  heard_.reset();
  over_ = std::max(over_, state_.term);
  ToFollower(now + settings_.timers.suspect + CampaignDelay());
}

}  // namespace aurora::election
