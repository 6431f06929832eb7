// The disk: what waits for it, and what a slow or failing one stops.
#include <algorithm>
#include <utility>

#include "controlplane/election/election.h"
#include "shared/base/check.h"

namespace aurora::election {

bool Election::DiskOk(Instant now) const {
  return !disk_failed_ && (in_flight_.empty() || now - in_flight_.front().since <= kDiskTimeout);
}

void Election::Submit(Instant now, Outbox& out) {
  dirty_ = false;
  ++version_;
  in_flight_.push_back({version_, state_, now});
  out.persist = Persist{version_, state_};
}

// At the end of every call: submits what changed and does what need not wait (any more).
void Election::Finish(Instant now, Outbox& out) {
  for (;;) {
    if (dirty_) {
      Submit(now, out);
    }
    for (Pending& pending : pending_) {
      pending.version = pending.version == 0 ? version_ : pending.version;
    }
    const auto due = std::find_if(pending_.begin(), pending_.end(),
                                  [&](const Pending& p) { return p.version <= durable_version_; });
    if (due == pending_.end()) {
      return;
    }
    const Pending pending = std::move(*due);
    pending_.erase(due);
    Run(now, pending, out);
  }
}

void Election::Run(Instant now, const Pending& pending, Outbox& out) {
  if (pending.term != state_.term) {
    return;  // overtaken by a newer term: as if the message had been lost
  }
  const bool in_time = now - pending.since <= kDiskTimeout;
  switch (pending.step) {
    case Step::kAck:
      if (role_ != Role::kLeader && role_ != Role::kDraining && leader_ == pending.to) {
        Send(pending.to,
             RenewAck{.sent_at = renew_sent_at_,
                      .promise = settings_.timers.promise,
                      .config = durable_.config.id,
                      .can_lead = CanLead(now),
                      .rank = OwnRank()},
             out);
      }
      return;
    case Step::kVoteReply:
      // With a newer config by now it would be refused: as if this reply had been lost.
      if (in_time && state_.voted_for == pending.to && state_.config.id == pending.config) {
        hold_until_ = std::max(hold_until_, now + settings_.timers.defer);
        const Duration owed = promise_.until > now ? promise_.until - now : Duration();
        Send(pending.to,
             VoteReply{.asked = pending.term, .granted = true, .reason = Deny::kNone, .promise_remaining = owed}, out);
      }
      return;
    case Step::kCampaign:
      if (in_time && role_ == Role::kCandidate) {
        AskVotes(now, out);
      }
      return;
    case Step::kConfigAck:
      Send(pending.to, ConfigAck{durable_.config.id}, out);
      return;
  }
}

void Election::OnPersisted(Instant now, uint64_t version, Outbox& out) {
  AURORA_CHECK(version <= version_);
  const ConfigId before = durable_.config.id;
  while (!in_flight_.empty() && in_flight_.front().version <= version) {
    durable_ = std::move(in_flight_.front().state);
    durable_version_ = in_flight_.front().version;
    in_flight_.pop_front();
    disk_failed_ = false;
    disk_told_ = false;
    disk_retry_ = Instant::Never();
  }
  if (role_ == Role::kLeader && durable_.config.id != before && durable_.config.id == state_.config.id) {
    PushConfig(out);
  }
  Finish(now, out);
}

void Election::OnPersistFailed(Instant now, uint64_t version, Outbox& out) {
  while (!in_flight_.empty() && in_flight_.front().version <= version) {
    in_flight_.pop_front();
  }
  // Neither the vote nor the campaign: the state stays as if both had been made, for it may be on disk.
  std::erase_if(pending_, [&](const Pending& p) {
    return p.version <= version && (p.step == Step::kVoteReply || p.step == Step::kCampaign);
  });
  disk_failed_ = true;
  disk_retry_ = now + kDiskRetry;
  if (!std::exchange(disk_told_, true)) {
    Emit(out, Event::Kind::kDiskFailed, "write failed");
  }
  Finish(now, out);
}

void Election::TickDisk(Instant now, Outbox& out) {
  if (now >= disk_retry_) {
    disk_retry_ = Instant::Never();
    dirty_ = true;
  }
  if (!DiskOk(now) && !std::exchange(disk_told_, true)) {
    Emit(out, Event::Kind::kDiskFailed, "a write takes longer than " + std::to_string(kDiskTimeout.millis()) + " ms");
  }
}

}  // namespace aurora::election
