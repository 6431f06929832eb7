// Store: the one writer of aurora.db, on a thread of its own.
// Source: replication.md section 1, architecture.md section 3.
// Thread: every public method may be called from any thread; callbacks
// run on the store thread and must not block (post on). A request the full queue refuses is
// answered at once on the caller's thread. Every callback runs exactly once. Group commit: what
// waits is written in one transaction of at most kCommitWindow, kBatchMax requests, then fsynced
// (synchronous=FULL), then answered. Row, value in force and change entry are one transaction.
// Errors in callbacks: the edit's own status; FailedPrecondition = the file was deleted or
// replaced, or its schema is newer; DataLoss = corrupt; ResourceExhausted = disk or queue full;
// Unavailable = not open yet or stopping. Invariant: an answered write survives kill -9 and power
// loss; a refused one left nothing behind.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controlplane/replication/row.h"
#include "controlplane/store/reader.h"
#include "shared/base/string_map.h"
#include "shared/base/time.h"

namespace aurora::store {

inline constexpr Duration kCommitWindow = Duration::Millis(5);
inline constexpr size_t kBatchMax = 1'000;
inline constexpr size_t kQueueMax = 65'536;
inline constexpr int64_t kEventsKept = 10'000;
// Of bulk, what one transaction takes at most, and after how many rows it looks whether something else waits.
inline constexpr size_t kBulkRowsPerCommit = 2'048;
inline constexpr Duration kBulkWindow = Duration::Millis(40);
inline constexpr size_t kBulkSlice = 128;

// Siblings + facts -> the value in force (nothing = deleted). An error refuses a local write and
// parks a merged row.
using Resolve = std::function<absl::StatusOr<std::optional<std::string>>(
    std::string_view kind, std::string_view id, const replication::Row& row)>;
using ResolveTable = StringMap<Resolve>;  // by kind
// [A7] What facts make of the last good value of a row that does not resolve here; nothing = nothing in force. It can
// only get stricter. Kinds without one: the last good value stays until a fact speaks against it, then nothing.
using ApplyFacts = std::function<std::optional<std::string>(std::string_view last_good, const replication::Facts&)>;
using FactsTable = StringMap<ApplyFacts>;  // by kind

// What an edit may look at; lives for the call.
struct EditContext {
  const Entry& current;         // an empty row for a new id
  const replication::Dot& dot;  // the dot this write takes
  const replication::Hlc& hlc;  // and its time
  Reader& reader;               // other rows, inside the same transaction
};

// Runs on the store thread inside the transaction, exactly once per request. Nothing = already as
// wanted: answered without a write. An error is the answer. A write with a spec whose row would be larger than
// replication::kWrittenBytesMax is refused (InvalidArgument): it would reach no other node; facts always pass.
using Edit = std::function<absl::StatusOr<std::optional<replication::Write>>(const EditContext&)>;

struct WriteRequest {
  std::string kind;
  std::string id;  // "" = a new row, whose id is the dot of this write
  Edit edit;
  std::optional<AuditEntry> audit;  // written with the row; seq, at_ms, kind and id are filled in
  // A second write in the same transaction, made of the first one's dot and id; refused, neither is made.
  std::function<WriteRequest(const std::string& id)> then = nullptr;
};

struct WriteResult {
  Entry entry;  // after the write
  bool changed = false;
  bool created = false;  // nothing was in force before it
  std::optional<Entry> followed;  // of WriteRequest::then; absent when the first changed nothing
};

struct StoreMetrics;  // store_metrics.h
class Writer;         // writer.h

enum class State { kOpening, kOpen, kReplaced, kCorrupt, kFailed, kStopped };
std::string_view StateName(State state);

struct StoreState {
  State state = State::kOpening;
  std::string reason;  // empty when open
};

struct StoreOptions {
  std::string path;
  std::string vfs;             // tests
  std::string fresh_node_uid;  // taken if the file has none: 32 hex digits
  uint64_t epoch = 0;          // random, not 0, new at every start
  ResolveTable resolve;
  FactsTable facts;
  std::function<uint64_t()> wall_ms;  // Unix ms; empty = the system's
  Duration watch_every = Duration::Seconds(1);
  std::function<void(const StoreState&)> on_state;  // on the store thread, at each change
  // On the store thread: a commit moved the feed to `head`; before that commit's answers. `urgent`: the last place in
  // it of a write of this node's in the REVOKE lane; 0: none.
  std::function<void(uint64_t head, uint64_t urgent)> on_head;
};

class Store {
 public:
  using WriteCallback = std::function<void(absl::StatusOr<WriteResult>)>;
  using DoneCallback = std::function<void(absl::Status)>;
  using MergeCallback = std::function<void(absl::StatusOr<MergeResult>)>;
  using FeedCallback = std::function<void(absl::StatusOr<replication::FeedOpened>)>;
  using DigestCallback = std::function<void(absl::StatusOr<std::vector<replication::DigestEntry>>)>;

  // Starts the thread and returns; a file that cannot be opened is a state, not an error, and is
  // retried.
  explicit Store(StoreOptions options);
  // Answers what is queued, closes the file, joins.
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  void Submit(WriteRequest request, WriteCallback done);
  // The cursor of `range` (of the feed of `peer_uid`) moves in the transaction of the last rows; a row that brings
  // nothing writes nothing, the cursor moves all the same [A10]. InvalidArgument: a row does not decode, nothing was
  // merged. REVOKE is one transaction. Merges of the BULK lane and without a range wait behind everything else and may
  // be several (store_thread.h), so that writes and revocations do not wait for them; after an error the rows of the
  // first of them may be there.
  void Merge(std::vector<WireRow> rows, std::string peer_uid, std::optional<FeedRange> range, MergeCallback done);
  // [A9] Decides, and stores, from where the feed of a peer is wanted; `history` of its Hello, the running epoch last.
  void OpenFeed(std::string peer_uid, std::vector<FeedEpoch> history, FeedCallback done);
  // Caught up with everyone: drops kMetaRestored, sets kMetaSettledEpoch to the running epoch.
  void Settle(DoneCallback done = {});
  // What replication::ReadDigest asks for, after everything submitted before (bulk merges apart) is committed.
  void Digest(replication::DigestLevel level, std::string kind, uint32_t bucket, DigestCallback done);
  // `apply` in a transaction that waits behind everything else, bulk merges by turns. An error it returns without
  // Writer::failure() is the answer alone: what it has written stays.
  void Background(std::function<absl::Status(Writer&, uint64_t wall_ms)> apply, DoneCallback done);
  void AppendEvent(std::string severity, std::string type, std::string message,
                   DoneCallback done = {});
  // Of what is no row's change; seq and at_ms are filled in.
  void AppendAudit(AuditEntry entry, DoneCallback done = {});
  void SetMeta(std::string key, std::string value, DoneCallback done = {});
  // Runs `read` on the store thread after everything submitted before it (bulk merges apart) is committed; not run
  // when the file is not open (then `done` says why). `done` gets what `read` returns.
  void Read(std::function<absl::Status(Reader&)> read, DoneCallback done);

  StoreState state() const;
  // Blocks until the state is not kOpening (start-up, tests).
  StoreState WaitOpened() const;
  // Of this start; empty node_uid until opened.
  replication::Origin origin() const;
  // The head of the change feed as last committed.
  schema::Position head() const;
  const StoreMetrics& metrics() const;

 private:
  class Thread;
  std::unique_ptr<Thread> thread_;
};

}  // namespace aurora::store
