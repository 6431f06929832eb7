// PeerSession: one Replicate stream: what we send of our feed, what we read of the peer's, what each told the other.
// Source: replication.md sections 2 and 3, rules [A6], [A9]-[A11]. Pure; part of Replicator, which owns it and whose
// members it uses. Thread: the owner's. Bounds: `window` frames a lane in flight, twice that many commits a lane,
// `marks_max` marks a lane, kDigestReadsMax digests. Errors: Receive returns what is wrong with a frame; the owner
// closes. Always: dies with its stream, so no position outlives what it is a position of.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "controlplane/replication/replicator.h"

namespace aurora::replication {

// What is told of one lane of our feed. acked <= sent <= scanned.
struct LaneOut {
  uint64_t acked = 0;    // durable at the peer
  uint64_t sent = 0;     // end of the last frame
  uint64_t scanned = 0;  // nothing of the lane is between `sent` and here
  std::deque<uint64_t> inflight;  // ends of frames that are not acked
  bool reading = false;
  bool stale = false;    // rewound since: the answer of the read is of no use
  uint64_t read_after = 0;
  Instant retry_at;      // after a read that failed
  Instant progress_at;   // last time `acked` moved or the window was empty
  int64_t enforced = -1;
};

// [A11] Position `seq` of the peer's feed was durable here when our own head was `head`.
struct Mark {
  uint64_t seq = 0;
  uint64_t head = 0;
};

// What is read of one lane of the peer's feed.
struct LaneIn {
  uint64_t cursor = 0;  // durable here
  size_t commits = 0;   // that wait for their answer
  std::deque<Mark> marks;
};

class PeerSession {
 public:
  PeerSession(Replicator& owner, uint64_t serial, Hello hello, Instant now);

  void Open(Instant now, Outbox& out);
  std::string Receive(Instant now, Frame frame, Outbox& out);
  void OnFeedOpened(Instant now, absl::StatusOr<FeedOpened> opened, Outbox& out);
  void OnFeed(Instant now, Lane lane, absl::StatusOr<FeedBatch> batch, Outbox& out);
  // Of the commit of `range` (absent: rows outside the feed).
  void Committed(Instant now, const std::optional<FeedRange>& range, const CommitResult& result);
  void Undelivered(Instant now);
  void Writable(Instant now);
  // Reads more of our feed where there is room, and tells the peer what has changed.
  void Flush(Instant now, Outbox& out);
  bool Silent(Instant now) const;
  Instant NextDeadline() const;

  // Anti-entropy (anti_entropy.cc).
  bool Quiet() const;
  void BeginRound(uint64_t round, Outbox& out);
  void OnDigest(uint64_t token, absl::StatusOr<std::vector<DigestEntry>> entries, Outbox& out);
  void OnRows(uint64_t token, absl::StatusOr<std::vector<WireRow>> rows, Outbox& out);

  // Everything that its Hello named is durable here.
  bool ReachedTarget() const { return opened_ && in_[Lane::kBulk].cursor >= target_; }
  // Everything that we know of it is.
  bool Synced() const { return opened_ && in_[Lane::kBulk].cursor >= peer_head_; }
  // Its data plane has what is at `seq` of our feed.
  bool Enforces(const RowRef& row, uint64_t seq, bool urgent) const;
  bool caught_up() const { return caught_up_head_.has_value(); }
  // Everything that it held when it first said on this stream that it is caught up is durable here.
  bool ReachedCaughtUp() const { return opened_ && caught_up() && in_[Lane::kBulk].cursor >= *caught_up_head_; }
  bool serving() const { return serving_; }
  uint64_t serial() const { return serial_; }
  const Member& member() const { return member_; }
  Instant last_heard() const { return last_heard_; }
  PeerStatus Status(Instant now) const;

 private:
  struct DigestRead {
    DigestLevel level = DigestLevel::kKinds;
    std::string kind;
    uint32_t bucket = 0;
    uint64_t round = 0;
    std::optional<Digest> theirs;  // to compare with; absent: to send
  };

  std::string OnCursor(Instant now, const Cursor& cursor, Outbox& out);
  std::string OnAck(Instant now, Ack ack, Outbox& out);
  std::string OnRowsFrame(Instant now, Rows rows, Outbox& out);
  std::string OnDigestFrame(Digest digest, Outbox& out);
  std::string OnRowRequest(RowRequest request, Outbox& out);
  void Rewind(Instant now, Lane lane);
  void Pump(Instant now, Lane lane, Outbox& out);
  void AddMark(Lane lane, Mark mark);
  int64_t Enforced(Lane lane);
  void WantResend(Instant now);
  void NotePeerHead(Instant now, uint64_t head);
  Ack MakeAck();
  void SendAck(Instant now, Outbox& out);
  void SendFrame(Frame frame, Outbox& out);
  void ReadOwnDigest(DigestRead read, Outbox& out);
  void Descend(const DigestRead& read, const std::vector<DigestEntry>& ours, Outbox& out);
  void CompareRows(const DigestRead& read, const std::vector<DigestEntry>& ours, Outbox& out);

  Replicator& owner_;
  const uint64_t serial_;
  const Member member_;
  const std::vector<FeedEpoch> history_;
  const uint64_t epoch_;   // the peer's running one
  const uint64_t target_;  // its head in its Hello
  uint64_t peer_head_;     // the latest heard of
  // Its head when it first said on this stream that it is caught up; absent: it has not.
  std::optional<uint64_t> caught_up_head_;
  bool serving_ = true;
  std::set<RowRef> parked_;
  bool parked_overflow_ = false;

  bool opening_ = false;
  bool opened_ = false;     // we know from where, and have told
  Instant open_retry_at_;
  bool streaming_ = false;  // its Cursor came
  bool stalled_ = false;    // its queue is full
  PerLane<LaneOut> out_;
  PerLane<LaneIn> in_;
  size_t repair_commits_ = 0;
  Instant last_heard_;
  std::optional<Instant> behind_since_;

  bool ack_due_ = false;
  std::optional<Ack> told_;
  Instant last_ack_;
  bool resend_ = false;
  Instant resend_at_;
  Duration resend_backoff_;

  std::map<uint64_t, DigestRead> digest_reads_;
  std::set<uint64_t> row_reads_;
};

}  // namespace aurora::replication
