// TrafficFile: traffic.db open for writing, with the statements metering needs.
// Source: shared/schema/traffic_db.h. Thread: one at a time. Errors: Status of SQLite; after one the
// owner drops the object and opens it again. Invariants: no statement is left mid-execution; ids ascend
// over all batches and none is below the time its request ended.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/metering/usage_ring.h"
#include "shared/base/time.h"
#include "shared/schema/usage_batch.h"
#include "shared/sqlite/database.h"

namespace aurora::metering {

class TrafficFile {
 public:
  // Of a usage batch: what one decode takes, and how far apart the ends of its requests may lie, as it is
  // deleted as a whole.
  static constexpr size_t kBatchRows = 4096;
  static constexpr Duration kBatchSpan = Duration::Seconds(1);
  static constexpr size_t kRowsPerPause = 32;

  // `pause` is called between some rows of Add and the next.
  static absl::StatusOr<std::unique_ptr<TrafficFile>> Open(const std::string& path,
                                                           std::function<void()> pause);
  explicit TrafficFile(sqlite::Database db) : db_(std::move(db)) {}

  sqlite::Database& db() { return db_; }
  // Inside the caller's transaction: the metered ones of the `count` oldest records of `ring`, which stay
  // there until Flush.
  absl::Status Add(const UsageRing& ring, size_t count, std::string_view node_id);
  // Writes what was added.
  absl::Status Flush();
  // Adds `n` to a row of `counter`: what must outlive the process.
  absl::Status AddToCounter(std::string_view name, uint64_t n);
  absl::Status ReplaceDiscovered(std::string_view provider, const std::vector<std::string>& models,
                                 int64_t now_ms);
  // One transaction each, about `limit` rows; the number deleted, below `limit` when there are no more.
  // A batch goes when all of its requests began before that.
  absl::StatusOr<int64_t> DeleteBefore(int64_t started_at_us, int64_t limit);
  absl::StatusOr<int64_t> DeleteOldest(int64_t limit);
  // Pages in use, in bytes.
  absl::StatusOr<uint64_t> UsedBytes();
  // Gives at most `pages` free pages back to the file system.
  absl::Status Vacuum(int64_t pages);

 private:
  absl::StatusOr<int64_t> DeleteBatches(int64_t started_at_us, int64_t limit);

  schema::UsageBatchEncoder batch_;
  int64_t last_id_ = 0;
  std::function<void()> pause_;
  sqlite::Database db_;
  sqlite::Statement insert_, delete_list_, insert_list_, delete_before_, delete_audit_, delete_oldest_,
      oldest_batches_, delete_batch_, add_counter_;
};

}  // namespace aurora::metering
