// Reader: looks into aurora.db: rows, values in force, events, the head of the change feed.
// Source: ours. Thread: one at a time; any number of Readers may be open beside the Store (each has
// a connection). Bounds: lists return at most `limit` (cut to kListMax) entries; go on after the
// last id or seq. Errors: NotFound for no such row; DataLoss for bytes that do not decode; else as
// in shared/sqlite/status.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "controlplane/replication/row.h"
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

 private:
  absl::StatusOr<sqlite::Statement*> Prepared(sqlite::Statement& slot, std::string_view sql);
  static absl::StatusOr<Entry> ReadEntry(const sqlite::Statement& s);
  std::optional<sqlite::Database> own_;
  sqlite::Database* db_ = nullptr;
  // Prepared at first use.
  sqlite::Statement get_, list_live_, list_all_, changes_, events_, audit_, meta_, count_;
};

}  // namespace aurora::store
