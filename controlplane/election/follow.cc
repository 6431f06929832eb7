// The voter's side: what it promises to a leader, and what ends a promise.
#include <algorithm>

#include "controlplane/election/election.h"

namespace aurora::election {

void Election::MergePromise(Instant until, Term term) {
  promise_.until = std::max(promise_.until, until);
  promise_.term = std::max(promise_.term, term);
}

void Election::ClearPromise(Term released) {
  if (promise_.term <= released) {
    promise_ = {};
  }
}

void Election::OnRenew(Instant now, const Uid& from, Term term, const Renew& renew, Outbox& out) {
  if (term < state_.term) {
    if (durable_.term > term) {
      Send(from, TermNotice{}, out);
    }
    return;
  }
  if (term > state_.term) {
    AdoptTerm(now, term, out);
  }
  if (term <= over_) {
    return;  // a straggler of a term that was released
  }
  if (role_ == Role::kLeader || role_ == Role::kDraining || (!leader_.empty() && leader_ != from)) {
    Emit(out, Event::Kind::kTwoLeaders, from);
    return;
  }
  if (leader_.empty()) {
    leader_ = from;
    Emit(out, Event::Kind::kLeader, from);
  }
  order_ = renew.order;
  backed_.reset();
  ToFollower(now + settings_.timers.suspect + CampaignDelay());
  heard_ = now;
  led_at_ = now;
  renew_sent_at_ = renew.sent_at;
  MergePromise(now + settings_.timers.promise, term);
  // Waits only while the term itself is not on disk: renewing writes nothing.
  std::erase_if(pending_, [](const Pending& p) { return p.step == Step::kAck; });
  pending_.push_back({.step = Step::kAck, .version = durable_.term == term ? durable_version_ : 0, .term = term,
                      .to = from, .since = now, .config = {}});
}

void Election::OnRelease(Instant now, const Uid& from, Term term, const LeaseRelease& release) {
  ClearPromise(term);
  over_ = std::max(over_, term);
  if (role_ != Role::kFollower || term != state_.term || leader_ != from) {
    return;
  }
  // Its term is over: whoever was asked to follow goes first, then the others by rank.
  heard_.reset();
  const Duration head_start =
      release.target.empty() || release.target == settings_.uid ? Duration() : settings_.timers.defer;
  campaign_at_ = now + head_start + CampaignDelay();
}

// From the leader, or from anyone who holds a newer one and was asked for a vote; the sender's term does not matter.
// But who takes a config is of its term from then on: else it could win that very term a second time, with a quorum
// that did not exist when it was won first.
void Election::OnConfigPush(Instant now, const Uid& from, const ConfigPush& push, Outbox& out) {
  if (push.config.id < state_.config.id || role_ == Role::kLeader || role_ == Role::kDraining ||
      push.config.slots.size() > kSlotsMax) {
    return;
  }
  if (push.config.id > state_.config.id) {
    if (push.config.id.term > state_.term) {
      AdoptTerm(now, push.config.id.term, out);
    }
    if (role_ != Role::kFollower) {
      GiveUp(now);  // its votes were counted by another config
    }
    state_.config = push.config;
    dirty_ = true;
    for (const Uid& uid : state_.config.Voters()) {
      PeerOf(uid);
    }
    Emit(out, Event::Kind::kConfig);
  }
  pending_.push_back({.step = Step::kConfigAck, .version = 0, .term = state_.term, .to = from, .since = now,
                      .config = {}});
}

void Election::OnTermNotice(Instant now, const Uid& from, Term term, Outbox& out) {
  if (term <= state_.term) {
    return;
  }
  if (state_.config.Votes(from)) {
    AdoptTerm(now, term, out);
  } else {
    term_floor_ = std::max(term_floor_, term);
  }
}

}  // namespace aurora::election
