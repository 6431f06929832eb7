// Writer: what one transaction on aurora.db does: rows, values in force, change feed, cursors, digests, clock mark,
// events. Source: replication.md section 1 (disk). Thread: one (the store's; a simulator's own). The program goes
// through Store. Use: Begin, any number of Write/Merge/OpenFeed/AppendEvent/SetMeta, Commit or Abandon. Errors: a
// refused edit has written nothing and the transaction goes on; after a failed statement failure() is set and the
// transaction can only be abandoned. Invariants: the head, the mark, the digests and the counts in memory follow the
// disk (an abandoned transaction gives them back); a dot's counter is never given out twice, also after an abandoned
// transaction.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controlplane/replication/hlc.h"
#include "controlplane/store/check.h"
#include "controlplane/store/reader.h"
#include "controlplane/store/store.h"

namespace aurora::store {

inline constexpr int kCheckpointPages = 8'192;

class Writer {
 public:
  // Opens, checks, migrates; takes or keeps the node's uid and records this start's epoch.
  // `options` outlives it. `took`: the seconds of each checkpoint.
  static absl::StatusOr<std::unique_ptr<Writer>> Open(
      const StoreOptions& options, uint64_t wall_ms, const std::function<void(double)>& took = [](double) {});

  absl::Status Begin();
  bool begun() const { return tx_.has_value(); }
  absl::Status Commit();
  void Abandon();
  const absl::Status& failure() const { return failure_; }

  // With its `then`: both or neither.
  absl::StatusOr<WriteResult> Write(const WriteRequest& request, uint64_t wall_ms);
  // Rows and cursor; a row that brings nothing writes nothing, the cursor moves all the same [A10]. `peer_uid`: whose
  // feed the range is of.
  absl::StatusOr<MergeResult> Merge(std::span<const RemoteRow> rows, std::string_view peer_uid,
                                    const std::optional<FeedRange>& range, uint64_t wall_ms);
  // The same in parts, also in several transactions: any number of MergeRows, then EndMerge with the last of them.
  absl::Status MergeRows(std::span<const RemoteRow> rows, uint64_t wall_ms, MergeResult& result);
  absl::Status EndMerge(std::string_view peer_uid, const std::optional<FeedRange>& range, MergeResult& result);
  // Encoded ones. InvalidArgument: one of them does not decode; nothing was merged.
  absl::StatusOr<MergeResult> Merge(std::span<const WireRow> rows, std::string_view peer_uid,
                                    const std::optional<FeedRange>& range, uint64_t wall_ms);
  // [A9] What a peer's Hello makes of our cursors; `history`: the peer's, not empty.
  absl::StatusOr<replication::FeedOpened> OpenFeed(std::string_view peer_uid, std::span<const FeedEpoch> history);
  // Caught up with everyone: the restored mark goes, the running epoch is the settled one.
  absl::Status Settle();
  // What replication::ReadDigest asks for, of the rows as they are inside the transaction.
  absl::StatusOr<std::vector<replication::DigestEntry>> Digest(replication::DigestLevel level, std::string_view kind,
                                                               uint32_t bucket);
  // The parts of a check (check.h): which sets of rows there are; one of them, put right where wanted; and at the end
  // what belongs to no row. Errors: a statement failed.
  absl::StatusOr<std::vector<RowSet>> RowSets();
  absl::Status CheckSet(const RowSet& set, bool repair, CheckReport& report);
  absl::Status CheckRest(bool repair, uint64_t wall_ms, CheckReport& report);
  absl::Status AppendEvent(uint64_t wall_ms, std::string_view severity, std::string_view type,
                           std::string_view message);
  absl::Status AppendAudit(const AuditEntry& audit, uint64_t wall_ms);
  absl::Status SetMeta(std::string_view key, std::string_view value);

  Reader& reader() { return reader_; }
  sqlite::Database& db() { return db_; }
  const sqlite::Database& db() const { return db_; }
  const replication::Origin& origin() const { return origin_; }
  // Inside the transaction too.
  const DigestTree& digests() const { return digests_; }
  const RowCounts& counts() const { return counts_; }
  // As committed.
  schema::Position head() const { return {origin_.epoch, committed_head_}; }

 private:
  Writer(sqlite::Database db, const StoreOptions& options);
  absl::Status PrepareAll();
  absl::Status StartEpoch(uint64_t wall_ms);
  absl::StatusOr<std::string> MetaOr(std::string_view key, std::string_view fallback);
  absl::StatusOr<WriteResult> WriteOne(const WriteRequest& request, uint64_t wall_ms);
  absl::StatusOr<Entry> Current(std::string_view kind, std::string_view id);
  absl::Status LoadSums();
  absl::Status FillColumns();
  absl::Status ProjectParked(uint64_t wall_ms);
  absl::Status MergeOne(const RemoteRow& remote, uint64_t wall_ms, MergeResult& result);
  absl::Status MoveCursor(std::string_view peer_uid, const FeedRange& range, MergeResult& result);
  absl::Status PutCursor(const FeedCursor& cursor);
  absl::StatusOr<uint64_t> CursorAt(uint64_t epoch, Lane lane);
  std::optional<std::string> LastGood(const Entry& before, const replication::Facts& facts) const;
  struct Kept;
  absl::StatusOr<std::vector<Kept>> KeptOf(const RowSet& set);
  std::string WrongWith(const Kept& kept, Entry& right) const;
  absl::Status PutRight(const Kept& kept, Entry right);
  absl::Status CheckSum(const RowSet& set, bool repair, bool untold, CheckReport& report);
  void TakeBack(size_t steps);
  RowDigest Account(const Entry& before, const replication::Row& row, bool parked);
  absl::Status Put(Entry& entry, replication::Row row, std::optional<std::string> resolved,
                   std::optional<std::string> parked);
  absl::Status RaiseMark(const replication::Hlc& hlc);
  absl::Status Audit(AuditEntry audit, const Entry& entry, uint64_t wall_ms);
  // Remembers the first failure of a statement.
  absl::Status Note(absl::Status status);

  sqlite::Database db_;
  Reader reader_;
  const StoreOptions& options_;
  replication::Origin origin_;
  std::optional<replication::HlcClock> clock_;
  uint64_t counter_ = 0;
  uint64_t head_ = 0;
  uint64_t committed_head_ = 0;
  uint64_t mark_ms_ = 0;
  uint64_t committed_mark_ms_ = 0;
  std::optional<sqlite::Transaction> tx_;
  absl::Status failure_;
  DigestTree digests_;
  RowCounts counts_;
  // What this transaction has done to the two above, to take it back.
  struct Step {
    std::string kind;
    uint32_t bucket;
    SetDigest delta;
  };
  std::vector<Step> steps_;
  RowCounts committed_counts_;
  bool parked_changed_ = false;  // since the running MergeRows began
  sqlite::Statement put_row_, put_resolved_, drop_resolved_, put_change_, drop_change_, put_meta_,
      put_event_, trim_events_, put_audit_, drop_meta_, put_cursor_, get_cursor_, trim_cursors_,
      set_rows_, set_digests_;
};

// The newest sibling's time as one number.
int64_t HlcColumn(const replication::Row& row);
// Every sibling is a delete.
bool IsTombstone(const replication::Row& row);

}  // namespace aurora::store
