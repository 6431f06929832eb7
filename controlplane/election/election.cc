#include "controlplane/election/election.h"

#include <algorithm>
#include <utility>

#include "shared/base/check.h"

namespace aurora::election {

Election::Election(Settings settings, Durable durable, uint64_t seed)
    : settings_(std::move(settings)), rng_(seed), state_(durable), durable_(std::move(durable)) {
  AURORA_CHECK(Validate(settings_.timers).ok());
  AURORA_CHECK(!settings_.uid.empty());
}

void Election::Start(Instant now, Outbox& out) {
  role_ = Role::kHoldoff;
  holdoff_until_ = now + kLargestPromise;
  out.gate = Gate{};
  Finish(now, out);
}

void Election::Receive(Instant now, const Uid& from, const Message& message, Outbox& out) {
  Peer& peer = PeerOf(from);
  peer.announced = std::max(peer.announced, message.term);
  // Holding off, anything is treated as lost.
  if (from == settings_.uid || peer.rolled_back || role_ == Role::kHoldoff) {
    return;
  }
  const Term term = message.term;
  if (const auto* renew = std::get_if<Renew>(&message.body)) {
    OnRenew(now, from, term, *renew, out);
  } else if (const auto* ack = std::get_if<RenewAck>(&message.body)) {
    OnRenewAck(now, from, term, *ack, out);
  } else if (const auto* pre_vote = std::get_if<PreVote>(&message.body)) {
    OnPreVote(now, from, *pre_vote, out);
  } else if (const auto* pre_vote_reply = std::get_if<PreVoteReply>(&message.body)) {
    OnPreVoteReply(now, from, term, *pre_vote_reply, out);
  } else if (const auto* vote = std::get_if<Vote>(&message.body)) {
    OnVote(now, from, term, *vote, out);
  } else if (const auto* vote_reply = std::get_if<VoteReply>(&message.body)) {
    OnVoteReply(now, from, term, *vote_reply, out);
  } else if (const auto* release = std::get_if<LeaseRelease>(&message.body)) {
    OnRelease(now, from, term, *release);
  } else if (const auto* transfer = std::get_if<TransferNow>(&message.body)) {
    OnTransferNow(now, from, term, *transfer);
  } else if (const auto* push = std::get_if<ConfigPush>(&message.body)) {
    OnConfigPush(now, from, *push, out);
  } else if (const auto* config_ack = std::get_if<ConfigAck>(&message.body)) {
    OnConfigAck(from, term, *config_ack);
  } else {
    OnTermNotice(now, from, term, out);
  }
  Finish(now, out);
}

void Election::Tick(Instant now, Outbox& out) {
  TickDisk(now, out);
  if (role_ == Role::kHoldoff && now >= holdoff_until_) {
    // A lone voter has nobody to wait for.
    const bool alone = Voter() && state_.config.VoterCount() == 1;
    led_at_ = now;
    ToFollower(alone ? now : now + settings_.timers.suspect + CampaignDelay());
  }
  switch (role_) {
    case Role::kHoldoff:
      break;
    case Role::kFollower:
    case Role::kPreCandidate:
    case Role::kCandidate:
      TickCampaign(now, out);
      break;
    case Role::kLeader:
      TickLeader(now, out);
      break;
    case Role::kDraining:
      if (now >= close_end_) {
        EndClose(now, false, out);
      }
      break;
  }
  Finish(now, out);
}

Instant Election::NextDeadline() const {
  Instant next = disk_retry_;
  if (!in_flight_.empty() && !disk_told_) {
    next = std::min(next, in_flight_.front().since + kDiskTimeout + Duration::Millis(1));
  }
  switch (role_) {
    case Role::kHoldoff:
      return std::min(next, holdoff_until_);
    case Role::kFollower:
      return std::min(next, std::max(campaign_at_, hold_until_));
    case Role::kPreCandidate:
    case Role::kCandidate:
      return std::min({next, campaign_end_, resend_at_});
    case Role::kLeader:
      next = std::min(next, renewed_at_ + settings_.timers.renew);
      return barrier_passed_ ? next : std::min(next, barrier_);
    case Role::kDraining:
      return std::min(next, close_end_);
  }
  return next;
}

void Election::AdoptTerm(Instant now, Term term, Outbox& out) {
  AURORA_CHECK(term > state_.term);
  if (role_ == Role::kLeader || role_ == Role::kDraining) {
    ZeroGate(now, out);
    Emit(out, Event::Kind::kStoodDown, "term " + std::to_string(term) + " has begun");
  }
  state_.term = term;
  state_.voted_for.clear();
  dirty_ = true;
  leader_.clear();
  heard_.reset();
  ToFollower(now + settings_.timers.suspect + CampaignDelay());
}

void Election::ToFollower(Instant campaign_at) {
  role_ = Role::kFollower;
  campaign_at_ = campaign_at;
  released_ = 0;
  votes_.clear();
  denials_.clear();
  asked_ = false;
  barrier_ = Instant();
}

void Election::Send(const Uid& to, decltype(Message::body) body, Outbox& out) {
  out.messages.push_back({to, Message{durable_.term, std::move(body)}});
}

void Election::Emit(Outbox& out, Event::Kind kind, std::string detail) const {
  out.events.push_back({kind, state_.term, std::move(detail)});
}

bool Election::Quorum(const std::set<Uid>& uids) const {
  const auto voters = state_.config.Voters();
  const auto have = std::count_if(voters.begin(), voters.end(), [&](const Uid& uid) { return uids.contains(uid); });
  return static_cast<size_t>(have) >= state_.config.Quorum();
}

Rank Election::OwnRank() const {
  constexpr uint32_t kLeavingPenalty = 1'000'000;
  const Slot* slot = state_.config.Find(settings_.uid);
  return {.priority = settings_.priority,
          .penalty = penalty_ + (slot != nullptr && slot->leaving ? kLeavingPenalty : 0),
          .preferred_zone = settings_.preferred_zone,
          .uid = settings_.uid};
}

// Rank times slot plus jitter: whoever should follow suspects first. By uid until a leader has told the order.
Duration Election::CampaignDelay() {
  int64_t place = std::find(order_.begin(), order_.end(), settings_.uid) - order_.begin();
  if (place == static_cast<int64_t>(order_.size())) {
    const auto voters = state_.config.Voters();
    place += std::count_if(voters.begin(), voters.end(), [&](const Uid& uid) {
      return uid < settings_.uid && uid != leader_ && std::find(order_.begin(), order_.end(), uid) == order_.end();
    });
  }
  const auto jitter = static_cast<int64_t>(rng_.Below(static_cast<uint64_t>(settings_.timers.jitter.micros()) + 1));
  return settings_.timers.rank_slot * place + Duration::Micros(jitter);
}

Election::Peer& Election::PeerOf(const Uid& uid) { return peers_[uid]; }

std::vector<Uid> Election::Everyone() const {
  std::vector<Uid> all;
  for (const auto& [uid, peer] : peers_) {
    if (uid != settings_.uid && (peer.member || state_.config.Votes(uid))) {
      all.push_back(uid);
    }
  }
  return all;
}

bool Election::CanLead(Instant now) const {
  return settings_.kind == Kind::kNode && data_plane_ == DataPlane::kReady && DiskOk(now);
}

void Election::SetMembers(Instant now, const std::vector<Member>& members, Outbox& out) {
  for (auto& [uid, peer] : peers_) {
    peer.member = false;
  }
  for (const Member& member : members) {
    if (member.uid != settings_.uid) {
      Peer& peer = PeerOf(member.uid);
      peer.member = true;
      peer.node_id = member.node_id;
    }
  }
  std::erase_if(peers_, [&](const auto& entry) {
    return !entry.second.member && !entry.second.rolled_back && !state_.config.Votes(entry.first);
  });
  for (const Uid& uid : state_.config.Voters()) {
    PeerOf(uid);
  }
  Finish(now, out);
}

void Election::OnPeerTerm(Instant now, const Uid& uid, Term term, Outbox& out) {
  Peer& peer = PeerOf(uid);
  if (term < peer.announced && !std::exchange(peer.rolled_back, true)) {
    peer.granted_until = Instant();
    peer.acked_at.reset();
    Emit(out, Event::Kind::kRolledBack, uid);
  }
  peer.announced = std::max(peer.announced, term);
  Finish(now, out);
}

Uid Election::Leader(Instant now) const {
  if (role_ == Role::kLeader) {
    return settings_.uid;
  }
  return heard_ && now - *heard_ < settings_.timers.suspect ? leader_ : Uid();
}

std::string Election::Warning(Instant now) const {
  const Config& config = state_.config;
  const size_t voters = config.VoterCount();
  if (config.slots.empty()) {
    return "no voters are known yet";
  }
  if (role_ != Role::kHoldoff && Voter() && Leader(now).empty() && now - led_at_ > kTransferTimeout) {
    return "no majority of the voters answers; if it is gone for good: aurora-ctl voters unsafe-recover";
  }
  if (voters == 1 && !Everyone().empty()) {
    return "no automatic takeover with two nodes: add a third or a witness";
  }
  if (voters % 2 == 0) {
    return "the voters are being changed";
  }
  return {};
}

}  // namespace aurora::election
