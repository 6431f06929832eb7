// What a call into the Replicator wants done: frames to send, feed reads, transactions, events. Source: ours.
//
// The driver passes an Outbox, carries it out in the order of the fields, and may reuse it (Clear). Thread: the
// owner's. Tokens are unique for the life of the Replicator; every read and commit is answered exactly once under its
// token, also after an error or when its peer has gone (the Replicator then ignores the answer). Bounds: per peer at
// most one feed read and 2 * Config::window commits a lane, 2 repair commits and kDigestReadsMax anti-entropy reads at
// any time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/replication/frame.h"

namespace aurora::replication {

inline constexpr size_t kDigestReadsMax = 4;

struct Send {
  std::string uid;
  Frame frame;
};

// Rows of one lane of our own feed with seq > after_seq, ascending: at most max_rows, and as many as fit max_bytes of
// WireRow::bytes(), but at least one. Answer with Replicator::OnFeed.
struct ReadFeed {
  uint64_t token = 0;
  std::string uid;
  Lane lane = Lane::kBulk;
  uint64_t after_seq = 0;
  size_t max_rows = 0;
  size_t max_bytes = 0;
};

// [A9] Decide, and store, from where this peer's feed is wanted: the most that any start in `history` says, min(cursor
// kept, last_seq). Answer with Replicator::OnFeedOpened.
struct OpenFeed {
  uint64_t token = 0;
  std::string uid;
  std::vector<FeedEpoch> history;  // of the peer's Hello, not empty, the running start last
};

// Which part of a peer's feed the rows are.
struct FeedRange {
  uint64_t epoch = 0;
  Lane lane = Lane::kBulk;
  uint64_t from_seq = 0;
  uint64_t to_seq = 0;
};

// Merge all rows in one transaction, which also moves the cursor to to_seq if from_seq <= cursor < to_seq [A10]. Answer
// with Replicator::Committed once it is on disk or has failed as a whole.
struct Commit {
  uint64_t token = 0;
  std::string uid;  // of the peer the rows came from
  std::vector<WireRow> rows;
  std::optional<FeedRange> range;  // absent: rows outside the feed
};

// One level of our own digest, by key: kKinds one entry a kind; kBuckets the non-empty buckets of `kind`; kRows the
// rows of `bucket`, at most kDigestEntriesMax. Answer with Replicator::OnDigest.
struct ReadDigest {
  uint64_t token = 0;
  std::string uid;
  DigestLevel level = DigestLevel::kKinds;
  std::string kind;
  uint32_t bucket = 0;
};

// These rows as they are now; those that are not there are left out. Answer with Replicator::OnRows.
struct ReadRows {
  uint64_t token = 0;
  std::string uid;
  std::vector<RowRef> rows;
};

// Send Bye, then close. The Replicator has forgotten the peer already; no PeerDown is needed.
struct Close {
  std::string uid;
  CloseReason reason = CloseReason::kUnspecified;
  std::string message;
};

enum class Severity : uint8_t { kInfo, kWarning, kCritical };

struct Event {
  Severity severity = Severity::kInfo;
  std::string type;  // snake_case
  std::string text;
};

struct Outbox {
  std::vector<Event> events;
  std::vector<OpenFeed> feed_opens;
  std::vector<Commit> commits;
  std::vector<Send> sends;
  std::vector<ReadFeed> feed_reads;
  std::vector<ReadDigest> digest_reads;
  std::vector<ReadRows> row_reads;
  std::vector<Close> closes;
  // Members that a peer knows and that SetMembers has not named yet.
  std::vector<Member> members_learned;
  // Durably: drop the restored mark, and remember our running epoch as StartState::settled_epoch. Caught up with all.
  bool settled = false;
  bool caught_up_changed = false;  // look at caught_up() and admission()
  bool enforced_changed = false;   // a WaitReport may say something new

  void Clear() { *this = Outbox(); }
};

}  // namespace aurora::replication
