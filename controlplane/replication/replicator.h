// Replicator: the Replicate streams of this node with all its peers as one state machine. Who has which rows, from
// where in whose feed the next ones come, what each member enforces, whether this node may admit requests.
// Source: replication.md sections 2 and 3, rules [A6]-[A14]; docs/protocols/replication.md.
//
// A pure core: the driver brings what arrives, carries out the Outbox, and after every call asks NextDeadline() again.
// Thread: one owner. Units: `now` monotonic; seq as in frame.h. Bounds: frame.h, Config; memory per peer is at most
// the received frames of two windows, never a queue of what is to be sent. Errors: frames out of bounds close their
// stream; after a failed commit the peer is asked to send again. Always: nothing is acknowledged before its commit was
// answered; a cursor moves only without a gap and only in the transaction of its rows; REVOKE goes before BULK.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controlplane/replication/outbox.h"
#include "shared/base/rng.h"
#include "shared/base/time.h"

namespace aurora::replication {

class PeerSession;

struct Config {
  size_t window = 4;  // unacknowledged Rows frames a lane
  size_t batch_rows = 2048;
  size_t batch_bytes = kBulkBytesMax;
  Duration ack_interval = Duration::Millis(5);  // shortest time between two Acks on a stream
  Duration keepalive = Duration::Seconds(10);   // longest
  Duration rewind_after = Duration::Seconds(10);  // no progress for so long: send again
  Duration resend_min = Duration::Millis(200);   // between two Acks that ask for it, doubling
  Duration resend_max = Duration::Seconds(5);
  Duration silence = Duration::Seconds(35);     // nothing received: close
  Duration anti_entropy = Duration::Seconds(30);  // +-20 %
  Duration join_sync_timeout = Duration::Seconds(5);
  bool admit_stale = true;  // stale_policy = serve
  size_t marks_max = 64;
  uint32_t schema_min = 1;
  uint32_t schema_max = 1;
};

// What the store knows when the control plane has started (its epoch is recorded already).
struct StartState {
  std::string cluster_id;
  std::string uid;
  std::string node_id;
  // Our own feed: its starts, the running one last, with its last_seq = the head.
  std::vector<FeedEpoch> history;
  // The disk is an older copy, by an operator's word or by our own proof, and nothing has settled that yet.
  bool restored = false;
  // Our epoch in which a rollback was last made good (Outbox::settled); 0: never.
  uint64_t settled_epoch = 0;
  // This control plane follows another of the same node start (start_nonce) that had caught up.
  bool caught_up = false;
  std::vector<RowRef> parked;
  bool parked_overflow = false;
};

// What the data plane has swapped in on all its loops. Down: `up` false, the position does not matter.
struct Applied {
  uint64_t epoch = 0;
  uint64_t seq = 0;
  bool up = false;
  bool operator==(const Applied&) const = default;
};

struct FeedBatch {
  std::vector<WireRow> rows;  // ascending by seq
  uint64_t to_seq = 0;        // no row of the lane in (after_seq, to_seq] is left out; with `done` the head
  bool done = false;          // nothing of the lane is after to_seq
};

struct Parked {
  std::vector<RowRef> rows;  // at most kParkedMax
  bool overflow = false;
};

// From where a peer's feed is wanted.
struct FeedOpened {
  PerLane<uint64_t> seq;
  // A start in the peer's history whose last_seq is below the cursor kept: its disk went back. The newest; 0: none.
  uint64_t rolled_back_epoch = 0;
  uint64_t head = 0;  // of our own feed in the same transaction
};

struct CommitResult {
  // InvalidArgument: a row that does not decode, the peer is closed. Any other error: the peer is asked to send again.
  absl::Status status;
  uint64_t head = 0;    // of our feed, this commit included, also when nothing changed
  uint64_t cursor = 0;  // of the lane after it; with a range
  size_t changed = 0;   // rows
  size_t conflicts = 0; // rows that now hold concurrent siblings
  // Rows whose version vector was equal to ours and that were not: a bug, there is an event.
  std::vector<RowRef> diverged;
  std::optional<Parked> parked;  // when this commit changed which rows are parked
};

// Who holds a write, for wait=all. Keep one per waiting request: who once did, does [A11].
struct Waiter {
  std::set<std::string> satisfied;  // uids
};

struct WaitReport {
  std::vector<Member> members;
  std::vector<Member> enforced;
  std::vector<Member> pending;
  std::vector<Member> unreachable;  // no stream to it, whoever else relays
  std::vector<Member> not_serving;  // has it on disk, and no data plane runs
  bool complete() const { return pending.empty() && unreachable.empty(); }
};

// kCaughtUp and kStale may admit once the data plane has applied admit_seq().
enum class Admission : uint8_t {
  kWaiting,   // not caught up
  kCaughtUp,
  kStale,     // join_sync_timeout passed with no stream up, and stale_policy allows
};

struct PeerStatus {
  Member member;
  bool streaming = false;  // there is a stream and its Cursor came
  bool caught_up = false;
  bool serving = false;
  bool synced = false;     // we have everything of it that we know of
  uint64_t head = 0;       // of its feed
  PerLane<uint64_t> cursor;    // ours in its feed
  uint64_t lag_entries = 0;    // positions of its feed that we lack
  Duration lag;                // since when
  PerLane<uint64_t> acked;     // its in our feed
  PerLane<int64_t> enforced;   // likewise
  uint64_t behind_entries = 0; // positions of our feed that it lacks
  size_t parked = 0;
  Instant last_heard;
};

struct Counters {
  uint64_t rows_in = 0;
  uint64_t rows_out = 0;
  uint64_t rows_changed = 0;
  uint64_t conflicts = 0;
  uint64_t frames_in = 0;
  uint64_t frames_out = 0;
  uint64_t full_syncs = 0;  // streams on which we read a peer's feed from 0
  uint64_t rewinds = 0;
  uint64_t gaps = 0;
  uint64_t bad_frames = 0;
  uint64_t commit_failures = 0;
  uint64_t digest_rounds = 0;
  uint64_t digest_differences = 0;  // rows
  uint64_t diverged = 0;            // equal version vectors, different rows: a bug
};

class Replicator {
 public:
  Replicator(Instant now, Config config, StartState start, uint64_t seed);
  ~Replicator();
  Replicator(const Replicator&) = delete;
  Replicator& operator=(const Replicator&) = delete;

  // The roster, ourselves included or not. Until the first call nobody counts as caught up. `removed`: uids an operator
  // took out; they are not learned from peers again. Of two uids with one node id the roster's counts.
  void SetMembers(Instant now, std::vector<Member> members, std::vector<std::string> removed, Outbox& out);
  // A fresh node has found its cluster; before any peer is up.
  void SetClusterId(std::string cluster_id) { cluster_id_ = std::move(cluster_id); }
  // This start has founded the cluster: there is nothing to catch up with.
  void Founded(Instant now, Outbox& out);

  // A backup's rows were merged, the restored mark is on disk. They took nothing away: who had caught up serves on, and
  // the mark goes once all members have been caught up with in this start.
  void Restored(Instant now, Outbox& out);

  // What to send first on a new stream, made at that moment; dialled_node_uid is the driver's to fill in.
  Hello MakeHello() const;
  // A stream whose Hello came, from a peer whose identity is proven. An older stream of the same uid is forgotten; the
  // driver delivers nothing of it afterwards.
  void PeerUp(Instant now, Hello hello, Outbox& out);
  void PeerDown(Instant now, std::string_view uid, Outbox& out);
  // Every frame but Hello and Bye.
  void Receive(Instant now, std::string_view uid, Frame frame, Outbox& out);
  // A frame of this Outbox was not taken (no room); nothing but Acks is sent until Writable, then the rows go again.
  void Undelivered(Instant now, std::string_view uid, Outbox& out);
  void Writable(Instant now, std::string_view uid, Outbox& out);

  // The head of our own feed as committed (also after Committed has told it).
  void OnHead(Instant now, uint64_t head, Outbox& out);
  void OnFeedOpened(Instant now, uint64_t token, absl::StatusOr<FeedOpened> opened, Outbox& out);
  void OnFeed(Instant now, uint64_t token, absl::StatusOr<FeedBatch> batch, Outbox& out);
  void Committed(Instant now, uint64_t token, CommitResult result, Outbox& out);
  void OnApplied(Instant now, Applied applied, Outbox& out);
  void OnParked(Instant now, Parked parked, Outbox& out);
  void OnDigest(Instant now, uint64_t token, absl::StatusOr<std::vector<DigestEntry>> entries, Outbox& out);
  void OnRows(Instant now, uint64_t token, absl::StatusOr<std::vector<WireRow>> rows, Outbox& out);

  // Anti-entropy with this peer now, if nothing of it is under way; its round comes besides.
  void Compare(Instant now, std::string_view uid, Outbox& out);

  void Tick(Instant now, Outbox& out);
  Instant NextDeadline() const;

  // --- asked at any time ---
  bool caught_up() const { return caught_up_; }
  Admission admission() const { return admission_; }
  // The data plane may listen once it has applied this much of the running epoch.
  uint64_t admit_seq() const { return admit_seq_; }
  // admission() allows it, and the data plane is up and has applied admit_seq() (once true, always).
  bool may_admit() const { return may_admit_; }
  // The latest time at which we heard of a caught-up peer and had all that it had; `now` for the only member; nothing:
  // not in this life.
  std::optional<Instant> last_synced(Instant now) const;

  // `seq`, `urgent`: the row's place in our feed and its lane as they are NOW, not when it was written [A11].
  // `parked_here`: its newest value is not in force at ourselves.
  WaitReport Report(const RowRef& row, uint64_t seq, bool urgent, bool parked_here, Waiter& waiter) const;

  // Ourselves included, by uid.
  std::vector<Member> Members() const;
  std::vector<PeerStatus> Peers(Instant now) const;
  const Counters& counters() const { return counters_; }
  uint64_t head() const { return history_.back().last_seq; }

 private:
  friend class PeerSession;
  // In whose name a token was given out. An answer for a stream that is gone reaches nobody.
  struct Pending {
    enum class Kind : uint8_t { kOpen, kFeed, kCommit, kDigest, kRows };
    Kind kind = Kind::kOpen;
    std::string uid;
    uint64_t serial = 0;  // of the stream
    Lane lane = Lane::kBulk;
    std::optional<FeedRange> range;
  };

  uint64_t epoch() const { return history_.back().epoch; }
  PeerSession* Find(std::string_view uid) const;
  uint64_t Token(Pending::Kind kind, const PeerSession& peer, Lane lane = Lane::kBulk,
                 std::optional<FeedRange> range = std::nullopt);
  std::optional<Pending> Take(uint64_t token, Pending::Kind kind);
  PeerSession* Asker(const Pending& pending) const;
  void Drop(Instant now, std::string_view uid);
  void CloseOf(Instant now, std::string uid, CloseReason reason, std::string message, Outbox& out);
  void RaiseHead(uint64_t head);
  void Learn(const std::vector<Member>& members, Outbox& out);
  void NoteRolledBack(uint64_t epoch, std::string_view by, Outbox& out);
  // After every input: admission, then what each stream can send now.
  void Settle(Instant now, Outbox& out);
  void Review(Instant now, Outbox& out);
  void Admit(Instant now, Admission admission, Outbox& out);
  bool SyncedWithAll() const;
  bool Alone() const;
  void BeginRound(Instant now, Outbox& out);
  uint64_t AppliedSeq() const;
  Duration Jitter(Duration d);

  const Config config_;
  Rng rng_;
  std::string cluster_id_;
  const Member self_;
  std::vector<FeedEpoch> history_;
  bool restored_ = false;
  bool rolled_back_ = false;
  uint64_t settled_epoch_ = 0;
  Parked parked_;
  Applied applied_;

  bool members_known_ = false;
  std::map<std::string, std::string> roster_;   // uid -> node id
  std::map<std::string, std::string> learned_;  // likewise, from peers only
  std::set<std::string> removed_;
  std::set<std::string> synced_;  // uids of whom we have had all that some Hello of theirs named

  std::map<std::string, std::unique_ptr<PeerSession>, std::less<>> peers_;
  std::map<uint64_t, Pending> pending_;
  uint64_t next_token_ = 1;
  uint64_t next_serial_ = 1;

  bool caught_up_ = false;
  Admission admission_ = Admission::kWaiting;
  uint64_t admit_seq_ = 0;
  bool may_admit_ = false;
  Instant lonely_since_;  // when the last stream went, or the start
  std::optional<Instant> last_synced_;
  Instant next_round_;
  uint64_t round_ = 0;
  Counters counters_;
};

}  // namespace aurora::replication
