// Backups: aurora.db as one file that proves itself, made while the node writes.
// Source: ours. A backup is an SQLite file of the newest schema in journal mode DELETE with a table `backup` that says
// whose it is, of when, and a SHA-256 over all rows. Made under another name, verified, synced, then renamed: a file of
// the final name is whole. Mode 0600: it holds what aurora.db holds, sealed credentials and key hashes. Restoring
// merges its rows (BackupThread::Restore): nothing newer is lost, and no file changes under a reader.
// Thread: any, a connection of their own; seconds for big files. Errors: AlreadyExists for a name that is taken;
// NotFound; DataLoss names what does not fit; ResourceExhausted when the disk is full; Cancelled by `go_on`.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "controlplane/store/feed.h"

namespace aurora::store {

struct BackupInfo {
  std::string path;
  int64_t created_ms = 0;
  std::string node_uid;    // who made it
  std::string cluster_id;  // empty: of no cluster
  uint64_t epoch = 0;
  uint64_t seq = 0;  // its head then
  int64_t schema = 0;
  int64_t rows = 0;
  uint64_t bytes = 0;
  std::string sha256;  // over all rows, hexadecimal
};

absl::StatusOr<BackupInfo> CreateBackup(const std::string& aurora_path, const std::string& to, int64_t wall_ms,
                                        const std::function<bool()>& go_on);
// What the file says of itself: fast, and no proof.
absl::StatusOr<BackupInfo> PeekBackup(const std::string& path);
// Reads all of it: the pages, each row, the digest.
absl::StatusOr<BackupInfo> VerifyBackup(const std::string& path);
// Rows by kind and id after `after`, at most `limit`; fewer: the last ones.
absl::StatusOr<std::vector<WireRow>> BackupRows(const std::string& path, const RowRef& after, size_t limit);
// The file is gone, also after a power cut. NotFound: there is none of that name, or it is no file.
absl::Status RemoveBackup(const std::string& path);

}  // namespace aurora::store
