#include "controlplane/replication/peer_session.h"

#include <algorithm>

namespace aurora::replication {
namespace {

constexpr Duration kReadRetry = Duration::Seconds(1);

}  // namespace

PeerSession::PeerSession(Replicator& owner, uint64_t serial, Hello hello, Instant now)
    : owner_(owner),
      serial_(serial),
      member_{hello.node_uid, hello.node_id},
      history_(std::move(hello.history)),
      epoch_(history_.back().epoch),
      target_(history_.back().last_seq),
      peer_head_(target_),
      caught_up_head_(hello.caught_up ? std::optional(target_) : std::nullopt),
      last_heard_(now),
      last_ack_(now),
      resend_at_(now),
      resend_backoff_(owner.config_.resend_min) {}

void PeerSession::Open(Instant now, Outbox& out) {
  opening_ = true;
  open_retry_at_ = now + kReadRetry;
  out.feed_opens.push_back({owner_.Token(Replicator::Pending::Kind::kOpen, *this), member_.uid, history_});
}

void PeerSession::SendFrame(Frame frame, Outbox& out) {
  ++owner_.counters_.frames_out;
  out.sends.push_back({member_.uid, std::move(frame)});
}

// ---- What arrives ----

std::string PeerSession::Receive(Instant now, Frame frame, Outbox& out) {
  last_heard_ = now;
  ++owner_.counters_.frames_in;
  if (std::string wrong = Check(frame); !wrong.empty()) {
    return wrong;
  }
  if (auto* cursor = std::get_if<Cursor>(&frame)) {
    return OnCursor(now, *cursor, out);
  }
  if (auto* ack = std::get_if<Ack>(&frame)) {
    return OnAck(now, std::move(*ack), out);
  }
  if (auto* rows = std::get_if<Rows>(&frame)) {
    return OnRowsFrame(now, std::move(*rows), out);
  }
  if (auto* digest = std::get_if<Digest>(&frame)) {
    return OnDigestFrame(std::move(*digest), out);
  }
  if (auto* request = std::get_if<RowRequest>(&frame)) {
    return OnRowRequest(std::move(*request), out);
  }
  return "a frame that is the transport's";
}

std::string PeerSession::OnCursor(Instant now, const Cursor& cursor, Outbox& out) {
  if (streaming_) {
    return "";  // the first one decides; a second one can only be a repetition
  }
  if (cursor.epoch != owner_.epoch()) {
    return "Cursor of another epoch of ours";
  }
  for (const Lane lane : kAllLanes) {
    if (cursor.seq[lane] > owner_.head()) {
      return "Cursor beyond the end of our feed";
    }
  }
  streaming_ = true;
  for (const Lane lane : kAllLanes) {
    LaneOut& o = out_[lane];
    o.acked = o.sent = o.scanned = cursor.seq[lane];
    o.progress_at = now;
  }
  if (cursor.rolled_back_epoch != 0) {
    owner_.NoteRolledBack(cursor.rolled_back_epoch, member_.node_id, out);
  }
  return "";
}

std::string PeerSession::OnAck(Instant now, Ack ack, Outbox& out) {
  if (ack.epoch != owner_.epoch()) {
    return "Ack of another epoch of ours";
  }
  owner_.Learn(ack.members, out);  // [A14] before the positions count
  NotePeerHead(now, ack.head);
  if (!ack.caught_up) {
    caught_up_head_.reset();
  } else if (!caught_up()) {
    caught_up_head_ = ack.head;  // what its Hello named may be less
  }
  if (!streaming_) {
    return "";
  }
  for (const Lane lane : kAllLanes) {
    const LaneAck& told = ack.lanes[lane];
    if (told.durable > owner_.head()) {
      return "Ack beyond the end of our feed";
    }
    LaneOut& o = out_[lane];
    if (told.durable > o.acked) {
      o.acked = told.durable;
      o.progress_at = now;
    }
    o.sent = std::max(o.sent, told.durable);
    o.scanned = std::max(o.scanned, o.sent);
    std::erase_if(o.inflight, [&](uint64_t to) { return to <= told.durable; });
    if (told.enforced > o.enforced) {
      o.enforced = told.enforced;
      out.enforced_changed = true;
    }
    if (ack.resend && !o.inflight.empty()) {
      Rewind(now, lane);
    }
  }
  std::set<RowRef> parked(ack.parked.begin(), ack.parked.end());
  if (serving_ != ack.serving || parked != parked_ || parked_overflow_ != ack.parked_overflow) {
    out.enforced_changed = true;
  }
  serving_ = ack.serving;
  parked_ = std::move(parked);
  parked_overflow_ = ack.parked_overflow;
  return "";
}

std::string PeerSession::OnRowsFrame(Instant now, Rows rows, Outbox& out) {
  if (!opened_) {
    return "Rows before our Cursor";
  }
  if (rows.epoch != epoch_) {
    return "Rows of another epoch than the Hello's";
  }
  if (rows.bytes() > kFrameBytesMax) {
    return "Rows larger than a frame";
  }
  Commit commit;
  if (rows.lane.has_value()) {
    NotePeerHead(now, rows.to_seq);
    LaneIn& in = in_[*rows.lane];
    if (rows.to_seq <= in.cursor) {
      ack_due_ = true;  // sent again; its ack may have been lost
      told_.reset();
      return "";
    }
    if (in.commits >= 2 * owner_.config_.window) {
      WantResend(now);  // more than a window, and the disk does not keep up
      return "";
    }
    ++in.commits;
    commit.range = FeedRange{rows.epoch, *rows.lane, rows.from_seq, rows.to_seq};
  } else if (repair_commits_ >= 2 || rows.rows.empty()) {
    return "";
  } else {
    ++repair_commits_;
  }
  owner_.counters_.rows_in += rows.rows.size();
  commit.token = owner_.Token(Replicator::Pending::Kind::kCommit, *this, Lane::kBulk, commit.range);
  commit.uid = member_.uid;
  commit.rows = std::move(rows.rows);
  out.commits.push_back(std::move(commit));
  return "";
}

void PeerSession::NotePeerHead(Instant now, uint64_t head) {
  peer_head_ = std::max(peer_head_, head);
  if (Synced()) {
    behind_since_.reset();
  } else if (!behind_since_.has_value()) {
    behind_since_ = now;
  }
}

// ---- Answers of the store ----

void PeerSession::OnFeedOpened(Instant now, absl::StatusOr<FeedOpened> opened, Outbox& out) {
  opening_ = false;
  if (!opened.ok()) {
    open_retry_at_ = now + kReadRetry;
    return;
  }
  opened_ = true;
  Cursor cursor;
  cursor.epoch = epoch_;
  cursor.seq = opened->seq;
  cursor.rolled_back_epoch = opened->rolled_back_epoch;
  for (const Lane lane : kAllLanes) {
    in_[lane].cursor = opened->seq[lane];
    AddMark(lane, {opened->seq[lane], opened->head});
  }
  SendFrame(std::move(cursor), out);
  if (opened->rolled_back_epoch != 0) {
    out.events.push_back({Severity::kWarning, "peer_rolled_back",
                          member_.node_id + " has less of its feed than it once sent: its disk is an older copy"});
  }
  if (opened->seq[Lane::kBulk] == 0 && target_ > 0) {
    ++owner_.counters_.full_syncs;
    out.events.push_back({Severity::kInfo, "full_sync", "reading all policy of " + member_.node_id});
  }
  NotePeerHead(now, target_);
  ack_due_ = true;
}

void PeerSession::Committed(Instant now, const std::optional<FeedRange>& range, const CommitResult& result) {
  if (!range.has_value()) {
    --repair_commits_;
    return;
  }
  LaneIn& in = in_[range->lane];
  --in.commits;
  if (!result.status.ok()) {
    WantResend(now);
    return;
  }
  if (result.cursor < range->to_seq) {
    ++owner_.counters_.gaps;
    WantResend(now);
    return;
  }
  if (result.cursor > in.cursor) {
    in.cursor = result.cursor;
    resend_ = false;
    resend_backoff_ = owner_.config_.resend_min;
  }
  AddMark(range->lane, {result.cursor, result.head});  // also when no row was new [A11]
  NotePeerHead(now, result.cursor);
  ack_due_ = true;
}

void PeerSession::AddMark(Lane lane, Mark mark) {
  std::deque<Mark>& marks = in_[lane].marks;
  if (!marks.empty() && mark.seq <= marks.back().seq) {
    return;
  }
  if (!marks.empty() && mark.head == marks.back().head) {
    marks.back().seq = mark.seq;
    return;
  }
  marks.push_back(mark);
  if (marks.size() <= std::max<size_t>(owner_.config_.marks_max, 2)) {
    return;
  }
  // Fewer marks say less, never more: the one goes whose neighbours are closest to each other.
  size_t least = 1;
  for (size_t k = 1; k + 1 < marks.size(); ++k) {
    if (marks[k + 1].head - marks[k - 1].head < marks[least + 1].head - marks[least - 1].head) {
      least = k;
    }
  }
  marks.erase(marks.begin() + static_cast<std::ptrdiff_t>(least));
}

int64_t PeerSession::Enforced(Lane lane) {
  const uint64_t applied = owner_.AppliedSeq();
  std::deque<Mark>& marks = in_[lane].marks;
  while (marks.size() > 1 && marks[1].head <= applied) {
    marks.pop_front();
  }
  return !marks.empty() && marks.front().head <= applied ? static_cast<int64_t>(marks.front().seq) : -1;
}

void PeerSession::WantResend(Instant now) {
  if (!resend_) {
    resend_ = true;
    resend_at_ = now + resend_backoff_;
    resend_backoff_ = std::min(resend_backoff_ * 2, owner_.config_.resend_max);
  }
}

// ---- What is sent ----

void PeerSession::OnFeed(Instant now, Lane lane, absl::StatusOr<FeedBatch> batch, Outbox& out) {
  LaneOut& o = out_[lane];
  o.reading = false;
  if (!batch.ok()) {
    o.retry_at = now + kReadRetry;
    return;
  }
  if (std::exchange(o.stale, false) || stalled_ || batch->to_seq <= o.sent) {
    return;
  }
  std::erase_if(batch->rows, [&](const WireRow& row) {
    if (row.bytes() <= kRowBytesMax) {
      return false;
    }
    out.events.push_back({Severity::kCritical, "row_too_large",
                          row.kind + " " + row.id + " does not fit a frame and reaches no other node"});
    return true;
  });
  o.scanned = batch->to_seq;
  if (batch->rows.empty()) {
    return;  // nothing of this lane: the next frame says so by its range
  }
  Rows rows;
  rows.epoch = owner_.epoch();
  rows.lane = lane;
  rows.from_seq = o.sent;
  rows.to_seq = batch->to_seq;
  rows.rows = std::move(batch->rows);
  owner_.counters_.rows_out += rows.rows.size();
  if (o.inflight.empty()) {
    o.progress_at = now;
  }
  o.sent = rows.to_seq;
  o.inflight.push_back(rows.to_seq);
  SendFrame(std::move(rows), out);
}

void PeerSession::Pump(Instant now, Lane lane, Outbox& out) {
  LaneOut& o = out_[lane];
  const Config& config = owner_.config_;
  if (!o.inflight.empty() && now >= o.progress_at + config.rewind_after) {
    ++owner_.counters_.rewinds;
    Rewind(now, lane);
  }
  if (stalled_ || o.reading || o.inflight.size() >= config.window || o.scanned >= owner_.head() || now < o.retry_at) {
    return;
  }
  o.reading = true;
  o.read_after = o.scanned;
  out.feed_reads.push_back({owner_.Token(Replicator::Pending::Kind::kFeed, *this, lane), member_.uid, lane, o.scanned,
                            config.batch_rows, config.batch_bytes});
}

void PeerSession::Rewind(Instant now, Lane lane) {
  LaneOut& o = out_[lane];
  o.sent = o.scanned = o.acked;
  o.inflight.clear();
  o.stale = o.reading;
  o.progress_at = now;
}

void PeerSession::Undelivered(Instant now) {
  stalled_ = true;
  for (const Lane lane : kAllLanes) {
    Rewind(now, lane);
  }
}

void PeerSession::Writable(Instant now) {
  stalled_ = false;
  for (const Lane lane : kAllLanes) {
    out_[lane].progress_at = now;
  }
  ack_due_ = true;
  told_.reset();
}

void PeerSession::Flush(Instant now, Outbox& out) {
  if (!opened_ && !opening_ && now >= open_retry_at_) {
    Open(now, out);
  }
  if (streaming_) {
    for (const Lane lane : kAllLanes) {  // REVOKE first
      Pump(now, lane, out);
    }
  }
  if (!opened_) {
    return;
  }
  const bool resend = resend_ && now >= resend_at_;
  if (now >= last_ack_ + owner_.config_.keepalive || resend) {
    SendAck(now, out);
  } else if (now >= last_ack_ + owner_.config_.ack_interval) {
    Ack ack = MakeAck();
    ack_due_ = false;
    if (told_.has_value()) {
      ack.head = told_->head;  // rows say so themselves
    }
    if (!told_.has_value() || *told_ != ack) {
      SendAck(now, out);
    }
  } else {
    ack_due_ = true;  // looked at again when the interval is over
  }
}

Ack PeerSession::MakeAck() {
  Ack ack;
  ack.epoch = epoch_;
  for (const Lane lane : kAllLanes) {
    ack.lanes[lane] = {in_[lane].cursor, Enforced(lane)};
  }
  ack.serving = owner_.applied_.up;
  ack.caught_up = owner_.caught_up_;
  ack.members = owner_.Members();
  ack.parked = owner_.parked_.rows;
  ack.parked_overflow = owner_.parked_.overflow;
  ack.head = owner_.head();
  return ack;
}

void PeerSession::SendAck(Instant now, Outbox& out) {
  Ack ack = MakeAck();
  told_ = ack;
  ack.resend = resend_ && now >= resend_at_;
  if (ack.resend) {
    resend_ = false;
  }
  last_ack_ = now;
  ack_due_ = false;
  SendFrame(std::move(ack), out);
}

bool PeerSession::Silent(Instant now) const {
  return now >= last_heard_ + owner_.config_.silence;
}

Instant PeerSession::NextDeadline() const {
  const Config& config = owner_.config_;
  Instant at = last_heard_ + config.silence;
  if (!opened_) {
    return opening_ ? at : std::min(at, open_retry_at_);
  }
  at = std::min(at, last_ack_ + (ack_due_ ? config.ack_interval : config.keepalive));
  if (resend_) {
    at = std::min(at, resend_at_);
  }
  for (const Lane lane : kAllLanes) {
    const LaneOut& o = out_[lane];
    if (!o.inflight.empty()) {
      at = std::min(at, o.progress_at + config.rewind_after);
    }
    if (streaming_ && !stalled_ && !o.reading && o.scanned < owner_.head() && o.inflight.size() < config.window) {
      at = std::min(at, o.retry_at);
    }
  }
  return at;
}

// ---- What is asked ----

bool PeerSession::Enforces(const RowRef& row, uint64_t seq, bool urgent) const {
  int64_t enforced = out_[Lane::kBulk].enforced;
  if (urgent) {
    enforced = std::max(enforced, out_[Lane::kRevoke].enforced);
  }
  // A row of facts is in force by its facts, parked or not [A7].
  return enforced >= static_cast<int64_t>(seq) && (urgent || (!parked_overflow_ && !parked_.contains(row)));
}

PeerStatus PeerSession::Status(Instant now) const {
  PeerStatus s;
  s.member = member_;
  s.streaming = streaming_;
  s.caught_up = caught_up();
  s.serving = serving_;
  s.synced = Synced();
  s.head = peer_head_;
  s.lag_entries = peer_head_ - std::min(peer_head_, in_[Lane::kBulk].cursor);
  if (behind_since_.has_value()) {
    s.lag = now - *behind_since_;
  }
  for (const Lane lane : kAllLanes) {
    s.cursor[lane] = in_[lane].cursor;
    s.acked[lane] = out_[lane].acked;
    s.enforced[lane] = out_[lane].enforced;
  }
  s.behind_entries = owner_.head() - std::min(owner_.head(), out_[Lane::kBulk].acked);
  s.parked = parked_.size();
  s.last_heard = last_heard_;
  return s;
}

}  // namespace aurora::replication
