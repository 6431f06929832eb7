// Writer: what one transaction on aurora.db does: rows, values in force, change feed, clock mark,
// events. Source: replication.md section 1 (disk). Thread: the store's. Not public: Store is. Use:
// Begin, any number of Write/Merge/AppendEvent/SetMeta, Commit or Abandon. Errors: a refused edit
// has written nothing and the transaction goes on; after a failed statement failure() is set and
// the transaction can only be abandoned. Invariants: the head and the mark in memory follow the
// disk (an abandoned transaction gives them back); a dot's counter is never given out twice, also
// after an abandoned transaction.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controlplane/replication/hlc.h"
#include "controlplane/store/reader.h"
#include "controlplane/store/store.h"

namespace aurora::store {

class Writer {
 public:
  // Opens, checks, migrates; takes or keeps the node's uid and records this start's epoch.
  // `options` outlives it.
  static absl::StatusOr<std::unique_ptr<Writer>> Open(const StoreOptions& options,
                                                      uint64_t wall_ms);

  absl::Status Begin();
  bool begun() const { return tx_.has_value(); }
  absl::Status Commit();
  void Abandon();
  const absl::Status& failure() const { return failure_; }

  absl::StatusOr<WriteResult> Write(const WriteRequest& request, uint64_t wall_ms);
  absl::Status Merge(const RemoteRow& remote, uint64_t wall_ms);
  absl::Status AppendEvent(uint64_t wall_ms, std::string_view severity, std::string_view type,
                           std::string_view message);
  absl::Status SetMeta(std::string_view key, std::string_view value);

  Reader& reader() { return reader_; }
  sqlite::Database& db() { return db_; }
  const replication::Origin& origin() const { return origin_; }
  // As committed.
  schema::Position head() const { return {origin_.epoch, committed_head_}; }

 private:
  Writer(sqlite::Database db, const StoreOptions& options);
  absl::Status PrepareAll();
  absl::Status StartEpoch(uint64_t wall_ms);
  absl::StatusOr<std::string> MetaOr(std::string_view key, std::string_view fallback);
  absl::StatusOr<Entry> Current(std::string_view kind, std::string_view id);
  absl::Status Put(Entry& entry, replication::Row row, std::optional<std::string> resolved,
                   std::optional<std::string> parked);
  absl::Status RaiseMark(const replication::Hlc& hlc);
  absl::Status Audit(const AuditEntry& entry, const WriteRequest& request, uint64_t wall_ms);
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
  sqlite::Statement put_row_, put_resolved_, drop_resolved_, put_change_, drop_change_, put_meta_,
      put_event_, trim_events_, put_audit_;
};

}  // namespace aurora::store
