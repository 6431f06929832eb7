// Replicator, where this node stands: who is a member, whether it has caught up and may admit, who enforces a write.
// Rules [A11], [A12], [A14] of replication.md section 3.
#include <algorithm>

#include "controlplane/replication/peer_session.h"
#include "controlplane/replication/replicator.h"

namespace aurora::replication {

// ---- Members ----

void Replicator::SetMembers(Instant now, std::vector<Member> members, std::vector<std::string> removed, Outbox& out) {
  members_known_ = true;
  roster_.clear();
  for (Member& member : members) {
    learned_.erase(member.uid);
    roster_.emplace(std::move(member.uid), std::move(member.node_id));
  }
  removed_ = std::set<std::string>(removed.begin(), removed.end());
  std::erase_if(learned_, [&](const auto& entry) { return removed_.contains(entry.first); });
  out.enforced_changed = true;
  Settle(now, out);
}

void Replicator::Learn(const std::vector<Member>& members, Outbox& out) {
  for (const Member& member : members) {
    if (member.uid == self_.uid || roster_.contains(member.uid) || removed_.contains(member.uid) ||
        learned_.contains(member.uid) || learned_.size() >= kMembersMax) {
      continue;
    }
    learned_.emplace(member.uid, member.node_id);
    out.members_learned.push_back(member);
    out.enforced_changed = true;
  }
}

std::vector<Member> Replicator::Members() const {
  std::map<std::string, std::string> all = roster_;
  std::set<std::string> node_ids = {self_.node_id};
  for (const auto& [uid, node_id] : roster_) {
    node_ids.insert(node_id);
  }
  for (const auto& [uid, node_id] : learned_) {
    if (!node_ids.contains(node_id)) {  // else an earlier disk of a node that the roster knows
      all.emplace(uid, node_id);
    }
  }
  all[self_.uid] = self_.node_id;
  std::vector<Member> out;
  for (const auto& [uid, node_id] : all) {
    if (out.size() < kMembersMax) {
      out.push_back({uid, node_id});
    }
  }
  return out;
}

bool Replicator::Alone() const {
  return members_known_ && Members().size() == 1;
}

// ---- Caught up [A12] ----

void Replicator::NoteRolledBack(uint64_t epoch, std::string_view by, Outbox& out) {
  const auto place = [&](uint64_t e) {
    const auto it = std::find_if(history_.begin(), history_.end(), [&](const FeedEpoch& x) { return x.epoch == e; });
    return it == history_.end() ? ptrdiff_t{-1} : it - history_.begin();
  };
  if (rolled_back_ || place(epoch) < 0 || (settled_epoch_ != 0 && place(settled_epoch_) > place(epoch))) {
    return;  // a start before the one in which it was made good
  }
  rolled_back_ = true;
  out.events.push_back({Severity::kWarning, "disk_rolled_back",
                        std::string(by) + " holds more of our policy feed than our disk does: this is an older copy; "
                        "admission waits for every member"});
}

bool Replicator::SyncedWithAll() const {
  const std::vector<Member> members = Members();
  return std::all_of(members.begin(), members.end(),
                     [&](const Member& m) { return m.uid == self_.uid || synced_.contains(m.uid); });
}

void Replicator::Founded(Instant now, Outbox& out) {
  members_known_ = true;
  if (!caught_up_) {
    caught_up_ = true;
    Admit(now, Admission::kCaughtUp, out);
  }
  Settle(now, out);
}

void Replicator::Restored(Instant now, Outbox& out) {
  restored_ = true;
  Settle(now, out);
}

void Replicator::Admit(Instant now, Admission admission, Outbox& out) {
  (void)now;
  if (admission_ == Admission::kWaiting) {
    admit_seq_ = head();
  }
  admission_ = admission;
  out.caught_up_changed = true;
}

void Replicator::Review(Instant now, Outbox& out) {
  bool one = false;
  for (const auto& [uid, peer] : peers_) {
    if (peer->ReachedTarget()) {
      synced_.insert(uid);
    }
    one = one || peer->ReachedCaughtUp();
    if (peer->Synced() && peer->caught_up() && (!last_synced_.has_value() || *last_synced_ < peer->last_heard())) {
      last_synced_ = peer->last_heard();
    }
  }
  const bool proven_older = restored_ || rolled_back_;
  if (members_known_ && (!caught_up_ || proven_older)) {
    const bool all = SyncedWithAll();
    if (all || (one && !proven_older)) {
      if (!caught_up_) {
        caught_up_ = true;
        Admit(now, Admission::kCaughtUp, out);
      }
      if (proven_older) {
        restored_ = rolled_back_ = false;
        settled_epoch_ = epoch();
        out.settled = true;
      }
    }
  }
  if (admission_ == Admission::kWaiting && members_known_ && config_.admit_stale && peers_.empty() &&
      now >= lonely_since_ + config_.join_sync_timeout) {
    Admit(now, Admission::kStale, out);
    out.events.push_back({Severity::kWarning, "admits_stale",
                          "no other member could be reached: requests are admitted by the policy that is on disk"});
  }
  if (!may_admit_ && admission_ != Admission::kWaiting && applied_.up && AppliedSeq() >= admit_seq_) {
    may_admit_ = true;
    out.caught_up_changed = true;
  }
}

std::optional<Instant> Replicator::last_synced(Instant now) const {
  return Alone() ? std::optional(now) : last_synced_;
}

// ---- wait=all [A11] ----

WaitReport Replicator::Report(const RowRef& row, uint64_t seq, bool urgent, bool parked_here, Waiter& waiter) const {
  WaitReport report;
  report.members = Members();
  for (const Member& member : report.members) {
    const PeerSession* peer = Find(member.uid);
    const bool self = member.uid == self_.uid;
    if (!waiter.satisfied.contains(member.uid)) {
      if (!self && peer == nullptr) {
        report.unreachable.push_back(member);
        continue;
      }
      if (self ? AppliedSeq() < seq || parked_here : !peer->Enforces(row, seq, urgent)) {
        report.pending.push_back(member);
        continue;
      }
      waiter.satisfied.insert(member.uid);
    }
    const bool serving = self ? applied_.up : peer == nullptr || peer->serving();
    (serving ? report.enforced : report.not_serving).push_back(member);
  }
  return report;
}

std::vector<PeerStatus> Replicator::Peers(Instant now) const {
  std::vector<PeerStatus> out;
  for (const auto& [uid, peer] : peers_) {
    out.push_back(peer->Status(now));
  }
  return out;
}

}  // namespace aurora::replication
