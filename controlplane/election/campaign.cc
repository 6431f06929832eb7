// Campaigns: who asks whom, what a voter answers, and when a vote counts.
#include <algorithm>

#include "controlplane/election/election.h"

namespace aurora::election {

void Election::TickCampaign(Instant now, Outbox& out) {
  if (role_ == Role::kFollower) {
    if (now < campaign_at_ || now < hold_until_) {
      return;
    }
    if (!CanLead(now) || !Voter()) {
      campaign_at_ = now + settings_.timers.suspect;
      return;
    }
    StartPreVote(now, out);
    return;
  }
  if (now >= campaign_end_) {
    GiveUp(now);
    return;
  }
  if (now < resend_at_) {
    return;
  }
  resend_at_ = now + (role_ == Role::kPreCandidate ? settings_.timers.rank_slot : settings_.timers.vote_timeout / 2);
  for (const Uid& uid : state_.config.Voters()) {
    if (uid == settings_.uid || votes_.contains(uid) || denials_.contains(uid)) {
      continue;
    }
    if (role_ == Role::kPreCandidate) {
      Send(uid, PreVote{next_term_, state_.config.id, OwnRank()}, out);
    } else if (asked_) {
      Send(uid, Vote{state_.config.id, released_}, out);
    }
  }
}

void Election::GiveUp(Instant now) {
  ToFollower(now + settings_.timers.rank_slot / 2 + CampaignDelay());
}

void Election::StartPreVote(Instant now, Outbox& out) {
  role_ = Role::kPreCandidate;
  next_term_ = std::max(state_.term, term_floor_) + 1;
  votes_ = {settings_.uid};
  denials_.clear();
  asked_ = false;
  campaign_end_ = now + settings_.timers.vote_timeout;
  resend_at_ = now;
  if (Quorum(votes_)) {
    StartVote(now, next_term_);
  } else {
    TickCampaign(now, out);
  }
}

void Election::StartVote(Instant now, Term term) {
  const Term released = released_;
  ToFollower(Instant::Never());
  released_ = released;
  role_ = Role::kCandidate;
  leader_.clear();
  heard_.reset();
  backed_.reset();
  state_.term = term;
  state_.voted_for = settings_.uid;
  dirty_ = true;
  barrier_ = promise_.until;
  campaign_end_ = now + settings_.timers.vote_timeout;
  resend_at_ = campaign_end_;
  pending_.push_back({.step = Step::kCampaign, .version = 0, .term = term, .to = {}, .since = now, .config = {}});
}

// Our own vote is durable.
void Election::AskVotes(Instant now, Outbox& out) {
  asked_ = true;
  votes_.insert(settings_.uid);
  campaign_end_ = now + settings_.timers.vote_timeout;
  resend_at_ = now;
  CountVotes(now, out);
  if (role_ == Role::kCandidate) {
    TickCampaign(now, out);
  }
}

void Election::CountVotes(Instant now, Outbox& out) {
  if (Quorum(votes_)) {
    if (role_ == Role::kPreCandidate) {
      StartVote(now, next_term_);
    } else {
      BecomeLeader(now, out);
    }
    return;
  }
  size_t open = 0;
  for (const Uid& uid : state_.config.Voters()) {
    open += denials_.contains(uid) ? 0U : 1U;
  }
  if (open < state_.config.Quorum()) {
    GiveUp(now);
  }
}

Deny Election::JudgePreVote(Instant now, const Uid& from, const PreVote& ask) const {
  if (ask.config < state_.config.id) {
    return Deny::kStaleConfig;
  }
  if (ask.next_term <= state_.term) {
    return Deny::kStaleTerm;
  }
  if (!DiskOk(now)) {
    return Deny::kDisk;
  }
  if (role_ == Role::kDraining ||
      (role_ == Role::kLeader && (LeaseUntil() > now || now < elected_at_ + settings_.timers.suspect))) {
    return Deny::kHeardLeader;
  }
  if (heard_ && now - *heard_ < settings_.timers.suspect * 6 / 10) {
    return Deny::kHeardLeader;
  }
  if (role_ == Role::kCandidate) {
    return Deny::kBackedBetter;
  }
  // Before any rank: who has the newer config. The other one cannot win, whoever it is; ranked first it would stand in
  // the way for ever.
  const auto goes_first = [&](const ConfigId& config, const Rank& rank) {
    return config != ask.config ? config > ask.config : Better(rank, ask.rank);
  };
  if (role_ == Role::kPreCandidate && goes_first(state_.config.id, OwnRank())) {
    return Deny::kBackedBetter;
  }
  if (backed_ && now < backed_->until && backed_->rank.uid != from &&
      (backed_->voted || goes_first(backed_->config, backed_->rank))) {
    return Deny::kBackedBetter;
  }
  return Deny::kNone;
}

void Election::OnPreVote(Instant now, const Uid& from, const PreVote& ask, Outbox& out) {
  const Deny reason = JudgePreVote(now, from, ask);
  if (reason == Deny::kNone) {
    if (role_ == Role::kPreCandidate) {
      GiveUp(now);
    }
    Rank rank = ask.rank;
    rank.uid = from;
    backed_ = Backed{ask.config, std::move(rank), now + settings_.timers.defer, false};
    hold_until_ = std::max(hold_until_, now + settings_.timers.defer);
  }
  Send(from, PreVoteReply{ask.next_term, reason == Deny::kNone, reason}, out);
  PassOnConfig(from, ask.config, out);
}

// A newer config may be held by those only who cannot campaign: a witness, a node that cannot serve.
void Election::PassOnConfig(const Uid& to, const ConfigId& theirs, Outbox& out) {
  if (theirs < durable_.config.id && durable_.config.id == state_.config.id) {
    Send(to, ConfigPush{durable_.config}, out);
  }
}

void Election::OnPreVoteReply(Instant now, const Uid& from, Term term, const PreVoteReply& reply, Outbox& out) {
  if (role_ != Role::kPreCandidate || reply.next_term != next_term_) {
    return;
  }
  if (reply.granted) {
    votes_.insert(from);
  } else {
    term_floor_ = std::max(term_floor_, term);
    if (reply.reason != Deny::kHeardLeader) {  // asked again soon: it may have heard the last Renew a little later
      denials_.insert(from);
    }
  }
  CountVotes(now, out);
}

Deny Election::JudgeVote(Instant now, const Uid& from, Term term, const Vote& ask) const {
  if (ask.config < state_.config.id) {
    return Deny::kStaleConfig;
  }
  if (ask.config == state_.config.id && !state_.config.Votes(from)) {
    return Deny::kNotVoter;
  }
  if (term < state_.term) {
    return Deny::kStaleTerm;
  }
  if (!DiskOk(now)) {
    return Deny::kDisk;
  }
  const Uid& taken = state_.voted_for.empty() ? leader_ : state_.voted_for;
  if (term == state_.term && !taken.empty() && taken != from) {
    return Deny::kVoted;
  }
  return Deny::kNone;
}

void Election::OnVote(Instant now, const Uid& from, Term term, const Vote& ask, Outbox& out) {
  const Deny reason = JudgeVote(now, from, term, ask);
  if (reason != Deny::kNone) {
    Send(from, VoteReply{.asked = term, .granted = false, .reason = reason, .promise_remaining = {}}, out);
    PassOnConfig(from, ask.config, out);
    return;
  }
  if (term > state_.term) {
    AdoptTerm(now, term, out);  // clears the gate; acks older terms no more
  }
  ClearPromise(ask.released);
  if (role_ == Role::kPreCandidate) {
    GiveUp(now);
  }
  if (state_.voted_for != from) {
    state_.voted_for = from;
    dirty_ = true;
    backed_ = Backed{ask.config, Rank{.uid = from}, now + settings_.timers.defer, true};
    hold_until_ = std::max(hold_until_, now + settings_.timers.defer);
  }
  const bool on_disk = durable_.term == term && durable_.voted_for == from;
  pending_.push_back({.step = Step::kVoteReply, .version = on_disk ? durable_version_ : 0, .term = term, .to = from,
                      .since = now, .config = state_.config.id});
}

void Election::OnVoteReply(Instant now, const Uid& from, Term term, const VoteReply& reply, Outbox& out) {
  if (!reply.granted) {
    OnTermNotice(now, from, term, out);
  }
  if (role_ != Role::kCandidate || reply.asked != state_.term || !asked_) {
    return;
  }
  if (reply.granted) {
    votes_.insert(from);
    barrier_ = std::max(barrier_, now + reply.promise_remaining);
  } else {
    denials_.insert(from);
  }
  CountVotes(now, out);
}

void Election::OnTransferNow(Instant now, const Uid& from, Term term, const TransferNow& transfer) {
  if (transfer.released) {
    ClearPromise(term);
  }
  const bool from_leader = leader_.empty() || leader_ == from;
  over_ = from_leader ? std::max(over_, term) : over_;
  if (term != state_.term || role_ == Role::kLeader || role_ == Role::kDraining || role_ == Role::kCandidate ||
      !from_leader || !CanLead(now) || !Voter()) {
    return;
  }
  released_ = transfer.released ? term : 0;
  StartVote(now, std::max(state_.term, term_floor_) + 1);
}

}  // namespace aurora::election
