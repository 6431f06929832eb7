#include "shared/schema/migrate.h"

#include <string>

#include "shared/base/status.h"

namespace aurora::schema {
namespace {

absl::Status Newer(const sqlite::Database& db, int64_t found, int64_t known) {
  return FailedPrecondition(db.path() + " has schema " + std::to_string(found) +
                            ", this program knows " + std::to_string(known) +
                            ": upgrade this program or restore a backup");
}

}  // namespace

absl::StatusOr<sqlite::Database> OpenOwned(std::string_view path, sqlite::Options options,
                                           std::span<const std::string_view> scripts) {
  options.create = true;
  AURORA_ASSIGN_OR_RETURN(sqlite::Database db, sqlite::Database::Open(path, options));
  AURORA_RETURN_IF_ERROR(Migrate(db, scripts));
  return db;
}

absl::StatusOr<sqlite::Database> OpenBeside(std::string_view path, std::string_view vfs,
                                            int64_t known) {
  sqlite::Options options;
  options.query_only = true;
  options.checkpoint_on_close = false;
  options.vfs = vfs;
  AURORA_ASSIGN_OR_RETURN(sqlite::Database db, sqlite::Database::Open(path, options));
  AURORA_RETURN_IF_ERROR(CheckVersion(db, known));
  return db;
}

absl::Status Migrate(sqlite::Database& db, std::span<const std::string_view> scripts) {
  const auto known = static_cast<int64_t>(scripts.size());
  while (true) {
    AURORA_ASSIGN_OR_RETURN(sqlite::Transaction tx, sqlite::Transaction::Begin(db));
    AURORA_ASSIGN_OR_RETURN(const int64_t found, db.QueryInt64("PRAGMA user_version"));
    if (found > known) {
      return Newer(db, found, known);
    }
    if (found == known) {
      return absl::OkStatus();
    }
    AURORA_RETURN_IF_ERROR(db.Execute(scripts[static_cast<size_t>(found)]));
    AURORA_RETURN_IF_ERROR(db.Execute("PRAGMA user_version=" + std::to_string(found + 1)));
    AURORA_RETURN_IF_ERROR(std::move(tx).Commit());
  }
}

absl::Status CheckVersion(sqlite::Database& db, int64_t known) {
  AURORA_ASSIGN_OR_RETURN(const int64_t found, db.QueryInt64("PRAGMA user_version"));
  if (found > known) {
    return Newer(db, found, known);
  }
  if (found == 0) {
    return Unavailable(db.path() +
                       " has no tables yet: its owner has not finished its first start");
  }
  if (found < known - 1) {
    return FailedPrecondition(db.path() + " has schema " + std::to_string(found) +
                              ", this program reads " + std::to_string(known - 1) + " and " +
                              std::to_string(known));
  }
  return absl::OkStatus();
}

}  // namespace aurora::schema
