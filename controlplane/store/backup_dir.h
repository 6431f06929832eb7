// BackupDir: the one folder that backups live in: a file NAME.backup each, and whether one more fits.
// Source: ours. Thread: any. Units: bytes, Unix milliseconds. Bounds: kBackupsMax files are kept, one more is refused:
// only who asks for it deletes one; kBackupReserveBytes of disk stay free for the policy itself.
// Errors: ResourceExhausted = too many, or no room, with the numbers; else the system's. Names are the caller's to
// check: they hold no '/'. Always: what a crash left half made (*.backup.tmp) is no backup and goes with the next one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "controlplane/store/backup.h"

namespace aurora::store {

inline constexpr size_t kBackupsMax = 100;
inline constexpr uint64_t kBackupReserveBytes = uint64_t{32} << 20;
inline constexpr std::string_view kBackupSuffix = ".backup";

std::string BackupPath(const std::string& dir, std::string_view name);
// "20261126T095807.123Z-NODE": sorts by time. `node_id` is cut, and what a name may not hold becomes '-'.
std::string DefaultBackupName(int64_t unix_ms, std::string_view node_id);

struct BackupFile {
  std::string name;
  BackupInfo info;      // as the file says of itself, not verified; path and bytes in any case
  std::string problem;  // why it is of no use, as far as a look tells
};
// By name, the last first; a folder that is not there has none.
absl::StatusOr<std::vector<BackupFile>> ListBackups(const std::string& dir);

// Before a backup of `aurora_path` is made in `dir`, one at a time. Makes the folder, its owner's alone.
absl::Status CheckBackupRoom(const std::string& dir, const std::string& aurora_path);
// When the newest file of `dir` was written; 0: there is none.
int64_t NewestBackupMs(const std::string& dir);

}  // namespace aurora::store
