#include "controlplane/store/backup.h"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "controlplane/store/reader.h"
#include "controlplane/store/row_codec.h"
#include "shared/base/status.h"
#include "shared/crypto/encoding.h"
#include "shared/crypto/sha256.h"
#include "shared/schema/aurora_db.h"
#include "shared/schema/sum.h"
#include "shared/sqlite/backup.h"

namespace aurora::store {
namespace {

constexpr int kPagesPerStep = 256;

absl::Status Errno(const std::string& what) {
  const std::string message = what + ": " + std::strerror(errno);
  return errno == ENOSPC ? ResourceExhausted(message) : errno == EEXIST ? AlreadyExists(message) : Internal(message);
}

absl::Status SyncPath(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC);
  if (fd < 0) {
    return Errno(path);
  }
  const bool synced = ::fsync(fd) == 0;
  const absl::Status status = synced ? absl::OkStatus() : Errno(path);
  ::close(fd);
  return status;
}

// Made by us, so that nobody else can read it from the first byte on.
absl::Status MakeEmpty(const std::string& path) {
  const int fd = ::open(path.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0) {
    return Errno(path);
  }
  ::close(fd);
  return absl::OkStatus();
}

void Remove(const std::string& path) {
  for (const char* suffix : {"", "-journal", "-wal", "-shm"}) {
    std::error_code gone;
    std::filesystem::remove(path + suffix, gone);
  }
}

sqlite::Options Plain(bool query_only) {
  sqlite::Options options;
  options.wal = false;
  options.query_only = query_only;
  return options;
}

struct Content {
  int64_t rows = 0;
  std::string sha256;
};

// Also decodes each row.
absl::StatusOr<Content> ReadContent(sqlite::Database& db) {
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement s, db.Prepare("SELECT kind, id, row FROM row ORDER BY kind, id"));
  crypto::Sha256 hash;
  Content content;
  while (true) {
    AURORA_ASSIGN_OR_RETURN(const bool there, s.Step());
    if (!there) {
      break;
    }
    ++content.rows;
    for (const std::string_view part : {s.Text(0), s.Text(1), s.Blob(2)}) {
      hash.Update(std::to_string(part.size()) + ":").Update(part);
    }
    AURORA_RETURN_IF_ERROR(WithContext(db.path(), DecodeStored(s.Text(0), s.Text(1), s.Blob(2)).status()));
  }
  const crypto::Digest digest = hash.Finish();
  content.sha256 =
      crypto::HexLower(std::string_view(reinterpret_cast<const char*>(digest.data()), digest.size()));
  return content;
}

absl::Status WriteManifest(sqlite::Database& db, int64_t wall_ms) {
  AURORA_ASSIGN_OR_RETURN(const Content content, ReadContent(db));
  AURORA_RETURN_IF_ERROR(db.Execute("DROP TABLE IF EXISTS backup; CREATE TABLE backup (key TEXT PRIMARY KEY, value)"));
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement put, db.Prepare("INSERT INTO backup (key, value) VALUES (?1, ?2)"));
  AURORA_RETURN_IF_ERROR(put.BindText(1, "created_ms").Bind(2, wall_ms).Run());
  AURORA_RETURN_IF_ERROR(put.BindText(1, "rows").Bind(2, content.rows).Run());
  return put.BindText(1, "sha256").BindText(2, content.sha256).Run();
}

absl::StatusOr<std::string> Manifest(sqlite::Database& db, std::string_view key) {
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement s, db.Prepare("SELECT value FROM backup WHERE key = ?1"));
  s.BindText(1, key);
  AURORA_ASSIGN_OR_RETURN(const bool there, s.Step());
  return there ? std::string(s.Text(0)) : std::string();
}

absl::StatusOr<std::string> MetaOrEmpty(Reader& reader, std::string_view key) {
  absl::StatusOr<std::string> value = reader.Meta(key);
  return absl::IsNotFound(value.status()) ? std::string() : value;
}

int64_t NumberOr(std::string_view text, int64_t fallback) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : fallback;
}

absl::StatusOr<sqlite::Database> OpenBackup(const std::string& path) {
  AURORA_RETURN_IF_ERROR(sqlite::FileIdentity::OfPath(path).status());
  AURORA_ASSIGN_OR_RETURN(sqlite::Database db, sqlite::Database::Open(path, Plain(true)));
  AURORA_ASSIGN_OR_RETURN(const int64_t tables,
                          db.QueryInt64("SELECT COUNT(*) FROM sqlite_schema WHERE name IN ('backup', 'row', 'meta')"));
  if (tables != 3) {
    return DataLoss(path + " is no backup of aurora.db");
  }
  return db;
}

absl::Status CopyTo(const std::string& aurora_path, const std::string& to, int64_t wall_ms,
                    const std::function<bool()>& go_on) {
  AURORA_RETURN_IF_ERROR(sqlite::FileIdentity::OfPath(aurora_path).status());
  AURORA_ASSIGN_OR_RETURN(sqlite::Database from, schema::OpenAuroraForRead(aurora_path));
  AURORA_ASSIGN_OR_RETURN(const sqlite::Transaction view, sqlite::Transaction::BeginRead(from));
  AURORA_RETURN_IF_ERROR(schema::HeadPosition(from).status());  // the first read pins the view
  AURORA_ASSIGN_OR_RETURN(sqlite::Database copy, sqlite::Database::Open(to, Plain(false)));
  AURORA_RETURN_IF_ERROR(sqlite::CopyOnline(from, copy, kPagesPerStep, go_on));
  AURORA_RETURN_IF_ERROR(copy.Execute("PRAGMA journal_mode=DELETE"));
  return WriteManifest(copy, wall_ms);
}

absl::StatusOr<BackupInfo> InfoOf(sqlite::Database& db, const std::string& path) {
  BackupInfo info;
  info.path = path;
  AURORA_ASSIGN_OR_RETURN(info.schema, db.QueryInt64("PRAGMA user_version"));
  if (info.schema > schema::kAuroraVersion) {
    return FailedPrecondition(path + " has schema " + std::to_string(info.schema) + ", this program knows " +
                              std::to_string(schema::kAuroraVersion));
  }
  AURORA_ASSIGN_OR_RETURN(info.sha256, Manifest(db, "sha256"));
  AURORA_ASSIGN_OR_RETURN(const std::string rows, Manifest(db, "rows"));
  AURORA_ASSIGN_OR_RETURN(const std::string created, Manifest(db, "created_ms"));
  info.rows = NumberOr(rows, -1);
  info.created_ms = NumberOr(created, 0);
  AURORA_ASSIGN_OR_RETURN(const schema::Position head, schema::HeadPosition(db));
  info.epoch = head.epoch;
  info.seq = head.seq;
  Reader reader(&db);
  AURORA_ASSIGN_OR_RETURN(info.node_uid, MetaOrEmpty(reader, schema::kMetaNodeUid));
  AURORA_ASSIGN_OR_RETURN(info.cluster_id, MetaOrEmpty(reader, schema::kMetaClusterId));
  std::error_code unknown;
  info.bytes = std::filesystem::file_size(path, unknown);
  return info;
}

}  // namespace

absl::StatusOr<BackupInfo> PeekBackup(const std::string& path) {
  AURORA_ASSIGN_OR_RETURN(sqlite::Database db, OpenBackup(path));
  return InfoOf(db, path);
}

absl::StatusOr<BackupInfo> VerifyBackup(const std::string& path) {
  AURORA_ASSIGN_OR_RETURN(sqlite::Database db, OpenBackup(path));
  AURORA_RETURN_IF_ERROR(db.QuickCheck());
  AURORA_ASSIGN_OR_RETURN(BackupInfo info, InfoOf(db, path));
  AURORA_ASSIGN_OR_RETURN(const Content content, ReadContent(db));
  if (content.sha256 != info.sha256 || content.rows != info.rows) {
    return DataLoss(path + ": its rows are not those that were backed up (" + std::to_string(content.rows) + " of " +
                    std::to_string(info.rows) + ", SHA-256 " + content.sha256 + ", not " + info.sha256 + ")");
  }
  return info;
}

absl::StatusOr<BackupInfo> CreateBackup(const std::string& aurora_path, const std::string& to, int64_t wall_ms,
                                        const std::function<bool()>& go_on) {
  std::error_code error;
  if (std::filesystem::exists(to, error)) {
    return AlreadyExists(to + " is there already");
  }
  const std::string making = to + ".tmp";
  Remove(making);
  AURORA_RETURN_IF_ERROR(MakeEmpty(making));
  absl::Status status = CopyTo(aurora_path, making, wall_ms, go_on);
  absl::StatusOr<BackupInfo> info = status.ok() ? VerifyBackup(making) : status;
  if (info.ok()) {
    status = SyncPath(making, O_RDWR);
  }
  if (!info.ok() || !status.ok()) {
    Remove(making);
    return info.ok() ? status : info.status();
  }
  if (::rename(making.c_str(), to.c_str()) != 0) {
    status = Errno(to);
    Remove(making);
    return status;
  }
  AURORA_RETURN_IF_ERROR(SyncPath(std::filesystem::path(to).parent_path().string(), O_RDONLY | O_DIRECTORY));
  info->path = to;
  return info;
}

absl::Status RemoveBackup(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(std::filesystem::symlink_status(path, error))) {
    return NotFound("no file " + path);
  }
  if (::unlink(path.c_str()) != 0) {
    return Errno(path);
  }
  return SyncPath(std::filesystem::path(path).parent_path().string(), O_RDONLY | O_DIRECTORY);
}

absl::StatusOr<std::vector<WireRow>> BackupRows(const std::string& path, const RowRef& after, size_t limit) {
  AURORA_ASSIGN_OR_RETURN(sqlite::Database db, OpenBackup(path));
  AURORA_ASSIGN_OR_RETURN(sqlite::Statement s, db.Prepare("SELECT kind, id, row FROM row WHERE (kind, id) > (?1, ?2) "
                                                          "ORDER BY kind, id LIMIT ?3"));
  s.BindText(1, after.kind).BindText(2, after.id).Bind(3, static_cast<int64_t>(limit));
  std::vector<WireRow> out;
  while (true) {
    AURORA_ASSIGN_OR_RETURN(const bool there, s.Step());
    if (!there) {
      return out;
    }
    WireRow row{std::string(s.Text(0)), std::string(s.Text(1)), ""};
    AURORA_ASSIGN_OR_RETURN(row.row, schema::WithoutSum(schema::kRowColumn, row.kind, row.id, s.Blob(2)));
    out.push_back(std::move(row));
  }
}

}  // namespace aurora::store
