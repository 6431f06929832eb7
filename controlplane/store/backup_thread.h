// BackupThread: backups made, verified, restored and deleted beside the Store, one at a time, on a thread of its own.
// Source: ours. Thread: methods from any thread; callbacks run on the backup's thread, exactly once. Bounds:
// kBackupQueueMax wait; one more is answered ResourceExhausted on the caller's thread; what a folder takes:
// backup_dir.h. Errors: backup.h's; Cancelled when it ends. Restore: the backup's rows are merged into the running
// database as if a peer had sent them, page by page, so a restore that is cut short is gone on with by doing it again;
// what is newer here stays, and so does every revocation and deletion made since. Before the first row kMetaRestored is
// set: until all members have been caught up with, a start of this node does not serve. Refused for a backup of another
// cluster, unless `new_cluster`: then there is nobody to wait for. One that this node made before it had a cluster is
// its own. Lifetime: ends before its Store.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "controlplane/store/backup.h"
#include "controlplane/store/store.h"

namespace aurora::store {

inline constexpr size_t kBackupQueueMax = 8;

struct RestoreResult {
  BackupInfo backup;
  size_t rows = 0;
  size_t changed = 0;    // brought something new
  size_t conflicts = 0;  // of these now have concurrent values
};

struct RestoreRequest {
  std::string path;
  bool new_cluster = false;
  AuditEntry audit;  // written before the first row
};

struct BackupStats {
  int64_t last_unix_ms = 0;  // when the last good one was begun; 0 = none
  double last_seconds = 0;
  uint64_t last_bytes = 0;
  uint64_t failures = 0;
};

class BackupThread {
 public:
  using InfoCallback = std::function<void(absl::StatusOr<BackupInfo>)>;
  using DoneCallback = std::function<void(absl::Status)>;
  using RestoreCallback = std::function<void(absl::StatusOr<RestoreResult>)>;

  // `newest_ms`: of a backup that an earlier start made (NewestBackupMs).
  BackupThread(Store* store, std::string aurora_path, std::function<int64_t()> unix_ms, int64_t newest_ms = 0);
  ~BackupThread();
  BackupThread(const BackupThread&) = delete;
  BackupThread& operator=(const BackupThread&) = delete;

  void Create(std::string to, InfoCallback done);
  void Verify(std::string path, InfoCallback done);
  void Delete(std::string path, DoneCallback done);
  void Restore(RestoreRequest request, RestoreCallback done);
  // What runs ends at its next step, what waits or comes later is refused: Cancelled. Does not wait for it.
  void Stop();
  BackupStats stats() const;

 private:
  struct Job {
    std::function<void()> run;
    std::function<void(absl::Status)> refuse;
  };
  void Push(Job job);
  void Run();
  absl::StatusOr<BackupInfo> MakeOne(const std::string& to);
  absl::StatusOr<RestoreResult> RestoreOne(const RestoreRequest& request);
  absl::Status CheckCluster(const RestoreRequest& request, const BackupInfo& backup);

  Store* const store_;
  const std::string aurora_path_;
  const std::function<int64_t()> unix_ms_;
  std::atomic<bool> stop_{false};
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;  // guarded by mutex_
  BackupStats stats_;     // likewise
  std::thread thread_;    // last: it uses all of the above
};

}  // namespace aurora::store
