// Reader: looks into aurora.db: rows, values in force, events, the head of the change feed.
// Source: ours. Thread: one at a time; any number of Readers may be open beside the Store (each has
// a connection). Bounds: lists return at most `limit` (cut to kListMax) entries; go on after the
// last id or seq. Errors: NotFound for no such row; DataLoss for bytes that do not decode; else as
// in shared/sqlite/status.h. What replication asks (from FeedBatch on) needs a file of the newest
// schema: the Store's own, or one that a Store has opened.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "controlplane/replication/row.h"
#include "controlplane/store/digest.h"
#include "controlplane/store/feed.h"
#include "shared/schema/aurora_db.h"

namespace aurora::store {

inline constexpr size_t kListMax = 10'000;

struct Entry {
  std::string kind;
  std::string id;
  replication::Row row;
  std::optional<std::string> resolved;  // the value in force; absent = nothing in force (deleted)
  std::optional<std::string> parked;    // why the newest siblings are not in force here
  uint64_t seq = 0;                     // its place in the change feed
};

struct RowCounts {
  int64_t rows = 0;
  int64_t tombstones = 0;  // every sibling is a delete
  int64_t parked = 0;      // the newest value is not in force here
  int64_t conflicts = 0;   // more than one sibling
  bool operator==(const RowCounts&) const = default;
};

struct Event {
  int64_t seq = 0;
  int64_t at_ms = 0;
  std::string severity;  // info | warning | critical
  std::string type;      // snake_case
  std::string message;
};

struct AuditEntry {
  int64_t seq = 0;
  int64_t at_ms = 0;
  std::string actor;
  std::string action;
  std::string kind;
  std::string id;
  std::string detail;
};

class Reader {
 public:
  static absl::StatusOr<std::unique_ptr<Reader>> Open(std::string_view path);
  // Borrows the database (the Store's own, inside its transaction).
  explicit Reader(sqlite::Database* db) : db_(db) {}
  ~Reader();
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  absl::StatusOr<Entry> Get(std::string_view kind, std::string_view id);
  // By id, ids > `after`. `live_only`: only those with a value in force.
  absl::StatusOr<std::vector<Entry>> List(std::string_view kind, std::string_view after,
                                          size_t limit, bool live_only = true);
  // How many have a value in force.
  absl::StatusOr<int64_t> CountLive(std::string_view kind);
  // Rows changed after `seq`, ascending by seq.
  absl::StatusOr<std::vector<Entry>> Changes(uint64_t after_seq, size_t limit);
  absl::StatusOr<std::vector<Event>> Events(int64_t after_seq, size_t limit);
  // Newest first, seq < `before_seq` (0 = from the newest).
  absl::StatusOr<std::vector<AuditEntry>> Audit(int64_t before_seq, size_t limit);
  absl::StatusOr<schema::Position> Head();
  // NotFound when absent.
  absl::StatusOr<std::string> Meta(std::string_view key);

  // The lane's rows after `after_seq` as replication::ReadFeed wants them: at most `max_rows`, and as many as fit
  // `max_bytes` (one always does). Costs what it returns, also when few urgent rows lie behind many others.
  absl::StatusOr<replication::FeedBatch> FeedBatch(Lane lane, uint64_t after_seq, size_t max_rows, size_t max_bytes);
  // This node's starts, the running one last.
  absl::StatusOr<std::vector<FeedEpoch>> History();
  // All peers', by peer, oldest epoch first.
  absl::StatusOr<std::vector<FeedCursor>> Cursors();
  // These rows as they are now; those that are not there are left out.
  absl::StatusOr<std::vector<WireRow>> Rows(std::span<const RowRef> rows);
  // Names of the first replication::kParkedMax rows whose newest value is not in force here.
  absl::StatusOr<replication::Parked> ParkedNames();
  // The same rows in full, by kind and id, after `after`.
  absl::StatusOr<std::vector<Entry>> Parked(const RowRef& after, size_t limit);
  // Rows with more than one sibling, likewise; row.siblings are the values.
  absl::StatusOr<std::vector<Entry>> Conflicts(const RowRef& after, size_t limit);
  // By a scan of all rows; StoreMetrics has the kept numbers.
  absl::StatusOr<RowCounts> Counts();
  // Of one bucket, by id.
  absl::StatusOr<std::vector<std::pair<std::string, RowDigest>>> BucketRows(std::string_view kind, uint32_t bucket);
  // Likewise, of all that the rows hold; computed.
  absl::StatusOr<std::vector<std::pair<std::string, RowDigest>>> BucketContent(std::string_view kind, uint32_t bucket);
  // From the rows themselves, each decoded and hashed: microseconds a row. For a Reader of one's own.
  absl::StatusOr<DigestTree> Recount();

 private:
  absl::StatusOr<sqlite::Statement*> Prepared(sqlite::Statement& slot, std::string_view sql);
  static absl::StatusOr<Entry> ReadEntry(const sqlite::Statement& s);
  std::optional<sqlite::Database> own_;
  sqlite::Database* db_ = nullptr;
  // Prepared at first use.
  sqlite::Statement get_, list_live_, list_all_, changes_, events_, audit_, meta_, count_, feed_revoke_, feed_bulk_,
      cursors_, parked_, conflicts_, bucket_, parked_names_, content_;
};

}  // namespace aurora::store
