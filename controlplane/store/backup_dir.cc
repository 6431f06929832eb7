#include "controlplane/store/backup_dir.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <system_error>
#include <utility>

#include "shared/base/status.h"

namespace aurora::store {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kNameBytes = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
constexpr size_t kNodeIdMax = 64;

uint64_t SizeOf(const std::string& path) {
  std::error_code missing;
  const auto size = fs::file_size(path, missing);
  return missing ? 0 : size;
}

std::string Mebibytes(uint64_t bytes) {
  return std::to_string((bytes + (1U << 20) - 1) >> 20) + " MiB";
}

// Names without the suffix, ascending. `making`: also removes what is half made; nothing else makes one now.
absl::StatusOr<std::vector<std::string>> Names(const std::string& dir, bool making) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator entries(dir, error);
  if (error == std::errc::no_such_file_or_directory) {
    return names;
  }
  const std::string half = std::string(kBackupSuffix) + ".tmp";
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    const std::string file = entries->path().filename().string();
    if (making && file.find(half) != std::string::npos) {
      std::error_code gone;
      fs::remove(entries->path(), gone);
    } else if (file.size() > kBackupSuffix.size() && file.ends_with(kBackupSuffix)) {
      names.push_back(file.substr(0, file.size() - kBackupSuffix.size()));
    }
  }
  if (error) {
    return Internal(dir + ": " + error.message());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

std::string BackupPath(const std::string& dir, std::string_view name) {
  return dir + "/" + std::string(name) + std::string(kBackupSuffix);
}

std::string DefaultBackupName(int64_t unix_ms, std::string_view node_id) {
  const auto seconds = static_cast<std::time_t>(unix_ms / 1000);
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  std::array<char, 32> stamp{};
  std::strftime(stamp.data(), stamp.size(), "%Y%m%dT%H%M%S", &utc);
  std::array<char, 8> millis{};
  std::snprintf(millis.data(), millis.size(), ".%03dZ", static_cast<int>(unix_ms % 1000));
  std::string name = std::string(stamp.data()) + millis.data() + "-" + std::string(node_id.substr(0, kNodeIdMax));
  for (char& c : name) {
    c = kNameBytes.find(c) == std::string_view::npos ? '-' : c;
  }
  return name;
}

absl::StatusOr<std::vector<BackupFile>> ListBackups(const std::string& dir) {
  AURORA_ASSIGN_OR_RETURN(std::vector<std::string> names, Names(dir, false));
  std::vector<BackupFile> out;
  for (auto name = names.rbegin(); name != names.rend(); ++name) {
    BackupFile file;
    const std::string path = BackupPath(dir, *name);
    absl::StatusOr<BackupInfo> info = PeekBackup(path);
    if (info.ok()) {
      file.info = *std::move(info);
    } else {
      file.problem = Std(info.status().message());
    }
    file.info.path = path;
    file.info.bytes = SizeOf(path);
    file.name = std::move(*name);
    out.push_back(std::move(file));
  }
  return out;
}

absl::Status CheckBackupRoom(const std::string& dir, const std::string& aurora_path) {
  std::error_code error;
  if (fs::create_directories(dir, error) && !error) {
    fs::permissions(dir, fs::perms::owner_all, error);
  }
  if (error) {
    return Internal(dir + ": cannot be made: " + error.message());
  }
  AURORA_ASSIGN_OR_RETURN(const std::vector<std::string> names, Names(dir, true));
  if (names.size() >= kBackupsMax) {
    return ResourceExhausted(dir + " holds " + std::to_string(names.size()) + " backups, at most " +
                             std::to_string(kBackupsMax) + " are kept: delete the ones that are not needed");
  }
  const fs::space_info space = fs::space(dir, error);
  if (error) {
    return Internal(dir + ": " + error.message());
  }
  const uint64_t wanted = SizeOf(aurora_path) + SizeOf(aurora_path + "-wal") + kBackupReserveBytes;
  if (space.available < wanted) {
    return ResourceExhausted("the disk of " + dir + " has " + Mebibytes(space.available) + " free, a backup wants " +
                             Mebibytes(wanted) + ", " + Mebibytes(kBackupReserveBytes) +
                             " of it for the policy itself: free some space, nothing was changed");
  }
  return absl::OkStatus();
}

int64_t NewestBackupMs(const std::string& dir) {
  const auto names = Names(dir, false);
  int64_t newest = 0;
  if (names.ok()) {
    for (const std::string& name : *names) {
      std::error_code error;
      const auto written = fs::last_write_time(BackupPath(dir, name), error);
      if (!error) {
        const auto at = std::chrono::file_clock::to_sys(written).time_since_epoch();
        newest = std::max<int64_t>(newest, std::chrono::duration_cast<std::chrono::milliseconds>(at).count());
      }
    }
  }
  return newest;
}

}  // namespace aurora::store
