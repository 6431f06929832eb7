#include "controlplane/replication/replicator.h"

#include <algorithm>

#include "controlplane/replication/peer_session.h"
#include "shared/base/check.h"

namespace aurora::replication {

Replicator::Replicator(Instant now, Config config, StartState start, uint64_t seed)
    : config_(config),
      rng_(seed),
      cluster_id_(std::move(start.cluster_id)),
      self_{std::move(start.uid), std::move(start.node_id)},
      history_(std::move(start.history)),
      restored_(start.restored),
      settled_epoch_(start.settled_epoch),
      parked_{std::move(start.parked), start.parked_overflow},
      caught_up_(start.caught_up),
      admission_(start.caught_up ? Admission::kCaughtUp : Admission::kWaiting),
      lonely_since_(now) {
  AURORA_CHECK(!history_.empty() && history_.back().epoch != 0);
  admit_seq_ = head();
  next_round_ = now + Jitter(config_.anti_entropy);
}

Replicator::~Replicator() = default;

Duration Replicator::Jitter(Duration d) {
  return d * static_cast<int64_t>(80 + rng_.Below(41)) / 100;
}

// ---- Streams ----

PeerSession* Replicator::Find(std::string_view uid) const {
  const auto it = peers_.find(uid);
  return it == peers_.end() ? nullptr : it->second.get();
}

Hello Replicator::MakeHello() const {
  Hello hello;
  hello.cluster_id = cluster_id_;
  hello.node_uid = self_.uid;
  hello.node_id = self_.node_id;
  hello.history = history_;
  hello.caught_up = caught_up_;
  hello.members = Members();
  hello.schema_min = config_.schema_min;
  hello.schema_max = config_.schema_max;
  return hello;
}

void Replicator::PeerUp(Instant now, Hello hello, Outbox& out) {
  std::string uid = hello.node_uid;
  Drop(now, uid);
  if (std::string wrong = Check(hello); !wrong.empty()) {
    ++counters_.bad_frames;
    CloseOf(now, std::move(uid), CloseReason::kBadFrame, std::move(wrong), out);
    return;
  }
  if (hello.cluster_id != cluster_id_) {
    CloseOf(now, std::move(uid), CloseReason::kForeignCluster, "another cluster", out);
    return;
  }
  if (uid == self_.uid || (!hello.dialled_node_uid.empty() && hello.dialled_node_uid != self_.uid)) {
    CloseOf(now, std::move(uid), CloseReason::kWrongNode, "not the node that was meant", out);
    return;
  }
  std::vector<Member> members = std::move(hello.members);
  members.push_back({hello.node_uid, hello.node_id});
  Learn(members, out);
  auto session = std::make_unique<PeerSession>(*this, next_serial_++, std::move(hello), now);
  PeerSession& peer = *session;
  peers_[std::move(uid)] = std::move(session);
  peer.Open(now, out);
  Settle(now, out);
}

void Replicator::PeerDown(Instant now, std::string_view uid, Outbox& out) {
  Drop(now, uid);
  out.enforced_changed = true;
  Settle(now, out);
}

void Replicator::Drop(Instant now, std::string_view uid) {
  const auto it = peers_.find(uid);
  if (it == peers_.end()) {
    return;
  }
  peers_.erase(it);
  if (peers_.empty()) {
    lonely_since_ = now;
  }
}

void Replicator::CloseOf(Instant now, std::string uid, CloseReason reason, std::string message, Outbox& out) {
  if (reason == CloseReason::kBadFrame) {
    const PeerSession* peer = Find(uid);
    out.events.push_back({Severity::kWarning, "replicate_bad_frame",
                          (peer == nullptr ? uid : peer->member().node_id) + ": " + message});
  }
  Drop(now, uid);
  out.closes.push_back({std::move(uid), reason, std::move(message)});
  out.enforced_changed = true;
}

void Replicator::Receive(Instant now, std::string_view uid, Frame frame, Outbox& out) {
  PeerSession* peer = Find(uid);
  if (peer == nullptr) {
    return;
  }
  if (std::string wrong = peer->Receive(now, std::move(frame), out); !wrong.empty()) {
    ++counters_.bad_frames;
    CloseOf(now, std::string(uid), CloseReason::kBadFrame, std::move(wrong), out);
  }
  Settle(now, out);
}

void Replicator::Undelivered(Instant now, std::string_view uid, Outbox& out) {
  (void)out;
  if (PeerSession* peer = Find(uid); peer != nullptr) {
    peer->Undelivered(now);
  }
}

void Replicator::Writable(Instant now, std::string_view uid, Outbox& out) {
  if (PeerSession* peer = Find(uid); peer != nullptr) {
    peer->Writable(now);
    Settle(now, out);
  }
}

// ---- The store's answers ----

uint64_t Replicator::Token(Pending::Kind kind, const PeerSession& peer, Lane lane, std::optional<FeedRange> range) {
  pending_.emplace(next_token_, Pending{kind, peer.member().uid, peer.serial(), lane, range});
  return next_token_++;
}

std::optional<Replicator::Pending> Replicator::Take(uint64_t token, Pending::Kind kind) {
  auto node = pending_.extract(token);
  if (node.empty() || node.mapped().kind != kind) {
    return std::nullopt;
  }
  return std::move(node.mapped());
}

PeerSession* Replicator::Asker(const Pending& pending) const {
  PeerSession* peer = Find(pending.uid);
  return peer != nullptr && peer->serial() == pending.serial ? peer : nullptr;
}

// Whatever has been read or committed up to `head` exists, also before OnHead tells it: else a Hello would claim less
// than a peer has seen.
void Replicator::RaiseHead(uint64_t head) {
  history_.back().last_seq = std::max(history_.back().last_seq, head);
}

void Replicator::OnHead(Instant now, uint64_t head, Outbox& out) {
  RaiseHead(head);
  Settle(now, out);
}

void Replicator::OnFeedOpened(Instant now, uint64_t token, absl::StatusOr<FeedOpened> opened, Outbox& out) {
  const std::optional<Pending> pending = Take(token, Pending::Kind::kOpen);
  if (!pending.has_value()) {
    return;
  }
  if (opened.ok()) {
    RaiseHead(opened->head);
  }
  if (PeerSession* peer = Asker(*pending); peer != nullptr) {
    peer->OnFeedOpened(now, std::move(opened), out);
  }
  Settle(now, out);
}

void Replicator::OnFeed(Instant now, uint64_t token, absl::StatusOr<FeedBatch> batch, Outbox& out) {
  const std::optional<Pending> pending = Take(token, Pending::Kind::kFeed);
  if (!pending.has_value()) {
    return;
  }
  if (batch.ok()) {
    RaiseHead(batch->to_seq);
  }
  if (PeerSession* peer = Asker(*pending); peer != nullptr) {
    peer->OnFeed(now, pending->lane, std::move(batch), out);
  }
  Settle(now, out);
}

void Replicator::Committed(Instant now, uint64_t token, CommitResult result, Outbox& out) {
  const std::optional<Pending> pending = Take(token, Pending::Kind::kCommit);
  if (!pending.has_value()) {
    return;
  }
  if (result.status.ok()) {
    RaiseHead(result.head);
    counters_.rows_changed += result.changed;
    counters_.conflicts += result.conflicts;
    counters_.diverged += result.diverged.size();
    if (!result.diverged.empty()) {
      const RowRef& first = result.diverged.front();
      out.events.push_back({Severity::kCritical, "replication_diverged",
                            std::to_string(result.diverged.size()) + " rows with equal versions differ from another "
                            "node's, among them " + first.kind + " " + first.id});
    }
    if (result.parked.has_value()) {
      parked_ = *std::move(result.parked);
    }
  } else {
    ++counters_.commit_failures;
  }
  PeerSession* peer = Asker(*pending);
  if (peer != nullptr && absl::IsInvalidArgument(result.status)) {
    ++counters_.bad_frames;
    CloseOf(now, pending->uid, CloseReason::kBadFrame, std::string(result.status.message()), out);
  } else if (peer != nullptr) {
    peer->Committed(now, pending->range, result);
  }
  Settle(now, out);
}

void Replicator::OnDigest(Instant now, uint64_t token, absl::StatusOr<std::vector<DigestEntry>> entries, Outbox& out) {
  const std::optional<Pending> pending = Take(token, Pending::Kind::kDigest);
  if (pending.has_value() && Asker(*pending) != nullptr) {
    Asker(*pending)->OnDigest(token, std::move(entries), out);
    Settle(now, out);
  }
}

void Replicator::OnRows(Instant now, uint64_t token, absl::StatusOr<std::vector<WireRow>> rows, Outbox& out) {
  const std::optional<Pending> pending = Take(token, Pending::Kind::kRows);
  if (pending.has_value() && Asker(*pending) != nullptr) {
    Asker(*pending)->OnRows(token, std::move(rows), out);
    Settle(now, out);
  }
}

// ---- The data plane, time ----

void Replicator::OnApplied(Instant now, Applied applied, Outbox& out) {
  if (applied_ == applied) {
    return;
  }
  applied_ = applied;
  out.enforced_changed = true;
  Settle(now, out);
}

void Replicator::OnParked(Instant now, Parked parked, Outbox& out) {
  parked_ = std::move(parked);
  out.enforced_changed = true;
  Settle(now, out);
}

// [A13] A position outside our history counts 0. Nothing runs: there is nothing to enforce, and a later start loads at
// least what is on disk now.
uint64_t Replicator::AppliedSeq() const {
  if (!applied_.up) {
    return head();
  }
  for (const FeedEpoch& e : history_) {
    if (e.epoch == applied_.epoch) {
      return std::min(applied_.seq, e.last_seq);
    }
  }
  return 0;
}

void Replicator::Compare(Instant now, std::string_view uid, Outbox& out) {
  if (PeerSession* peer = Find(uid); peer != nullptr && peer->Quiet()) {
    ++counters_.digest_rounds;
    peer->BeginRound(++round_, out);
    Settle(now, out);
  }
}

void Replicator::Tick(Instant now, Outbox& out) {
  if (now >= next_round_) {
    BeginRound(now, out);
  }
  Settle(now, out);
}

void Replicator::BeginRound(Instant now, Outbox& out) {
  next_round_ = now + Jitter(config_.anti_entropy);
  std::vector<PeerSession*> quiet;
  for (const auto& [uid, peer] : peers_) {
    if (peer->Quiet()) {
      quiet.push_back(peer.get());
    }
  }
  if (!quiet.empty()) {
    ++counters_.digest_rounds;
    quiet[rng_.Below(quiet.size())]->BeginRound(++round_, out);
  }
}

void Replicator::Settle(Instant now, Outbox& out) {
  std::vector<std::string> silent;
  for (const auto& [uid, peer] : peers_) {
    if (peer->Silent(now)) {
      silent.push_back(uid);
    }
  }
  for (std::string& uid : silent) {
    CloseOf(now, std::move(uid), CloseReason::kIdle, "nothing came on the Replicate stream", out);
  }
  Review(now, out);
  for (const auto& [uid, peer] : peers_) {
    peer->Flush(now, out);
  }
}

Instant Replicator::NextDeadline() const {
  Instant at = next_round_;
  for (const auto& [uid, peer] : peers_) {
    at = std::min(at, peer->NextDeadline());
  }
  if (admission_ == Admission::kWaiting && config_.admit_stale && members_known_ && peers_.empty()) {
    at = std::min(at, lonely_since_ + config_.join_sync_timeout);
  }
  return at;
}

}  // namespace aurora::replication
