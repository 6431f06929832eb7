// TrafficFile: traffic.db open for writing, with the statements metering needs.
// Source: shared/schema/traffic_db.h. Thread: one at a time. Errors: Status of SQLite; after one the
// owner drops the object and opens it again. Invariant: no statement is left mid-execution.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/metering/usage_rows.h"
#include "shared/sqlite/database.h"

namespace aurora::metering {

class TrafficFile {
 public:
  // `pause` is called between a few rows of Insert and the next.
  static absl::StatusOr<std::unique_ptr<TrafficFile>> Open(const std::string& path,
                                                           std::function<void()> pause);
  explicit TrafficFile(sqlite::Database db)
      : rows_(std::make_unique<UsageRows>()), db_(std::move(db)) {}

  sqlite::Database& db() { return db_; }
  // Inside the caller's transaction: the metered ones of the `count` oldest records of `ring`.
  absl::Status Insert(const UsageRing& ring, size_t count, std::string_view node_id);
  // Adds `n` to a row of `counter`: what must outlive the process.
  absl::Status AddToCounter(std::string_view name, uint64_t n);
  absl::Status ReplaceDiscovered(std::string_view provider, const std::vector<std::string>& models,
                                 int64_t now_ms);
  // One transaction each, at most `limit` rows; the number deleted.
  absl::StatusOr<int64_t> DeleteBefore(int64_t started_at_us, int64_t limit);
  absl::StatusOr<int64_t> DeleteOldest(int64_t limit);
  // Pages in use, in bytes.
  absl::StatusOr<uint64_t> UsedBytes();
  // Gives at most `pages` free pages back to the file system.
  absl::Status Vacuum(int64_t pages);

 private:
  std::unique_ptr<UsageRows> rows_;  // outlives db_, which reads it
  sqlite::Database db_;
  sqlite::Statement insert_, delete_list_, insert_list_, delete_before_, delete_audit_,
      delete_oldest_, add_counter_;
};

}  // namespace aurora::metering
